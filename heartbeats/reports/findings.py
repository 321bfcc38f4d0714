"""Read one recording for its page: rhythm, the model's answer and its reasons, comparison with the header."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import (
    ABBREVIATIONS,
    BRADYCARDIA,
    CLASSES,
    EQUIVALENT,
    SINUS_RHYTHM,
    label_matrix,
    snomed_codes,
)
from heartbeats.classification.decision import Evidence, decide
from heartbeats.classification.ensemble import Classifier, ensemble
from heartbeats.common.console import printable
from heartbeats.common.settings import DecisionSettings
from heartbeats.ecg.recording import Recording, RecordingError, read_recording
from heartbeats.preparation.bradycardia import BRADY_INTERVAL, r_peaks
from heartbeats.preparation.leads import select_lead
from heartbeats.reports.layout import rhythm_lead
from heartbeats.reports.page import sentences
from heartbeats.reports.saliency import Saliency, integrated_gradients

Floats = npt.NDArray[np.float64]

Comparison = dict[str, list[str]]  # agreed, missed (in the header only), extra (in the answer only), not scored

# The 27 codes as they are scored: equivalent codes are one class.
SCORED = tuple(dict.fromkeys(next((pair for pair in EQUIVALENT if code in pair), (code,)) for code in CLASSES))


@dataclass(frozen=True)
class Rhythm:
    """R peaks in s, shape (peaks,), and the lead in which they were found."""

    lead: str
    peaks: Floats

    @property
    def intervals(self) -> Floats:
        """Return the R-R intervals in s, shape (peaks - 1,)."""
        return np.diff(self.peaks)

    @property
    def heart_rate(self) -> str:
        return f"{60 / np.median(self.intervals):.0f} /min" if self.intervals.size else "heart rate unknown"

    @property
    def intervals_in_words(self) -> str:
        if not (rr := self.intervals).size:
            return "no R-R intervals"
        plural = "s" if rr.size > 1 else ""
        return f"{rr.size} R-R interval{plural}: median {np.median(rr):.2f} s, {rr.min():.2f} to {rr.max():.2f} s"


@dataclass(frozen=True)
class Answer:
    """The model's answer for a recording.

    Attributes:
        threshold: a class is positive at this probability or above.
        probabilities: the ensemble's, shape (27,).
        labels: after rule and fallback, shape (27,).
        reasons: how the labels follow from the probabilities, in sentences.
        warnings: what preparation had to assume.
    """

    threshold: float
    probabilities: Floats
    labels: npt.NDArray[np.bool_]
    reasons: list[str]
    warnings: tuple[str, ...]
    saliency: Saliency
    comparison: Comparison

    @property
    def order(self) -> list[int]:
        """Return the numbers of the classes, the most probable first."""
        return list(np.argsort(-self.probabilities, kind="stable"))

    @property
    def answered(self) -> list[str]:
        """Return the codes of the answer, the most probable first."""
        return [CLASSES[i] for i in self.order if self.labels[i]]


@dataclass(frozen=True)
class Reading:
    """What a page shows of a recording; ``refusal`` is the reason if the model could not classify it."""

    recording: Recording
    rhythm: Rhythm
    answer: Answer | None = None
    refusal: str = ""

    @property
    def name(self) -> str:
        return printable(self.recording.name)

    @property
    def seconds(self) -> float:
        """Return the length of the recording in s."""
        return int(self.recording.signal.shape[1]) / self.recording.sampling_rate

    @property
    def recorded(self) -> str:
        leads = len(self.recording.leads)
        return f"{leads} lead{'s' if leads > 1 else ''}, {self.recording.sampling_rate:g} Hz"

    @property
    def patient(self) -> str:
        age, sex = self.recording.age, self.recording.sex
        return f"{'age unknown' if math.isnan(age) else f'{age:g} years'}, {(sex or 'sex unknown').lower()}"


def read(header_file: Path, classifier: Classifier | None = None) -> Reading:
    """Read a recording and, with a model, classify it. A recording that cannot be classified is drawn without answer.

    Raises:
        RecordingError: the recording cannot be read.
    """
    recording = read_recording(header_file)
    found = rhythm(recording)
    if classifier is None:
        return Reading(recording, found)
    try:
        return Reading(recording, found, explain(recording, classifier))
    except RecordingError as error:
        return Reading(recording, found, refusal=str(error))


def rhythm(recording: Recording) -> Rhythm:
    """Find the R peaks in lead I, as the bradycardia rule does, or in the rhythm strip's lead if lead I has none."""
    rate, lead = recording.sampling_rate, "I"
    peaks = r_peaks(select_lead(recording.signal, recording.leads, lead)[0], sampling_rate=rate)
    if not peaks.size:
        lead = rhythm_lead(recording)
        peaks = r_peaks(recording.signal[recording.leads.index(lead)], sampling_rate=rate)
    return Rhythm(lead, peaks / rate)


