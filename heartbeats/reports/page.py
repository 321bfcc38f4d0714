"""Render pages from templates, and figures as inline SVG.

A page is one file without scripts. It opens offline, prints on A4, and follows the reader's light or dark screen.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from matplotlib.figure import Figure

from heartbeats.common.console import printable

INK = "#010203"  # picture() replaces this colour with the page's text colour

STYLE: Any = {
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "grid.color"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor", "savefig.facecolor"), "none"),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 9,
    "grid.alpha": 0.25,
    "svg.fonttype": "none",
    "svg.hashsalt": "HeartBeats",  # the same figure gives the same bytes
}


def number(value: float) -> str:
    """Return three decimals with a true minus sign, or a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.3f}".replace("-", "−")


_ENVIRONMENT = Environment(
    loader=PackageLoader("heartbeats.reports"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {"number": number, "count": "{:,}".format}


def render(template: str, **values: Any) -> str:
    """Return the page that ``templates/NAME`` makes of values. All values except pictures are escaped.

    Raises:
        jinja2.UndefinedError: the template uses a value that is not given.
    """
    return _ENVIRONMENT.get_template(template).render(values)


def sentences(template: str, **values: Any) -> list[str]:
    """Return the lines that a text template makes of values, without empty lines and unprintable characters."""
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
    drawing = file.getvalue()
    # Figures of one page must not share ids.
    prefix = hashlib.sha256(description.encode()).hexdigest()[:8]
    drawing = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>p{prefix}-", drawing[drawing.index("<svg") + 4 :])
    drawing = re.sub(r' d="[^"]+"', _shorter, drawing).replace(INK, "currentColor")
    label, width = Markup.escape(description), figure.get_size_inches()[0]
    return Markup(f'<svg role="img" aria-label="{label}" style="max-width:{width:g}in"{drawing}')


def _shorter(path: re.Match[str]) -> str:
    """Return an SVG path with two decimals and without its optional L commands."""
    rounded = re.sub(r"\d+\.\d{3,}", lambda decimals: f"{float(decimals[0]):.2f}", path[0])
    return re.sub(r"\s*L\s*", " ", rounded).replace("\n", "")
