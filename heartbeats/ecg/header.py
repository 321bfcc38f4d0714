"""WFDB header text as a :class:`Header`: both dialects of the Challenge, and plain WFDB.

The Challenge published its headers twice. In 2020: ``A0001.mat 16+24 1000/mV 16 0 28 -1716 0 I`` and ``#Dx: 59118001``
with a date on the first line; in 2021's later release: ``16x1+24 1000.0(0)/mV``, ``# Dx: 59118001`` and no date. Some
write ``/mv``, some give ``NAME.mat`` as record name. All of these give the same :class:`Header`. The grammar is that of
the WFDB header page (https://physionet.org/physiotools/wag/header-5.htm).

Reading a header never fails: what it does not say is ``None``, NaN or empty, and whoever needs it complains.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from heartbeats.common.files import read_bytes

__all__ = [
    "OLDEST",
    "SOURCES",
    "STANDARD_LEADS",
    "Header",
    "SignalLine",
    "canonical_lead",
    "find_headers",
    "header_paths",
    "parse_diagnoses",
    "parse_header",
    "read_header_text",
    "source_of",
]

STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_CANONICAL_LEAD = {lead.lower(): lead for lead in STANDARD_LEADS}

# The Challenge's databases by the letters before a record's number (paper, section 2.1; JS came in 2021).
SOURCES = {
    "A": "cpsc",
    "Q": "cpsc_extra",
    "I": "incart",
    "S": "ptb",
    "HR": "ptb_xl",
    "E": "georgia",
    "JS": "chapman_ningbo",
}

_MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3}  # µ is two characters: micro sign, Greek mu
_GAIN = re.compile(r"(?P<gain>[^(/]*)(?:\((?P<baseline>[+-]?\d+)\))?(?:/(?P<unit>\S+))?$")
_FORMAT = re.compile(r"(\d+)")
_COMMENT = re.compile(r"#\s*<?(\w+)>?\s*:(.*)$")
_DX = re.compile(r"#[^\S\n]*<?[dD][xX]>?[^\S\n]*:(.*)")
_SEXES = {"m": "Male", "male": "Male", "f": "Female", "female": "Female"}
OLDEST = 130.0  # years; what is more is no age


@dataclass(frozen=True)
class SignalLine:
    """One lead's line. ``gain`` is in ADC units per mV (NaN if not stated as a number), ``baseline`` in ADC units."""

    file: str
    format: str
    gain: float
    baseline: float
    lead: str


@dataclass(frozen=True)
class Header:
    """A recording's header. ``sampling_rate`` in Hz and ``samples`` are ``None`` where absent or unreadable.

    ``segments`` is how many records it is put together of, for which it has no leads of its own (WFDB), or ``None``.
    ``age`` is in years, NaN where unknown (NaN, -1 and 300 are all met); ``sex`` is ``"Male"``, ``"Female"`` or
    ``None``; ``diagnoses`` are the Dx entries as written, without repeats and empty ones.
    """

    name: str
    segments: int | None
    lead_count: int | None
    sampling_rate: float | None
    samples: int | None
    signals: tuple[SignalLine, ...]
    age: float
    sex: str | None
    diagnoses: tuple[str, ...]

    @property
    def leads(self) -> tuple[str, ...]:
        """Lead names in the order of the signals, the twelve standard ones in their usual spelling."""
        return tuple(signal.lead for signal in self.signals)


def find_headers(directory: Path | str) -> list[Path]:
    """All header files below ``directory``, sub-folders and links included, hidden ones not, sorted by path.

    Raises:
        NotADirectoryError: ``directory`` is not a folder.
        OSError: it or a folder below cannot be listed: its recordings would be missing without a word.
    """
    return [Path(path) for path in header_paths(directory)]


