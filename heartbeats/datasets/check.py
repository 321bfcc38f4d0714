"""Check a download of the Challenge's data: recordings per source, what is missing, and what cannot be read."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import Recording, read_recording
from heartbeats.preparation.workers import Failure, attempt, map_recordings

NAMED = 20  # missing recordings, at most, in a line


class Published(NamedTuple):
    """A source: its number of recordings, and the digits of its names if these are numbered without gaps."""

    title: str
    recordings: int
    digits: int | None


# The Challenges' pages at PhysioNet: challenge-2020 1.0.2, challenge-2021 1.0.3.
PUBLISHED = {
    "A": Published("CPSC 2018", 6877, 4),
    "Q": Published("CPSC 2018, extra", 3453, None),
    "I": Published("St Petersburg INCART", 74, 4),
    "S": Published("PTB", 516, None),
    "HR": Published("PTB-XL", 21837, 5),
    "E": Published("Georgia", 10344, 5),
    "JS": Published("Chapman-Shaoxing and Ningbo (2021)", 45152, None),
}


def check_folder(folder: Path) -> Iterator[str]:
    """Yield lines: for each source the counts and the missing names, and each recording that cannot be read.

    Raises:
        OSError: the folder cannot be read.
    """
    header_files = find_headers(folder)
    numbers: dict[str, set[int]] = defaultdict(set)
    others = 0
    for path in header_files:
        match = re.fullmatch(r"([A-Z]+)(\d+)", path.stem)
        if match and match[1] in PUBLISHED:
            numbers[match[1]].add(int(match[2]))
        else:
            others += 1
    for prefix, source in PUBLISHED.items():
        found = numbers[prefix]
        yield f"{source.title}: {len(found)} of {source.recordings} recordings{_missing(prefix, source, found)}"
    if others:
        yield f"other names: {others} recordings"
    damaged = 0
    for result in map_recordings(_read, header_files):
        if isinstance(result, Failure):
            damaged += 1
            yield f"{result.name}: cannot be used: {result.reason}"
    yield f"{len(header_files)} recordings, {damaged} of them cannot be used"


def _missing(prefix: str, source: Published, found: set[int]) -> str:
    """Return the missing names in words, if the source is there in part and its numbers have no gaps."""
    if not found or source.digits is None:
        return ""
    missing = [n for n in range(1, source.recordings + 1) if n not in found]
    named = ", ".join(f"{prefix}{n:0{source.digits}}" for n in missing[:NAMED])
    return f"; missing: {named}{', ...' if len(missing) > NAMED else ''}" if missing else ""


def _read(header_file: Path) -> str | Failure:
    """Return the recording's name, or a failure."""
    result: Recording | Failure = attempt(header_file.stem, lambda: read_recording(header_file))
    return result if isinstance(result, Failure) else result.name
