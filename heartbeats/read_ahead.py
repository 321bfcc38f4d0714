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
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Concatenate, TypeAlias, TypeVar

from joblib.externals.loky import ProcessPoolExecutor, get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

from heartbeats.prepared import Failure
from heartbeats.ranks import cores

__all__ = ["read_ahead"]

Made = TypeVar("Made")
Make: TypeAlias = Callable[Concatenate[Path, ...], Made | Failure]
Call: TypeAlias = tuple[Any, ...]  # a header file, and what else ``make`` is given

# Workers wait so many seconds for the next recording before they end: networks on a CPU take their time for a batch.
IDLE = 600
GROUP = 16  # recordings handed over at once: handing over a single one costs a quarter of its preparation
AHEAD = 2  # groups per core that are under way or waiting at most; a prepared recording has some hundred kilobytes
# There is a worker for each core: were each to use several threads, they would wait for one another.
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def read_ahead(
    make: Make[Made],
    header_files: Iterable[Path],
    *more: Iterable[object],
    group: int = GROUP,
) -> Iterator[Made | Failure]:
    """What ``make`` makes of header files on all cores, in order, a bounded number ahead.

    A recording that ends its worker (a fault in a library, or too large for the memory) becomes a :class:`Failure`.
    Those that were under way beside it are made once more, one after the other.

    Args:
        make: a function that the workers can import.
        more: what ``make`` is given besides each header file, as by ``map``.
        group: how many header files a worker is given at once.
    """
    workers = cores()  # counting them takes as long as writing eight signals
    left: Iterator[Call] = zip(header_files, *more, strict=True)
    waiting: deque[tuple[list[Call], Future[list[Made | Failure]]]] = deque()
    while calls := list(islice(left, group)):
        waiting.append((calls, _submit(make, calls, workers)))
        if len(waiting) >= AHEAD * workers:
            yield from _finished(*waiting.popleft(), make)
    while waiting:
        yield from _finished(*waiting.popleft(), make)


def _submit(make: Make[Made], calls: list[Call], workers: int) -> Future[list[Made | Failure]]:
    while True:
        # The executor is asked for each time: after a worker has died it is another one. It may have died just now.
        executor = get_reusable_executor(workers, timeout=IDLE, **_started())
        with suppress(BrokenProcessPool):
            future: Future[list[Made | Failure]] = executor.submit(_make_each, make, calls)
            return future


def _make_each(make: Make[Made], calls: list[Call]) -> list[Made | Failure]:
    return [make(*call) for call in calls]


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


def _finished(calls: list[Call], future: Future[list[Made | Failure]], make: Make[Made]) -> list[Made | Failure]:
    try:
        return future.result()
    except BrokenProcessPool:
        return _made_alone(calls, make)


def _made_alone(calls: list[Call], make: Make[Made]) -> list[Made | Failure]:
    """What ``make`` makes of header files one by one in a process of their own, so that whichever ends it is known.

    That is the first of a process: one that comes later may have met with what an earlier one left, and is tried anew.
    """
    made: list[Made | Failure] = []
    while (first := len(made)) < len(calls):
        with ProcessPoolExecutor(max_workers=1, **_started()) as worker:
            try:
                while len(made) < len(calls):
                    made.append(worker.submit(make, *calls[len(made)]).result())
            except BrokenProcessPool:
                if len(made) == first:
                    reason = "reading it ended the process: its files are damaged, or too large"
                    made.append(Failure(calls[first][0].stem, reason))
    return made
