"""Draw a recording on millimetre paper: 25 mm/s and 10 mm/mV, as recorded, without a filter.

The drawing is in millimetres. The HTML page, the PNG and the PDF show the same drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from heartbeats.challenge.diagnoses import ABBREVIATIONS
from heartbeats.common.console import printable
from heartbeats.preparation.signals import SECONDS
from heartbeats.reports import layout
from heartbeats.reports.findings import Reading
from heartbeats.reports.layout import GAIN, HEAD, LEFT, ROW, SPEED, WIDTH, Strip, lay_out, lead_of, trace
from heartbeats.reports.page import drawing, picture
from heartbeats.reports.saliency import BIN, Saliency

MM = 1 / 25.4  # inches
GRID = (("#f7d4d4", 1, 0.18), ("#eaa3a3", 5, 0.35))  # colour, spacing in mm, width in points
BLACK, QUIET = "#111111", "#555555"
FOR, AGAINST = "#0b57a4", "#8d939b"  # raises and lowers the probability
DISCLAIMER = "HeartBeats. Not a medical device: nothing here is approved for diagnosis."
SMALL, MIDDLE, LARGE = 6.5, 8.5, 12.0  # points


@dataclass(frozen=True)
class Sheet:
    """The part of a recording that begins at ``start`` seconds, on paper."""

    reading: Reading
    start: float = 0.0

    @property
    def strips(self) -> list[Strip]:
        """Return the strips; the last one is the rhythm strip."""
        return lay_out(self.reading.recording, self.start)

    @property
    def bottom(self) -> float:
        """Return the lower edge of the millimetre paper in mm."""
        return HEAD + layout.ABOVE + ROW * len({strip.y for strip in self.strips}) + layout.BELOW

    @property
    def height(self) -> float:
        """Return the height of the sheet in mm."""
        return self.bottom + layout.LANE + (layout.TRACK if self.reading.answer else 0) + layout.FOOT

    def cut(self) -> list[str]:
        """Return the leads that leave the paper."""
        y = {strip.lead: trace(self.reading.recording, strip)[1] for strip in self.strips}
        return [lead for lead in y if y[lead].size and (y[lead].min() < HEAD or y[lead].max() > self.bottom)]

    def svg(self, description: str) -> Markup:
        """Return the sheet as inline SVG."""
        figure = Figure(figsize=(WIDTH * MM, self.height * MM))
        self.draw(figure)
        return picture(figure, description)

    @drawing()
    def draw(self, figure: Figure, *, left: float = 0.0, top: float = 0.0) -> None:
        """Draw the sheet ``left`` and ``top`` mm from the figure's corner."""
        axes = millimetres(figure, left, top, WIDTH, self.height)
        _draw_grid(axes, self.bottom)
        _draw_head(axes, self.reading, self.start)
        strips = self.strips
        for y in sorted({strip.y for strip in strips}):
            _draw_calibration(axes, y)
        paper = Rectangle((0, HEAD), WIDTH, self.bottom - HEAD, transform=axes.transData)
        for strip in strips:
            name = "rhythm" if strip is strips[-1] else "strip"
            _draw_strip(axes, self.reading, strip, f"{name}-{strip.lead}-{strip.start:g}").set_clip_path(paper)
        _draw_peaks(axes, strips[-1], self.reading.rhythm.peaks, self.bottom)
        if self.reading.answer:
            _draw_track(axes, strips[-1], self.reading.answer.saliency, self.bottom + layout.LANE)
        note = f"{SPEED:g} mm/s · {GAIN:g} mm/mV · no filter · each strip around its median"
        write(axes, LEFT, self.height - 1.2, note, color=QUIET)
        write(axes, WIDTH - 1, self.height - 1.2, DISCLAIMER, color=QUIET, ha="right")


def sheets(reading: Reading) -> list[Sheet]:
    """Return a sheet for each 10 s of a recording, up to the 30 s that the networks read."""
    return [Sheet(reading, start) for start in np.arange(0, min(reading.seconds, SECONDS), layout.SHOWN).tolist()]


