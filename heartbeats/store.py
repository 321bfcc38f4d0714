"""Prepared signals on disk: written once, memory-mapped ever after.

``signals.int16`` holds the signals, each (8, samples) at its true length, little-endian, appended by the very processes
that prepare them: handing a signal over would cost a third of its preparation. ``index.jsonl`` says where, one line per
recording, written by one process after the signal: what a killed run leaves without a line is cut away by the next, or
lies unused among the others (at most what was under way, 32 recordings per core), and a later run prepares only what is
new or changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm import tqdm

from heartbeats.files import code_digest, naming, read_bytes
from heartbeats.prepared import PAPER_PREPARATION, Failure, Prepared, prepare_file
from heartbeats.preprocessing import LEADS
from heartbeats.read_ahead import read_ahead
from heartbeats.recording import signal_files
from heartbeats.settings import PreparationSettings

__all__ = ["PREPARING", "stored"]

log = logging.getLogger(__name__)

# The modules that prepare a recording: a change of theirs prepares all anew.
PREPARING = ("header", "matlab_file", "calibration", "recording", "preprocessing", "heart_rate", "prepared")
INDEX, SIGNALS = "index.jsonl", "signals.int16"
SAMPLE_TYPE = np.dtype("<i2")
FRAME = len(LEADS) * SAMPLE_TYPE.itemsize  # bytes of one sample of all leads
LINE_TYPES = [str, str, int, int, bool, str, list, int]  # of a line of the index, its key first, as JSON gives them


@dataclass(frozen=True)
class Place:
    """Where a recording's signal is in the store (bytes, the end not included), and the rest of the recording.

    ``checksum`` is the CRC-32 of the signal's bytes.
    """

    name: str
    start: int
    end: int
    bradycardia: bool
    digest: str
    warnings: Sequence[str]
    checksum: int


def stored(
    header_files: Sequence[Path], directory: Path, settings: PreparationSettings = PAPER_PREPARATION
) -> list[Prepared | Failure]:
    """Recordings prepared, in their order, their signals memory-mapped from a store; prepared now where it has none.

    A recording that cannot be used is tried anew each time: it may have been mended.

    Raises:
        OSError: the store's folder cannot be made or written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    code = f"{code_digest(*PREPARING)} {settings}"
    keys = [_key(path, code) for path in header_files]
    failures: dict[str, Failure] = {}
    with _locked(directory) as (index, signals):
        places = _whole_lines(index, signals)
        for key in _damaged(places, keys, signals):
            del places[key]
        new = {key: path for key, path in zip(keys, header_files, strict=True) if key not in places}
        log.info(
            "signals of %d recordings: %d prepared before, %d to prepare", len(keys), len(keys) - len(new), len(new)
        )
        quiet = None if new else True
        ahead = read_ahead(partial(_prepare_into, directory / SIGNALS, settings=settings), new.values())
        bar = tqdm(ahead, desc="preparing", total=len(new), unit="recording", disable=quiet)
        for key, place in zip(new, bar, strict=True):
            if isinstance(place, Failure):
                failures[key] = place
            else:
                places[key] = place
                with naming(directory / INDEX), (directory / INDEX).open("ab") as lines:  # a full disk shows on closing
                    lines.write(json.dumps({"key": key, **vars(place)}).encode() + b"\n")
        samples = np.zeros(0, SAMPLE_TYPE)
        if end := max((place.end for place in places.values()), default=0):
            samples = np.asarray(np.memmap(signals, SAMPLE_TYPE, mode="r", shape=(end // SAMPLE_TYPE.itemsize,)))
    return [failures[key] if key in failures else _prepared(places[key], samples) for key in keys]


def _key(header_file: Path, code: str) -> str:
    """A recording's key: it changes with code and settings, its header's bytes, its signal files' sizes and times."""
    described = [code, header_file.stem]
    for path in signal_files(header_file):
        try:
            status = path.stat()
            described.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
        except (OSError, ValueError):  # missing, or a name that is none: reading it will say so
            described.append(f"{path.name} missing")
    names = "\n".join(described).encode("utf-8", "surrogateescape")  # file names need not be UTF-8
    return hashlib.sha256(names + read_bytes(header_file)).hexdigest()


@contextmanager
def _locked(directory: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The store's index and signal files, open for reading and appending, for one process at a time."""
    with (directory / INDEX).open("a+b") as index, (directory / SIGNALS).open("a+b") as signals:
        fcntl.flock(index, fcntl.LOCK_EX)  # waits: models that share a store take turns
        yield index, signals


def _whole_lines(index: BinaryIO, signals: BinaryIO) -> dict[str, Place]:
    """The index's lines by key, up to the first that is damaged or without its signal; the rest is cut away.

    So are signals behind those of all lines. Lines of another version of this program keep their signals, for whoever
    has them mapped.
    """
    index.seek(0)
    size = signals.seek(0, 2)
    places: dict[str, Place] = {}
    end = whole = 0
    for line in index:
        try:
            fields = json.loads(line)
            key, span = fields.pop("key", None), (fields["start"], fields["end"])
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            break
        if [type(place) for place in span] != [int, int] or not line.endswith(b"\n"):
            break
        if not 0 <= span[0] <= span[1] <= size or any(place % FRAME for place in span):
            break
        end, whole = max(end, span[1]), whole + len(line)
        with suppress(TypeError):
            place = Place(**fields)
            if [type(key), *map(type, vars(place).values())] == LINE_TYPES:
                places[key] = place
    index.truncate(whole)
    signals.truncate(end)
    return places


def _damaged(places: dict[str, Place], keys: Sequence[str], signals: BinaryIO) -> list[str]:
    """Those of the keys whose signals are not what was written."""
    damaged = []
    for key in dict.fromkeys(keys):
        if place := places.get(key):
            signals.seek(place.start)
            if zlib.crc32(signals.read(place.end - place.start)) != place.checksum:
                damaged.append(key)
    if damaged:
        log.warning("%d prepared signals are damaged on disk: prepared anew", len(damaged))
    return damaged


def _prepare_into(signals: Path, header_file: Path, *, settings: PreparationSettings) -> Place | Failure:
    """Prepare a recording and write its signal behind the others, in whichever process; or why that cannot be.

    Raises:
        OSError: the signal cannot be written.
    """
    prepared = prepare_file(header_file, settings)
    if isinstance(prepared, Failure):
        return prepared
    content = np.ascontiguousarray(prepared.signal, SAMPLE_TYPE).data
    with naming(signals), signals.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two that append may write over one another on network file systems
        start = file.seek(-(-file.seek(0, 2) // FRAME) * FRAME)  # a process that was killed may have left any part
        file.write(content)
    return Place(
        name=prepared.name,
        start=start,
        end=start + content.nbytes,
        bradycardia=prepared.bradycardia,
        digest=prepared.digest,
        warnings=prepared.warnings,
        checksum=zlib.crc32(content),
    )


def _prepared(place: Place, samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> Prepared:
    first, last = place.start // SAMPLE_TYPE.itemsize, place.end // SAMPLE_TYPE.itemsize
    return Prepared(
        name=place.name,
        signal=samples[first:last].reshape(len(LEADS), -1),
        bradycardia=place.bradycardia,
        digest=place.digest,
        warnings=tuple(place.warnings),
    )
