"""Lay out the leads of a recording on a sheet, in millimetres: 25 mm/s, 10 mm/mV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.ecg.recording import Recording
from heartbeats.preparation.leads import select_lead

Floats = npt.NDArray[np.float64]

SPEED = 25.0  # mm/s
GAIN = 10.0  # mm/mV
SHOWN = 10.0  # s on a sheet
COLUMN = SHOWN / 4  # s of a lead in four columns
FEW_LEADS = 4  # so few leads have the whole width each

# Heights in mm, from top to bottom. A sheet fits on A4 landscape with margins of 10 mm.
HEAD = 15.0  # name, heart rate, recording
ABOVE = 15.0  # paper above the rows; more than below, for the R waves of V4
ROW = 30.0
BELOW = 5.0
LANE = 6.0  # R peaks and R-R intervals
TRACK = 17.0  # what moved the networks
FOOT = 5.0
# Widths in mm.
WIDTH = 275.0
LEFT = 20.0  # of the calibration pulse


@dataclass(frozen=True)
class Strip:
    """A stretch of a lead. Its first sample is ``x`` mm from the left, its median ``y`` mm from the top."""

    lead: str
    x: float
    y: float
    start: float  # s
    seconds: float


def lay_out(recording: Recording, start: float = 0.0) -> list[Strip]:
    """Return the strips of the sheet that begins at ``start`` seconds; the last one is the rhythm strip.

    The first sheet has the standard leads in four columns of 2.5 s above 10 s of lead II. A column begins where the
    one before it ends, or at 0 s if the recording is shorter than 10 s. A recording of few leads has them one below the
    other. Later sheets have the rhythm strip only.
    """
    rhythm, first = rhythm_lead(recording), HEAD + ABOVE + ROW / 2
    if start > 0:
        return [Strip(rhythm, LEFT, first, start, SHOWN)]
    if len(recording.leads) <= FEW_LEADS or not set(recording.leads) & set(STANDARD_LEADS):
        others = [lead for lead in dict.fromkeys(recording.leads) if lead != rhythm]
        leads = [*others[: FEW_LEADS - 1], rhythm]
        return [Strip(lead, LEFT, first + ROW * row, 0.0, SHOWN) for row, lead in enumerate(leads)]
    whole = recording.signal.shape[1] >= round(SHOWN * recording.sampling_rate)
    strips = []
    for i, lead in enumerate(STANDARD_LEADS):
        column, row = divmod(i, 3)
        x, y = LEFT + column * COLUMN * SPEED, first + ROW * row
        strips.append(Strip(lead, x, y, column * COLUMN if whole else 0.0, COLUMN))
    return [*strips, Strip(rhythm, LEFT, first + ROW * 3, 0.0, SHOWN)]


def rhythm_lead(recording: Recording) -> str:
    """Return lead II, or else I, or else the first."""
    return next((lead for lead in ("II", "I") if lead in recording.leads), recording.leads[0])


def lead_of(recording: Recording, lead: str) -> tuple[Floats, str]:
    """Return a lead in mV, shape (samples,), empty if there is none; and a remark such as "computed" or "flat".

    A limb lead that was not recorded is computed from the others, with their gaps.
    """
    values, sources = select_lead(recording.signal, recording.leads, lead)
    missing = [recording.missing[recording.leads.index(source)] for source in sources]
    if not sources:
        return np.empty(0), "not recorded"
    if max(missing) == len(values):
        return np.empty(0), "no samples"
    remarks = [] if lead in recording.leads else ["computed"]
    if any(missing):
        remarks.append("gaps bridged")
    elif not np.ptp(values):
        remarks.append("flat")
    return values, ", ".join(remarks)


def trace(recording: Recording, strip: Strip) -> tuple[Floats, Floats]:
    """Return a strip's curve in mm from the left and from the top, each of shape (samples,)."""
    lead, _ = lead_of(recording, strip.lead)
    first = int(np.ceil(strip.start * recording.sampling_rate))
    last = int(np.floor((strip.start + strip.seconds) * recording.sampling_rate))  # where the next strip begins
    values = lead[first : last + 1]
    if not values.size:
        return values, values
    seconds = np.arange(first, first + len(values)) / recording.sampling_rate - strip.start
    return strip.x + SPEED * seconds, strip.y - GAIN * (values - np.median(values))
