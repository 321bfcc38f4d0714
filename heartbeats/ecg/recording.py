"""Read one recording: its signal in mV, and warnings.

Samples come from a .mat file (MATLAB, variable ``val``), or ``wfdb`` reads them from plain WFDB files such as .dat.
A recording that cannot be used raises :class:`RecordingError`.
"""
# ruff: noqa: PTH113 - Path.is_file raises if a name is too long or a folder is not readable

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import isfile
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from heartbeats.common.errors import HeartBeatsError
from heartbeats.ecg.calibration import to_millivolts
from heartbeats.ecg.header import Header, canonical_lead, parse_header, read_header_text
from heartbeats.ecg.matlab_file import read_matlab_variable
from heartbeats.ecg.wfdb_files import read_wfdb_samples

SLOWEST_RATE, FASTEST_RATE = 50.0, 2000.0  # Hz
SHORTEST = 1.0  # s


class RecordingError(HeartBeatsError):
    """A recording cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True)
class Recording:
    """A recording that can be classified.

    Raises:
        RecordingError: signal and leads do not match, a sample is not finite, the recording is shorter than 1 s, or
            its sampling rate is not within 50 to 2000 Hz.

    Attributes:
        name: the header file's name without ``.hea``.
        signal: mV, float64, shape (leads, samples); every sample is finite.
        sampling_rate: Hz.
        leads: names in the order of the rows; standard leads are spelled as in ``STANDARD_LEADS``.
        age: years, NaN where unknown.
        sex: ``"Male"``, ``"Female"`` or ``None``.
        diagnoses: the header's Dx entries as written.
        missing: the number of missing samples per lead; ``signal`` is interpolated there.
        digest: SHA-256 of the samples as stored; it does not depend on the header.
        warnings: what was assumed or repaired, as text.
        gains: per lead, in ADC units per mV, as used; unknown (empty) for a signal that was given in mV.
    """

    name: str
    signal: npt.NDArray[np.float64]
    sampling_rate: float
    leads: tuple[str, ...]
    age: float = math.nan
    sex: str | None = None
    diagnoses: tuple[str, ...] = ()
    missing: tuple[int, ...] = ()
    digest: str = ""
    warnings: tuple[str, ...] = ()
    gains: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "missing", self.missing or (0,) * len(self.leads))
        object.__setattr__(self, "signal", np.asarray(self.signal, dtype=np.float64))
        object.__setattr__(self, "leads", tuple(canonical_lead(lead) for lead in self.leads))
        if self.signal.ndim != 2 or len(self.signal) != len(self.leads):
            raise RecordingError(f"{len(self.leads)} leads, but a signal of shape {self.signal.shape}")
        _check_limits(self.sampling_rate, self.signal.shape[1])
        if not np.isfinite(self.signal).all():
            raise RecordingError("signal has samples that are not finite: bridge them, for example with numpy.interp")

    @property
    def seconds(self) -> float:
        """The length in s."""
        return int(self.signal.shape[1]) / self.sampling_rate

    def with_leads(self, leads: Sequence[str] | None) -> Self:
        """Return the recording with only the named leads, in upper or lower case; ``None`` keeps all."""
        if leads is None:
            return self
        wanted = {canonical_lead(lead) for lead in leads}
        rows = [i for i, lead in enumerate(self.leads) if lead in wanted]
        kept, missing = tuple(self.leads[i] for i in rows), tuple(self.missing[i] for i in rows)
        gains = tuple(self.gains[i] for i in rows) if self.gains else ()
        return dataclasses.replace(self, signal=self.signal[rows], leads=kept, missing=missing, gains=gains)


def read_recording(header_file: Path | str) -> Recording:
    """Read ``NAME.hea`` and its signal: ``NAME.mat`` if it exists, else the files that the header names.

    Raises:
        RecordingError: a file is missing, unreadable or contradicts the header, or :class:`Recording` refuses it.
    """
    header_file = Path(header_file)
    if header_file.suffix.lower() != ".hea":
        raise RecordingError(f"{header_file.name} is not a header: its name must end in .hea")
    header = read_header(header_file)
    _sampling_rate(header)
    return recording_from_samples(header, read_samples(header_file, header), name=header_file.stem)


def read_header(header_file: Path) -> Header:
    """Read a header file.

    Raises:
        RecordingError: the file cannot be read.
    """
    try:
        return parse_header(read_header_text(header_file))
    except OSError as error:
        raise RecordingError(f"{header_file.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RecordingError(f"{header_file.name!r} is not a valid file name") from error


def signal_files(header_file: Path, header: Header | None = None) -> list[Path]:
    """Return a recording's signal files: ``NAME.mat`` if it exists, else the file that each signal line names.

    Names may be in capitals. A file that is not where the header names it may be beside the header.

    Raises:
        RecordingError: there is no ``NAME.mat``, and the header cannot be read.
    """
    if file := matlab_file(header_file):
        return [file]
    header = header or read_header(header_file)
    _sampling_rate(header)
    named = [(line.file, line.file.rsplit("/")[-1]) for line in header.signals]
    folder = header_file.parent
    return [_in_any_case(folder, file) or _in_any_case(folder, base) or folder / file for file, base in named]


def matlab_file(header_file: Path) -> Path | None:
    """Return the ``NAME.mat`` or ``NAME.MAT`` beside a header, ``None`` if there is none."""
    return _in_any_case(header_file.parent, f"{header_file.stem}.mat")


def _in_any_case(folder: Path, name: str) -> Path | None:
    """Return a file that exists under this name, or under its name in capitals or in small letters."""
    stem, dot, suffix = name.rpartition(".")
    names = (name, stem + dot + suffix.upper(), name.upper(), name.lower())
    return next((folder / each for each in names if isfile(folder / each)), None)


def read_samples(header_file: Path, header: Header | None = None, *, variable: str = "val") -> npt.NDArray[np.generic]:
    """Return the samples of a recording's signal files in ADC units, shape (leads, samples).

    A .mat file is a MATLAB file, in which ``variable`` holds the samples, even if the header states another format. If
    there is a ``NAME.mat``, the header file is not needed.

    Raises:
        RecordingError: a file is missing, unreadable, or does not hold an array of numbers.
    """
    files = signal_files(header_file, header)
    if absent := [path.name for path in files if not isfile(path)]:
        raise RecordingError(f"no signal file {absent[0]}: it is missing, or not a file")
    named = ", ".join(dict.fromkeys(path.name for path in files))
    try:
        if all(path.suffix.lower() == ".mat" and path == files[0] for path in files):
            samples = read_matlab_variable(files[0], variable)
        else:
            samples = read_wfdb_samples(header or read_header(header_file), files)
    except Exception as error:  # wfdb raises many types of errors for a damaged file
        raise RecordingError(f"{named} cannot be read: {error or type(error).__name__}") from error
    return _table(samples)


def recording_from_samples(header: Header, samples: npt.ArrayLike, *, name: str | None = None) -> Recording:
    """Make a recording in mV from a header and its samples.

    Args:
        header: from :func:`heartbeats.ecg.header.parse_header`.
        samples: ADC units, shape (leads, samples), rows in the header's order.
        name: the recording's name; the header's by default.

    Raises:
        RecordingError: header and samples do not match, or the recording is outside the limits.
    """
    sampling_rate = _sampling_rate(header)
    adc = np.ascontiguousarray(_table(samples))  # files differ in memory order, which changes NumPy's sums
    if len(adc) != len(header.signals):
        raise RecordingError(f"header has {len(header.signals)} leads, signal has {len(adc)}")
    _check_limits(sampling_rate, adc.shape[1])
    name = name or header.name
    signal, gains, missing, warnings = to_millivolts(header, adc, name)
    if header.samples not in (None, adc.shape[1]):
        warnings.insert(0, f"header announces {header.samples} samples, signal has {adc.shape[1]}")
    return Recording(
        name,
        signal,
        sampling_rate,
        header.leads,
        age=header.age,
        sex=header.sex,
        diagnoses=header.diagnoses,
        missing=missing,
        digest=_digest(adc),
        warnings=tuple(warnings),
        gains=tuple(gains.tolist()),
    )


def _sampling_rate(header: Header) -> float:
    """Return the sampling rate in Hz, or raise a RecordingError if the header does not describe the signal."""
    if header.segments is not None:
        raise RecordingError(f"a record of {header.segments} segments: join them, or use each segment as a record")
    if not header.signals:
        raise RecordingError("header describes no leads")
    if header.sampling_rate is None:
        raise RecordingError("header states no sampling rate")
    if header.lead_count != len(header.signals):
        raise RecordingError(f"header announces {header.lead_count} leads, has {len(header.signals)}")
    return header.sampling_rate


def _check_limits(sampling_rate: float, samples: int) -> None:
    if not SLOWEST_RATE <= sampling_rate <= FASTEST_RATE:
        limits = f"{SLOWEST_RATE:g} to {FASTEST_RATE:g} Hz"
        raise RecordingError(f"sampling rate {sampling_rate:g} Hz is not within {limits}")
    if samples < SHORTEST * sampling_rate:
        raise RecordingError(f"{samples} samples at {sampling_rate:g} Hz are shorter than {SHORTEST:g} s")


def _table(samples: npt.ArrayLike) -> npt.NDArray[np.generic]:
    """Return samples as a 2-dimensional array of real numbers, or raise a RecordingError."""
    try:
        table = np.asarray(samples)
    except ValueError as error:
        raise RecordingError(f"signal is not a table of numbers: {error}") from error
    if table.ndim != 2 or table.dtype.kind not in "iuf":
        raise RecordingError(f"signal is not a table of numbers but {table.ndim}-dimensional {table.dtype}")
    return table


def _digest(adc: npt.NDArray[np.generic]) -> str:
    """Return the SHA-256 of the samples, as int16 if they fit: the file's number type is ignored."""
    with np.errstate(invalid="ignore"):
        narrow = adc.astype("<i2", copy=False)
    kept = narrow if np.array_equal(narrow, adc) else adc.astype("<f8")
    return hashlib.sha256(kept.data).hexdigest()
