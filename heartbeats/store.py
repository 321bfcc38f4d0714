"""Prepared signals on disk: written once, memory-mapped ever after.

``signals.int16`` holds the signals one after the other, each (8, samples) at its true length, little-endian;
``index.jsonl`` says where, one line per recording. A line is written after its signal, so that whatever a killed run
leaves is whole or is cut away by the next, and a later run prepares only what is new or changed.
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

from heartbeats.files import code_digest
from heartbeats.prepared import PAPER_PREPARATION, Failure, Prepared, prepare_file
from heartbeats.preprocessing import LEADS
from heartbeats.read_ahead import read_ahead
from heartbeats.recording import signal_files
from heartbeats.settings import PreparationSettings

__all__ = ["PREPARING", "stored"]

log = logging.getLogger(__name__)

# The modules that prepare a recording: a change of theirs prepares all anew.
PREPARING = ("header", "matlab_file", "calibration", "recording", "preprocessing", "heart_rate", "prepared")
SAMPLE_TYPE = np.dtype("<i2")
FRAME = len(LEADS) * SAMPLE_TYPE.itemsize  # bytes of one sample of all leads
LINE_TYPES = [str, str, int, int, bool, str, list, int]  # of a line of the index, as JSON gives them


@dataclass(frozen=True)
class IndexLine:
    """A line of the index: a recording's key, where its signal is (bytes, the end not included), and the rest of it.

    ``checksum`` is the CRC-32 of the signal's bytes.
    """

    key: str
    name: str
    start: int
    end: int
    bradycardia: bool
    digest: str
    warnings: tuple[str, ...]
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
        lines = _whole_lines(index, signals)
        for key in _damaged(lines, keys, signals):
            del lines[key]
        new = {key: path for key, path in zip(keys, header_files, strict=True) if key not in lines}
        log.info(
            "signals of %d recordings: %d prepared before, %d to prepare", len(keys), len(keys) - len(new), len(new)
        )
        quiet = None if new else True
        ahead = read_ahead(partial(prepare_file, settings=settings), new.values())
        bar = tqdm(ahead, desc="preparing", total=len(new), unit="recording", disable=quiet)
        for key, prepared in zip(new, bar, strict=True):
            if isinstance(prepared, Failure):
                failures[key] = prepared
            else:
                lines[key] = _append(key, prepared, index, signals)
        size = signals.tell()
    samples = np.zeros(0, SAMPLE_TYPE)
    if size:
        samples = np.asarray(np.memmap(directory / "signals.int16", SAMPLE_TYPE, mode="r"))
    return [failures[key] if key in failures else _prepared(lines[key], samples) for key in keys]


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
    return hashlib.sha256(names + header_file.read_bytes()).hexdigest()


@contextmanager
def _locked(directory: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The store's index and signal files, open for reading and appending, for one process at a time."""
    with (directory / "index.jsonl").open("a+b") as index, (directory / "signals.int16").open("a+b") as signals:
        fcntl.flock(index, fcntl.LOCK_EX)  # waits: models that share a store take turns
        yield index, signals


def _whole_lines(index: BinaryIO, signals: BinaryIO) -> dict[str, IndexLine]:
    """The index's lines by key, up to the first that is damaged or without its signal; the rest is cut away.

    Lines of another version of this program keep their place, for whoever has their signals mapped.
    """
    index.seek(0)
    size = signals.seek(0, 2)
    lines: dict[str, IndexLine] = {}
    end = whole = 0
    for line in index:
        try:
            fields = json.loads(line)
            span = fields["start"], fields["end"]
        except (ValueError, TypeError, KeyError):
            break
        if [type(place) for place in span] != [int, int] or not line.endswith(b"\n"):
            break
        if not span[0] == end <= span[1] <= size or (span[1] - end) % FRAME:
            break
        end, whole = span[1], whole + len(line)
        with suppress(TypeError):
            entry = IndexLine(**fields)
            if [type(value) for value in vars(entry).values()] == LINE_TYPES:
                lines[entry.key] = entry
    index.truncate(whole)
    signals.truncate(end)
    signals.seek(0, 2)
    return lines


def _damaged(lines: dict[str, IndexLine], keys: Sequence[str], signals: BinaryIO) -> list[str]:
    """Those of the keys whose signals are not what was written."""
    damaged = []
    for key in dict.fromkeys(keys):
        if entry := lines.get(key):
            signals.seek(entry.start)
            if zlib.crc32(signals.read(entry.end - entry.start)) != entry.checksum:
                damaged.append(key)
    signals.seek(0, 2)
    if damaged:
        log.warning("%d prepared signals are damaged on disk: prepared anew", len(damaged))
    return damaged


def _append(key: str, prepared: Prepared, index: BinaryIO, signals: BinaryIO) -> IndexLine:
    content = np.ascontiguousarray(prepared.signal, SAMPLE_TYPE).data
    entry = IndexLine(
        key=key,
        name=prepared.name,
        start=signals.tell(),
        end=signals.tell() + content.nbytes,
        bradycardia=prepared.bradycardia,
        digest=prepared.digest,
        warnings=prepared.warnings,
        checksum=zlib.crc32(content),
    )
    signals.write(content)
    signals.flush()
    index.write(json.dumps(vars(entry)).encode() + b"\n")
    index.flush()
    return entry


def _prepared(entry: IndexLine, samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> Prepared:
    first, last = entry.start // SAMPLE_TYPE.itemsize, entry.end // SAMPLE_TYPE.itemsize
    return Prepared(
        name=entry.name,
        signal=samples[first:last].reshape(len(LEADS), -1),
        bradycardia=entry.bradycardia,
        digest=entry.digest,
        warnings=tuple(entry.warnings),
    )
