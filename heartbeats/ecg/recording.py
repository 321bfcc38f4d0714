"""One recording: its signal in mV, and what is wrong with it.

The samples come as .mat (MATLAB, 16-bit, variable ``val``) or in a plain WFDB form such as .dat, read through ``wfdb``.
A recording that cannot be used raises :class:`RecordingError`; one that can be, with a reservation, carries the
reservation in :attr:`Recording.warnings`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.common.errors import HeartBeatsError
from heartbeats.ecg.calibration import to_millivolts
from heartbeats.ecg.header import Header, canonical_lead, parse_header, read_header_text
from heartbeats.ecg.matlab_file import MatlabFileError, read_matlab_variable

__all__ = [
    "Recording",
    "RecordingError",
    "read_header",
    "read_recording",
    "read_samples",
    "recording_from_samples",
    "signal_files",
]

SLOWEST_RATE, FASTEST_RATE = 50.0, 2000.0  # Hz
SHORTEST = 1.0  # s


class RecordingError(HeartBeatsError):
    """A recording cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True)
class Recording:
    """A recording as it was made, found fit to be classified.

    Raises:
        RecordingError: signal and leads do not match, a sample is not finite, or the recording is outside what can be
            classified (1 s or longer, 50 to 2000 Hz).

    Attributes:
        name: the header file's name without ``.hea``.
        signal: mV, float64, shape (leads, samples); every sample is finite.
        sampling_rate: Hz.
        leads: names in the order of the rows, the standard ones, of whichever case, spelled as in ``STANDARD_LEADS``.
        age: years, NaN where unknown.
        sex: ``"Male"``, ``"Female"`` or ``None``.
        diagnoses: the header's Dx entries as written.
        missing: how many samples of each lead the file does not have, which are bridged in ``signal``; shape (leads,).
        digest: SHA-256 of the samples as stored: two recordings of one signal share it, whatever their headers say.
        warnings: what had to be assumed or mended, in words.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "missing", self.missing or (0,) * len(self.leads))
        object.__setattr__(self, "signal", np.asarray(self.signal, dtype=np.float64))
        object.__setattr__(self, "leads", tuple(canonical_lead(lead) for lead in self.leads))
        if self.signal.ndim != 2 or len(self.signal) != len(self.leads):
            raise RecordingError(f"{len(self.leads)} leads, but a signal of shape {self.signal.shape}")
        if not SLOWEST_RATE <= self.sampling_rate <= FASTEST_RATE:
            raise RecordingError(
                f"sampling rate {self.sampling_rate:g} Hz is not within {SLOWEST_RATE:g} to {FASTEST_RATE:g} Hz"
            )
        if (samples := self.signal.shape[1]) < SHORTEST * self.sampling_rate:
            raise RecordingError(f"{samples} samples at {self.sampling_rate:g} Hz are shorter than {SHORTEST:g} s")
        if not np.isfinite(self.signal).all():
            raise RecordingError("signal holds samples that are not finite: bridge them, as by numpy.interp")

    def with_leads(self, leads: Sequence[str] | None) -> Recording:
        """The recording with no more than ``leads``, case not counting; itself where ``leads`` is ``None``."""
        if leads is None:
            return self
        wanted = {canonical_lead(lead) for lead in leads}
        rows = [i for i, lead in enumerate(self.leads) if lead in wanted]
        return dataclasses.replace(
            self,
            signal=self.signal[rows],
            leads=tuple(self.leads[i] for i in rows),
            missing=tuple(self.missing[i] for i in rows),
        )


def read_recording(header_file: Path | str) -> Recording:
    """Read a header ``NAME.hea`` and its signal, ``NAME.mat`` beside it or else the files that it names.

    Raises:
        RecordingError: a file is missing or unreadable, or they contradict each other.
    """
    header_file = Path(header_file)
    if header_file.suffix != ".hea":
        raise RecordingError(f"{header_file.name} is not named as a header: NAME.hea is")
    header = read_header(header_file)
    _require_described(header)
    return recording_from_samples(header, read_samples(header_file, header), name=header_file.stem)


def read_header(header_file: Path) -> Header:
    """Read a header; what it does not say is absent (see :mod:`heartbeats.ecg.header`).

    Raises:
        RecordingError: the file cannot be read.
    """
    try:
        return parse_header(read_header_text(header_file))
    except OSError as error:
        raise RecordingError(f"{header_file.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RecordingError(f"{header_file.name!r} is no name of a file") from error


def signal_files(header_file: Path) -> list[Path]:
    """The files that hold a recording's signal: ``NAME.mat`` beside the header, or else those that it names.

    Raises:
        RecordingError: there is no ``NAME.mat``, and the header cannot be read.
    """
    matlab_file = _matlab_file(header_file)
    return [matlab_file] if matlab_file else _named_files(header_file, read_header(header_file))


def read_samples(header_file: Path, header: Header | None = None, *, variable: str = "val") -> npt.NDArray[np.generic]:
    """The samples of a recording's signal files (see :func:`signal_files`), in ADC units, shape (leads, samples).

    Args:
        header_file: need not exist beside a ``NAME.mat``.
        header: what the file says, where it has been read already.
        variable: of ``NAME.mat``, that holds the samples.

    Raises:
        RecordingError: a file is missing, unreadable, or does not hold an array of numbers.
    """
    if matlab_file := _matlab_file(header_file):
        return _table(_matlab_samples(matlab_file, variable))
    return _table(_wfdb_samples(header_file, header or read_header(header_file)))


def _matlab_file(header_file: Path) -> Path | None:
    """``NAME.mat`` beside a header, if it is there."""
    matlab_file = header_file.with_suffix(".mat")
    # os.path, because Path raises on a name that is too long for one, or in a folder that may not be entered.
    return matlab_file if os.path.isfile(matlab_file) else None  # noqa: PTH113


def _named_files(header_file: Path, header: Header) -> list[Path]:
    """The signal files that a header names."""
    return [header_file.parent / name for name in dict.fromkeys(line.file for line in header.signals)]


def _matlab_samples(matlab_file: Path, variable: str) -> npt.NDArray[np.generic]:
    try:
        return read_matlab_variable(matlab_file, variable)
    except (MatlabFileError, OSError) as error:
        raise RecordingError(f"{matlab_file.name} cannot be read: {error}") from error


def _wfdb_samples(header_file: Path, header: Header) -> npt.NDArray[np.generic]:
    """The samples as ``wfdb`` reads them out of the files that the header names."""
    _require_described(header)  # wfdb makes a list of as many leads as are announced
    files = _named_files(header_file, header)
    for path in files:
        if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
            raise RecordingError(f"{path.name} is not a file")
    import wfdb  # noqa: PLC0415 - it brings pandas, which workers need only for this

    try:
        record = wfdb.rdrecord(str(header_file.with_suffix("")), physical=False)
    except FileNotFoundError as error:
        raise RecordingError(
            f"no signal file: neither {header_file.stem}.mat nor the files its header names"
        ) from error
    except Exception as error:  # a damaged file makes wfdb raise nearly anything
        named = ", ".join(path.name for path in files)
        reason = str(error) or type(error).__name__
        raise RecordingError(f"{named} cannot be read (cut short, or not as the header says): {reason}") from error
    return np.asarray(record.d_signal).T


def recording_from_samples(header: Header, samples: npt.ArrayLike, *, name: str | None = None) -> Recording:
    """Put a header and its samples together, in mV.

    Args:
        header: as :func:`heartbeats.ecg.header.parse_header` gives it.
        samples: ADC units, shape (leads, samples), rows in the header's order.
        name: the recording's name where it is not the header's.

    Raises:
        RecordingError: header and samples contradict each other, or make no :class:`Recording`.
    """
    sampling_rate = _require_described(header)
    adc = np.ascontiguousarray(_table(samples))  # NumPy sums in the order of memory, which files differ in
    if len(adc) != len(header.signals):
        raise RecordingError(f"header has {len(header.signals)} leads, signal has {len(adc)}")
    if not adc.shape[1]:
        raise RecordingError(f"0 samples are shorter than {SHORTEST:g} s")
    signal, missing, warnings = to_millivolts(header, adc, name or header.name)
    if header.samples not in (None, adc.shape[1]):
        warnings.insert(0, f"header announces {header.samples} samples, signal has {adc.shape[1]}")
    return Recording(
        name=name or header.name,
        signal=signal,
        sampling_rate=sampling_rate,
        leads=header.leads,
        age=header.age,
        sex=header.sex,
        diagnoses=header.diagnoses,
        missing=missing,
        digest=_digest(adc),
        warnings=tuple(warnings),
    )


def _require_described(header: Header) -> float:
    """The sampling rate in Hz of a header that describes its leads.

    Raises:
        RecordingError: it does not, or states no sampling rate.
    """
    if header.segments is not None:
        raise RecordingError(f"a record of {header.segments} segments: give it in one, or its segments one by one")
    if not header.signals:
        raise RecordingError("header describes no leads")
    if header.sampling_rate is None:
        raise RecordingError("header states no sampling rate")
    if header.lead_count != len(header.signals):
        raise RecordingError(f"header announces {header.lead_count} leads, has {len(header.signals)}")
    return header.sampling_rate


def _table(samples: npt.ArrayLike) -> npt.NDArray[np.generic]:
    """``samples`` as a table of real numbers."""
    try:
        table = np.asarray(samples)
    except ValueError as error:
        raise RecordingError(f"signal is not a table of numbers: {error}") from error
    if table.ndim != 2 or table.dtype.kind not in "iuf":
        raise RecordingError(f"signal is not a table of numbers but {table.ndim}-dimensional {table.dtype}")
    return table


def _digest(adc: npt.NDArray[np.generic]) -> str:
    """SHA-256 of the samples, as 16-bit integers where that loses nothing: the file's type of number does not count."""
    with np.errstate(invalid="ignore"):
        narrow = adc.astype("<i2", copy=False)
    kept = narrow if narrow.dtype == adc.dtype or np.array_equal(narrow, adc) else adc.astype("<f8")
    return hashlib.sha256(kept.data).hexdigest()
