"""Parse headers: both dialects of the Challenge, and plain WFDB.

The dialect of 2020 has ``A0001.mat 16+24 1000/mV 16 0 28 -1716 0 I``, ``#Dx: 59118001`` and a date on the first line.
The dialect of 2021 has ``16x1+24 1000.0(0)/mV``, ``# Dx: 59118001`` and no date. Some headers write ``/mv``, or
``NAME.mat`` as the record name. All of them give the same :class:`Header`. For the grammar, see the WFDB header page:
https://physionet.org/physiotools/wag/header-5.htm

Parsing never fails: a missing or unreadable value is ``None``, NaN or empty.
"""

import dataclasses
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

_PREFIXES = {"": 1e3, "m": 1.0, "milli": 1.0, "u": 1e-3, "µ": 1e-3, "μ": 1e-3, "micro": 1e-3, "n": 1e-6, "nano": 1e-6}
_MILLIVOLTS = {prefix + volt: value for prefix, value in _PREFIXES.items() for volt in ("v", "volt", "volts")}
_GAIN = re.compile(r"([^(/]*)(?:\(([^)]*)\))?(?:/(\S+))?")  # GAIN(BASELINE)/UNIT
_FORMAT = re.compile(r"(\d*)(?:x(\d{1,4})(?!\d))?(?::(\d+))?(?:\+(\d+))?")  # FORMATxSAMPLES_PER_FRAME:SKEW+OFFSET
_STANDARD = "(iii|ii|i|av[rlf]|v[1-6])"
_PLAIN_LEAD = re.compile(rf"(?:(?:ecg|ekg|lead)[\s_]*)*{_STANDARD}", re.IGNORECASE)
_LEAD_IN_WORDS = re.compile(rf"(?<![a-z\d])(?:ecg|ekg|lead|ml)?{_STANDARD}(?![a-z\d])", re.IGNORECASE)
_COMMENT = re.compile(r"^[^\S\n]*#[^\S\n]*<?(\w+)>?[^\S\n]*:(.*)", re.MULTILINE)
_SEXES = {"m": "Male", "male": "Male", "f": "Female", "female": "Female"}
OLDEST = 130.0  # years; a higher age is unknown


@dataclass(frozen=True)
class SignalLine:
    """One lead's line.

    ``gain`` is in ADC units per mV, NaN if unreadable; an ``unknown_unit`` counts as mV. ``baseline`` is in ADC units.
    The lead is ``skew`` frames late in the file, whose samples begin after ``offset`` bytes (FLAC: samples). Format 8
    adds its differences to ``first``.
    """

    file: str
    format: str
    samples_per_frame: int
    skew: int
    offset: int
    gain: float
    unknown_unit: str
    baseline: float
    first: int
    lead: str


@dataclass(frozen=True)
class Header:
    """A recording's header. Missing or unreadable values are ``None``.

    ``segments`` is the number of segments of a multi-segment WFDB record. ``sampling_rate`` in Hz, ``samples`` and
    ``samples_per_frame`` belong to the standard lead with most samples per frame. ``age`` is in years, NaN if unknown
    (headers write NaN, -1 or 300). ``sex`` is ``"Male"`` or ``"Female"``. ``diagnoses`` are the entries of all Dx lines
    as written, without repeats and empty ones. ``warnings`` are for the user.
    """

    name: str
    segments: int | None
    lead_count: int | None
    sampling_rate: float | None
    samples: int | None
    samples_per_frame: int
    signals: tuple[SignalLine, ...]
    age: float
    sex: str | None
    diagnoses: tuple[str, ...]
    warnings: tuple[str, ...]

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
        found += [f"{folder}/{name}" for name in names if name.lower().endswith(".hea") and name[0] != "."]
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
    (name, segments), *_ = re.findall(r"^(.*?)(?:/([1-9]\d*))?$", record[0])
    lead_count = _integer(record[1])
    signals, warnings = _name_leads([_signal_line(line) for line in lines[1 : 1 + (lead_count or 0)]])
    ecg = [line for line in signals if line.lead in STANDARD_LEADS] or signals
    per_frame = max((line.samples_per_frame for line in ecg), default=1)
    comments = {key: values[0] for key, values in _comments(text).items()}
    age = _number(comments.get("age", ""), math.nan)
    rate = _number(record[2].split("/")[0], math.nan) * per_frame
    return Header(
        name=re.sub(r"(?i)\.mat$", "", name.rsplit("/")[-1]),
        segments=_integer(segments),
        lead_count=lead_count,
        sampling_rate=rate if math.isfinite(rate) else None,
        samples=(_integer(record[3]) or 0) * per_frame or None,  # 0: not stated
        samples_per_frame=per_frame,
        signals=signals,
        age=age if 0 <= age <= OLDEST else math.nan,
        sex=_SEXES.get(comments.get("sex", "").lower()),
        diagnoses=parse_diagnoses(text),
        warnings=warnings,
    )


