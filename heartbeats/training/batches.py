"""Batches for training: prepared signals in mV, cut or zero-padded, on the network's device."""

from collections.abc import Sequence

import torch
from torch import Tensor

from heartbeats.preparation.leads import LEADS
from heartbeats.preparation.prepared import PreparedRecording
from heartbeats.preparation.signals import fixed_length

SHARE = 0.5  # of a GPU's free memory, for signals; the network needs the rest


class Batches:
    """All signals of a training. They stay on the GPU if they fit; otherwise each batch is read from the cache."""

    def __init__(self, recordings: Sequence[PreparedRecording], samples: int, device: torch.device) -> None:
        self.recordings, self.samples, self.device = recordings, samples, device
        self.on_gpu: Tensor | None = None
        if device.type == "cuda":
            needed = 2 * len(recordings) * len(LEADS) * samples
            if needed < SHARE * torch.cuda.mem_get_info(device)[0]:
                self.on_gpu = self._load()

    def batch(self, numbers: Tensor) -> Tensor:
        """Return the signals at these indices, float32 in mV, shape (numbers, 8, samples)."""
        if self.on_gpu is not None:
            return self.on_gpu[numbers.to(self.device)].float() / 1000.0
        signals = [self.recordings[number].signal for number in numbers.tolist()]
        return torch.from_numpy(fixed_length(signals, self.samples)).to(self.device)

    def _load(self) -> Tensor:
        """Put all signals on the device, int16 in microvolts, shape (recordings, 8, samples)."""
        values = torch.zeros((len(self.recordings), len(LEADS), self.samples), dtype=torch.int16, device=self.device)
        for row, recording in zip(values, self.recordings, strict=True):
            signal = torch.from_numpy(recording.signal[:, : self.samples])
            row[:, : signal.shape[1]] = signal
        return values
