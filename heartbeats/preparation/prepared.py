"""Prepared recordings: all that classification needs, made by worker processes and kept in a cache.

:func:`prepare` and :func:`prepare_file` prepare one recording. :func:`map_recordings` applies a function to many, on
all cores. :func:`prepare_files` uses both, with a cache that later trainings read.

The cache is a folder with one file per recording, ``KEY.safetensors``. The file holds the prepared signal and, as its
metadata, the other fields of a :class:`PreparedRecording`. KEY is a digest of all inputs: the code of
``heartbeats/ecg`` and ``heartbeats/preparation``, the settings, the header's text, and the signal files' sizes and
times. If one of them changes, the recording gets a new key and is prepared again. Files are written atomically, so
several processes and models can share a cache. Old files are never deleted. You can delete the folder at any time.
"""

import dataclasses
import hashlib
import json
import logging
import os
import threading
import time
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from joblib import Parallel, cpu_count, delayed
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save
from tqdm import tqdm

from heartbeats.challenge.diagnoses import ABBREVIATIONS, snomed_codes
from heartbeats.common.digest import code_digest
from heartbeats.common.files import read_bytes, replace_file
from heartbeats.common.settings import PreparationSettings
from heartbeats.ecg.recording import Recording, RecordingError, read_recording, signal_files
from heartbeats.preparation.bradycardia import recording_has_bradycardia
from heartbeats.preparation.signals import prepare_signal

log = logging.getLogger(__name__)

Result = TypeVar("Result")

PAPER_PREPARATION = PreparationSettings()
CHUNK = 128  # recordings; at most two chunks are in memory
# Workers keep freed memory (glibc). Otherwise they need half again as long, to get the same memory from the system.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**28), "MALLOC_TRIM_THRESHOLD_": str(2**30)}


@dataclass(frozen=True)
class PreparedRecording:
    """All that classification needs of a recording.

    Attributes:
        name: the recording's name.
        samples: the prepared signal, or the file in the cache that holds it.
        bradycardia: whether the bradycardia rule is true (Algorithm 1).
        digest: SHA-256 of the samples in the recording's file.
        warnings: what was assumed or repaired, as text.
        checksum: CRC-32 of the prepared signal.
        mark: a digest of name, age, sex and scored labels, which a recording keeps if it is resampled or converted.
        seconds: the length of the recording, of which ``signal`` has at most the first 30 s.
    """

    name: str
    samples: npt.NDArray[np.int16] | Path
    bradycardia: bool
    digest: str
    warnings: tuple[str, ...]
    checksum: int
    mark: str = ""
    seconds: float = 0.0

    @property
    def signal(self) -> npt.NDArray[np.int16]:
        """The prepared signal, int16 in microvolts, shape (8, samples), 500 Hz; read from the cache if needed.

        Raises:
            OSError: the file in the cache cannot be read.
        """
        if isinstance(self.samples, Path):
            signal: npt.NDArray[np.int16] = load_file(self.samples)["signal"]
            return signal
        return self.samples


@dataclass(frozen=True)
class Failure:
    """A recording that cannot be used, and the reason."""

    name: str
    reason: str


def prepare(recording: Recording, settings: PreparationSettings = PAPER_PREPARATION) -> PreparedRecording:
    """Prepare a recording for the networks, and apply the bradycardia rule.

    Raises:
        RecordingError: the recording has none of the leads that the networks read.
    """
    signal, warnings = prepare_signal(recording, denoising=settings.denoising)
    scored = sorted(set(snomed_codes(recording.diagnoses)) & ABBREVIATIONS.keys())
    facts = f"{recording.name} {recording.age:g} {recording.sex} {scored}"
    return PreparedRecording(
        name=recording.name,
        samples=signal,
        bradycardia=recording_has_bradycardia(recording),
        digest=recording.digest,
        warnings=recording.warnings + warnings,
        checksum=zlib.crc32(signal.tobytes()),
        mark=hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest(),
        seconds=recording.seconds,
    )


def prepare_file(
    header_file: Path, settings: PreparationSettings = PAPER_PREPARATION, leads: Sequence[str] | None = None
) -> PreparedRecording | Failure:
    """Read and prepare a recording.

    Args:
        header_file: its ``NAME.hea``.
        settings: how to prepare it.
        leads: use only these leads, or all if ``None``.
    """
    return attempt(header_file.stem, lambda: prepare(read_recording(header_file).with_leads(leads), settings))


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
    cores = {"n_jobs": max(2, cpu_count()), "initializer": _end_with_parent, "initargs": (os.getpid(),)}
    parallel = Parallel(**cores, return_as="generator", pre_dispatch="all", batch_size=8)
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


def prepare_files(
    header_files: Sequence[Path], cache: Path, settings: PreparationSettings = PAPER_PREPARATION
) -> list[PreparedRecording | Failure]:
    """Prepare recordings, or read them from the cache. Return them in order.

    A :class:`Failure` is not cached: each call tries the recording again.

    Args:
        header_files: one per recording.
        cache: the folder of the cache, made if missing.
        settings: how to prepare.

    Raises:
        OSError: the cache cannot be written.
    """
    cache.mkdir(parents=True, exist_ok=True)
    before = len(list(cache.iterdir()))
    prepared = map_recordings(partial(_from_cache, cache=cache, settings=settings), header_files)
    found = list(tqdm(prepared, desc="preparing", total=len(header_files), unit="recording", disable=None))
    log.info(
        "%d recordings, %d of them prepared now; cache: %s", len(found), len(list(cache.iterdir())) - before, cache
    )
    return found


def _from_cache(header_file: Path, *, cache: Path, settings: PreparationSettings) -> PreparedRecording | Failure:
    """Read a prepared recording from the cache, or prepare and write it. Runs in a worker process."""
    path = cache / f"{_key(header_file, settings)}.safetensors"
    if cached := _read(path):
        return cached
    prepared = prepare_file(header_file, settings)
    return prepared if isinstance(prepared, Failure) else _write(path, prepared)


def _key(header_file: Path, settings: PreparationSettings) -> str:
    """Return the digest of all inputs of a prepared recording."""
    parts = [code_digest("ecg", "preparation"), str(settings), header_file.stem]
    try:
        parts.append(hashlib.sha256(read_bytes(header_file)).hexdigest())
        for path in signal_files(header_file):
            status = path.stat()
            parts.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
    except (
        OSError,
        ValueError,
        RecordingError,
    ) as error:  # a file is missing or its name impossible: reading it gives the reason
        parts.append(str(error))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _write(path: Path, prepared: PreparedRecording) -> PreparedRecording:
    """Write a file of the cache. Return the recording with this file instead of the signal."""
    in_cache = dataclasses.replace(prepared, samples=path)
    fields = json.dumps(vars(in_cache) | {"samples": None})
    content = save({"signal": prepared.signal}, {"recording": fields})
    replace_file(path, lambda temporary: temporary.write_bytes(content))
    return in_cache


def _read(path: Path) -> PreparedRecording | None:
    """Read a file of the cache; ``None`` if it is missing or damaged."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            fields = json.loads(file.metadata()["recording"])
            intact = zlib.crc32(file.get_tensor("signal").tobytes()) == fields["checksum"]
    except (OSError, SafetensorError):
        intact = False
    if not intact:
        log.warning("%s is damaged: the recording is prepared again", path)
        return None
    return PreparedRecording(**(fields | {"samples": path, "warnings": tuple(fields["warnings"])}))
