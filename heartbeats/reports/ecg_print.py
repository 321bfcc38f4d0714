"""The sheets of one recording: as .pdf on A4 across, or as one .png of all pages, ten pixels per millimetre."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from heartbeats.challenge.diagnoses import ABBREVIATIONS, CLASSES, NAMES
from heartbeats.common.files import replace_file
from heartbeats.reports.ecg_page import UNCALIBRATED, Reading, method
from heartbeats.reports.findings import Answer
from heartbeats.reports.layout import WIDTH
from heartbeats.reports.sheet import AGAINST, DISCLAIMER, FOR, MM, NAMES_COLOR, QUIET, drawing, millimetres, write

__all__ = ["SUFFIXES", "save", "save_failure"]

SUFFIXES = (".pdf", ".png")
PAGE_WIDTH, PAGE_HEIGHT, MARGIN = 297.0, 210.0, 10.0  # mm
INSIDE = PAGE_HEIGHT - 2 * MARGIN
LEFT = (PAGE_WIDTH - WIDTH) / 2
DPI = 254
BARS = 62.0  # mm of a probability of 1
TEXT_LEFT = 160.0  # mm of the column beside the probabilities
TEXT_TOP, TEXT_BOTTOM = 16.0, INSIDE - 6  # mm


def save(reading: Reading, path: Path) -> None:
    """Write the sheets of a recording and a page of findings and notes, whole or not at all.

    Raises:
        ValueError: the file's name ends in none of :data:`SUFFIXES`.
        OSError: the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: sheets are drawn as {' or '.join(SUFFIXES)}")
    places: list[tuple[int, float]] = []
    page, bottom = 0, 0.0
    sheets = reading.sheets()
    for sheet in sheets:
        if bottom + sheet.height > INSIDE:
            page, bottom = page + 1, 0.0
        places.append((page, bottom))
        bottom += sheet.height
    notes = reading.notes()
    texts = _laid_out(reading, notes) if reading.answer or notes else []
    pages = _pages(page + 1 + len(texts), path)
    for sheet, (page, top) in zip(sheets, places, strict=True):
        figure, above = pages[page]
        sheet.draw(figure, left=LEFT, top=above + MARGIN + top)
    for i, lines in enumerate(texts):
        axes = _inside(*pages[page + 1 + i])
        write(axes, 1, 6, _shortened(reading.name), size=12, fontweight="bold")
        if reading.answer and i == 0:
            _draw_probabilities(axes, reading.answer)
        left = TEXT_LEFT if reading.answer and i == 0 else 1.0
        for line in lines:
            if line.is_title:
                write(axes, left, line.y, line.text, size=9, fontweight="bold")
            else:
                write(axes, left, line.y, line.text, size=7.5)
        write(axes, WIDTH - 1, INSIDE - 1.2, DISCLAIMER, color=QUIET, ha="right")
    _write(pages, path)


def save_failure(name: str, reason: str, path: Path) -> None:
    """Write a page that says why a recording cannot be read.

    Raises:
        OSError: the file cannot be written.
    """
    pages = _pages(1, path)
    axes = _inside(*pages[0])
    write(axes, 1, 6, f"{_shortened(name)} cannot be read", size=12, fontweight="bold")
    write(axes, 1, 12, textwrap.fill(reason, 140), size=9, va="top")
    _write(pages, path)


def _shortened(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:59]}…"


def _pages(count: int, path: Path) -> list[tuple[Figure, float]]:
    """For each page its figure, and how many mm below the figure's top it begins: a .png has one figure for all."""
    size = (PAGE_WIDTH * MM, PAGE_HEIGHT * MM)
    if path.suffix.lower() == ".pdf":
        return [(Figure(figsize=size), 0.0) for _ in range(count)]
    figure = Figure(figsize=(size[0], size[1] * count))
    return [(figure, PAGE_HEIGHT * page) for page in range(count)]


def _inside(figure: Figure, above: float) -> Axes:
    with drawing():
        return millimetres(figure, left=LEFT, top=above + MARGIN, width=WIDTH, height=INSIDE)


def _write(pages: Sequence[tuple[Figure, float]], path: Path) -> None:
    drawn = io.BytesIO()  # a full disk in the middle of a PDF leaves matplotlib in disorder
    with drawing():
        if path.suffix.lower() == ".pdf":
            with PdfPages(drawn, metadata={"CreationDate": None}) as file:
                for figure, _ in pages:
                    file.savefig(figure, facecolor="white")
        else:
            pages[0][0].savefig(drawn, format="png", dpi=DPI, facecolor="white")
    replace_file(path, lambda temporary: temporary.write_bytes(drawn.getvalue()))


def _draw_probabilities(axes: Axes, found: Answer) -> None:
    """The 27 probabilities as bars, the highest first, the threshold as a line."""
    left, top, step = 78.0, 16.0, 6.0
    for row, i in enumerate(np.argsort(-found.probabilities, kind="stable")):
        p, y = float(found.probabilities[i]), top + step * row
        code, answered = CLASSES[i], bool(found.labels[i])
        weight, color = ("bold", NAMES_COLOR) if answered else ("normal", QUIET)
        write(axes, 1, y + 1, ABBREVIATIONS[code], size=8, color=color, fontweight=weight)
        write(axes, 16, y + 1, NAMES[code], size=7, color=color)
        axes.add_patch(Rectangle((left, y - 1.5), BARS * p, 3, facecolor=FOR if answered else AGAINST))
        write(axes, left + BARS + 2, y + 1, f"{p:.3f}", size=8, color=color, fontweight=weight)
    at, bottom = left + BARS * found.threshold, top + step * len(CLASSES) - 3
    axes.plot([at, at], [top - 3, bottom], color=NAMES_COLOR, linewidth=0.7)
    write(axes, at, bottom + 4, f"threshold {found.threshold:.2f}", ha="center")
    write(axes, 1, bottom + 8, UNCALIBRATED, color=QUIET)


@dataclass(frozen=True)
class Line:
    """A line of text: mm from the page's top, and whether it is a title."""

    y: float
    text: str
    is_title: bool


def _laid_out(reading: Reading, notes: Sequence[str]) -> list[list[Line]]:
    """What else the page of a recording says, in one column: for each page its lines."""
    paragraphs: list[tuple[str, Sequence[str]]] = [("Mended, assumed, not shown", notes)]
    if found := reading.answer:
        agreement = [f"{what}: {', '.join(names) or '–'}" for what, names in found.comparison.rows]
        paragraphs = [
            ("The answer, and how it came about", found.reasons),
            ("Answer and header", agreement),
            *paragraphs,
            ("Where the networks looked", method(found)),
        ]
    pages: list[list[Line]] = [[]]
    y = TEXT_TOP
    for title, sentences in paragraphs:
        if not sentences:
            continue
        if y > TEXT_BOTTOM - 10:  # no title at the foot of a page
            pages, y = [*pages, []], TEXT_TOP
        pages[-1].append(Line(y, title, is_title=True))
        y += 5
        for sentence in sentences:
            for line in textwrap.wrap(sentence, 84):
                if y > TEXT_BOTTOM:
                    pages, y = [*pages, []], TEXT_TOP
                pages[-1].append(Line(y, line, is_title=False))
                y += 3.8
            y += 1
        y += 4
    return pages
