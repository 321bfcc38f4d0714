"""The page of one recording: on millimetre paper, and with a model what it answers, why, and where it looked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from heartbeats.challenge.diagnoses import ABBREVIATIONS, CLASSES, NAMES, label_matrix, snomed_codes
from heartbeats.classification.classifier import Classifier
from heartbeats.common.console import printable
from heartbeats.ecg.recording import Recording, RecordingError, read_recording
from heartbeats.preparation.preprocessing import SECONDS
from heartbeats.reports.findings import Answer, Rhythm, explain, rhythm
from heartbeats.reports.layout import NO_SAMPLES, SHOWN, lay_out, lead_of, mended
from heartbeats.reports.page import render
from heartbeats.reports.saliency import BIN, Saliency
from heartbeats.reports.sheet import Sheet, Track, as_recorded, leaving

__all__ = [
    "UNCALIBRATED",
    "Reading",
    "abbreviation",
    "ecg_page",
    "failure_page",
    "in_words",
    "method",
    "patient",
    "read",
    "rhythm_in_words",
]

UNCALIBRATED = "The probabilities are not calibrated: the model’s training report shows how far they are off."


@dataclass(frozen=True)
class Reading:
    """What a page shows of a recording.

    Attributes:
        answer: the model's, ``None`` without one.
        refusal: why the model gave none.
    """

    recording: Recording
    rhythm: Rhythm
    answer: Answer | None = None
    refusal: str = ""

    @property
    def name(self) -> str:
        """The recording's name, fit to be shown."""
        return printable(self.recording.name)

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return int(self.recording.signal.shape[1]) / self.recording.sampling_rate

    def sheets(self) -> list[Sheet]:
        """The first 10 s, and a rhythm strip for each 10 s more up to the 30 s that the networks read."""
        track = None
        if self.answer:
            saliency = self.answer.saliency
            caption = (
                f"Integrated gradients: what each {BIN:g} s, a millimetre, adds to the probability of "
                f"{ABBREVIATIONS[saliency.code]} ({saliency.probability:.2f}) or takes from it; "
                f"tallest bar of the recording {_tallest(saliency)}"
            )
            track = Track(saliency.track, BIN, caption)
        starts = np.arange(0, min(self.seconds, SECONDS), SHOWN).tolist()
        recording, peaks = self.recording, self.rhythm.peaks
        return [Sheet(recording, lay_out(recording, start=start), self._head(start), peaks, track) for start in starts]

    def _head(self, start: float) -> tuple[tuple[str, str], ...]:
        name = self.name if len(self.name) <= 32 else f"{self.name[:31]}…"
        end = min(start + SHOWN, self.seconds)
        heart_rate, intervals = rhythm_in_words(self.rhythm)
        if self._peaks_may_be_missing:
            intervals += f"; lead {self.rhythm.lead} has gaps"
        shown = (_recorded_in_words(self.recording), f"{start:g} to {end:.4g} s")
        return (name, patient(self.recording)), (heart_rate, intervals), shown

    @property
    def _peaks_may_be_missing(self) -> bool:
        return bool(self.rhythm.peaks.size) and self.rhythm.lead in mended(self.recording)

    def notes(self) -> list[str]:
        """What was mended or assumed, and what the paper does not show, in sentences."""
        recording = self.recording
        said = [f"{warning}." for warning in (self.answer.warnings if self.answer else recording.warnings)]
        if self.refusal:
            said.append(f"Not classified: {self.refusal}.")
        flat = [lead for lead, row in zip(recording.leads, recording.signal, strict=True) if not np.ptp(row)]
        if len(flat) == len(recording.leads):
            said.append("All leads are flat: there is no ECG to see.")
        elif constant := [lead for lead in flat if mended(recording).get(lead) != NO_SAMPLES]:
            said.append(f"Flat from beginning to end: {', '.join(constant)}.")
        sheets = self.sheets()
        drawn = dict.fromkeys(strip.lead for sheet in sheets for strip in sheet.strips)
        made_of = {lead: lead_of(recording, lead)[1] for lead in drawn if lead not in recording.leads}
        if computed := [lead for lead, sources in made_of.items() if sources]:
            sources = " and ".join(made_of[computed[0]])  # all limb leads that were recorded
            said.append(f"Not recorded, computed from {sources}: {', '.join(computed)}.")
        if missing := [lead for lead, sources in made_of.items() if not sources]:
            said.append(f"Not recorded: {', '.join(missing)}.")
        if beside := [lead for lead in recording.leads if lead not in drawn]:
            said.append(f"Recorded, but not drawn: {', '.join(beside)}.")
        if cut := dict.fromkeys(lead for sheet in sheets for lead in leaving(sheet)):
            said.append(f"Leaves the paper, and is cut there: {', '.join(cut)}.")
        if self.seconds < SHOWN:
            said.append(f"The recording is {self.seconds:.3g} s long: all leads begin at its start, and end with it.")
        if self.seconds > SECONDS:
            said.append(f"The recording is {self.seconds:.4g} s long: drawn are its first {SECONDS} s.")
        if self.rhythm.lead != "I" and self.rhythm.peaks.size:
            said.append(f"Lead I shows no R peaks: those marked are of lead {self.rhythm.lead}.")
        if self._peaks_may_be_missing:
            lead = self.rhythm.lead
            said.append(f"R peaks are those of lead {lead}, which has gaps: an R-R interval over one is no pause.")
        if not self.rhythm.peaks.size:
            said.append("No R peaks were found.")
        return [printable(sentence) for sentence in said]


