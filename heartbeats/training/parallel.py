"""Train in several processes, one per GPU. torchrun starts them. Without torchrun, there is one process of rank 0.

Rank 0 prepares, writes and reports; the others wait for it. All processes must share the model folder.
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

# Other ranks wait this long for rank 0, which first prepares all recordings.
TIMEOUT = timedelta(days=2)


def _variable(name: str, default: int) -> int:
    """Return a variable of torchrun. Those of other launchers are ignored."""
    return int(os.environ[name]) if "TORCHELASTIC_RUN_ID" in os.environ else default


def rank() -> int:
    """Return the number of this process, from 0."""
    return _variable("RANK", 0)


def world_size() -> int:
    """Return the number of processes on all machines."""
    return _variable("WORLD_SIZE", 1)


def is_first() -> bool:
    """Return whether this process has rank 0, which writes and reports."""
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
def process_group() -> Iterator[None]:
    """Join the other processes; the functions below need this.

    After an exception, the group is not closed: torchrun ends the other processes.
    """
    if world_size() > 1:
        if device().type == "cuda":
            torch.cuda.set_device(device())
        backend = "cpu:gloo,cuda:nccl" if device().type == "cuda" else "gloo"
        # torchrun keeps its store after a restart. The prefix hides the addresses of ended processes from gloo.
        store, number, size = next(distributed.rendezvous("env://", timeout=TIMEOUT))  # type: ignore[attr-defined]
        store = distributed.PrefixStore(f"start {_variable('TORCHELASTIC_RESTART_COUNT', 0)}", store)  # type: ignore[attr-defined]
        distributed.init_process_group(backend, store=store, rank=number, world_size=size, timeout=TIMEOUT)
    yield
    if world_size() > 1:
        distributed.destroy_process_group()


def broadcast(value: Value) -> Value:
    """Return rank 0's value in every process. Every process must call this."""
    values = [value]
    if world_size() > 1:
        distributed.broadcast_object_list(values, src=0)
    return values[0]


def sum_over_processes(value: float) -> float:
    """Return the sum of a number over all processes. Every process must call this."""
    summed = torch.tensor(value, dtype=torch.float64)
    if world_size() > 1:
        distributed.all_reduce(summed)
    return summed.item()


def data_parallel(network: nn.Module) -> nn.Module:
    """Wrap a network for training. All processes have equal parameters; ``network`` shares them.

    On GPUs batch normalisation uses the whole batch (``SyncBatchNorm``). PyTorch has none for CPUs: each process
    normalises its own part of the batch.
    """
    if world_size() == 1:
        return network
    if device().type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return DistributedDataParallel(network)
