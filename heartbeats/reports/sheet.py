"""A recording on millimetre paper, as an electrocardiograph prints it: 25 mm/s, 10 mm/mV, true to the millimetre.

What is drawn is the recording as it was recorded, in mV and at its own sampling rate, each strip around its median: no
filter, nothing smoothed. Where samples are missing, the sheet says so. Drawn by matplotlib in millimetres on one set of
axes, so that the page (SVG), the picture and the A4 sheet are the same drawing.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from heartbeats.common.console import printable
from heartbeats.ecg.recording import Recording
from heartbeats.reports.layout import (
    ABOVE,
    BELOW,
    FOOT,
    GAIN,
    HEAD,
    LANE,
    LEFT,
    NO_SAMPLES,
    ROW,
    SPEED,
    TRACK_HEIGHT,
    WIDTH,
    Strip,
    mended,
    trace,
)
from heartbeats.reports.page import STYLE, picture

__all__ = [
    "AGAINST",
    "DISCLAIMER",
    "FOR",
    "MM",
    "NAMES_COLOR",
    "QUIET",
    "Sheet",
    "Track",
    "as_recorded",
    "drawing",
    "leaving",
    "millimetres",
    "write",
]

MM = 1 / 25.4  # inches
GRID = (("#f7d4d4", 1, 0.18), ("#eaa3a3", 5, 0.35))  # colour, mm apart, points wide
TRACE_COLOR = NAMES_COLOR = "#111111"
QUIET = "#555555"  # what is of less weight
FOR, AGAINST = "#0b57a4", "#8d939b"  # what speaks for a class and against it
DISCLAIMER = "HeartBeats. Not a medical device: nothing here has been approved for diagnosis."
SMALL, MIDDLE, LARGE = 6.5, 8.5, 12.0  # points


@dataclass(frozen=True)
class Track:
    """Bars under the last strip: what each stretch of ``seconds`` adds to a probability, and a caption."""

    values: npt.NDArray[np.float64]
    seconds: float
    caption: str


@dataclass(frozen=True)
class Sheet:
    """What a sheet shows of a recording.

    Attributes:
        recording: as recorded.
        strips: the last of them is the rhythm strip.
        head: on the left, in the middle and on the right above the paper, two lines each.
        peaks: R peaks in s, shape (peaks,), marked below the rhythm strip with the intervals between them.
        track: drawn below those.
    """

    recording: Recording
    strips: tuple[Strip, ...]
    head: tuple[tuple[str, str], ...]
    peaks: npt.NDArray[np.float64]
    track: Track | None = None

    @property
    def paper(self) -> float:
        """The height of the millimetre paper, in mm."""
        return ABOVE + ROW * len({strip.y for strip in self.strips}) + BELOW

    @property
    def height(self) -> float:
        """The height of the sheet, in mm."""
        return HEAD + self.paper + LANE + (TRACK_HEIGHT if self.track else 0) + FOOT

    def figure(self) -> Figure:
        """The sheet by itself, ``WIDTH`` mm wide."""
        figure = Figure(figsize=(WIDTH * MM, self.height * MM))
        self.draw(figure, left=0, top=0)
        return figure

    def svg(self, description: str) -> Markup:
        """The sheet as inline SVG, two decimals of 1/72 inch; ``description`` is for those who do not see it."""
        with drawing():
            drawn = picture(self.figure(), description)
        return Markup(re.sub(r' d="[^"]+"', _rounded, drawn))

    def draw(self, figure: Figure, *, left: float, top: float) -> None:
        """Draw the sheet into a figure, ``left`` and ``top`` mm from its corner."""
        with drawing():
            axes = millimetres(figure, left=left, top=top, width=WIDTH, height=self.height)
            axes.add_patch(Rectangle((0, 0), WIDTH, self.height, facecolor="white"))
            paper = Rectangle((0, HEAD), WIDTH, self.paper, transform=axes.transData)
            _draw_grid(axes, self.paper)
            _draw_head(axes, self.head)
            for y in sorted({strip.y for strip in self.strips}):
                _draw_calibration(axes, y)
            for strip in self.strips:
                name = "rhythm" if strip is self.strips[-1] else "strip"
                _draw_strip(axes, self.recording, strip, paper, f"{name}-{strip.lead}-{strip.start:g}")
            _draw_peaks(axes, self.strips[-1], self.peaks, top=HEAD + self.paper)
            if self.track:
                _draw_track(axes, self.strips[-1], self.track, top=HEAD + self.paper + LANE)
            note = f"{SPEED:g} mm/s · {GAIN:g} mm/mV · {as_recorded(self.recording)}, each strip around its median"
            write(axes, LEFT, self.height - 1.2, note, color=QUIET)
            write(axes, WIDTH - 1, self.height - 1.2, DISCLAIMER, color=QUIET, ha="right")


def _rounded(path: re.Match[str]) -> str:
    """A path with two decimals, and without the letter L, which SVG can do without after a move."""
    rounded = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", path[0])
    return re.sub(r"\s*L\s*", " ", rounded).replace("\n", "")


def as_recorded(recording: Recording) -> str:
    """Whether all that is drawn was recorded, in words."""
    return "as recorded but for missing samples" if mended(recording) else "as recorded"


def leaving(sheet: Sheet) -> list[str]:
    """Leads whose trace leaves the paper, and is cut there."""
    found = []
    for strip in sheet.strips:
        _, y = trace(sheet.recording, strip)
        if y.size and (y.min() < HEAD or y.max() > HEAD + sheet.paper):
            found.append(strip.lead)
    return list(dict.fromkeys(found))


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's style for a sheet, without its warning about characters that the font lacks."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def millimetres(figure: Figure, *, left: float, top: float, width: float, height: float) -> Axes:
    """Axes whose coordinates are millimetres from their upper left corner."""
    total_width, total_height = (size / MM for size in figure.get_size_inches())
    place = (left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height)
    axes = figure.add_axes(place, xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def write(axes: Axes, x: float, y: float, text: str, *, size: float = SMALL, **style: object) -> None:
    """Write ``text`` as it stands: a dollar sign begins no formula."""
    axes.text(x, y, printable(text), fontsize=size, parse_math=False, **{"color": NAMES_COLOR} | style)  # type: ignore[arg-type]


Numbers = Sequence[float] | npt.NDArray[np.float64]


def _line(axes: Axes, x: Numbers, y: Numbers, color: str, width: float, name: str | None = None) -> Line2D:
    """A line; in SVG its group's id ends in ``name``."""
    # Rounding to whole pixels would move a line by up to half of one.
    (line,) = axes.plot(x, y, color=color, linewidth=width, solid_joinstyle="round", snap=False, gid=name)
    return line