def read(header_file: Path, classifier: Classifier | None = None) -> Reading:
    """Read a recording and, with a model, classify it.

    Raises:
        RecordingError: it cannot be read. One that cannot be classified can still be drawn.
    """
    recording = read_recording(header_file)
    found = rhythm(recording)
    if classifier is None:
        return Reading(recording, found)
    try:
        return Reading(recording, found, explain(recording, found, classifier))
    except RecordingError as error:
        return Reading(recording, found, refusal=str(error))


def patient(recording: Recording) -> str:
    """Age and sex."""
    age = "age unknown" if math.isnan(recording.age) else f"{recording.age:g} years"
    return f"{age}, {(recording.sex or 'sex unknown').lower()}"


def _recorded_in_words(recording: Recording) -> str:
    """How many leads, and the sampling rate."""
    count = len(recording.leads)
    return f"{count} lead{'s' if count > 1 else ''}, {recording.sampling_rate:g} Hz"


def rhythm_in_words(found: Rhythm) -> tuple[str, str]:
    """The heart rate, and the R-R intervals that it comes from."""
    if not (intervals := found.intervals).size:
        return "heart rate unknown", "no R-R interval"
    span = f"{np.min(intervals):.2f} to {np.max(intervals):.2f} s"
    count = f"{intervals.size} R-R intervals" if intervals.size > 1 else "1 R-R interval"
    return f"{found.heart_rate:.0f} /min", f"{count}: median {np.median(intervals):.2f} s, {span}"


def in_words(reading: Reading) -> str:
    """The picture of a recording for those who do not see it."""
    heart_rate, intervals = rhythm_in_words(reading.rhythm)
    said = f"ECG of {reading.name} on millimetre paper. Heart rate {heart_rate}; {intervals}."
    if reading.answer:
        saliency = reading.answer.saliency
        name, highest = NAMES[saliency.code], int(np.argmax(saliency.track))
        tallest = f"The tallest bar for {name} is at {BIN * highest:.2f} s"
        said += f" {tallest if saliency.track[highest] > 0 else f'No bar speaks for {name}'}; "
        said += f"all bars together make {_signed(float(saliency.track.sum()))}."
    return said


