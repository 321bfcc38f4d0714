"""Apply a function to many recordings in worker processes, on all cores."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky.process_executor import BrokenProcessPool, ShutdownExecutorError

from heartbeats.ecg.recording import RecordingError

Result = TypeVar("Result")

CHUNK = 64  # recordings; at most two chunks are in memory


@dataclass(frozen=True)
class Failure:
    """A recording that cannot be used, and the reason."""

    name: str
    reason: str


def attempt(name: str, function: Callable[[], Result]) -> Result | Failure:
    """Return the result of ``function``, or a :class:`Failure` with the reason. No exception is raised."""
    try:
        return function()
    except RecordingError as error:
        return Failure(name, str(error))
    except Exception as error:  # a bug must not stop the run either
        return Failure(name, f"unforeseen {type(error).__name__}: {error}")


def map_recordings(
    function: Callable[[Path], Result | Failure], header_files: Iterable[Path]
) -> Iterator[Result | Failure]:
    """Yield the result of ``function`` for each header file, in order.

    One process per core works on the next chunk while the caller uses the current one. If a recording crashes its
    process (a library's bug, or too little memory), it becomes a :class:`Failure` and the others continue.

    Args:
        function: can be pickled; returns a :class:`Failure` for a recording that it cannot use.
        header_files: one per recording.
    """
    left = iter(header_files)
    started: list[tuple[Sequence[Path], Iterator[Result | Failure]]] = []
    while ahead := list(islice(left, CHUNK)):
        started.append((ahead, _start(function, ahead)))
        if len(started) == 2:
            yield from _finish(function, *started.pop(0))
    for chunk, results in started:
        yield from _finish(function, chunk, results)


def _start(function: Callable[[Path], Result], chunk: Sequence[Path]) -> Iterator[Result]:
    """Start the work on a chunk, with at least two workers: joblib runs a single one in this process."""
    cores = {"n_jobs": max(2, cpu_count()), "initializer": _end_with_parent, "initargs": (os.getpid(),)}
    parallel = Parallel(**cores, return_as="generator", pre_dispatch="all", batch_size=4)
    results: Iterator[Result] = parallel(delayed(function)(path) for path in chunk)
    return results


def _end_with_parent(parent: int) -> None:
    """End a worker soon after its parent process is killed; joblib keeps it for five minutes."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _finish(
    function: Callable[[Path], Result | Failure], chunk: Sequence[Path], results: Iterator[Result | Failure]
) -> Sequence[Result | Failure]:
    try:
        return list(results)
    except (BrokenProcessPool, ShutdownExecutorError):
        return [_work_alone(function, path) for path in chunk]


def _work_alone(function: Callable[[Path], Result | Failure], path: Path) -> Result | Failure:
    """Work on one recording, to see whether it crashes its process."""
    try:
        return next(_start(function, [path]))
    except (BrokenProcessPool, ShutdownExecutorError):
        return Failure(path.stem, "reading it crashed the process: its files are damaged or too large")
