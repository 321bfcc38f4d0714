"""Prepared signals on disk: written once, memory-mapped ever after.

``prepared.int16`` has the signals, each (8, samples) at its true length, little-endian. ``prepared.index`` says where,
one line per recording: the CRC-32 of what follows, then JSON. The very processes that prepare append to both, signal
first: handing signals over would cost a third of their preparation. Neither file is ever cut, for whoever has signals
mapped: what a killed process leaves lies unused, and a later run prepares only what is new, changed or damaged.
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

from heartbeats.common.digest import code_digest
from heartbeats.common.files import naming_errors, read_bytes
from heartbeats.common.settings import PreparationSettings
from heartbeats.ecg.recording import signal_files
from heartbeats.preparation.prepared import PAPER_PREPARATION, Failure, Prepared, prepare_file
from heartbeats.preparation.preprocessing import LEADS
from heartbeats.preparation.read_ahead import read_groups_ahead

__all__ = ["stored"]

log = logging.getLogger(__name__)

INDEX, SIGNALS = "prepared.index", "prepared.int16"
SAMPLE_TYPE = np.dtype("<i2")
FRAME = len(LEADS) * SAMPLE_TYPE.itemsize  # bytes of one sample of all leads


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
    code = f"{code_digest('ecg', 'preparation')} {settings}"
    keys = [_key(path, code) for path in header_files]
    failures: dict[str, Failure] = {}
    with _locked(directory) as (index, signals):
        places = _written(index, signals)
        for key in _damaged(places, keys, signals):
            del places[key]
        new = {key: path for key, path in zip(keys, header_files, strict=True) if key not in places}
        log.info(
            "signals of %d recordings: %d prepared before, %d to prepare", len(keys), len(keys) - len(new), len(new)
        )
        quiet = None if new else True
        ahead = read_groups_ahead(partial(_prepare_into, directory, settings), new.values(), new)
        bar = tqdm(ahead, desc="preparing", total=len(new), unit="recording", disable=quiet)
        for key, place in zip(new, bar, strict=True):
            if isinstance(place, Failure):
                failures[key] = place
            else:
                places[key] = place
        samples = np.zeros(0, SAMPLE_TYPE)
        if end := max((places[key].end for key in keys if key in places), default=0):
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


def _written(index: BinaryIO, signals: BinaryIO) -> dict[str, Place]:
    """The places that the index's lines state, by key, of a key's several the last.

    Lines that are damaged or end early are passed over; so are those of another version of this program.
    """
    places: dict[str, Place] = {}
    damaged, line = 0, b""
    fcntl.flock(signals, fcntl.LOCK_EX)  # workers of a run that was broken off may still be writing
    index.seek(0)
    for line in index:
        checksum, _, content = line.rstrip(b"\n").partition(b" ")
        if checksum != _checksum(content):
            damaged += 1
            continue
        fields = json.loads(content)
        with suppress(KeyError, TypeError):
            key = fields.pop("key")
            places[key] = Place(**fields)
    if line and not line.endswith(b"\n"):
        _append(Path(index.name), [b"\n"])
    fcntl.flock(signals, fcntl.LOCK_UN)
    if damaged:
        log.warning("%d damaged lines of %s are passed over", damaged, index.name)
    return places


def _checksum(content: bytes) -> bytes:
    """CRC-32 of a line's JSON, as the line begins with it."""
    return b"%08x" % zlib.crc32(content)


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


def _prepare_into(
    directory: Path, settings: PreparationSettings, header_files: Sequence[Path], keys: Sequence[str]
) -> list[Place | Failure]:
    """Prepare recordings and write them behind the others, in whichever process: where they are, or why they are not.

    Raises:
        OSError: they cannot be written.
    """
    made: list[Place | Failure] = []
    lines, contents = [], []
    prepared = [prepare_file(header_file, settings) for header_file in header_files]
    with naming_errors(directory / SIGNALS), (directory / SIGNALS).open("r+b") as signals:
        fcntl.flock(signals, fcntl.LOCK_EX)  # two that append may write over one another on network file systems
        start = signals.seek(-(-signals.seek(0, 2) // FRAME) * FRAME)  # a killed process may have left any part
        for key, recording in zip(keys, prepared, strict=True):
            if isinstance(recording, Failure):
                made.append(recording)
                continue
            content = np.ascontiguousarray(recording.signal, SAMPLE_TYPE).data
            place = Place(
                name=recording.name,
                start=start,
                end=start + content.nbytes,
                bradycardia=recording.bradycardia,
                digest=recording.digest,
                warnings=recording.warnings,
                checksum=zlib.crc32(content),
            )
            line = json.dumps({"key": key, **vars(place)}).encode()
            lines.append(b"%s %s\n" % (_checksum(line), line))
            contents.append(content)
            made.append(place)
            start = place.end
        signals.writelines(contents)
        signals.flush()
        _append(directory / INDEX, lines)
    return made


def _append(path: Path, lines: list[bytes]) -> None:
    with naming_errors(path), path.open("ab") as file:  # a full disk may show on closing only
        file.writelines(lines)


def _prepared(place: Place, samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> Prepared:
    first, last = place.start // SAMPLE_TYPE.itemsize, place.end // SAMPLE_TYPE.itemsize
    return Prepared(
        name=place.name,
        signal=samples[first:last].reshape(len(LEADS), -1),
        bradycardia=place.bradycardia,
        digest=place.digest,
        warnings=tuple(place.warnings),
    )
