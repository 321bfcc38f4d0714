"""Recordings that the U-Net learns from: MIT-BIH records with annotated beats, Challenge recordings without PVC."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import wfdb

from heartbeats.challenge.diagnoses import CPSC_PVC, PVC, snomed_codes
from heartbeats.common.console import print_line
from heartbeats.ecg.recording import RecordingError, read_recording
from heartbeats.preparation.bradycardia import r_peaks
from heartbeats.preparation.signals import SAMPLING_RATE, prepare_leads, prepare_signal
from heartbeats.preparation.workers import Failure, attempt
from heartbeats.pvc_unet.marking import ALL_LEADS
from heartbeats.pvc_unet.unet import WINDOW

# The split of de Chazal, O'Dwyer and Reilly 2004, without the paced records 102, 104, 107 and 217. Record 201 is left
# out too: 202 is the same patient. Records go to the folds in turn. DS1 is sorted by the commonest kind of beat and by
# the number of V. So each fold gets bundle branch blocks, and records with few V and with many.
DS1 = (
    "109", "207", "101", "112", "115", "122", "220", "209", "230", "108", "114",
    "205", "116", "215", "119", "203", "223", "106", "208", "118", "124",
)  # fmt: skip
DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)  # fmt: skip

BEATS = "NLRejAaJSVEF/fQ"
BEFORE, AFTER, GAP = 0.2, 0.4, 0.02  # s
PREMATURE, OTHER, COUNTS = range(3)  # the rows of targets

PVC_CODES = frozenset({*PVC, CPSC_PVC})
# Bigeminy, trigeminy, couplets; escape beat and rhythm; idioventricular rhythms; fusion beats; tachycardias,
# fibrillation, flutter; pre-excitation, WPW; pacing: these beats may look like PVC, so training omits them.
OTHER_VENTRICULAR = frozenset({
    "11157007", "251180001", "251182009", "75532003", "81898007", "61277005", "49260003", "13640000", "164895002",
    "425856008", "164896001", "111288001", "195060002", "74390002", "10370003", "251266004",
})  # fmt: skip


@dataclass(frozen=True)
class Record:
    """Prepared leads with their beats.

    Attributes:
        name, digest: of the recording.
        leads: int16 in microvolts, 500 Hz, shape (leads, samples), at least two; the first is lead II.
        beats: samples of the R marks, shape (beats,).
        symbols: their annotations, shape (beats,).
        flutter: which samples lie in ventricular flutter, shape (samples,).
        codes: the SNOMED CT codes of its header.
    """

    name: str
    digest: str
    leads: npt.NDArray[np.int16]
    beats: npt.NDArray[np.intp]
    symbols: npt.NDArray[np.str_]
    flutter: npt.NDArray[np.bool_]
    codes: frozenset[str] = frozenset()

    @property
    def teaches(self) -> bool:
        """Whether the network learns from it: it has at least a window, and no code of PVC or of a similar rhythm."""
        return not self.codes & (PVC_CODES | OTHER_VENTRICULAR) and self.leads.shape[1] >= WINDOW


def read_all(folder: Path, header_files: Iterable[Path], read: Callable[[Path], Record]) -> list[Record]:
    """Return the records of a folder's header files; print which ones cannot be used.

    Raises:
        FileNotFoundError: none can be used.
    """
    records = []
    for header_file in header_files:
        record = attempt(header_file.stem, partial(read, header_file))
        if isinstance(record, Failure):
            print_line(f"{header_file} is left out: {record.reason}")
        else:
            records.append(record)
    if not records:
        raise FileNotFoundError(f"{folder} has no record that can be used")
    return records


def read_mitdb(header_file: Path) -> Record:
    """Read a MIT-BIH record with its annotations ``atr``. Raises a RecordingError if it has no lead II (MLII)."""
    recording = read_recording(header_file)
    if "II" not in recording.leads:
        raise RecordingError(f"its leads are {', '.join(recording.leads)}; II is missing")
    signal = recording.signal if recording.leads[0] == "II" else recording.signal[::-1]
    leads = prepare_leads(signal, sampling_rate=recording.sampling_rate)
    marks = wfdb.rdann(str(header_file.with_suffix("")), "atr")
    symbols = np.array(marks.symbol)
    samples = np.rint(marks.sample * (SAMPLING_RATE / recording.sampling_rate)).astype(np.intp)
    flutter = np.zeros(leads.shape[1], dtype=np.bool_)
    for start, end in zip(samples[symbols == "["], samples[symbols == "]"], strict=True):
        flutter[start:end] = True
    is_beat = np.isin(symbols, list(BEATS))
    return Record(header_file.stem, recording.digest, leads, samples[is_beat], symbols[is_beat], flutter)


def read_challenge(header_file: Path) -> Record:
    """Read and prepare a Challenge recording. Its beats are the R peaks of lead II, all with the symbol "N"."""
    recording = read_recording(header_file)
    leads = prepare_signal(recording)[0][ALL_LEADS]
    beats = r_peaks(leads[0].astype(np.float64), sampling_rate=SAMPLING_RATE)
    symbols, flutter = np.full(len(beats), "N"), np.zeros(leads.shape[1], dtype=np.bool_)
    codes = frozenset(snomed_codes(recording.diagnoses))
    return Record(recording.name, recording.digest, leads, beats, symbols, flutter, codes)


def targets(record: Record) -> npt.NDArray[np.float32]:
    """Return the right answers, 0 or 1, shape (3, samples); the rows are PREMATURE, OTHER and COUNTS.

    A beat's span begins 0.2 s before its R mark and ends 0.4 s after it. It keeps 20 ms away from the middle between
    two beats, so two premature beats in a row have two spans. Escape beats (E), unclassified beats (Q) and flutter do
    not count: they are as wide as premature beats. Fusion beats are other beats.
    """
    middles = (record.beats[1:] + record.beats[:-1]) / (2 * SAMPLING_RATE)
    times = record.beats / SAMPLING_RATE
    starts = np.maximum(times - BEFORE, np.append(-np.inf, middles + GAP))
    ends = np.minimum(times + AFTER, np.append(middles - GAP, np.inf))
    answers = np.zeros((3, record.leads.shape[1]), dtype=np.float32)
    answers[COUNTS] = ~record.flutter
    for start, end, symbol in zip(starts, ends, record.symbols, strict=True):
        span = slice(max(0, round(start * SAMPLING_RATE)), round(end * SAMPLING_RATE))
        if symbol in "EQ":
            answers[COUNTS, span] = 0
        else:
            answers[PREMATURE if symbol == "V" else OTHER, span] = 1
    return answers
