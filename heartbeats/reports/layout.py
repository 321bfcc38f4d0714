"""Which stretch of which lead stands where on a sheet, in millimetres: 25 mm/s, 10 mm/mV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.ecg.recording import Recording
from heartbeats.preparation.preprocessing import LIMB_LEADS, select_lead

__all__ = [
    "ABOVE",
    "BELOW",
    "FOOT",
    "GAIN",
    "HEAD",
    "LANE",
    "LEFT",
    "NO_SAMPLES",
    "ROW",
    "SHOWN",
    "SPEED",
    "TRACK_HEIGHT",
    "WIDTH",
    "Strip",
    "lay_out",
    "lead_of",
    "mended",
    "rhythm_lead",
    "trace",
]

SPEED = 25.0  # mm/s
GAIN = 10.0  # mm/mV
SHOWN = 10.0  # s on a sheet
COLUMN = SHOWN / 4  # s of a lead, where they stand in four columns
FEW_LEADS = 4  # with no more than these a recording has each over the whole width
NO_SAMPLES = "no samples"

# Millimetres. The sheet fits an A4 page, landscape, within margins of 10 mm. From its top to its bottom:
HEAD = 15.0  # name, heart rate, what is shown
ABOVE = 15.0  # paper above the rows, and less of it below: R waves of V4 rise higher than S waves of II fall
ROW = 30.0  # paper of each row of strips
BELOW = 5.0
LANE = 6.0  # R peaks and the intervals between them
TRACK_HEIGHT = 17.0  # what moved the networks
FOOT = 5.0  # speed, gain, disclaimer
# And across:
WIDTH = 275.0
LEFT = 20.0  # up to where the strips begin: the calibration pulse


@dataclass(frozen=True)
class Strip:
    """A stretch of a lead: its first sample ``x`` mm from the sheet's left, its own median ``y`` mm from the top."""

    lead: str
    x: float
    y: float
    start: float  # s
    seconds: float


def lay_out(recording: Recording, *, start: float = 0.0) -> tuple[Strip, ...]:
    """The strips of the sheet that begins at ``start`` seconds.

    The first sheet has the standard leads in four columns of 2.5 s, one going on where the other ends, above 10 s of
    lead II. If the recording is shorter than 10 s, all columns begin at its start. If it has few leads, each of them
    has the whole width. Later sheets have the rhythm strip alone. The rhythm strip is always the last.
    """
    rhythm = rhythm_lead(recording)
    first = HEAD + ABOVE + ROW / 2
    if start > 0:
        return (Strip(rhythm, LEFT, first, start, SHOWN),)
    if len(recording.leads) <= FEW_LEADS or not set(recording.leads) & set(STANDARD_LEADS):
        leads = [lead for lead in dict.fromkeys(recording.leads) if lead != rhythm]
        leads = [*leads[: FEW_LEADS - 1], rhythm]
        return tuple(Strip(lead, LEFT, first + ROW * row, 0.0, SHOWN) for row, lead in enumerate(leads))
    on = recording.signal.shape[1] >= round(SHOWN * recording.sampling_rate)
    strips = []
    for i, lead in enumerate(STANDARD_LEADS):
        column, row = divmod(i, 3)
        x, y = LEFT + column * COLUMN * SPEED, first + ROW * row
        strips.append(Strip(lead, x, y, column * COLUMN if on else 0.0, COLUMN))
    return (*strips, Strip(rhythm, LEFT, first + ROW * 3, 0.0, SHOWN))


def rhythm_lead(recording: Recording) -> str:
    """Lead II, or else I, or else the first."""
    return next((lead for lead in ("II", "I") if lead in recording.leads), recording.leads[0])


def trace(recording: Recording, strip: Strip) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """A strip's curve, in mm from the sheet's left and in mm from its top, each of shape (samples,).

    Empty where the recording lacks the lead. The sample after the strip's last is drawn too: there the next strip
    begins.
    """
    lead, _ = lead_of(recording, strip.lead)
    if lead is None:
        return np.empty(0), np.empty(0)
    first = int(np.ceil(strip.start * recording.sampling_rate))
    last = int(np.floor((strip.start + strip.seconds) * recording.sampling_rate))
    values = lead[first : last + 1]
    seconds = np.arange(first, first + len(values)) / recording.sampling_rate - strip.start
    return strip.x + SPEED * seconds, strip.y - GAIN * (values - np.median(values)) if values.size else values


def lead_of(recording: Recording, lead: str) -> tuple[npt.NDArray[np.float64] | None, tuple[str, ...]]:
    """A lead in mV, shape (samples,), and the leads that it is made of, as the networks would have it.

    Itself where it was recorded; others for a limb lead that they determine; ``None`` and no leads without either.
    """
    values, sources = select_lead(recording.signal, recording.leads, lead)
    return (values if sources else None), sources


def mended(recording: Recording) -> dict[str, str]:
    """Leads with missing samples, and two words on what is drawn in their place.

    A limb lead that is computed has the gaps of those that it is computed from.
    """
    samples = recording.signal.shape[1]
    computed = {limb: lead_of(recording, limb)[1] for limb in LIMB_LEADS if limb not in recording.leads}
    found: dict[str, str] = {}
    for lead, missing in sorted(zip(recording.leads, recording.missing, strict=True), key=lambda item: -item[1]):
        if missing:
            remark = NO_SAMPLES if missing == samples else "gaps bridged"
            found = dict.fromkeys((lead, *(limb for limb in computed if lead in computed[limb])), remark) | found
    return found
