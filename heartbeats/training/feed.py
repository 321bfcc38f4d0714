"""The batches of a network's training: prepared signals as they are stored, cut or zero-padded, in mV, on its device.

On a CUDA device the signals themselves lie there as int16 at their true length, if they fit, and batches are gathered
there: 43,101 recordings are about 3.5 GB. Otherwise a batch is put together from the memory-mapped store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from heartbeats.preparation.preprocessing import LEADS, fixed_length

__all__ = ["Feed", "HostFeed", "ResidentFeed", "make_feed"]

# Of a device's free memory, what signals may take: the rest is the network's.
SHARE = 0.5


class Feed(Protocol):
    """Something that gives batches."""

    index_device: torch.device  # where the numbers of recordings must lie, so that nothing is copied or waited for

    def batch(self, chosen: Tensor) -> Tensor:
        """The signals of these numbers, float32 in mV, shape (chosen, 8, samples), on the training's device."""


class HostFeed:
    """Batches put together on the CPU."""

    def __init__(self, signals: Sequence[npt.NDArray[np.int16]], samples: int, device: torch.device) -> None:
        self.signals, self.samples, self.device = signals, samples, device
        self.index_device = torch.device("cpu")

    def batch(self, chosen: Tensor) -> Tensor:
        """See :class:`Feed`."""
        batch = torch.from_numpy(fixed_length([self.signals[i] for i in chosen.tolist()], self.samples))
        if self.device.type == "cuda":
            return batch.pin_memory().to(self.device, non_blocking=True)
        return batch


class ResidentFeed:
    """Batches gathered on the device, where all signals lie one after the other."""

    def __init__(self, signals: Sequence[npt.NDArray[np.int16]], samples: int, device: torch.device) -> None:
        lengths = torch.tensor([min(samples, signal.shape[1]) for signal in signals], dtype=torch.int64)
        ends = torch.cumsum(len(LEADS) * lengths, 0)
        self.values = torch.empty(int(ends[-1]) if len(ends) else 0, dtype=torch.int16, device=device)
        for signal, end, length in zip(signals, ends.tolist(), lengths.tolist(), strict=True):
            cut = torch.from_numpy(np.array(signal[:, :length], dtype=np.int16).reshape(-1))
            self.values[end - len(LEADS) * length : end] = cut
        self.index_device = device
        self.lengths = lengths.to(device)
        self.starts = (ends - len(LEADS) * lengths).to(device)
        self.leads = torch.arange(len(LEADS), device=device)
        self.times = torch.arange(samples, device=device)
        # On the device: CUDA multiplies by the reciprocal of a number that is on the CPU, which rounds otherwise.
        self.microvolts = torch.tensor(1000.0, device=device)

    def batch(self, chosen: Tensor) -> Tensor:
        """See :class:`Feed`."""
        length, start = self.lengths[chosen][:, None, None], self.starts[chosen][:, None, None]
        inside = self.times < length
        position = start + self.leads[:, None] * length + torch.where(inside, self.times, 0)
        return torch.where(inside, self.values[position], 0).float() / self.microvolts


def make_feed(signals: Sequence[npt.NDArray[np.int16]], samples: int, device: torch.device) -> Feed:
    """A resident feed where the device is a GPU on whose memory the signals fit, else one from the host's."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what an earlier network left to the allocator is free
        needed = sum(2 * len(LEADS) * min(samples, signal.shape[1]) for signal in signals)
        if needed < SHARE * torch.cuda.mem_get_info(device)[0]:
            return ResidentFeed(signals, samples, device)
    return HostFeed(signals, samples, device)
