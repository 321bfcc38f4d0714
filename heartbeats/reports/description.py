"""Say how a recording was understood, so that a wrong unit, gain or lead is seen."""

from collections.abc import Iterable

import numpy as np

from heartbeats.common.console import printable
from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.ecg.recording import Recording
from heartbeats.preparation.leads import LEADS, select_lead


def describe(recording: Recording, seconds_read: float | None = None) -> dict[str, str]:
    """Return facts about a recording by title.

    Args:
        recording: as read.
        seconds_read: how much of it the networks read, in s; ``None`` without a model.
    """
    absent = [lead for lead in STANDARD_LEADS if lead not in recording.leads]
    sources = {lead: select_lead(recording.signal, recording.leads, lead)[1] for lead in absent}
    computed = [lead for lead in absent if sources[lead]]
    missing = [lead for lead in absent if not sources[lead]]
    not_read = [lead for lead in recording.leads if lead not in STANDARD_LEADS]
    length = f"{recording.seconds:.4g} s"
    if seconds_read is not None:
        length += f"; the networks read {min(seconds_read, recording.seconds):.4g} s"
    gaps = {lead: count for lead, count in zip(recording.leads, recording.missing, strict=True) if count}
    return {
        "Leads": _listed(lead for lead in recording.leads if lead in STANDARD_LEADS),
        "Computed": _listed(computed),
        "Missing": f"{_listed(missing)}{'; the networks read 0 mV there' if set(missing) & set(LEADS) else ''}",
        "Not used": _listed(not_read),
        "Sampling rate": f"{recording.sampling_rate:g} Hz",
        "Length": length,
        "Gain": _gains(recording),
        "Peak to peak in a second (median)": _listed(
            f"{lead} {height:.2f} mV" for lead, height in zip(recording.leads, heights(recording), strict=True)
        ),
        "Missing samples": _listed(f"{lead} {count}" for lead, count in gaps.items()),
    }


def heights(recording: Recording) -> list[float]:
    """Return the median over all seconds of the distance from lowest to highest value, in mV, per lead."""
    second = round(recording.sampling_rate)
    seconds = recording.signal.shape[1] // second
    parts = recording.signal[:, : seconds * second].reshape(len(recording.leads), seconds, second)
    medians: list[float] = np.median(np.ptp(parts, axis=2), axis=1).tolist()
    return medians


def _gains(recording: Recording) -> str:
    """Return the gain, or those of each lead if they differ."""
    if not recording.gains:
        return "none: the signal was given in physical units"
    if len(set(recording.gains)) == 1:
        return f"{recording.gains[0]:g} ADC units per mV"
    each = zip(recording.leads, recording.gains, strict=True)
    return f"{_listed(f'{lead} {gain:g}' for lead, gain in each)} ADC units per mV"


def _listed(words: Iterable[str]) -> str:
    return printable(", ".join(words)) or "none"
