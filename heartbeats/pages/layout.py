"""Which stretch of which lead stands where on a sheet, in millimetres: 25 mm/s, 10 mm/mV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heartbeats.header import STANDARD_LEADS
from heartbeats.preprocessing import LIMB_LEADS
from heartbeats.recording import Recording

__all__ = [
    "ABOVE",
    "BELOW",
    "COLUMN",
    "FEW_LEADS",
    "FOOT",
    "GAIN",
    "HEAD",
    "LANE",
    "LEFT",
    "ROW",
    "SHOWN",
    "SPEED",
    "TRACK",
    "WIDTH",
    "Strip",
    "lay_out",
    "lead_of",
    "mended",
    "rhythm_lead",
    "trace",
]

SPEED, GAIN = 25.0, 10.0  # mm/s, mm/mV

# Millimetres. The sheet fits an A4 page, landscape, within margins of 10 mm.
WIDTH, LEFT, HEAD, ROW, LANE, TRACK, FOOT = 275.0, 20.0, 15.0, 30.0, 6.0, 17.0, 5.0
ABOVE, BELOW = 15.0, 5.0  # paper beyond the rows: R waves of V4 rise higher than S waves of II fall
SHOWN = 10.0  # s on a sheet
COLUMN = SHOWN / 4
NO_SAMPLES = "no samples"
# With no more leads than this a recording has each over the whole width.
FEW_LEADS = 4


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

    The first has the standard leads in four columns of 2.5 s, one going on where the other ends, above 10 s of lead II.
    Of a recording shorter than 10 s all columns begin at its start. One of few leads has each of them over the whole
    width; so have later sheets the rhythm strip. It is the last strip.
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
    """Millimetres from the sheet's left and from its top, each of shape (samples,), of a strip; empty without its lead.

    The sample after the strip's last is drawn too: there the next strip begins.
    """
    lead = lead_of(recording, strip.lead)
    if lead is None:
        return np.empty(0), np.empty(0)
    first = int(np.ceil(strip.start * recording.sampling_rate))
    last = int(np.floor((strip.start + strip.seconds) * recording.sampling_rate))
    values = lead[first : last + 1]
    seconds = np.arange(first, first + len(values)) / recording.sampling_rate - strip.start
    return strip.x + SPEED * seconds, strip.y - GAIN * (values - np.median(values)) if values.size else values


def lead_of(recording: Recording, lead: str) -> npt.NDArray[np.float64] | None:
    """A lead in mV, shape (samples,): as recorded, or a limb lead that I and II determine; ``None`` without either."""
    row = {name: recording.signal[i] for i, name in reversed(list(enumerate(recording.leads)))}
    if lead not in row and lead in LIMB_LEADS and "I" in row and "II" in row:
        row[lead] = LIMB_LEADS[lead][0] * row["I"] + LIMB_LEADS[lead][1] * row["II"]
    return row.get(lead)


def mended(recording: Recording) -> dict[str, str]:
    """Leads with missing samples, and in two words what stands for them: no line of theirs is all as recorded.

    A limb lead that is computed has what lead I or II has.
    """
    samples = recording.signal.shape[1]
    found: dict[str, str] = {}
    for lead, missing in sorted(zip(recording.leads, recording.missing, strict=True), key=lambda item: -item[1]):
        if missing:
            remark = NO_SAMPLES if missing == samples else "gaps bridged"
            computed = [limb for limb in LIMB_LEADS if limb not in recording.leads] if lead in ("I", "II") else []
            found = dict.fromkeys((lead, *computed), remark) | found
    return found
