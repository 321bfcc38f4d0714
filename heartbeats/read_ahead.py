"""Recordings read and prepared, or drawn, by worker processes, in order, a bounded number ahead of whoever takes them.

Whether a store is filled or a network waits for its next batch, this is the one way from header files to prepared
signals. The workers are processes of loky (joblib), which needs no shared memory: /dev/shm is small in containers.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from joblib.externals.loky import ProcessPoolExecutor, get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

from heartbeats.prepared import Failure, Prepared, prepare_file
from heartbeats.ranks import cores

__all__ = ["map_ahead", "read_ahead"]

Made = TypeVar("Made")

# Workers wait so many seconds for the next recording before they end: networks on a CPU take their time for a batch.
IDLE = 600


def read_ahead(
    header_files: Iterable[Path],
    *,
    ahead: int = 64,
    prepare: Callable[[Path], Prepared | Failure] = prepare_file,
) -> Iterator[Prepared | Failure]:
    """Prepare recordings on all cores (:func:`map_ahead`).

    Args:
        ahead: how many recordings are held at the most, each a few hundred kilobytes.
        prepare: what the workers do with a header file; a function that they can import.
    """
    return map_ahead(prepare, header_files, ahead=ahead)


def map_ahead(
    make: Callable[[Path], Made | Failure], header_files: Iterable[Path], *, ahead: int = 64
) -> Iterator[Made | Failure]:
    """What ``make`` makes of header files on all cores, in order, with at most ``ahead`` of them under way or waiting.

    A recording that ends its worker (a fault in a library, or too large for the memory) becomes a :class:`Failure`.
    Those that were under way beside it are made once more, each alone in a process.

    Args:
        make: a function that the workers can import.
    """
    waiting: deque[tuple[Path, Future[Made | Failure]]] = deque()
    for header_file in header_files:
        waiting.append((header_file, _submit(make, header_file)))
        if len(waiting) >= ahead:
            yield _finished(*waiting.popleft(), make)
    while waiting:
        yield _finished(*waiting.popleft(), make)


def _submit(make: Callable[[Path], Made | Failure], header_file: Path) -> Future[Made | Failure]:
    while True:
        # The executor is asked for each time: after a worker has died it is another one. It may have died just now.
        workers = get_reusable_executor(cores(), timeout=IDLE, initializer=_end_with, initargs=(os.getpid(),))
        with suppress(BrokenProcessPool):
            future: Future[Made | Failure] = workers.submit(make, header_file)
            return future


def _end_with(parent: int) -> None:
    """In a worker: end when the process that started it has, by whatever signal; loky's would idle on."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _finished(
    header_file: Path, future: Future[Made | Failure], make: Callable[[Path], Made | Failure]
) -> Made | Failure:
    try:
        return future.result()
    except BrokenProcessPool:
        with ProcessPoolExecutor(max_workers=1) as worker:
            try:
                alone: Future[Made | Failure] = worker.submit(make, header_file)
                return alone.result()
            except BrokenProcessPool:
                return Failure(header_file.stem, "reading it ended the process: its files are damaged, or too large")
