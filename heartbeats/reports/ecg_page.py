"""Make the page of one recording as HTML, or only its sheets as PDF or PNG."""

import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.image import imread, imsave
from matplotlib.transforms import Bbox

from heartbeats.common.files import replace_file
from heartbeats.preparation.signals import SECONDS
from heartbeats.reports.findings import Reading
from heartbeats.reports.page import drawing, picture, render, sentences
from heartbeats.reports.saliency import BIN
from heartbeats.reports.sheet import MM, WIDTH, draw_sheet, lay_out, lead_of, sheet_starts

SUFFIXES = (".html", ".pdf", ".png")
PAGE_WIDTH, PAGE_HEIGHT, MARGIN = 297.0, 210.0, 10.0  # mm: A4 landscape
DPI = 254  # ten pixels per mm


def save(reading: Reading, path: Path) -> None:
    """Write the page of a recording to a file whose suffix is one of :data:`SUFFIXES`.

    A PDF has a page of A4 landscape for each sheet. A PNG has the same pages one below the other.

    Raises:
        OSError: the file cannot be written.
    """
    suffix = path.suffix.lower()
    content = ecg_page(reading).encode() if suffix == ".html" else _pdf(reading) if suffix == ".pdf" else _png(reading)
    replace_file(path, lambda temporary: temporary.write_bytes(content))


@drawing()
def _pdf(reading: Reading) -> bytes:
    content = io.BytesIO()  # matplotlib does not recover from a disk that becomes full
    with PdfPages(content, metadata={"CreationDate": None}) as pages:
        for start in sheet_starts(reading):
            figure = draw_sheet(reading, start)
            pages.savefig(figure, facecolor="white", bbox_inches=_a4(figure))
    return content.getvalue()


@drawing()
def _png(reading: Reading) -> bytes:
    images, content = [], io.BytesIO()
    for start in sheet_starts(reading):
        figure = draw_sheet(reading, start)
        figure.savefig(image := io.BytesIO(), dpi=DPI, facecolor="white", bbox_inches=_a4(figure))
        images.append(imread(io.BytesIO(image.getvalue())))
    imsave(content, np.vstack(images), format="png")
    return content.getvalue()


def _a4(figure: Figure) -> Bbox:
    """Return the page around a sheet, in inches from the sheet's lower left corner."""
    bottom = figure.get_figheight() + (MARGIN - PAGE_HEIGHT) * MM
    return Bbox.from_bounds((WIDTH - PAGE_WIDTH) / 2 * MM, bottom, PAGE_WIDTH * MM, PAGE_HEIGHT * MM)


def ecg_page(reading: Reading, *, home: str = "") -> str:
    """Return the HTML page of a recording, with a link to the index ``home`` if it is given."""
    described = f"ECG of {reading.name} on millimetre paper. {reading.rhythm.heart_rate}; {reading.rhythm.intervals}."
    return render(
        "ecg.html",
        home=home,
        reading=reading,
        answer=reading.answer,
        bin=BIN,
        sheets=[picture(draw_sheet(reading, s), f"{described} From {s:g} s on.") for s in sheet_starts(reading)],
        notes=notes(reading),
    )


def notes(reading: Reading) -> list[str]:
    """Return notes as sentences: what was assumed or bridged, and what the sheets do not show."""
    recording = reading.recording
    remarks = {strip.lead: lead_of(recording, strip.lead)[1] for strip in lay_out(recording)}
    return sentences(
        "notes.txt",
        reading=reading,
        warnings=reading.answer.warnings if reading.answer else recording.warnings,
        remarks={text: [lead for lead in remarks if remarks[lead] == text] for text in remarks.values() if text},
        not_drawn=[lead for lead in recording.leads if lead not in remarks],
        drawn_seconds=SECONDS,
        peak_gaps="gaps" in lead_of(recording, reading.rhythm.lead)[1],
    )
