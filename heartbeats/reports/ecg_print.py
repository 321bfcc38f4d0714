"""Print a recording: a PDF of A4 landscape pages, or a PNG of the same pages with ten pixels per millimetre."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.image import imread, imsave

from heartbeats.challenge.diagnoses import ABBREVIATIONS, CLASSES, NAMES
from heartbeats.common.files import replace_file
from heartbeats.preparation.prepared import Failure
from heartbeats.reports.ecg_page import method, notes
from heartbeats.reports.findings import Answer, Reading
from heartbeats.reports.layout import WIDTH
from heartbeats.reports.page import drawing
from heartbeats.reports.sheet import AGAINST, BLACK, DISCLAIMER, FOR, MM, QUIET, millimetres, sheets, shortened, write

SUFFIXES = (".pdf", ".png")
PAGE_WIDTH, PAGE_HEIGHT, MARGIN = 297.0, 210.0, 10.0  # mm
INSIDE = PAGE_HEIGHT - 2 * MARGIN
SIDE = (PAGE_WIDTH - WIDTH) / 2
DPI = 254
LINES, LINE_HEIGHT, COLUMNS = 42, 4.0, 84  # of text on a page: lines, mm, characters
Line = tuple[str, str]  # text and font weight


def save(reading: Reading | Failure, path: Path) -> None:
    """Write the sheets of a recording and pages with the answer and the notes; or the reason why it cannot be read.

    Raises:
        ValueError: the file's name ends in none of :data:`SUFFIXES`.
        OSError: the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: sheets are drawn as {' or '.join(SUFFIXES)}")
    if isinstance(reading, Failure):
        _write([_text_page(f"{reading.name} cannot be read", _wrapped([reading.reason]))[0]], path)
        return
    drawn, figures = sheets(reading), []
    for group in filter(None, (drawn[:1], drawn[1:])):  # the later sheets have one strip each and share a page
        figures.append(_figure())
        top = MARGIN
        for sheet in group:
            sheet.draw(figures[-1], left=SIDE, top=top)
            top += sheet.height
    lines = _lines(reading)
    for first in range(0, len(lines), LINES):
        figure, axes = _text_page(reading.name, lines[first : first + LINES])
        if reading.answer and first == 0:
            _draw_probabilities(axes, reading.answer)
        figures.append(figure)
    _write(figures, path)


def _figure() -> Figure:
    return Figure(figsize=(PAGE_WIDTH * MM, PAGE_HEIGHT * MM))


@drawing()
def _text_page(title: str, lines: Sequence[Line]) -> tuple[Figure, Axes]:
    figure = _figure()
    axes = millimetres(figure, SIDE, MARGIN, WIDTH, INSIDE)
    write(axes, 1, 6, shortened(title, 60), fontsize=12, fontweight="bold")
    for i, (text, weight) in enumerate(lines):
        write(axes, 160, 16 + LINE_HEIGHT * i, text, fontsize=7.5, fontweight=weight)
    write(axes, WIDTH - 1, INSIDE - 1.2, DISCLAIMER, color=QUIET, ha="right")
    return figure, axes


def _lines(reading: Reading) -> list[Line]:
    """Return the text of a recording's pages."""
    paragraphs = {"Assumed, bridged, not drawn": notes(reading)}
    if answer := reading.answer:
        agreement = [f"{title.capitalize()}: {', '.join(names) or '–'}" for title, names in answer.comparison.items()]
        paragraphs = {"Answer": answer.reasons, "Answer and header": agreement} | paragraphs
        paragraphs["What moved the networks"] = method(reading)
    lines: list[Line] = []
    for title, said in paragraphs.items():
        if said:
            lines += [(title, "bold"), *_wrapped(said), ("", "normal")]
    return lines


def _wrapped(said: Sequence[str]) -> list[Line]:
    return [(line, "normal") for sentence in said for line in textwrap.wrap(sentence, COLUMNS)]


def _draw_probabilities(axes: Axes, answer: Answer) -> None:
    """Draw the 27 probabilities as bars, the highest first, and the threshold as a line."""
    left, width = 78.0, 62.0  # mm of the bars from 0 to 1
    y = 16 + 6.0 * np.arange(len(CLASSES))
    p, labels = answer.probabilities[answer.order], answer.labels[answer.order]
    axes.barh(y, width * p, height=3, left=left, color=np.where(labels, FOR, AGAINST))
    for i, at in zip(answer.order, y + 1, strict=True):
        color, weight = (BLACK, "bold") if answer.labels[i] else (QUIET, "normal")
        write(axes, 1, at, ABBREVIATIONS[CLASSES[i]], fontsize=8, color=color, fontweight=weight)
        write(axes, 16, at, NAMES[CLASSES[i]], fontsize=7, color=color)
        write(axes, left + width + 2, at, f"{answer.probabilities[i]:.3f}", fontsize=8, color=color, fontweight=weight)
    threshold = left + width * answer.threshold
    axes.vlines(threshold, y[0] - 3, y[-1] + 3, color=BLACK, linewidth=0.7)
    write(
        axes,
        threshold,
        y[-1] + 7,
        f"threshold {answer.threshold:.2f}; the probabilities are not calibrated",
        ha="center",
    )


@drawing()
def _write(figures: list[Figure], path: Path) -> None:
    content = io.BytesIO()  # matplotlib does not recover from a disk that becomes full
    if path.suffix.lower() == ".pdf":
        with PdfPages(content, metadata={"CreationDate": None}) as pages:
            for figure in figures:
                pages.savefig(figure, facecolor="white")
    else:
        images = []
        for figure in figures:
            page = io.BytesIO()
            figure.savefig(page, format="png", dpi=DPI, facecolor="white")
            images.append(imread(io.BytesIO(page.getvalue())))
        imsave(content, np.vstack(images), format="png")
    replace_file(path, lambda temporary: temporary.write_bytes(content.getvalue()))
