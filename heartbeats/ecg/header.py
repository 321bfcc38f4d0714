"""Parse headers: both dialects of the Challenge, and plain WFDB.

The dialect of 2020 has ``A0001.mat 16+24 1000/mV 16 0 28 -1716 0 I``, ``#Dx: 59118001`` and a date on the first line.
The dialect of 2021 has ``16x1+24 1000.0(0)/mV``, ``# Dx: 59118001`` and no date. Some headers write ``/mv``, or
``NAME.mat`` as the record name. All of them give the same :class:`Header`. For the grammar, see the WFDB header page:
https://physionet.org/physiotools/wag/header-5.htm

Parsing never fails: a missing or unreadable value is ``None``, NaN or empty.
"""

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from heartbeats.common.files import read_bytes

STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_CANONICAL_LEAD = {lead.lower(): lead for lead in STANDARD_LEADS}

# The Challenge's databases by the letters of the record name (paper, section 2.1; JS was added in 2021).
SOURCES = {
    "A": "cpsc", "Q": "cpsc_extra", "I": "incart", "S": "ptb", "HR": "ptb_xl", "E": "georgia", "JS": "chapman_ningbo",
}  # fmt: skip

_MILLIVOLTS = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3}  # µ: micro sign and Greek mu
_GAIN = re.compile(r"(?P<gain>[^(/]*)(?:\((?P<baseline>[+-]?\d+)\))?(?:/(?P<unit>\S+))?")
_COMMENT = re.compile(r"^[^\S\n]*#[^\S\n]*<?(\w+)>?[^\S\n]*:(.*)", re.MULTILINE)
_SEXES = {"m": "Male", "male": "Male", "f": "Female", "female": "Female"}
OLDEST = 130.0  # years; a higher age is unknown


@dataclass(frozen=True)
class SignalLine:
    """One lead's line: ``gain`` in ADC units per mV (NaN if unreadable), ``baseline`` in ADC units."""

    file: str
    format: str
    gain: float
    baseline: float
    lead: str


@dataclass(frozen=True)
class Header:
    """A recording's header. Missing or unreadable values are ``None``.

    ``segments`` is the number of segments of a multi-segment WFDB record. ``sampling_rate`` is in Hz. ``age`` is in
    years, NaN if unknown (headers write NaN, -1 or 300). ``sex`` is ``"Male"`` or ``"Female"``. ``diagnoses`` are the
    Dx entries as written, without repeats and empty ones.
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
        """The lead names in the order of the signals; standard leads have their usual spelling."""
        return tuple(signal.lead for signal in self.signals)


def find_headers(directory: Path | str) -> list[Path]:
    """Return all header files below a folder, sorted by path. Links are followed, hidden names skipped.

    Raises:
        NotADirectoryError: ``directory`` is not a folder.
        OSError: a folder cannot be listed. Otherwise its recordings would be lost silently.
    """
    if not Path(directory).is_dir():
        raise NotADirectoryError(f"{directory}: no such folder of recordings")
    found: list[str] = []
    seen: set[str] = set()

    def refuse(error: OSError) -> NoReturn:
        raise error

    for folder, folders, names in os.walk(directory, onerror=refuse, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:  # a link to a parent folder is an endless loop
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [f"{folder}/{name}" for name in names if name.endswith(".hea") and not name.startswith(".")]
    return [Path(path) for path in sorted(found)]


def read_header_text(path: Path) -> str:
    """Read a header file as UTF-8; if that fails, as Latin-1.

    Raises:
        OSError: the file cannot be read, is not a regular file, or is too large for a header.
    """
    raw = read_bytes(path)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def parse_header(text: str) -> Header:
    """Parse the text of a header. It never fails (see the module's docstring)."""
    # Not str.splitlines: it also splits at other characters, which Latin-1 headers may have.
    stripped = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    lines = [line for line in stripped if line and not line.startswith("#")]
    record = (lines[0] if lines else "").split() + 4 * [""]
    name, _, segments = record[0].partition("/")
    lead_count = _integer(record[1])
    comments = _comments(text)
    age = _number(comments.get("age", ""))
    return Header(
        name=name.removesuffix(".mat"),
        segments=_integer(segments),
        lead_count=lead_count,
        sampling_rate=_number(record[2].split("/")[0]),
        samples=_integer(record[3]),
        signals=tuple(_signal_line(line) for line in lines[1 : 1 + (lead_count or 0)]),
        age=age if age is not None and 0 <= age <= OLDEST else math.nan,
        sex=_SEXES.get(comments.get("sex", "").lower()),
        diagnoses=parse_diagnoses(text),
    )


def parse_diagnoses(text: str) -> tuple[str, ...]:
    """Return the Dx entries of a header as written, without repeats and empty ones."""
    entries = [entry.strip() for entry in _comments(text).get("dx", "").split(",")]
    return tuple(dict.fromkeys(entry for entry in entries if entry))


def canonical_lead(name: str) -> str:
    """Return the usual spelling of a standard lead, for example aVR for ``AVR``. Other names do not change."""
    return _CANONICAL_LEAD.get(name.lower(), name)


def source_of(name: str) -> str:
    """Return the database of a record name, for example ``"georgia"`` for E00001, or ``"other"``."""
    match = re.fullmatch(r"([A-Z]+)\d+", name)
    return SOURCES.get(match[1], "other") if match else "other"


def _comments(text: str) -> dict[str, str]:
    """Return the values of ``#Key: value`` lines by lower-case key. If a key repeats, its first line is used."""
    found = _COMMENT.findall(text.replace("\r", "\n"))
    return {key.lower(): value.strip() for key, value in reversed(found)}


def _signal_line(line: str) -> SignalLine:
    """Parse ``FILE FORMAT GAIN(BASELINE)/UNIT RESOLUTION ZERO FIRST CHECKSUM BLOCK LEAD``; only FILE is required."""
    fields = line.split()
    file, stated_format, stated_gain, _, zero = (fields + 4 * [""])[:5]
    match = _GAIN.fullmatch(stated_gain)
    gain = _number(match["gain"]) if match else None
    unit = _MILLIVOLTS.get((match["unit"] or "mV").lower(), 1.0) if match else 1.0
    baseline = _number(match["baseline"] or "") if match else None
    if baseline is None:
        baseline = _number(zero) or 0.0
    digits = re.match(r"\d+", stated_format)
    return SignalLine(
        file=file,
        format=digits[0] if digits else "",
        gain=math.nan if gain is None else gain / unit,
        baseline=baseline,
        lead=canonical_lead(fields[-1]),
    )


def _integer(text: str) -> int | None:
    number = _number(text)
    return int(number) if number is not None and number.is_integer() else None


def _number(text: str) -> float | None:
    """Return a finite number, or ``None`` for all other text."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
