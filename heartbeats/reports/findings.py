"""What is to be said of a recording: its rhythm, what the entry answers and why, and whether the header agrees."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import (
    ABBREVIATIONS,
    BRADYCARDIA,
    CLASSES,
    SINUS_RHYTHM,
    label_matrix,
    read_weights,
    snomed_codes,
)
from heartbeats.classification.classifier import Classifier, Evidence, decide
from heartbeats.common.console import printable
from heartbeats.common.settings import DecisionSettings
from heartbeats.ecg.recording import Recording
from heartbeats.preparation.heart_rate import BRADY_INTERVAL, r_peaks
from heartbeats.preparation.preprocessing import select_lead
from heartbeats.reports.layout import rhythm_lead
from heartbeats.reports.saliency import Saliency, integrated_gradients

__all__ = ["Answer", "Comparison", "Rhythm", "compare", "explain", "reasons", "rhythm"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rhythm:
    """R peaks of the whole recording, in s, shape (peaks,), and the lead in which they were found."""

    lead: str
    peaks: Floats

    @property
    def intervals(self) -> Floats:
        """R-R intervals in s, shape (peaks - 1,)."""
        return np.diff(self.peaks)

    @property
    def heart_rate(self) -> float:
        """Beats a minute, of the median R-R interval; NaN without one."""
        return 60 / float(np.median(self.intervals)) if self.intervals.size else math.nan


def rhythm(recording: Recording) -> Rhythm:
    """R peaks in lead I, where the bradycardia rule looks for them; where it shows none, in the rhythm strip's lead."""
    lead_i, _ = select_lead(recording.signal, recording.leads, "I")
    rate = recording.sampling_rate
    peaks = r_peaks(lead_i, sampling_rate=rate)
    if peaks.size:
        return Rhythm("I", peaks / rate)
    lead = rhythm_lead(recording)
    return Rhythm(lead, r_peaks(recording.signal[recording.leads.index(lead)], sampling_rate=rate) / rate)


@dataclass(frozen=True)
class Comparison:
    """An answer beside the header's diagnoses, in the classes as they are scored (``CRBBB/RBBB`` is one).

    Attributes:
        agreed: answered and in the header.
        missed: in the header only.
        extra: answered only.
        unscored: the header's diagnoses that are none of the 27, as written.
        cross_entropy: mean over classes; a class of several codes has the mean of their probabilities, as in scoring.
    """

    agreed: tuple[str, ...]
    missed: tuple[str, ...]
    extra: tuple[str, ...]
    unscored: tuple[str, ...]
    cross_entropy: float

    @property
    def labelled(self) -> bool:
        """Whether the header has a diagnosis that is scored: without one there is nothing to compare with."""
        return bool(self.agreed or self.missed)

    @property
    def rows(self) -> list[tuple[str, tuple[str, ...]]]:
        """What a page tells: diagnoses by how answer and header stand to one another, as far as there is a header's."""
        compared = [
            ("Agreed", self.agreed),
            ("Missed: in the header only", self.missed),
            ("Extra: answered only", self.extra),
        ]
        unscored = tuple(map(printable, self.unscored))
        return [*(compared if self.labelled else ()), ("In the header, not one of the 27", unscored)]

    @property
    def disagreement(self) -> tuple[int, float]:
        """What recordings are sorted by: classes missed and extra, then the cross-entropy."""
        return len(self.missed) + len(self.extra), self.cross_entropy


