"""The 1-D U-Net: for each sample of a lead, a logit of "in a premature ventricular beat" (paper, Discussion).

The paper only names the network (Ronneberger, Fischer and Brox 2015) and lead II. Decided here: a window is 10 s at 500
Hz, and the lowest level of the network, at 3.9 Hz, sees all its beats. Each window is scaled by the height of its own
beats, which differs between patients. A second output marks all other beats; only training uses it.
"""

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from heartbeats.preparation.signals import SAMPLING_RATE

WEIGHTS_FILE = Path(__file__).with_name("pvc_unet.safetensors")
WINDOW = 10 * SAMPLING_RATE
PIECE = 2 * SAMPLING_RATE  # holds at least one beat at 30 beats a minute or more
SMALLEST_SCALE = 50.0  # microvolts: smaller signals are noise; they are not amplified

CHANNELS = (16, 24, 32, 48, 64, 64)
KERNEL = 7
STEM_STRIDE = 4  # to 125 Hz: a wide QRS complex has nothing above 62 Hz
MULTIPLE = STEM_STRIDE * 2 ** (len(CHANNELS) - 1)  # the network works on lengths that are multiples of this
DROPOUT = 0.2


class UNet(nn.Module):
    """Logits of "in a premature ventricular beat" and of "in another beat" for each sample.

    Attributes:
        threshold: scalar; a sample is marked at this probability or above. It is saved with the weights.
    """

    threshold: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv1d(1, CHANNELS[0], 15, stride=STEM_STRIDE, padding=7, bias=False),
            nn.BatchNorm1d(CHANNELS[0]),
            nn.ReLU(),
        )
        inputs = (CHANNELS[0], *CHANNELS[:-1])
        self.down = nn.ModuleList(_block(n, m) for n, m in zip(inputs, CHANNELS, strict=True))
        self.dropout = nn.Dropout(DROPOUT)
        self.up = nn.ModuleList(_block(finer + coarser, finer) for finer, coarser in list(pairwise(CHANNELS))[::-1])
        self.head = nn.Conv1d(CHANNELS[0], 2, 1)
        self.register_buffer("threshold", torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, shape (batch, 2, samples), of scaled windows, shape (batch, samples), of any length."""
        samples = x.shape[-1]
        x = self.stem(F.pad(x, (0, -samples % MULTIPLE)).unsqueeze(1))
        finer: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool1d(x, 2) if level else x)
            finer.append(x)
        x = self.dropout(finer.pop())
        for block in self.up:
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), finer.pop()], dim=1))
        logits = F.interpolate(self.head(x), scale_factor=float(STEM_STRIDE), mode="linear", align_corners=False)
        return logits[..., :samples]


def _block(inputs: int, channels: int) -> nn.Sequential:
    """Return two convolutions that keep the length, each with batch normalisation and ReLU."""
    layers: list[nn.Module] = []
    for n in (inputs, channels):
        convolution = nn.Conv1d(n, channels, KERNEL, padding=KERNEL // 2, bias=False)
        layers += [convolution, nn.BatchNorm1d(channels), nn.ReLU()]
    return nn.Sequential(*layers)


@cache
def load(path: Path = WEIGHTS_FILE) -> UNet:
    """Return a network with its weights and threshold, in evaluation mode. Each file is read once."""
    network = UNet()
    network.load_state_dict(load_file(path))
    return network.eval()


def scaled(windows: npt.NDArray[np.int16] | npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Subtract the median of each window in microvolts, shape (batch, samples), and divide by its scale.

    The scale is the median of the largest deviations in pieces of 2 s. This is the height of the common beat; one tall
    premature beat or one artefact does not change it.
    """
    centred: npt.NDArray[np.float32] = windows.astype(np.float32)
    centred -= np.median(centred, axis=1, keepdims=True)
    starts = PIECE * np.arange(max(1, centred.shape[1] // PIECE))
    heights = np.maximum.reduceat(np.abs(centred), starts, axis=1)
    centred /= np.maximum(np.median(heights, axis=1, keepdims=True), SMALLEST_SCALE)
    return centred
