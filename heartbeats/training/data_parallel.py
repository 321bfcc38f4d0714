"""One network trained by several processes on parts of each batch, as one process would train it on whole batches."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from heartbeats.common.ranks import world_size

__all__ = ["SynchronisedBatchNorm", "data_parallel"]


def data_parallel(network: nn.Module) -> nn.Module:
    """What to train: ``network`` itself where there is one process, else a wrapper that shares its gradients.

    The parameters and statistics remain those of ``network``, on its device, and are the same in all processes.
    """
    if world_size() == 1:
        return network
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm1d:
                setattr(module, name, SynchronisedBatchNorm.of(child))
    return DistributedDataParallel(network, forward_sync_buffers=False)


class SynchronisedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation by the mean and variance over all processes' parts of a batch.

    PyTorch's ``SyncBatchNorm`` is for GPUs alone and no ``BatchNorm1d``. Here a part may be empty.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    @classmethod
    def of(cls, other: nn.BatchNorm1d) -> SynchronisedBatchNorm:
        """The same normalisation with shared statistics."""
        made = cls(other.num_features, eps=other.eps, momentum=other.momentum).to(other.weight.device)
        made.load_state_dict(other.state_dict())
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x``, shape (batch, channels, samples); statistics are of single precision under autocast too."""
        if not self.training:
            return super().forward(x)
        values = x.float()
        totals: Tensor = _summed(torch.cat([values.sum(dim=(0, 2)), values.new_full((1,), x.shape[0] * x.shape[2])]))
        count, mean = totals[-1], totals[:-1] / totals[-1]
        centred = values - mean[:, None]
        variance = _summed(centred.square().sum(dim=(0, 2))) / count
        with torch.no_grad():
            momentum = self.momentum or 0.0
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * count / (count - 1), momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        normalised: Tensor = (centred * scale[:, None] + self.bias[:, None]).to(x.dtype)
        return normalised


class _Sum(torch.autograd.Function):
    """The sum of a tensor over the processes. Each one's loss depends on every term, so that gradients add up too."""

    @staticmethod
    def forward(_context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total


def _summed(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total