def header_paths(directory: Path | str) -> list[str]:
    """As :func:`find_headers`, but as text: making a ``Path`` of each takes longer than finding them.

    Raises:
        OSError: as there.
    """
    if not Path(directory).is_dir():
        raise NotADirectoryError(f"{directory}: no such folder of recordings")
    found: list[str] = []
    seen: set[str] = set()

    def refuse(error: OSError) -> NoReturn:
        raise error

    for folder, folders, names in os.walk(directory, onerror=refuse, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:  # a link to a folder above would never end
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [f"{folder}/{name}" for name in names if name.endswith(".hea") and not name.startswith(".")]
    return sorted(found)


def read_header_text(path: Path | str) -> str:
    """The text of a header file, UTF-8 or, failing that, Latin-1.

    Raises:
        OSError: the file cannot be read, or is no text file of a header's size.
    """
    raw = read_bytes(path)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def parse_header(text: str) -> Header:
    """Read a header of either dialect; see the module's docstring for what is absent or unreadable."""
    # Not str.splitlines: a Latin-1 header may hold bytes that Unicode takes for line ends.
    lines = [line.strip() for line in re.split(r"\r\n?|\n", text) if line.strip()]
    body = [line for line in lines if not line.startswith("#")]
    comments = _comments(lines)
    record = (body[0] if body else "").split()
    lead_count = _integer(record, 1)
    name, _, segments = record[0].partition("/") if record else ("", "", "")
    return Header(
        name=name.removesuffix(".mat"),
        segments=_integer([segments], 0),
        lead_count=lead_count,
        sampling_rate=_number(record[2].split("/")[0]) if len(record) > 2 else None,
        samples=_integer(record, 3),
        signals=tuple(_signal_line(line) for line in body[1 : 1 + (lead_count or 0)]),
        age=_age(comments.get("age", "")),
        sex=_SEXES.get(comments.get("sex", "").lower()),
        diagnoses=parse_diagnoses(text),
    )


def parse_diagnoses(text: str) -> tuple[str, ...]:
    """The ``diagnoses`` of a header's :class:`Header`, without reading the rest: scoring needs nothing else."""
    text = text.replace("\r", "\n")
    for match in _DX.finditer(text):
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if not before or before.isspace():  # nothing but the comment is on its line
            return _entries(match[1])
    return ()


@lru_cache(4096)
def _entries(written: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.strip() for entry in written.split(",") if entry.strip()))


def canonical_lead(name: str) -> str:
    """A standard lead's name in its usual spelling, whatever the case; another name as it is."""
    return _CANONICAL_LEAD.get(name.lower(), name)


def source_of(name: str) -> str:
    """The Challenge database that a record name belongs to, e.g. ``"georgia"`` for E00001, or ``"other"``."""
    match = re.fullmatch(r"([A-Z]+)\d+", name)
    return SOURCES.get(match[1], "other") if match else "other"


def _comments(lines: list[str]) -> dict[str, str]:
    """``#Key: value`` lines by lower-case key; the first line of a key counts."""
    found: dict[str, str] = {}
    for line in lines:
        if match := _COMMENT.match(line):
            found.setdefault(match[1].lower(), match[2].strip())
    return found


def _signal_line(line: str) -> SignalLine:
    """``FILE FORMAT GAIN(BASELINE)/UNIT RESOLUTION ZERO FIRST CHECKSUM BLOCK LEAD``; all after FORMAT is optional."""
    fields = line.split()
    stated_format = _FORMAT.match(fields[1]) if len(fields) > 1 else None
    gain, baseline = _gain(fields[2]) if len(fields) > 2 else (math.nan, None)
    if baseline is None and len(fields) > 4:
        baseline = _number(fields[4])
    return SignalLine(
        file=fields[0],
        format=stated_format[1] if stated_format else "",
        gain=gain,
        baseline=baseline if baseline is not None else 0.0,
        lead=canonical_lead(fields[-1]),
    )


@lru_cache(4096)
def _gain(written: str) -> tuple[float, float | None]:
    """``GAIN(BASELINE)/UNIT``: ADC units per mV, NaN if not stated as a number, and ADC units, where it states them."""
    stated = _GAIN.match(written)
    if not stated:
        return math.nan, None
    gain = _number(stated["gain"])
    unit = (stated["unit"] or "mV").lower()
    baseline = _number(stated["baseline"]) if stated["baseline"] else None
    return math.nan if gain is None else gain / _MILLIVOLTS.get(unit, 1.0), baseline


def _age(text: str) -> float:
    age = _number(text)
    return age if age is not None and 0 <= age <= OLDEST else math.nan


def _integer(fields: list[str], position: int) -> int | None:
    number = _number(fields[position]) if len(fields) > position else None
    return int(number) if number is not None and number.is_integer() else None


def _number(text: str) -> float | None:
    """A finite number, or ``None``: NaN and infinity say no more than an absent number."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
