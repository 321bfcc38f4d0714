"""Apply a function to many recordings, in one worker process per core. A bad recording becomes a :class:`Failure`."""

import os
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from joblib import Parallel, cpu_count, delayed

from heartbeats.ecg.recording import RecordingError

Result = TypeVar("Result")

CHUNK = 128  # recordings; at most two chunks are in memory
# Workers keep freed memory (glibc). Otherwise they need half again as long, to get the same memory from the system.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**28), "MALLOC_TRIM_THRESHOLD_": str(2**30)}


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

    Raises:
        OSError: ``function`` raised it. It ends the run.
    """
    left = iter(header_files)
    started: list[tuple[Sequence[Path], Iterator[Result | Failure | OSError]]] = []
    try:
        while ahead := list(islice(left, CHUNK)):
            started.append((ahead, _start(function, ahead)))
            if len(started) == 2:
                yield from _finish(function, *started.pop(0))
        while started:
            yield from _finish(function, *started.pop(0))
    finally:
        for _, results in started:  # the run has ended early; joblib warns of results that nobody takes
            with suppress(Exception):
                deque(results, maxlen=0)


def _start(function: Callable[[Path], Result], chunk: Sequence[Path]) -> Iterator[Result | OSError]:
    """Start the work on a chunk. It needs two workers: joblib runs a single one in this process."""
    os.environ.update(KEEP_MEMORY)
    # joblib replaces a worker whose memory has grown, and warns in a thread. As an error, this would end the thread.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given to the executor", UserWarning)
    parallel = Parallel(
        max(2, cpu_count()),
        return_as="generator",
        pre_dispatch="all",
        batch_size=8,
        initializer=_end_with_parent,
        initargs=(os.getpid(),),
    )
    results: Iterator[Result | OSError] = parallel(delayed(_call)(function, path) for path in chunk)
    return results


def _call(function: Callable[[Path], Result], path: Path) -> Result | OSError:
    """Return an OSError instead of raising it: after an exception, joblib kills its workers."""
    try:
        return function(path)
    except OSError as error:
        return error


def _end_with_parent(parent: int) -> None:
    """End a worker soon after its parent process is killed; joblib keeps it for five minutes."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _finish(
    function: Callable[[Path], Result | Failure],
    chunk: Sequence[Path],
    results: Iterator[Result | Failure | OSError],
) -> Iterator[Result | Failure]:
    try:
        finished = list(results)
    except RuntimeError:  # a worker has ended: joblib ends the work on this chunk and on the next
        finished = [_work_alone(function, path) for path in chunk]
    for result in finished:
        if isinstance(result, OSError):
            raise result
        yield result


def _work_alone(function: Callable[[Path], Result | Failure], path: Path) -> Result | Failure | OSError:
    """Work on one recording, to see whether it crashes its process."""
    try:
        return [*_start(function, [path])].pop()
    except RuntimeError:
        return Failure(path.stem, "reading it crashed the process: its files are damaged or too large")
