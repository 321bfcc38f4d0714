"""Challenge recordings and what their labels say of premature ventricular beats: to learn from, and to be marked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import CPSC_PVC, PVC, snomed_codes
from heartbeats.common.settings import PreparationSettings
from heartbeats.ecg.header import find_headers, parse_diagnoses, read_header_text
from heartbeats.preparation.heart_rate import r_peaks
from heartbeats.preparation.prepared import PAPER_PREPARATION, Failure, Prepared, prepare_file
from heartbeats.preparation.preprocessing import SAMPLING_RATE
from heartbeats.pvc_unet.mit_bih import AnnotatedRecord
from heartbeats.pvc_unet.unet import ALL_LEADS, WINDOW

__all__ = ["PVC_CODES", "Labelled", "annotated_without_pvc", "labelled_recordings"]

PVC_CODES = (*PVC, CPSC_PVC)
# Labels of other beats that ventricles or pacemakers begin, named as in the organisers' mapping of 2021: such a
# recording teaches neither that they are premature ventricular ones nor that they are not.
OTHER_VENTRICULAR = {
    "11157007": "ventricular bigeminy",
    "251180001": "ventricular trigeminy",
    "251182009": "paired ventricular premature complexes",
    "75532003": "ventricular escape beat",
    "81898007": "ventricular escape rhythm",
    "61277005": "accelerated idioventricular rhythm",
    "49260003": "idioventricular rhythm",
    "13640000": "fusion beats",
    "164895002": "ventricular tachycardia",
    "425856008": "paroxysmal ventricular tachycardia",
    "164896001": "ventricular fibrillation",
    "111288001": "ventricular flutter",
    "195060002": "ventricular pre excitation",
    "74390002": "wolff parkinson white pattern",
    "10370003": "pacing rhythm",
    "251266004": "ventricular pacing pattern",
}


@dataclass(frozen=True)
class Labelled:
    """Prepared Challenge recordings, and the codes of each, as its header has them."""

    recordings: tuple[Prepared, ...]
    codes: tuple[frozenset[str], ...]

    @property
    def pvc_codes(self) -> tuple[frozenset[str], ...]:
        """The PVC codes of each."""
        return tuple(codes & set(PVC_CODES) for codes in self.codes)

    @property
    def has_pvc(self) -> npt.NDArray[np.bool_]:
        """Whether a recording is labelled with any of the PVC codes, shape (recordings,)."""
        return np.array([bool(codes) for codes in self.pvc_codes], dtype=np.bool_)


def labelled_recordings(
    folder: Path, settings: PreparationSettings = PAPER_PREPARATION
) -> tuple[Labelled, list[Failure]]:
    """The recordings of a folder, prepared as ``settings`` say, and those that cannot be used.

    Raises:
        NotADirectoryError: there is no such folder.
    """
    recordings, codes, failures = [], [], []
    for header_file in find_headers(folder):
        prepared = prepare_file(header_file, settings)
        if isinstance(prepared, Failure):
            failures.append(prepared)
        else:
            recordings.append(prepared)
            codes.append(frozenset(snomed_codes(parse_diagnoses(read_header_text(header_file)))))
    return Labelled(tuple(recordings), tuple(codes)), failures


def annotated_without_pvc(recording: Prepared, codes: frozenset[str]) -> AnnotatedRecord | None:
    """A recording without premature ventricular beats as one of MIT-BIH, its R peaks found on lead II all "N".

    ``None`` where it is labelled with one of :data:`PVC_CODES` or :data:`OTHER_VENTRICULAR`, or shorter than a window.
    """
    if codes & {*PVC_CODES, *OTHER_VENTRICULAR} or recording.signal.shape[1] < WINDOW:
        return None
    leads = recording.signal[ALL_LEADS]
    beats = r_peaks(leads[0].astype(np.float64), sampling_rate=SAMPLING_RATE)
    return AnnotatedRecord(
        name=recording.name,
        leads=leads,
        beats=beats,
        symbols=np.full(len(beats), "N"),
        flutter=np.zeros(leads.shape[1], dtype=np.bool_),
    )