def method(found: Answer) -> tuple[str, ...]:
    """What the track explains, what it adds up to, and how it was made."""
    looked = found.saliency
    chosen = "the most probable class that is answered" if found.answered else "the most probable class"
    together = _signed(float(looked.track.sum()))
    leads = ", ".join(f"{lead} {_signed(part)}" for lead, part in looked.by_lead.items())
    return (
        f"The track under the rhythm strip explains {_diagnosis(looked.code)}, {chosen}. Each bar is {BIN:g} s wide, a "
        "millimetre, and sums what that stretch of the networks’ eight leads adds to the probability (blue, up) or "
        "takes from it (grey, down); the tallest of the recording fills the track, and is worth "
        f"{_tallest(looked)}.",
        f"All bars together make {together}: from {looked.flat:.3f}, the probability of a flat line, "
        f"to {looked.probability:.3f}, that of this recording, but for {abs(looked.residue):.3f} that {looked.steps} "
        "steps leave open.",
        f"By lead: {leads}.",
        "Method: integrated gradients (Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks, ICML 2017, "
        f"arXiv 1703.01365) by captum {version('captum')}, of the ensemble’s probability, from 0 mV in every lead to "
        f"the signal as the networks read it, {looked.steps} Gauss-Legendre steps. It says what moved these networks, "
        "not what is wrong with the heart.",
    )


def _tallest(looked: Saliency) -> str:
    """The tallest bar, up or down, without its sign, to two figures."""
    return np.format_float_positional(np.abs(looked.track).max(), precision=2, fractional=False, trim="-")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def ecg_page(reading: Reading, *, home: str = "") -> str:
    """The page, HTML, with a link to ``home`` if that is named."""
    found = reading.answer
    codes = snomed_codes(reading.recording.diagnoses)
    description = in_words(reading)
    heart_rate, intervals = rhythm_in_words(reading.rhythm)
    return render(
        "ecg.html",
        name=reading.name,
        home=home,
        patient=patient(reading.recording),
        heart_rate=heart_rate,
        intervals=intervals,
        as_recorded=as_recorded(reading.recording),
        mended=bool(mended(reading.recording)),
        peak_lead=printable(reading.rhythm.lead),
        recorded=f"{_recorded_in_words(reading.recording)}, {reading.seconds:.4g} s",
        diagnoses=[abbreviation(code) for code in codes],
        header=[_diagnosis(code) for code in codes],
        sheets=[sheet.svg(f"{description} From {sheet.strips[-1].start:g} s on.") for sheet in reading.sheets()],
        notes=reading.notes(),
        answer=found,
        uncalibrated=UNCALIBRATED,
        method=method(found) if found else (),
        answered=[abbreviation(code) for code in found.answered] if found else [],
        rows=_probabilities(found, reading.recording) if found else [],
    )


@dataclass(frozen=True)
class _Row:
    """A class in the table of probabilities: what the model says of it, and whether the header has it."""

    abbreviation: str
    name: str
    probability: float
    answered: bool
    header: bool


def _probabilities(found: Answer, recording: Recording) -> list[_Row]:
    """The rows of the table, the highest probability first."""
    true = label_matrix([recording.diagnoses])[0]
    return [
        _Row(
            abbreviation=ABBREVIATIONS[CLASSES[i]],
            name=NAMES[CLASSES[i]],
            probability=found.probabilities[i],
            answered=bool(found.labels[i]),
            header=bool(true[i]),
        )
        for i in np.argsort(-found.probabilities, kind="stable")
    ]


def failure_page(name: str, reason: str, *, home: str = "") -> str:
    """The page of a recording that cannot be read."""
    return render("failure.html", name=printable(name), reason=printable(reason), home=home)


def abbreviation(code: str) -> str:
    """A diagnosis's abbreviation, or the code as it stands if it is none of the 27, fit to be shown."""
    return ABBREVIATIONS.get(code) or printable(code)


def _diagnosis(code: str) -> str:
    return f"{ABBREVIATIONS[code]} ({NAMES[code]})" if code in ABBREVIATIONS else printable(code)
