"""Make the HTML page of one recording."""

from __future__ import annotations

from heartbeats.challenge.diagnoses import ABBREVIATIONS, CLASSES, NAMES, label_matrix, snomed_codes
from heartbeats.common.console import printable
from heartbeats.preparation.prepared import Failure
from heartbeats.preparation.signals import SECONDS
from heartbeats.reports.findings import Reading, read
from heartbeats.reports.layout import lead_of
from heartbeats.reports.page import render, sentences
from heartbeats.reports.saliency import BIN
from heartbeats.reports.sheet import sheets

__all__ = ["abbreviation", "ecg_page", "method", "notes", "read"]


def ecg_page(reading: Reading | Failure, *, home: str = "") -> str:
    """Return the page of a recording, or of the reason why it cannot be read, with a link to ``home`` if given."""
    if isinstance(reading, Failure):
        return render("failure.html", name=printable(reading.name), reason=printable(reading.reason), home=home)
    rhythm = reading.rhythm
    description = f"ECG of {reading.name} on millimetre paper. {rhythm.heart_rate}; {rhythm.intervals_in_words}."
    codes, answer = snomed_codes(reading.recording.diagnoses), reading.answer
    true = label_matrix([reading.recording.diagnoses])[0]
    order = answer.order if answer else []
    return render(
        "ecg.html",
        home=home,
        reading=reading,
        answer=answer,
        diagnoses=[abbreviation(code) for code in codes],
        header=[_diagnosis(code) for code in codes],
        answered=[abbreviation(code) for code in answer.answered] if answer else [],
        classes=[(ABBREVIATIONS[CLASSES[i]], NAMES[CLASSES[i]], i, true[i]) for i in order],
        sheets=[sheet.svg(f"{description} From {sheet.start:g} s on.") for sheet in sheets(reading)],
        notes=notes(reading),
        method=method(reading),
    )


def notes(reading: Reading) -> list[str]:
    """Say what was assumed or bridged, and what the paper does not show, in sentences."""
    recording, drawn = reading.recording, sheets(reading)
    leads = dict.fromkeys(strip.lead for sheet in drawn for strip in sheet.strips)
    remarks: dict[str, list[str]] = {}
    for lead in leads:
        remarks.setdefault(lead_of(recording, lead)[1], []).append(lead)
    return sentences(
        "notes.txt",
        reading=reading,
        warnings=reading.answer.warnings if reading.answer else recording.warnings,
        remarks={remark: leads for remark, leads in remarks.items() if remark},
        not_drawn=[lead for lead in recording.leads if lead not in leads],
        cut=dict.fromkeys(lead for sheet in drawn for lead in sheet.cut()),
        drawn_seconds=SECONDS,
        peak_gaps="gaps" in lead_of(recording, reading.rhythm.lead)[1],
    )


def method(reading: Reading) -> list[str]:
    """Say what the track under the rhythm strip shows and how it was made, in sentences."""
    if reading.answer is None:
        return []
    diagnosis = _diagnosis(reading.answer.saliency.code)
    return sentences(
        "method.txt", answer=reading.answer, saliency=reading.answer.saliency, diagnosis=diagnosis, bin=BIN
    )


def abbreviation(code: str) -> str:
    """Return a diagnosis's abbreviation, or the code as written if it is none of the 27."""
    return ABBREVIATIONS.get(code) or printable(code)


def _diagnosis(code: str) -> str:
    return f"{ABBREVIATIONS[code]} ({NAMES[code]})" if code in ABBREVIATIONS else printable(code)
