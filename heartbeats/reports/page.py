"""Render pages from templates, and figures as inline SVG.

A page is one file without scripts. It opens offline, prints on A4, and follows the reader's light or dark screen.
"""

import hashlib
import io
import math
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from matplotlib.figure import Figure

from heartbeats import __version__
from heartbeats.challenge.diagnoses import ABBREVIATIONS, NAMES
from heartbeats.common.console import printable

INK = "#010203"  # picture() replaces this colour with the page's text colour
BLUE, ORANGE = "#2f7fc0", "#c8641b"  # colour-blind readers can tell them apart, on white and on black
CHART = (3.4, 2.6)  # inches; narrow enough for a phone

STYLE: Any = {
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor", "savefig.facecolor"), "none"),
    **dict.fromkeys(("axes.spines.right", "axes.spines.top"), False),
    "grid.color": INK,
    "grid.alpha": 0.25,
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "HeartBeats",  # the same figure gives the same bytes
}


def number(value: float) -> str:
    """Return three decimals with a true minus sign, or a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.3f}".replace("-", "−")


def abbreviation(*codes: str) -> str:
    """Return the abbreviation of a class, which may have several codes; an unknown code stays as it is."""
    return "|".join(ABBREVIATIONS.get(code) or printable(code) for code in codes)


def diagnosis(code: str) -> str:
    """Return abbreviation and name of a diagnosis; an unknown code stays as it is."""
    return f"{ABBREVIATIONS[code]} ({NAMES[code]})" if code in NAMES else printable(code)


_ENVIRONMENT = Environment(
    loader=PackageLoader("heartbeats.reports"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals["version"] = __version__
_ENVIRONMENT.filters |= {
    "number": number, "count": "{:,}".format, "abbreviation": abbreviation, "diagnosis": diagnosis
}  # fmt: skip


def render(template: str, **values: Any) -> str:
    """Fill in a template from ``templates/``. All values except pictures are escaped.

    Raises:
        jinja2.UndefinedError: the template uses a value that is not given.
    """
    return _ENVIRONMENT.get_template(template).render(values)


def sentences(template: str, **values: Any) -> list[str]:
    """Fill in a text template. Return its lines without empty lines and unprintable characters."""
    return [printable(line.strip()) for line in render(template, **values).split("\n") if line.strip()]


@contextmanager
def drawing() -> Iterator[None]:
    """Set the style of pictures, and ignore characters that the font lacks. Use it as a decorator."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


@drawing()
def picture(figure: Figure, description: str) -> Markup:
    """Return a figure as inline SVG that scales with the page; ``description`` is its text for screen readers."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    svg = file.getvalue().partition("<svg")[2]
    prefix = hashlib.sha256(description.encode()).hexdigest()[:8]  # figures of one page must not share ids
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>p{prefix}-", svg)
    svg = re.sub(r' d="[^"]+"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)  # two decimals are enough
    svg = svg.replace(INK, "currentColor")
    label, width = Markup.escape(description), figure.get_figwidth()
    return Markup(f'<svg role="img" aria-label="{label}" style="max-width:{width:g}in"{svg}')


@drawing()
def chart(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    description: str,
    marks: Iterable[tuple[float, str]] = (),
    *,
    diagonal: bool = False,
    **axes_settings: Any,
) -> Markup:
    """Draw a line through points.

    Args:
        description: what the chart shows, in words.
        marks: x and text of dashed lines.
        diagonal: draw a dotted line from (0, 0) to (1, 1).
        axes_settings: for ``Axes.set``, for example ``xlabel``.
    """
    figure = Figure(figsize=CHART, layout="constrained")
    axes = figure.subplots()
    axes.plot(x, y, "o-", color=BLUE, markersize=3, linewidth=1.5)
    if diagonal:
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    for place, text in marks:
        axes.axvline(place, color=ORANGE, linewidth=1, linestyle="--")
        axes.annotate(text, (place, 1), xycoords=("data", "axes fraction"), fontsize=8, va="bottom")
    axes.set(**axes_settings)
    axes.grid()
    return picture(figure, description)