def parse_diagnoses(text: str) -> tuple[str, ...]:
    """Return the entries of all Dx lines of a header as written, without repeats and empty ones."""
    entries = [entry.strip() for line in _comments(text).get("dx", []) for entry in line.split(",")]
    return tuple(dict.fromkeys(entry for entry in entries if entry))


def canonical_lead(name: str) -> str:
    """Return the usual spelling of a standard lead, for example aVR for ``AVR``. Other names do not change."""
    return _CANONICAL_LEAD.get(name.lower(), name)


def source_of(name: str) -> str:
    """Return the database of a record name, for example ``"georgia"`` for E00001, or ``"other"``."""
    match = re.fullmatch(r"([A-Z]+)\d+", name)
    return SOURCES.get(match[1], "other") if match else "other"


def _comments(text: str) -> dict[str, list[str]]:
    """Return the values of ``#Key: value`` lines by lower-case key."""
    values: dict[str, list[str]] = {}
    for key, value in _COMMENT.findall(text.replace("\r", "\n")):
        values.setdefault(key.lower(), []).append(value.strip())
    return values


def _signal_line(line: str) -> SignalLine:
    """Parse ``FILE FORMATxFRAME:SKEW+OFFSET GAIN(BASELINE)/UNIT RESOLUTION ZERO FIRST CHECKSUM BLOCK LEAD``.

    Only FILE is required. In a line that lacks fields, the last one is the lead.
    """
    fields = line.split()
    file, stated_format, stated_gain, _, zero, first = (fields + 5 * [""])[:6]
    signal_format, per_frame, skew, offset = _FORMAT.findall(stated_format)[0]
    gain, baseline, unit = _GAIN.findall(stated_gain)[0]
    in_millivolts = _MILLIVOLTS.get(unit.lower() or "mv")
    return SignalLine(
        file=file,
        format=signal_format,
        samples_per_frame=_integer(per_frame) or 1,
        skew=_integer(skew) or 0,
        offset=_integer(offset) or 0,
        gain=_number(gain, math.nan) / (in_millivolts or 1.0),
        unknown_unit="" if in_millivolts else unit,
        baseline=_number(baseline, _number(zero, 0.0)),
        first=int(_number(first, _number(zero, 0.0))),
        lead=" ".join(fields[8:]) or fields[-1],
    )


def _name_leads(lines: list[SignalLine]) -> tuple[tuple[SignalLine, ...], tuple[str, ...]]:
    """Name the standard leads, and return warnings of other words beside their names and of unknown units.

    ``Lead II`` is lead II. So are ``MLII`` and ``II (noisy)``, with a warning, if no other line is plainly lead II.
    """
    plain = [canonical_lead(match[1]) if (match := _PLAIN_LEAD.fullmatch(line.lead)) else None for line in lines]
    named, warnings = [], []
    for line, lead in zip(lines, plain, strict=True):
        in_words = {canonical_lead(name) for name in _LEAD_IN_WORDS.findall(line.lead)}
        chosen = lead or (in_words.pop() if len(in_words) == 1 and in_words.isdisjoint(plain) else line.lead)
        named.append(dataclasses.replace(line, lead=chosen))
        if chosen != lead and chosen in STANDARD_LEADS:
            warnings.append(f"{line.lead!r} is read as lead {chosen}")
        if line.unknown_unit and chosen in STANDARD_LEADS:
            warnings.append(f"unit {line.unknown_unit!r} of lead {chosen} is unknown: taken as mV")
    return tuple(named), tuple(warnings)


def _integer(text: str) -> int | None:
    number = _number(text, math.nan)
    return int(number) if number.is_integer() else None


def _number(text: str, otherwise: float) -> float:
    """Return a finite number, or ``otherwise`` for all other text."""
    try:
        number = float(text)
    except ValueError:
        return otherwise
    return number if math.isfinite(number) else otherwise
