"""Which of the processes that torchrun started this one is; without torchrun it is the only one, of rank 0.

All processes run the same program. In a training the first alone prepares, writes and reports; of a driver's
recordings each process writes its own.
"""

from __future__ import annotations

import os
import zlib

import joblib

__all__ = ["bar_disabled", "cores", "is_first", "local_rank", "rank", "restarts", "takes", "world_size"]


def _variable(name: str, alone: int) -> int:
    """A variable that torchrun sets; other launchers' of the same name are not for this program."""
    return int(os.environ[name]) if "TORCHELASTIC_RUN_ID" in os.environ else alone


def rank() -> int:
    """The number of this process, from 0."""
    return _variable("RANK", 0)


def world_size() -> int:
    """The number of processes, on all machines."""
    return _variable("WORLD_SIZE", 1)


def takes(name: str) -> bool:
    """Whether a recording of this name is this process's; it is that of one process, whatever others there are.

    While one process lists a folder, others write outputs, and recordings may arrive: the name alone decides.
    """
    return zlib.crc32(name.encode("utf-8", "surrogateescape")) % world_size() == rank()


def is_first() -> bool:
    """Whether this is the process that writes and reports."""
    return rank() == 0


def bar_disabled() -> bool | None:
    """tqdm's ``disable``: only the first process shows a progress bar, and only on a terminal."""
    return None if is_first() else True


def restarts() -> int:
    """How often torchrun has started the processes again because one of them had ended."""
    return _variable("TORCHELASTIC_RESTART_COUNT", 0)


def cores() -> int:
    """How many CPU cores are this process's share of the machine's; 1 or more."""
    return max(1, int(joblib.cpu_count()) // _variable("LOCAL_WORLD_SIZE", 1))


def local_rank() -> int:
    """The number of this process among those of its machine, from 0."""
    return _variable("LOCAL_RANK", 0)