def _draw_grid(axes: Axes, paper: float) -> None:
    for color, spacing, width in GRID:
        across = np.arange(0, WIDTH + 0.1, spacing, dtype=float)
        down = np.arange(0, paper + 0.1, spacing, dtype=float) + HEAD
        x = [value for at in across for value in (at, at, np.nan)] + [0.0, WIDTH, np.nan] * len(down)
        y = [HEAD, HEAD + paper, np.nan] * len(across) + [value for at in down for value in (at, at, np.nan)]
        _line(axes, x, y, color, width, f"grid-{spacing}")


def _draw_head(axes: Axes, head: Sequence[tuple[str, str]]) -> None:
    places = zip(head, (1.0, WIDTH / 2, WIDTH - 1), ("left", "center", "right"), strict=True)
    for (first, second), x, side in places:
        write(axes, x, 6, first, size=LARGE if side != "right" else MIDDLE, ha=side, fontweight="bold")
        write(axes, x, 12, second, size=MIDDLE, ha=side)


def _draw_calibration(axes: Axes, y: float) -> None:
    """1 mV for 0.2 s."""
    pulse, foot = 0.2 * SPEED, 2.5
    start = LEFT - 5 - pulse - foot
    x = np.cumsum([start, foot, 0, pulse, 0, foot])
    _line(axes, x, [y, y, y - GAIN, y - GAIN, y, y], TRACE_COLOR, 0.7, f"calibration-{y:g}")


