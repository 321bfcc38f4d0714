"""What the processes of torchrun tell one another, and the device of each; alone, a process waits for nobody.

A model folder must lie where all of them can reach it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed

from heartbeats.common import ranks

__all__ = ["all_have", "broadcast", "device", "first_before_others", "joined", "summed", "wait_for_all"]

# The others wait while the first prepares recordings, or scores: hours where they are many.
PATIENCE = timedelta(days=2)


def device() -> torch.device:
    """This process's CUDA device where there are any, the CPU otherwise.

    Raises:
        OSError: there are fewer CUDA devices than processes.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if (number := ranks.local_rank()) >= (count := torch.cuda.device_count()):
        raise OSError(f"there are {count} GPUs, and this is process {number + 1}: start one process per GPU")
    return torch.device("cuda", number)


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes; within, they can wait for and tell one another.

    After an exception the group is not left in order: under NCCL that would wait for processes which are themselves
    waiting for this one. torchrun ends them all once this one has ended.
    """
    if ranks.world_size() == 1:
        yield
        return
    if device().type == "cuda":
        torch.cuda.set_device(device())
    backend = "cpu:gloo,cuda:nccl" if device().type == "cuda" else "gloo"
    # torchrun keeps one store for all starts: without a prefix gloo finds the addresses of processes that have ended.
    store, number, size = next(distributed.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
    store = distributed.PrefixStore(f"start {ranks.restarts()}", store)  # type: ignore[attr-defined]
    distributed.init_process_group(backend, store=store, rank=number, world_size=size, timeout=PATIENCE)
    yield
    distributed.destroy_process_group()


@contextmanager
def first_before_others() -> Iterator[None]:
    """Let the first process do something before the others do the same: what it wrote, they find."""
    if not ranks.is_first():
        wait_for_all()
    yield
    if ranks.is_first():
        wait_for_all()


def wait_for_all() -> None:
    """Go on when all processes have come here."""
    summed(np.zeros(1))


def summed(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The sum over the processes of as many numbers of each; all of them must ask."""
    total = torch.tensor(np.asarray(values), dtype=torch.float64)
    if ranks.world_size() > 1:
        distributed.all_reduce(total)
    return total.numpy()


def all_have(digest: str) -> bool:
    """Whether all processes, each of which must ask, have the same digest, in hexadecimal digits."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(digest), np.uint8)).astype(np.bool_)
    return not summed(float(np.any(bits != broadcast(bits))))


def broadcast(values: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The first process's values, given an array of that shape by each."""
    sent = torch.from_numpy(values.astype(np.uint8))
    if ranks.world_size() > 1:
        distributed.broadcast(sent, src=0)
    return sent.numpy().astype(np.bool_)
