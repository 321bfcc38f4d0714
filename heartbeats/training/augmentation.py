"""Random changes of training signals. The paper has none; all are off by default."""

import torch
from torch import Tensor

from heartbeats.common.settings import AugmentationSettings
from heartbeats.preparation.leads import LEADS
from heartbeats.preparation.signals import SAMPLING_RATE

CHEST = len(LEADS) - 2  # the leads after I and II


def augment(x: Tensor, settings: AugmentationSettings) -> Tensor:
    """Return changed signals in mV, shape (batch, 8, samples); the random numbers are torch's of the CPU."""
    if settings.crop:
        windows = x.unfold(-1, min(round(settings.crop * SAMPLING_RATE), x.shape[-1]), 1)
        x = windows[torch.arange(len(x)), :, torch.randint(windows.shape[2], (len(x),))]
    batch, _, samples = x.shape
    if settings.gain:
        x = x * torch.exp(settings.gain * torch.randn(batch, 1, 1)).to(x.device)
    if settings.noise:
        x = x + settings.noise * torch.randn(x.shape).to(x.device)
    if settings.time_shift:
        shift = torch.empty(batch, 1, 1).uniform_(-settings.time_shift, settings.time_shift) * SAMPLING_RATE
        source = torch.arange(samples) - shift.long()
        inside = (source >= 0) & (source < samples)
        x = x.gather(-1, source.clamp(0, samples - 1).expand_as(x).to(x.device)) * inside.to(x.device)
    if settings.lead_dropout:
        kept = torch.rand(batch, CHEST).argsort(dim=1) < torch.randint(CHEST, (batch, 1))
        kept |= torch.rand(batch, 1) >= settings.lead_dropout
        x = x * torch.cat([torch.ones(batch, 2), kept.float()], dim=1).unsqueeze(-1).to(x.device)
    return x