def explain(recording: Recording, classifier: Classifier) -> Answer:
    """Classify a recording and explain the answer. The saliency is that of the most probable class of the answer.

    Raises:
        RecordingError: the recording cannot be classified.
    """
    prepared = classifier.prepare(recording)
    decision, threshold = classifier.settings.decision, classifier.threshold
    probabilities = ensemble(classifier.members, [prepared])[0]
    evidence = Evidence.of([prepared], decision)
    labels = decide(probabilities[None], evidence, threshold, decision)[0]
    likely = CLASSES[int(np.argmax(np.where(labels | ~labels.any(), probabilities, -1)))]
    found = rhythm(recording.with_leads(classifier.leads))
    intervals = found.intervals if found.lead == "I" else np.empty(0)
    return Answer(
        threshold=threshold,
        probabilities=probabilities,
        labels=labels,
        reasons=reasons(probabilities, evidence, intervals, threshold, decision),
        warnings=prepared.warnings,
        saliency=integrated_gradients(classifier, prepared.signal, likely),
        comparison=compare(labels, recording.diagnoses),
    )


def compare(labels: npt.NDArray[np.bool_], diagnoses: Sequence[str]) -> Comparison:
    """Compare an answer, shape (27,), with a header's Dx entries."""
    true = label_matrix([diagnoses], SCORED)[0]
    answered = np.array([labels[[CLASSES.index(code) for code in codes]].any() for codes in SCORED])
    names = np.array(["/".join(ABBREVIATIONS[code] for code in codes) for codes in SCORED])
    chosen = {"agreed": true & answered, "missed": true & ~answered, "extra": ~true & answered}
    unscored = [printable(code) for code in snomed_codes(diagnoses) if code not in ABBREVIATIONS]
    return {title: names[some].tolist() for title, some in chosen.items()} | {"not scored": unscored}


def reasons(
    probabilities: Floats, evidence: Evidence, intervals: Floats, threshold: float, decision: DecisionSettings
) -> list[str]:
    """Say how the decision leads from one recording's probabilities to its labels, one sentence for each step.

    ``intervals`` are the R-R intervals in lead I, in s.
    """
    low, high = BRADY_INTERVAL
    without_fallback = replace(decision, sinus_rhythm_fallback=False)
    return sentences(
        "reasons.txt",
        threshold=threshold,
        above=[ABBREVIATIONS[CLASSES[i]] for i in np.argsort(-probabilities) if probabilities[i] >= threshold],
        marked=None if evidence.pvc is None else bool(evidence.pvc[0]),
        decision=decision,
        brady=float(probabilities[CLASSES.index(BRADYCARDIA)]),
        rule=bool(evidence.bradycardia[0]),
        slow=int(np.count_nonzero((intervals >= low) & (intervals <= high))),
        intervals=intervals.size,
        left=bool(decide(probabilities[None], evidence, threshold, without_fallback).any()),
        sinus=float(probabilities[CLASSES.index(SINUS_RHYTHM)]),
    )
