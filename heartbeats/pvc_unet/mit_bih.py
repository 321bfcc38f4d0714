"""The MIT-BIH Arrhythmia Database as the U-Net learns from it: one lead, its beats, and what is to be marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import wfdb

from heartbeats.ecg.recording import RecordingError, read_recording
from heartbeats.preparation.preprocessing import SAMPLING_RATE, prepared_leads

__all__ = ["COUNTS", "DS1", "DS2", "OTHER", "PREMATURE", "AnnotatedRecord", "read_annotated", "read_records", "truth"]

# de Chazal, O'Dwyer and Reilly 2004, which leaves out the paced records 102, 104, 107 and 217; less 201, whose patient
# is that of 202. All of them have the lead MLII.
DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)  # fmt: skip
DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)  # fmt: skip

BEATS = frozenset("NLRejAaJSVEF/fQ")
BEFORE, AFTER, GAP = 0.2, 0.4, 0.02  # s
# The rows of what is to be answered: in a premature ventricular beat, in another beat, whether the sample counts.
PREMATURE, OTHER, COUNTS = range(3)

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class AnnotatedRecord:
    """A record with its beats, prepared as the networks' leads are.

    Attributes:
        leads: int16 in microvolts, 500 Hz, shape (leads, samples), two at least; the first row is MLII or II.
        beats: samples of the R marks, shape (beats,).
        symbols: their annotations, shape (beats,).
        flutter: samples within annotated ventricular flutter, shape (samples,).
    """

    name: str
    leads: npt.NDArray[np.int16]
    beats: npt.NDArray[np.intp]
    symbols: npt.NDArray[np.str_]
    flutter: Bools


def read_annotated(header_file: Path) -> AnnotatedRecord:
    """Read a MIT-BIH record with its annotations ``atr``.

    Raises:
        RecordingError: it cannot be read.
        ValueError: it has no lead MLII.
        OSError: there are no annotations.
    """
    recording = read_recording(header_file)
    if "MLII" not in recording.leads:
        raise ValueError(f"{header_file.stem} has the leads {', '.join(recording.leads)}, not MLII")
    signal = recording.signal if recording.leads[0] == "MLII" else recording.signal[::-1]
    leads = prepared_leads(signal, sampling_rate=recording.sampling_rate)
    marks = wfdb.rdann(str(header_file.with_suffix("")), "atr")
    symbols = np.array(marks.symbol)
    samples = np.rint(marks.sample * (SAMPLING_RATE / recording.sampling_rate)).astype(np.intp)
    flutter = np.zeros(leads.shape[1], dtype=np.bool_)
    for start, end in zip(samples[symbols == "["], samples[symbols == "]"], strict=True):
        flutter[start:end] = True
    is_beat = np.isin(symbols, list(BEATS))
    return AnnotatedRecord(header_file.stem, leads, samples[is_beat], symbols[is_beat], flutter)


def truth(record: AnnotatedRecord) -> npt.NDArray[np.float32]:
    """What the network is to answer, 0 or 1, shape (3, samples): :data:`PREMATURE`, :data:`OTHER`, :data:`COUNTS`.

    A beat's span is from 0.2 s before its R mark to 0.4 s after, but ends 20 ms before the middle between it and its
    neighbour, so that each of two premature beats in a row has a span of its own. Ventricular escape beats,
    unclassified beats and ventricular flutter do not count: they are as wide, but not, or not certainly, premature
    ventricular beats. Fusion beats are other beats, as their annotation says.
    """
    middles = (record.beats[1:] + record.beats[:-1]) / (2 * SAMPLING_RATE)
    times = record.beats / SAMPLING_RATE
    starts = np.maximum(times - BEFORE, np.append(-np.inf, middles + GAP))
    ends = np.minimum(times + AFTER, np.append(middles - GAP, np.inf))
    targets = np.zeros((3, record.leads.shape[1]), dtype=np.float32)
    targets[COUNTS] = ~record.flutter
    for start, end, symbol in zip(starts, ends, record.symbols, strict=True):
        span = slice(max(0, round(start * SAMPLING_RATE)), round(end * SAMPLING_RATE))
        if symbol in "EQ":
            targets[COUNTS, span] = 0
        else:
            targets[PREMATURE if symbol == "V" else OTHER, span] = 1
    return targets


def read_records(folder: Path, names: Sequence[str]) -> tuple[list[AnnotatedRecord], list[str]]:
    """The records of these names, and of those that cannot be used the names with the reasons.

    Raises:
        FileNotFoundError: none can be used.
    """
    records, left_out = [], []
    for name in names:
        try:
            records.append(read_annotated(folder / f"{name}.hea"))
        except (OSError, ValueError, RecordingError) as error:
            left_out.append(f"{name}: {error}")
    if not records:
        raise FileNotFoundError(f"{folder}: none of the records {', '.join(names)} can be used ({left_out[0]})")
    return records, left_out
