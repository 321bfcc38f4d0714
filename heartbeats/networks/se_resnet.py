"""The SE-ResNet of the paper's Figure 2 (section 2.3), in one dimension."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.common.settings import NetworkSettings
from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.preparation.preprocessing import LEADS, LIMB_LEADS

__all__ = ["SEBlock", "SEResNet", "SqueezeExcitation", "twelve_leads"]


class SqueezeExcitation(nn.Module):
    """Channel weights between 0 and 1 from the channels' means (Hu et al. 2018, the paper's [7])."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``x``, shape (batch, channels, samples), channel by channel."""
        return x * self.weights(x.mean(dim=-1)).unsqueeze(-1)

    def weights(self, means: Tensor) -> Tensor:
        """The channels' weights, shape (batch, channels), from their means, of that shape."""
        return torch.sigmoid(self.excite(torch.relu(self.squeeze(means))))


class SEBlock(nn.Module):
    """Conv7-BN-ReLU-Dropout-Conv7-BN-SE, plus the input, ReLU.

    Figure 2 is read as misprinted in four places: its circled plus is an addition, not a concatenation; of a stage's
    blocks only the first halves the samples; so does only the first convolution of that block; and the second one's
    batch normalisation has the stage's channels, not 64.
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
        """From shape (batch, inputs, samples) to (batch, channels, ceil(samples / stride))."""
        y = self.dropout(torch.relu(self.bn1(self.conv1(x))))
        y = self.se(self.bn2(self.conv2(y)))
        return torch.relu(y + self.skip(x))


class SEResNet(nn.Module):
    """Logits of the 27 scored classes from eight leads in mV at 500 Hz."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        width = settings.width
        # The other four limb leads are computed here: they are sums of I and II, before as after the denoising.
        self.combinations: Tensor | None
        self.register_buffer(
            "combinations", twelve_leads() if settings.leads == len(STANDARD_LEADS) else None, persistent=False
        )
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
        self.head = nn.Linear(inputs, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (batch, 27), of signals in mV, shape (batch, 8, samples)."""
        x = self.stem(x if self.combinations is None else self.combinations @ x)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.head(x.mean(dim=-1))
        return logits


def twelve_leads() -> Tensor:
    """The twelve standard leads as combinations of the eight stored ones, float32, shape (12, 8)."""
    rows = torch.zeros(len(STANDARD_LEADS), len(LEADS))
    for row, lead in zip(rows, STANDARD_LEADS, strict=True):
        if lead in LIMB_LEADS:
            row[: len(LIMB_LEADS[lead])] = torch.tensor(LIMB_LEADS[lead])
        else:
            row[LEADS.index(lead)] = 1
    return rows
