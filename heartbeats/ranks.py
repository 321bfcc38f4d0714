"""The processes that torchrun started, each of a rank: which one this is, and what they agree on.

Without torchrun there is one process, of rank 0, and nothing here waits for anybody. With it, every process runs the
same program; rank 0 alone prepares, writes and reports. A model folder must lie where all of them can reach it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import joblib
import numpy as np
import numpy.typing as npt
import torch
from torch import distributed

__all__ = [
    "broadcast",
    "cores",
    "device",
    "first_before_others",
    "is_first",
    "joined",
    "rank",
    "restarts",
    "summed",
    "world_size",
]

# The others wait while the first prepares recordings, or scores: hours where they are many.
PATIENCE = timedelta(days=2)


def _variable(name: str, alone: int) -> int:
    """A variable that torchrun sets; other launchers' of the same name are not for this program."""
    return int(os.environ[name]) if distributed.is_torchelastic_launched() else alone


def rank() -> int:
    """The number of this process, from 0."""
    return _variable("RANK", 0)


def world_size() -> int:
    """The number of processes, on all machines."""
    return _variable("WORLD_SIZE", 1)


def is_first() -> bool:
    """Whether this is the process that writes and reports."""
    return rank() == 0


def restarts() -> int:
    """How often torchrun has started the processes again because one of them had ended."""
    return _variable("TORCHELASTIC_RESTART_COUNT", 0)


def cores() -> int:
    """How many CPU cores are this process's share of the machine's; 1 or more."""
    return max(1, int(joblib.cpu_count()) // _variable("LOCAL_WORLD_SIZE", 1))


def device() -> torch.device:
    """This process's CUDA device where there are any, the CPU otherwise."""
    return torch.device("cuda", _variable("LOCAL_RANK", 0)) if torch.cuda.is_available() else torch.device("cpu")


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes; within, they can wait for and tell one another."""
    if world_size() == 1:
        yield
        return
    if device().type == "cuda":
        torch.cuda.set_device(device())
    backend = "cpu:gloo,cuda:nccl" if device().type == "cuda" else "gloo"
    # torchrun keeps one store for all starts: without a prefix gloo finds the addresses of processes that have ended.
    store, number, size = next(distributed.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
    store = distributed.PrefixStore(f"start {restarts()}", store)  # type: ignore[attr-defined]
    distributed.init_process_group(backend, store=store, rank=number, world_size=size, timeout=PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextmanager
def first_before_others() -> Iterator[None]:
    """Let the first process do something before the others do the same: what it wrote, they find."""
    if not is_first():
        summed(np.zeros(1))
    yield
    if is_first():
        summed(np.zeros(1))


def summed(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The sum over the processes of as many numbers of each; all of them must ask."""
    total = torch.tensor(np.asarray(values), dtype=torch.float64)
    if world_size() > 1:
        distributed.all_reduce(total)
    return total.numpy()


def broadcast(values: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The first process's values, given an array of that shape by each."""
    sent = torch.from_numpy(values.astype(np.uint8))
    if world_size() > 1:
        distributed.broadcast(sent, src=0)
    return sent.numpy().astype(np.bool_)