def millimetres(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return axes whose coordinates are millimetres from their upper left corner."""
    total_width, total_height = figure.get_size_inches() / MM
    place = (left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height)
    axes = figure.add_axes(place, xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    axes.add_patch(Rectangle((0, 0), width, height, facecolor="white"))
    return axes


def write(axes: Axes, x: float, y: float, text: str, **style: object) -> None:
    """Write text; a dollar sign does not begin a formula."""
    axes.text(x, y, printable(text), parse_math=False, **{"color": BLACK, "fontsize": SMALL} | style)  # type: ignore[arg-type]


def shortened(name: str, length: int) -> str:
    """Return a name of at most ``length`` characters."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


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
    recording, rhythm = reading.recording, reading.rhythm
    end = min(start + layout.SHOWN, reading.seconds)
    left = (shortened(reading.name, 32), reading.patient)
    right = (reading.recorded, f"{start:g} to {end:.4g} s")
    gaps = f"; lead {rhythm.lead} has gaps" if "gaps" in lead_of(recording, rhythm.lead)[1] else ""
    middle = (rhythm.heart_rate, rhythm.intervals_in_words + gaps)
    for x, side, lines in ((1.0, "left", left), (WIDTH / 2, "center", middle), (WIDTH - 1, "right", right)):
        size = MIDDLE if side == "right" else LARGE
        write(axes, x, 6, lines[0], fontsize=size, ha=side, fontweight="bold")
        write(axes, x, 12, lines[1], fontsize=MIDDLE, ha=side)


def _draw_calibration(axes: Axes, y: float) -> None:
    """Draw 1 mV for 0.2 s."""
    x = LEFT - 5 - np.array([10, 7.5, 7.5, 2.5, 2.5, 0])
    _line(axes, x, [y, y, y - GAIN, y - GAIN, y, y], BLACK, 0.7, f"calibration-{y:g}")


def _draw_strip(axes: Axes, reading: Reading, strip: Strip, name: str) -> Line2D:
    x, y = trace(reading.recording, strip)
    remark = lead_of(reading.recording, strip.lead)[1]
    title = f"{strip.lead}: {remark}" if remark else strip.lead
    style = {"color": BLACK, "fontweight": "bold"} if x.size else {"color": QUIET}
    write(axes, strip.x + 1.5, strip.y - ROW / 2 + 2.5, title, fontsize=MIDDLE, **style)
    if strip.x > LEFT:  # a column begins
        _line(axes, [strip.x] * 5, strip.y + np.array([-5, -2, np.nan, 2, 5]), BLACK, 0.7)
    return _line(axes, x, y, BLACK, 0.7, name)


def _draw_peaks(axes: Axes, strip: Strip, peaks: npt.NDArray[np.float64], top: float) -> None:
    """Draw triangles under the R peaks, and the R-R intervals in s between them."""
    x = strip.x + SPEED * (peaks[(peaks >= strip.start) & (peaks <= strip.start + strip.seconds)] - strip.start)
    axes.plot(x, np.full(len(x), top + 2.2), "^", color=FOR, markersize=3, markeredgewidth=0)
    write(axes, strip.x - 1.5, top + 3, "R-R in s" if x.size else "", color=FOR, ha="right")
    for left, right in pairwise(x.tolist()):
        if right - left >= 7:  # mm, the width of the text
            write(axes, (left + right) / 2, top + 3, f"{(right - left) / SPEED:.2f}", color=FOR, ha="center")


def _draw_track(axes: Axes, strip: Strip, saliency: Saliency, top: float) -> None:
    """Draw bars up for what raises the probability and down for what lowers it; the tallest bar is 5.5 mm."""
    zero, first = top + 10.0, round(strip.start / BIN)
    heights = saliency.track[first : first + round(strip.seconds / BIN)] * 5.5 / (saliency.tallest or 1.0)
    edges = strip.x + SPEED * BIN * np.arange(len(heights) + 1)
    _line(axes, [strip.x, strip.x + SPEED * strip.seconds], [zero, zero], QUIET, 0.4)
    for part, color in ((np.maximum(heights, 0), FOR), (np.minimum(heights, 0), AGAINST)):
        axes.stairs(zero - part, edges, baseline=zero, fill=True, color=color, linewidth=0)
    write(axes, strip.x - 1.5, zero - 2.5, "for", color=FOR, ha="right")
    write(axes, strip.x - 1.5, zero + 4.2, "against", color=QUIET, ha="right")
    caption = (
        f"Integrated gradients: what each {BIN:g} s adds to the probability of {ABBREVIATIONS[saliency.code]} "
        f"({saliency.probability:.2f}) or takes from it; the tallest bar of the recording is {saliency.tallest:.2g}"
    )
    write(axes, strip.x, top + 3.2, caption, color=QUIET)
