"""Draw a recording on millimetre paper: 25 mm/s and 10 mm/mV, as recorded, without a filter.

All positions are in mm from the left and from the top. HTML, PDF and PNG show the same drawing.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from heartbeats.common.console import printable
from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.ecg.recording import Recording
from heartbeats.preparation.leads import Floats, select_lead
from heartbeats.preparation.signals import SECONDS
from heartbeats.reports.findings import Reading, rhythm_lead
from heartbeats.reports.page import abbreviation, drawing
from heartbeats.reports.saliency import BIN, Saliency

SPEED, GAIN = 25.0, 10.0  # mm/s, mm/mV
SHOWN = 10.0  # s on a sheet
COLUMN = SHOWN / 4  # s of a lead in four columns
FEW_LEADS = 4  # up to this number, each lead has the whole width

MM = 1 / 25.4  # inches
WIDTH = 275.0
LEFT = 20.0  # of the strips; the calibration pulse is left of them
# Heights from top to bottom. A sheet fits on A4 landscape with margins of 10 mm.
HEAD = 15.0  # name, heart rate, recording
ABOVE = 15.0  # paper above the rows; more than below, for the R waves of V4
ROW = 30.0
BELOW = 5.0
LANE = 6.0  # R peaks and R-R intervals
TRACK = 17.0  # what moved the networks
FOOT = 9.0  # answer, scale and disclaimer

GRID = (("#f7d4d4", 1, 0.18), ("#eaa3a3", 5, 0.35))  # colour, spacing in mm, width in points
BLACK, QUIET = "#111111", "#555555"
FOR, AGAINST = "#0b57a4", "#8d939b"  # raises and lowers the probability
DISCLAIMER = "HeartBeats. Not a medical device: nothing here is approved for diagnosis."
SMALL, MIDDLE, LARGE = 6.5, 8.5, 12.0  # points


@dataclass(frozen=True)
class Strip:
    """A stretch of a lead. Its first sample is ``x`` mm from the left, its median ``y`` mm from the top."""

    lead: str
    x: float
    y: float
    start: float  # s
    seconds: float


def sheet_starts(reading: Reading) -> list[float]:
    """Return where the sheets of a recording begin, in s: every 10 s, up to the 30 s that the networks read."""
    return np.arange(0, min(reading.recording.seconds, SECONDS), SHOWN).tolist()


def lay_out(recording: Recording, start: float = 0.0) -> list[Strip]:
    """Return the strips of the sheet that begins at ``start`` seconds; the last one is the rhythm strip.

    The first sheet has the standard leads in four columns of 2.5 s, above 10 s of lead II. A column begins where the
    last one ends. If the recording is shorter than 10 s, all columns begin at 0 s. Few leads are drawn one below the
    other. Later sheets have only the rhythm strip.
    """
    rhythm, first = rhythm_lead(recording), HEAD + ABOVE + ROW / 2
    if start or len(recording.leads) <= FEW_LEADS or not set(recording.leads) & set(STANDARD_LEADS):
        others = [lead for lead in dict.fromkeys(recording.leads) if lead != rhythm and not start]
        leads = [*others[: FEW_LEADS - 1], rhythm]
        return [Strip(lead, LEFT, first + ROW * row, start, SHOWN) for row, lead in enumerate(leads)]
    whole = recording.signal.shape[1] >= round(SHOWN * recording.sampling_rate)
    strips = []
    for i, lead in enumerate(STANDARD_LEADS):
        column, row = divmod(i, 3)
        x, y = LEFT + column * COLUMN * SPEED, first + ROW * row
        strips.append(Strip(lead, x, y, column * COLUMN if whole else 0.0, COLUMN))
    return [*strips, Strip(rhythm, LEFT, first + ROW * 3, 0.0, SHOWN)]


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


@drawing()
def draw_sheet(reading: Reading, start: float = 0.0) -> Figure:
    """Return the sheet of a recording that begins at ``start`` seconds."""
    strips, answer = lay_out(reading.recording, start), reading.answer
    bottom = strips[-1].y + ROW / 2 + BELOW
    height = bottom + LANE + (TRACK if answer else 0) + FOOT
    figure, axes = blank_sheet(height)
    _draw_grid(axes, bottom)
    _draw_head(axes, reading, start)
    for y in sorted({strip.y for strip in strips}):  # the calibration pulse, 1 mV for 0.2 s
        x = LEFT - 5 - np.array([10, 7.5, 7.5, 2.5, 2.5, 0])
        _line(axes, x, [y, y, y - GAIN, y - GAIN, y, y], BLACK, 0.7, f"calibration-{y:g}")
    paper = Rectangle((0, HEAD), WIDTH, bottom - HEAD, transform=axes.transData)
    for strip in strips:
        _draw_strip(axes, reading.recording, strip).set_clip_path(paper)
    _draw_peaks(axes, strips[-1], reading.rhythm.peaks, bottom)
    if answer:
        _draw_track(axes, strips[-1], answer.saliency, bottom + LANE)
        codes = {"Answer": answer.positive, "header": reading.diagnoses}
        said = "; ".join(f"{key}: {', '.join(map(abbreviation, of)) or 'nothing'}" for key, of in codes.items())
        write(axes, LEFT, height - 5.2, said if len(said) < 120 else f"{said[:120]}…", fontsize=MIDDLE)
    note = f"{SPEED:g} mm/s · {GAIN:g} mm/mV · no filter · each strip around its median"
    write(axes, LEFT, height - 1.2, note, color=QUIET)
    write(axes, WIDTH - 1, height - 1.2, DISCLAIMER, color=QUIET, ha="right")
    return figure


def blank_sheet(height: float) -> tuple[Figure, Axes]:
    """Return a figure and axes whose coordinates are millimetres from the upper left corner."""
    figure = Figure(figsize=(WIDTH * MM, height * MM))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def write(axes: Axes, x: float, y: float, text: str, **style: object) -> None:
    """Write text; a dollar sign does not begin a formula."""
    axes.text(x, y, printable(text), parse_math=False, **{"color": BLACK, "fontsize": SMALL} | style)  # type: ignore[arg-type]


def _line(axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, color: str, width: float, name: str | None = None) -> Line2D:
    # Without snap=False matplotlib would round to whole pixels.
    return axes.plot(np.ravel(x), np.ravel(y), color=color, linewidth=width, snap=False, gid=name)[0]


def _draw_grid(axes: Axes, bottom: float) -> None:
    for color, spacing, width in GRID:
        across, down = np.arange(0, WIDTH + 0.1, spacing), np.arange(HEAD, bottom + 0.1, spacing)
        # One line with gaps (NaN) is much smaller than many lines.
        x, y = ([[at, at, np.nan] for at in places] for places in (across, down))
        _line(axes, x, [[HEAD, bottom, np.nan]] * len(x), color, width, f"grid-{spacing}-across")
        _line(axes, [[0, WIDTH, np.nan]] * len(y), y, color, width, f"grid-{spacing}-down")


def _draw_head(axes: Axes, reading: Reading, start: float) -> None:
    end = min(start + SHOWN, reading.recording.seconds)
    name = reading.name if len(reading.name) <= 32 else f"{reading.name[:31]}…"
    for x, side, size, first, second in (
        (1.0, "left", LARGE, name, reading.patient),
        (WIDTH / 2, "center", LARGE, reading.rhythm.heart_rate, reading.rhythm.intervals),
        (WIDTH - 1, "right", MIDDLE, reading.recorded, f"{start:g} to {end:.4g} s"),
    ):
        write(axes, x, 6, first, fontsize=size, ha=side, fontweight="bold")
        write(axes, x, 12, second, fontsize=MIDDLE, ha=side)


def _draw_strip(axes: Axes, recording: Recording, strip: Strip) -> Line2D:
    x, y = trace(recording, strip)
    remark = lead_of(recording, strip.lead)[1]
    title = f"{strip.lead}: {remark}" if remark else strip.lead
    style = {"color": BLACK, "fontweight": "bold"} if x.size else {"color": QUIET}
    write(axes, strip.x + 1.5, strip.y - ROW / 2 + 2.5, title, fontsize=MIDDLE, **style)
    if strip.x > LEFT:  # a column begins
        _line(axes, [strip.x] * 5, strip.y + np.array([-5, -2, np.nan, 2, 5]), BLACK, 0.7)
    return _line(axes, x, y, BLACK, 0.7, f"strip-{strip.lead}-{strip.start:g}-{strip.seconds:g}")


def _draw_peaks(axes: Axes, strip: Strip, peaks: Floats, top: float) -> None:
    """Draw triangles under the R peaks, and the R-R intervals in s between them."""
    x = strip.x + SPEED * (peaks[(peaks >= strip.start) & (peaks <= strip.start + strip.seconds)] - strip.start)
    axes.plot(x, np.full(len(x), top + 2.2), "^", color=FOR, markersize=3, markeredgewidth=0)
    write(axes, strip.x - 1.5, top + 3, "R-R in s" if x.size else "", color=FOR, ha="right")
    for left, right in pairwise(x.tolist()):
        if right - left >= 7:  # mm, the width of the text
            write(axes, (left + right) / 2, top + 3, f"{(right - left) / SPEED:.2f}", color=FOR, ha="center")


def _draw_track(axes: Axes, strip: Strip, saliency: Saliency, top: float) -> None:
    """Draw the saliency. Bars up raise the probability, bars down lower it. The tallest bar is 5.5 mm."""
    zero, first = top + 10.0, round(strip.start / BIN)
    heights = saliency.track[first : first + round(strip.seconds / BIN)] * 5.5 / (saliency.tallest or 1.0)
    edges = strip.x + SPEED * BIN * np.arange(len(heights) + 1)
    _line(axes, [strip.x, strip.x + SPEED * strip.seconds], [zero, zero], QUIET, 0.4)
    for part, color in ((np.maximum(heights, 0), FOR), (np.minimum(heights, 0), AGAINST)):
        axes.stairs(zero - part, edges, baseline=zero, fill=True, color=color, linewidth=0)
    write(axes, strip.x - 1.5, zero - 2.5, "for", color=FOR, ha="right")
    write(axes, strip.x - 1.5, zero + 4.2, "against", color=QUIET, ha="right")
    caption = (
        f"Integrated gradients: how much each {BIN:g} s raises or lowers the probability of "
        f"{abbreviation(saliency.code)} ({saliency.probability:.2f}). The tallest bar of the recording is "
        f"{saliency.tallest:.2g}."
    )
    write(axes, strip.x, top + 3.2, caption, color=QUIET)
