"""Recordings read and prepared, or drawn, by worker processes, in order, a bounded number ahead of whoever takes them.

Whether a store is filled or a network waits for its next batch, this is the one way from header files to prepared
signals. The workers are processes of loky (joblib), which hands over by pipes: /dev/shm, small in containers, holds
no more than its semaphores.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Concatenate, TypeAlias, TypeVar

from joblib.externals.loky import ProcessPoolExecutor, get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

from heartbeats.common.ranks import cores
from heartbeats.preparation.prepared import Failure

__all__ = ["read_ahead", "read_groups_ahead"]

Made = TypeVar("Made")
MakeGroup: TypeAlias = Callable[Concatenate[Sequence[Path], ...], list[Made | Failure]]
Item: TypeAlias = tuple[Any, ...]  # a header file, and what else is given with it

# Workers wait so many seconds for the next recording before they end: networks on a CPU take their time for a batch.
IDLE = 600
GROUP = 16  # recordings handed over at once: handing over a single one costs a quarter of its preparation
AHEAD = 2  # groups per core that are under way or waiting at most; a prepared recording has some hundred kilobytes
# There is a worker for each core: were each to use several threads, they would wait for one another.
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def read_ahead(
    make: Callable[[Path], Made | Failure], header_files: Iterable[Path], *, group: int = GROUP
) -> Iterator[Made | Failure]:
    """What ``make`` makes of header files on all cores, in order, a bounded number ahead.

    A recording that ends its worker (a fault in a library, or too large for the memory) becomes a :class:`Failure`.
    Those that were under way beside it are made once more, one after the other.

    Args:
        make: a function that the workers can import.
        group: how many header files a worker is given at once.
    """
    return read_groups_ahead(partial(_make_each, make), header_files, group=group)


def read_groups_ahead(
    make: MakeGroup[Made], header_files: Iterable[Path], *more: Iterable[object], group: int = GROUP
) -> Iterator[Made | Failure]:
    """As :func:`read_ahead`, but ``make`` is given a group of header files and returns as many things.

    Args:
        make: a function that the workers can import, of a group.
        more: what it is given besides, of each as many as header files.
    """
    workers = cores()  # counting them takes as long as writing eight signals
    left: Iterator[Item] = zip(header_files, *more, strict=True)
    waiting: deque[tuple[list[Item], Future[list[Made | Failure]]]] = deque()
    while items := list(islice(left, group)):
        waiting.append((items, _submit(make, items, workers)))
        if len(waiting) >= AHEAD * workers:
            yield from _finished(*waiting.popleft(), make)
    while waiting:
        yield from _finished(*waiting.popleft(), make)


def _make_each(make: Callable[[Path], Made | Failure], header_files: Sequence[Path]) -> list[Made | Failure]:
    return [make(header_file) for header_file in header_files]


def _submit(make: MakeGroup[Made], items: list[Item], workers: int) -> Future[list[Made | Failure]]:
    while True:
        # The executor is asked for each time: after a worker has died it is another one. It may have died just now.
        executor = get_reusable_executor(workers, timeout=IDLE, **_started())
        with suppress(BrokenProcessPool):
            future: Future[list[Made | Failure]] = executor.submit(make, *zip(*items, strict=True))
            return future


def _started() -> dict[str, Any]:
    """How workers are started."""
    return {"initializer": _begin, "initargs": (os.getpid(),), "env": ALONE}


def _begin(parent: int) -> None:
    """In a worker: end when the process that started it has, by whatever signal; loky's would idle on.

    What has been imported is left out when Python looks for garbage: loky has it do so every second, for 20 ms.
    """
    gc.freeze()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _finished(items: list[Item], future: Future[list[Made | Failure]], make: MakeGroup[Made]) -> list[Made | Failure]:
    try:
        return future.result()
    except BrokenProcessPool:
        return _made_alone(items, make)


def _made_alone(items: list[Item], make: MakeGroup[Made]) -> list[Made | Failure]:
    """What ``make`` makes of items one by one in a process of their own, so that whichever ends it is known.

    That is the first of a process: one that comes later may have met with what an earlier one left, and is tried anew.
    """
    made: list[Made | Failure] = []
    while (first := len(made)) < len(items):
        with ProcessPoolExecutor(max_workers=1, **_started()) as worker:
            try:
                while len(made) < len(items):
                    made += worker.submit(make, *zip(items[len(made)], strict=True)).result()
            except BrokenProcessPool:
                if len(made) == first:
                    reason = "reading it ended the process: its files are damaged, or too large"
                    made.append(Failure(items[first][0].stem, reason))
    return made
