"""The SE-ResNet of the paper's Figure 2 (section 2.3), in one dimension."""

import scipy.signal
import torch
from torch import Tensor, nn

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.common.settings import NetworkSettings
from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.preparation.leads import LEADS, LIMB_LEADS
from heartbeats.preparation.signals import SAMPLING_RATE


class MeanOverTime(nn.Module):
    """The mean over time, also if appended zeros are cut (see :mod:`heartbeats.networks.inference`).

    Attributes:
        cut: ``None``, or three numbers in input samples: the length left, the length cut, and a position in the zeros
            that are left. All cut positions have the value at that position.
    """

    cut: tuple[int, int, int] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Map shape (batch, channels, samples) to (batch, channels)."""
        if self.cut is None:
            return x.mean(dim=-1)
        length, removed, place = self.cut
        stride = -(-length // x.shape[-1])  # layers round lengths up
        cut = removed // stride
        return (x.sum(dim=-1) + cut * x[..., place // stride]) / (x.shape[-1] + cut)


class Decimation(nn.Module):
    """Keep every n-th sample of a low-pass filtered signal (not in the paper)."""

    weights: Tensor

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = 20 * stride + 1, stride
        weights = torch.from_numpy(scipy.signal.firwin(self.kernel_size, 1 / stride, window=("kaiser", 5.0))).float()
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map shape (batch, leads, samples) to (batch, leads, ceil(samples / stride))."""
        leads = x.shape[1]
        weights = self.weights.expand(leads, 1, -1)
        return nn.functional.conv1d(x, weights, stride=self.stride, padding=self.kernel_size // 2, groups=leads)


class SqueezeExcitation(nn.Module):
    """Scale each channel by a weight between 0 and 1 (Hu et al. 2018, the paper's [7])."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.mean = MeanOverTime()
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map shape (batch, channels, samples) to the same shape."""
        weights = torch.sigmoid(self.excite(torch.relu(self.squeeze(self.mean(x)))))
        return x * weights.unsqueeze(-1)


class SEBlock(nn.Module):
    """Conv7-BN-ReLU-Dropout-Conv7-BN-SE, plus the input, then ReLU.

    Figure 2 is misprinted in four places. The circled plus is an addition, not a concatenation. Only the first block of
    a stage halves the samples, and only by its first convolution. The batch normalisation of the second convolution has
    the stage's channels, not 64.
    """

    def __init__(self, inputs: int, channels: int, settings: NetworkSettings, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(inputs, channels, 7, stride=stride, padding=3, bias=False)
        self.bn1 = nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(settings.dropout)
        self.conv2 = nn.Conv1d(channels, channels, 7, padding=3, bias=False)
        self.bn2 = nn.BatchNorm1d(channels)
        self.se = SqueezeExcitation(channels, settings.reduction) if settings.squeeze_excitation else nn.Identity()
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or inputs != channels:
            conv = nn.Conv1d(inputs, channels, 1, stride=stride, bias=False)
            self.skip = nn.Sequential(conv, nn.BatchNorm1d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map shape (batch, inputs, samples) to (batch, channels, ceil(samples / stride))."""
        y = self.dropout(torch.relu(self.bn1(self.conv1(x))))
        y = self.se(self.bn2(self.conv2(y)))
        return torch.relu(y + self.skip(x))


class SEResNet(nn.Module):
    """The network: eight leads in mV at 500 Hz to logits, by default of the 27 scored classes."""

    combinations: Tensor | None

    def __init__(self, settings: NetworkSettings, outputs: int = len(CLASSES)) -> None:
        super().__init__()
        width = settings.width
        # With leads = 12, the other four limb leads are computed here from I and II.
        matrix = twelve_leads() if settings.leads == len(STANDARD_LEADS) else None
        self.register_buffer("combinations", matrix, persistent=False)
        slower = settings.sampling_rate != SAMPLING_RATE
        self.decimation = Decimation(SAMPLING_RATE // settings.sampling_rate) if slower else nn.Identity()
        self.stem = nn.Sequential(
            nn.Conv1d(settings.leads, width, 15, stride=2, padding=7, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.MaxPool1d(3, stride=2, padding=1),
        )
        self.stages = nn.ModuleList()
        inputs = width
        for stage, blocks in enumerate(settings.blocks):
            channels = width * 2**stage
            layers = []
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(SEBlock(inputs, channels, settings, stride=stride))
                inputs = channels
            self.stages.append(nn.Sequential(*layers))
        self.pooling = MeanOverTime()
        self.head = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map signals in mV, shape (batch, 8, samples), to logits, shape (batch, outputs)."""
        x = self.decimation(x)
        x = self.stem(x if self.combinations is None else self.combinations @ x)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.head(self.pooling(x))
        return logits


def twelve_leads() -> Tensor:
    """Return the twelve standard leads as combinations of the eight prepared ones, float32, shape (12, 8)."""
    rows = torch.zeros(len(STANDARD_LEADS), len(LEADS))
    for row, lead in zip(rows, STANDARD_LEADS, strict=True):
        if lead in LIMB_LEADS:
            row[: len(LIMB_LEADS[lead])] = torch.tensor(LIMB_LEADS[lead])
        else:
            row[LEADS.index(lead)] = 1
    return rows
