"""Training by several processes that torchrun starts, one per GPU. Without torchrun there is one process, of rank 0.

Rank 0 prepares, writes and reports; the others wait for it. The model folder must be one that all processes see.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

Value = TypeVar("Value")

# The others wait this long for rank 0, which prepares all recordings first.
PATIENCE = timedelta(days=2)


def _variable(name: str, default: int) -> int:
    """Return a variable of torchrun. Other launchers set some of the same names, which do not count."""
    return int(os.environ[name]) if "TORCHELASTIC_RUN_ID" in os.environ else default


def rank() -> int:
    """Return the number of this process, from 0."""
    return _variable("RANK", 0)


def world_size() -> int:
    """Return the number of processes on all machines."""
    return _variable("WORLD_SIZE", 1)


def is_first() -> bool:
    """Return whether this process writes and reports."""
    return rank() == 0


def device() -> torch.device:
    """Return this process's GPU if there is one, or the CPU.

    Raises:
        OSError: there are fewer GPUs than processes on this machine.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if (number := _variable("LOCAL_RANK", 0)) >= (count := torch.cuda.device_count()):
        raise OSError(f"there are {count} GPUs, and this is process {number + 1}: start one process per GPU")
    return torch.device("cuda", number)


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes; the functions below need this.

    After an exception the group is left as it is: torchrun ends the other processes.
    """
    if world_size() > 1:
        if device().type == "cuda":
            torch.cuda.set_device(device())
        backend = "cpu:gloo,cuda:nccl" if device().type == "cuda" else "gloo"
        # torchrun keeps one store for all starts. Without a prefix, gloo finds the addresses of processes that ended.
        store, number, size = next(distributed.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
        store = distributed.PrefixStore(f"start {_variable('TORCHELASTIC_RESTART_COUNT', 0)}", store)  # type: ignore[attr-defined]
        distributed.init_process_group(backend, store=store, rank=number, world_size=size, timeout=PATIENCE)
    yield
    if world_size() > 1:
        distributed.destroy_process_group()


def broadcast(value: Value) -> Value:
    """Return rank 0's value in every process. Every process must call this."""
    values = [value]
    if world_size() > 1:
        distributed.broadcast_object_list(values, src=0)
    return values[0]


def total(value: float) -> float:
    """Return the sum of a number over all processes. Every process must call this."""
    summed = torch.tensor(value, dtype=torch.float64)
    if world_size() > 1:
        distributed.all_reduce(summed)
    return summed.item()


def data_parallel(network: nn.Module) -> nn.Module:
    """Return the network to train; its parameters stay those of ``network`` and equal in all processes.

    On GPUs batch normalisation uses the whole batch (``SyncBatchNorm``). PyTorch has none for CPUs: there each process
    normalises its own part of the batch.
    """
    if world_size() == 1:
        return network
    if device().type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return DistributedDataParallel(network)
