"""Read one recording for its page: R peaks, the model's answer and its reasons, and a comparison with the header."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from heartbeats.challenge.diagnoses import (
    ABBREVIATIONS,
    BRADYCARDIA,
    CLASSES,
    SCORED,
    SINUS_RHYTHM,
    label_matrix,
    read_weights,
    snomed_codes,
)
from heartbeats.challenge.scoring import merge_equivalent
from heartbeats.classification.decision import Evidence, Floats, Labels, decide
from heartbeats.classification.ensemble import Classifier
from heartbeats.common.console import printable
from heartbeats.common.settings import DecisionSettings
from heartbeats.ecg.recording import Recording, RecordingError, read_recording
from heartbeats.preparation.bradycardia import BRADY_INTERVAL, r_peaks, rr_intervals
from heartbeats.preparation.leads import select_lead
from heartbeats.reports.description import describe
from heartbeats.reports.page import abbreviation, sentences
from heartbeats.reports.saliency import Saliency, integrated_gradients

Comparison = dict[str, list[str]]  # agreed, missed (in the header only), extra (in the answer only), not scored


@dataclass(frozen=True)
class Rhythm:
    """R peaks in s, shape (peaks,), and the lead in which they were found."""

    lead: str
    peaks: Floats

    @property
    def heart_rate(self) -> str:
        return f"{60 / np.median(np.diff(self.peaks)):.0f} /min" if self.peaks.size > 1 else "heart rate unknown"

    @property
    def intervals(self) -> str:
        """Return number, median and range of the R-R intervals in words."""
        if not (rr := np.diff(self.peaks)).size:
            return "no R-R intervals"
        plural = "s" if rr.size > 1 else ""
        return f"{rr.size} R-R interval{plural}: median {np.median(rr):.2f} s, {rr.min():.2f} to {rr.max():.2f} s"


@dataclass(frozen=True)
class Answer:
    """The model's answer for a recording.

    Attributes:
        threshold: a class is positive at this probability or above.
        probabilities: the ensemble's probability of each code, highest first.
        positive: the codes of the answer, after rule and fallback, most probable first.
        reasons: how the answer follows from the probabilities, in sentences.
        warnings: what preparation had to assume.
        saliency: of the most probable positive class. If no class is positive, of the most probable class.
        comparison: the answer compared with the header.
    """

    threshold: float
    probabilities: dict[str, float]
    positive: list[str]
    reasons: list[str]
    warnings: tuple[str, ...]
    saliency: Saliency
    comparison: Comparison


@dataclass(frozen=True)
class Reading:
    """The content of a recording's page.

    Attributes:
        facts: how the recording was understood (:func:`~heartbeats.reports.description.describe`).
        refusal: why the model could not classify it.
    """

    recording: Recording
    rhythm: Rhythm
    facts: dict[str, str]
    answer: Answer | None = None
    refusal: str = ""

    @property
    def name(self) -> str:
        return printable(self.recording.name)

    @property
    def recorded(self) -> str:
        leads = len(self.recording.leads)
        return f"{leads} lead{'s' if leads > 1 else ''}, {self.recording.sampling_rate:g} Hz"

    @property
    def patient(self) -> str:
        age, sex = self.recording.age, self.recording.sex
        return f"{'age unknown' if math.isnan(age) else f'{age:g} years'}, {(sex or 'sex unknown').lower()}"

    @property
    def diagnoses(self) -> tuple[str, ...]:
        """Return the codes in the header."""
        return snomed_codes(self.recording.diagnoses)


def read(source: Path | Recording, classifier: Classifier | None = None) -> Reading:
    """Read a recording from its header file and, with a model, classify it. Without an answer, it says why.

    Raises:
        RecordingError: the recording cannot be read.
    """
    recording = read_recording(source) if isinstance(source, Path) else source
    read_by_networks = max(member.seconds for member in classifier.members) if classifier else None
    reading = Reading(recording, rhythm(recording), describe(recording, read_by_networks))
    if classifier and classifier.classes != SCORED:
        return replace(reading, refusal="pages explain the Challenge's classes; driver.py gives this model's answers")
    try:
        return replace(reading, answer=explain(recording, classifier)) if classifier else reading
    except RecordingError as error:
        return replace(reading, refusal=str(error))


def rhythm(recording: Recording) -> Rhythm:
    """Find the R peaks in lead I, as the bradycardia rule does. If there are none, use the lead of the rhythm strip."""
    for lead in ("I", rhythm_lead(recording)):
        values = select_lead(recording.signal, recording.leads, lead)[0]
        peaks = r_peaks(values, sampling_rate=recording.sampling_rate)
        if peaks.size:
            break
    return Rhythm(lead, peaks / recording.sampling_rate)


def rhythm_lead(recording: Recording) -> str:
    """Return lead II. If it is missing, return lead I, or else the first lead."""
    return next((lead for lead in ("II", "I") if lead in recording.leads), recording.leads[0])


def explain(recording: Recording, classifier: Classifier) -> Answer:
    """Classify a recording and explain the answer.

    Raises:
        RecordingError: the recording cannot be classified.
    """
    prepared = classifier.prepare(recording)
    (classified,) = classifier.classify([prepared])
    p, labels = np.array(classified.probabilities), np.array(classified.labels, dtype=np.bool_)
    decision = classifier.settings.decision
    order = np.argsort(-p, kind="stable")
    positive = [CLASSES[i] for i in order if labels[i]]
    allowed = recording.with_leads(classifier.leads)
    lead_i, _ = select_lead(allowed.signal, allowed.leads, "I")
    intervals = rr_intervals(lead_i, sampling_rate=recording.sampling_rate)
    return Answer(
        threshold=classifier.threshold,
        probabilities={CLASSES[i]: float(p[i]) for i in order},
        positive=positive,
        reasons=reasons(p, Evidence.of([prepared], decision), intervals, classifier.threshold, decision),
        warnings=prepared.warnings,
        saliency=integrated_gradients(classifier, prepared.signal, [*positive, CLASSES[order[0]]][0]),
        comparison=compare(labels, recording.diagnoses),
    )


def compare(labels: Labels, diagnoses: Sequence[str]) -> Comparison:
    """Compare an answer, shape (27,), with a header's Dx entries. Equivalent codes are one class."""
    weights = read_weights()
    true, answered = label_matrix([diagnoses], weights.classes)[0], merge_equivalent(labels[None], weights)[0]
    names = np.array([abbreviation(*codes) for codes in weights.classes])
    chosen = {"agreed": true & answered, "missed": true & ~answered, "extra": ~true & answered}
    unscored = [printable(code) for code in snomed_codes(diagnoses) if code not in ABBREVIATIONS]
    return {title: names[some].tolist() for title, some in chosen.items()} | {"not scored": unscored}


def reasons(
    probabilities: Floats, evidence: Evidence, intervals: Floats, threshold: float, decision: DecisionSettings
) -> list[str]:
    """Explain how one recording got its labels, with one sentence for each step of the decision.

    ``intervals`` are the R-R intervals in lead I, in s.
    """
    low, high = BRADY_INTERVAL
    without_fallback = replace(decision, sinus_rhythm_fallback=False)
    return sentences(
        "reasons.txt",
        threshold=threshold,
        above=[CLASSES[i] for i in np.argsort(-probabilities) if probabilities[i] >= threshold],
        marked=None if evidence.pvc is None else bool(evidence.pvc[0]),
        decision=decision,
        brady=float(probabilities[CLASSES.index(BRADYCARDIA)]),
        rule=bool(evidence.bradycardia[0]),
        slow=int(np.count_nonzero((intervals >= low) & (intervals <= high))),
        intervals=intervals.size,
        interval=BRADY_INTERVAL,
        left=bool(decide(probabilities[None], evidence, threshold, without_fallback).any()),
        sinus=float(probabilities[CLASSES.index(SINUS_RHYTHM)]),
    )