def compare(labels: npt.NDArray[np.bool_], probabilities: Floats, diagnoses: Sequence[str]) -> Comparison:
    """Compare labels and probabilities, each of shape (27,), with a header's Dx entries."""
    rewarded = [tuple(code for code in codes if code in ABBREVIATIONS) for codes in read_weights().classes]
    classes = [codes for codes in rewarded if codes]  # later Challenges score codes that no output stands for
    true = label_matrix([diagnoses], classes)[0]
    columns = [[CLASSES.index(code) for code in codes] for codes in classes]
    answered = np.array([labels[some].any() for some in columns])
    p = np.clip([probabilities[some].mean() for some in columns], 1e-12, 1 - 1e-12)

    def names(chosen: npt.NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple("/".join(ABBREVIATIONS[c] for c in classes[i]) for i in np.flatnonzero(chosen))

    return Comparison(
        agreed=names(true & answered),
        missed=names(true & ~answered),
        extra=names(~true & answered),
        unscored=tuple(code for code in snomed_codes(diagnoses) if code not in ABBREVIATIONS),
        cross_entropy=float(-np.mean(np.log(np.where(true, p, 1 - p)))),
    )


@dataclass(frozen=True)
class Answer:
    """What the entry says of a recording.

    Attributes:
        threshold: a class is answered at this probability or above.
        probabilities: the ensemble's, shape (27,), in the order of ``CLASSES``.
        labels: what is answered, shape (27,).
        reasons: how the answer came about, in sentences.
        warnings: what had to be assumed or mended before the networks read it.
        saliency: where the networks looked.
        comparison: with the header.
    """

    threshold: float
    probabilities: Floats
    labels: npt.NDArray[np.bool_]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    saliency: Saliency
    comparison: Comparison

    @property
    def answered(self) -> tuple[str, ...]:
        """The codes that are answered, the most probable first."""
        order = np.argsort(-self.probabilities, kind="stable")
        return tuple(CLASSES[i] for i in order if self.labels[i])


def explain(recording: Recording, found: Rhythm, classifier: Classifier) -> Answer:
    """What a model answers for a recording, why, and what moved it there, by integrated gradients.

    They are taken of the most probable class that is answered, or else of the most probable class.

    Args:
        recording: as recorded.
        found: the recording's rhythm.
        classifier: the model.

    Raises:
        RecordingError: the recording cannot be classified.
    """
    prepared = classifier.prepare(recording)
    if classifier.leads is not None:
        found = rhythm(recording.with_leads(classifier.leads))  # the rule reads no other leads either
    intervals = found.intervals if found.lead == "I" else np.empty(0)
    decision = classifier.settings.decision
    probabilities = classifier.probabilities([prepared])
    evidence = Evidence.of([prepared], decision)
    labels = decide(probabilities, evidence, classifier.threshold, decision)[0]
    likely = np.where(labels, probabilities[0], -1.0) if labels.any() else probabilities[0]
    return Answer(
        threshold=classifier.threshold,
        probabilities=probabilities[0],
        labels=labels,
        reasons=reasons(probabilities[0], evidence, intervals, classifier.threshold, decision),
        warnings=prepared.warnings,
        saliency=integrated_gradients(classifier, prepared.signal, CLASSES[int(np.argmax(likely))]),
        comparison=compare(labels, probabilities[0], recording.diagnoses),
    )


def reasons(
    probabilities: Floats, evidence: Evidence, intervals: Floats, threshold: float, settings: DecisionSettings
) -> tuple[str, ...]:
    """How :func:`heartbeats.classification.classifier.decide` comes from probabilities to labels, one sentence per step.

    Args:
        probabilities: one recording's, shape (27,).
        evidence: of that recording, each of shape (1,).
        intervals: the R-R intervals in s that the bradycardia rule read.
    """
    above = [CLASSES[i] for i in np.argsort(-probabilities, kind="stable") if probabilities[i] >= threshold]
    named = ", ".join(ABBREVIATIONS[code] for code in above)
    said = [f"{len(above)} of 27 probabilities reach the threshold of {threshold:.2f}{f': {named}' if above else ''}."]
    if evidence.pvc is not None:
        marks = "marks premature ventricular beats" if evidence.pvc[0] else "marks no premature ventricular beat"
        answered = "are answered" if evidence.pvc[0] else "are not answered"
        said.append(f"PVC and VPB are left to the U-Net, which {marks}: they {answered}, whatever their probabilities.")
    brady = probabilities[CLASSES.index(BRADYCARDIA)]
    said.append(_rule_in_words(brady, bool(evidence.bradycardia[0]), intervals, threshold, settings))
    labels = decide(probabilities[None], evidence, threshold, settings)[0]
    without = dataclasses.replace(settings, sinus_rhythm_fallback=False)
    if not settings.sinus_rhythm_fallback:
        said.append("This model has no sinus rhythm fallback.")
    elif decide(probabilities[None], evidence, threshold, without).any():
        said.append("The sinus rhythm fallback is not needed: a class is answered.")
    else:
        p = probabilities[CLASSES.index(SINUS_RHYTHM)]
        said.append(f"No class is left, so the fallback answers sinus rhythm ({ABBREVIATIONS[SINUS_RHYTHM]} {p:.3f}).")
    if not labels.any():
        said.append("Nothing is answered.")
    return tuple(said)


def _rule_in_words(p: float, rule: bool, intervals: Floats, threshold: float, settings: DecisionSettings) -> str:
    ensemble = f"Brady {p:.3f} {'≥' if p >= threshold else '<'} {threshold:.2f}"
    if not settings.bradycardia_rule:
        return f"{ensemble}; this model has no bradycardia rule."
    low, high = BRADY_INTERVAL
    slow = int(np.count_nonzero((intervals >= low) & (intervals <= high)))
    counted = "no R-R interval in lead I"
    if intervals.size:
        share = "half or more" if rule else "fewer than half"
        counted = f"{slow} of {intervals.size} R-R intervals between {low:g} and {high:g} s, {share}"
    if p < threshold:
        return f"{ensemble}: not answered; the rule ({counted}) only takes back."
    return f"{ensemble}, {'and' if rule else 'but'} the rule: {counted}: {'kept' if rule else 'taken back'}."
