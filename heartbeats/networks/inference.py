"""Compute probabilities with a trained network's own ``forward``. Two things make it faster.

- Signals of similar length form a batch.
- Most zeros after a short signal are cut. Far from the signal and from the end of the input, each layer's output is
  constant in time. :class:`~heartbeats.networks.se_resnet.MeanOverTime` adds the cut values to its mean.

When a network is loaded, it computes one batch with and without the cut. If probabilities differ by more than 1e-5, for
example because a new layer reads the whole signal, nothing is cut.
"""

import copy
import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from heartbeats.networks.se_resnet import MeanOverTime
from heartbeats.preparation.leads import LEADS
from heartbeats.preparation.signals import SAMPLING_RATE, fixed_length

log = logging.getLogger(__name__)

BATCH_SIZE = 16
TOLERANCE = 1e-5  # difference of probabilities


class InferenceNetwork:
    """A copy of a trained network for inference; later training does not change it.

    Attributes:
        samples: the network's input length at 500 Hz.
        cuts: whether zeros are cut.
        embeddings: the vectors before the head, of the last signals.
    """

    def __init__(self, network: nn.Module, *, seconds: float) -> None:
        self.samples = round(seconds * SAMPLING_RATE)
        self.network = copy.deepcopy(network).eval()
        self.pooled = torch.empty(0)  # what the head got last, shape (batch, channels)
        self.embeddings = np.empty((0, 0), np.float32)
        self.reach, self.stride = receptive_field(self.network)
        noise = torch.randn(2, len(LEADS), min(self.samples, SAMPLING_RATE), generator=torch.Generator().manual_seed(0))
        expected = self._forward(noise, cut=False)
        self.outputs = expected.shape[1]
        try:
            self.cuts = bool((self._forward(noise, cut=True) - expected).abs().max() <= TOLERANCE)
            reason = "its probabilities differ"
        except Exception as error:  # for example a layer that needs the whole input length
            self.cuts, reason = False, str(error)
        if not self.cuts:
            log.info("zeros after a signal cannot be cut (%s)", reason)
        head = getattr(self.network, "head", None)
        if isinstance(head, nn.Module):
            head.register_forward_pre_hook(self._keep)

    def probabilities(self, signals: Sequence[npt.NDArray[np.int16]]) -> npt.NDArray[np.float64]:
        """Return probabilities, shape (signals, classes), of prepared signals: int16 in microvolts, shape (8, any).

        ``embeddings`` then has what the head got, float32, shape (signals, channels).
        """
        lengths = np.array([min(self.samples, signal.shape[1]) for signal in signals])
        order = np.argsort(lengths, kind="stable")
        probabilities = np.empty((len(signals), self.outputs))
        vectors = []
        for start in range(0, len(order), BATCH_SIZE):
            chosen = order[start : start + BATCH_SIZE]
            batch = torch.from_numpy(fixed_length([signals[i] for i in chosen], int(lengths[chosen].max())))
            probabilities[chosen] = self._forward(batch, cut=self.cuts).cpu().numpy()
            vectors += list(self.pooled.cpu().numpy())
        self.embeddings = np.array(vectors)[np.argsort(order)] if vectors else np.empty((len(signals), 0), np.float32)
        return probabilities

    def _keep(self, _: nn.Module, inputs: tuple[Tensor]) -> None:
        (self.pooled,) = inputs

    @torch.inference_mode()
    def _forward(self, x: Tensor, *, cut: bool) -> Tensor:
        """Map signals in mV, shape (batch, 8, samples), to probabilities, float64, shape (batch, classes)."""
        end, margin = x.shape[-1], self.reach // 2 + self.stride
        removed = max(0, self.samples - end - 2 * margin) // self.stride * self.stride if cut else 0
        for module in self.network.modules():
            if isinstance(module, MeanOverTime):
                module.cut = (self.samples - removed, removed, end + margin) if removed else None
        x = functional.pad(x, (0, self.samples - removed - end)).to(next(self.network.parameters()).device)
        # Full precision and deterministic sums on GPUs.
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            return torch.sigmoid(self.network(x).double())


def receptive_field(network: nn.Module) -> tuple[int, int]:
    """Return a network's receptive field and its stride, both in input samples.

    Layers with a kernel of 1 are ignored: they are on the skip connections.
    """
    reach, stride = 1, 1
    for layer in network.modules():
        if hasattr(layer, "kernel_size"):
            kernel, step, dilation = (_first(getattr(layer, n, 1)) for n in ("kernel_size", "stride", "dilation"))
            if kernel > 1:
                reach += dilation * (kernel - 1) * stride
                stride *= step
    return reach, stride


def _first(value: int | tuple[int, ...]) -> int:
    return value[0] if isinstance(value, tuple) else value