def _draw_strip(axes: Axes, recording: Recording, strip: Strip, paper: Rectangle, identifier: str) -> None:
    x, y = trace(recording, strip)
    name, color = strip.lead, NAMES_COLOR
    remark = mended(recording).get(strip.lead)
    if not x.size:
        name, color = f"{name}: not recorded", QUIET
    elif remark == NO_SAMPLES:
        name, color = f"{name}: {remark}", QUIET
        x, y = np.empty(0), np.empty(0)
    else:
        name += "" if strip.lead in recording.leads else " (computed)"
        remark = remark or ("flat" if np.ptp(y) == 0 else "")
        name += f": {remark}" if remark else ""
    if x.size and strip.x > LEFT:  # where a column begins
        _line(axes, [strip.x, strip.x], [strip.y - 5, strip.y - 2], TRACE_COLOR, 0.7)
        _line(axes, [strip.x, strip.x], [strip.y + 2, strip.y + 5], TRACE_COLOR, 0.7)
    _line(axes, x, y, TRACE_COLOR, 0.7, identifier).set_clip_path(paper)
    bold = "bold" if color == NAMES_COLOR else "normal"
    write(axes, strip.x + 1.5, strip.y - ROW / 2 + 2.5, name, size=MIDDLE, color=color, fontweight=bold)


def _draw_peaks(axes: Axes, strip: Strip, peaks: npt.NDArray[np.float64], *, top: float) -> None:
    """Triangles under the R peaks, and between them the R-R intervals in s."""
    shown = peaks[(peaks >= strip.start) & (peaks <= strip.start + strip.seconds)]
    x = strip.x + SPEED * (shown - strip.start)
    axes.plot(x, np.full(len(x), top + 2.2), "^", color=FOR, markersize=3, markeredgewidth=0)
    if len(x):
        write(axes, strip.x - 1.5, top + 3, "R-R in s", color=FOR, ha="right")
    for left, right in pairwise(x.tolist()):
        if right - left >= 7:  # mm: the figure is as wide
            text = f"{(right - left) / SPEED:.2f}"
            write(axes, (left + right) / 2, top + 3, text, color=FOR, ha="center")


def _draw_track(axes: Axes, strip: Strip, track: Track, *, top: float) -> None:
    """Bars up for what speaks for a class, down for what speaks against it; the recording's tallest is 5.5 mm."""
    zero, tallest = top + 10.0, 5.5
    edges = np.arange(len(track.values) + 1) * track.seconds - strip.start
    inside = (edges[:-1] >= -1e-9) & (edges[:-1] < strip.seconds - 1e-9)
    scale = tallest / max(float(np.abs(track.values).max(initial=0)), 1e-12)
    heights = track.values[inside] * scale
    x = strip.x + SPEED * np.append(edges[:-1][inside], edges[1:][inside][-1:])
    _line(axes, [strip.x, strip.x + SPEED * strip.seconds], [zero, zero], QUIET, 0.4)
    if heights.size:
        for part, color in ((np.maximum(heights, 0), FOR), (np.minimum(heights, 0), AGAINST)):
            axes.stairs(zero - part, x, baseline=zero, fill=True, color=color, linewidth=0)
    write(axes, strip.x - 1.5, zero - 2.5, "for", color=FOR, ha="right")
    write(axes, strip.x - 1.5, zero + 4.2, "against", color=QUIET, ha="right")
    write(axes, strip.x, top + 3.2, track.caption, color=QUIET)
