"""What every page shares: templates, the style sheet in the page itself, pictures as inline SVG.

A page is one file: it fetches nothing and runs no script, opens offline, prints on A4 and follows the reader's choice
of a light or dark screen. Text in pictures stays text, and takes the page's colour.
"""

from __future__ import annotations

import hashlib
import io
import re
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

__all__ = ["INK", "STYLE", "picture", "render"]

# What matplotlib draws in this colour takes the colour of the page's text.
INK = "#010203"

# Figures are made with `Figure(...)`, not pyplot: no screen is needed, and none stays in memory.
STYLE: Any = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 9,
    "grid.alpha": 0.25,
    "grid.color": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}

_ENVIRONMENT = Environment(
    loader=PackageLoader("heartbeats.reports"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """The page that a template (``templates/NAME``) makes of values, all of it HTML-escaped but :func:`picture`.

    Raises:
        jinja2.UndefinedError: the template asks for a value that is not given.
    """
    return _ENVIRONMENT.get_template(template).render(values)


def picture(figure: Figure, description: str) -> Markup:
    """A figure as inline SVG that scales with the page, and in words for those who do not see it.

    Args:
        figure: made under ``mpl.rc_context(STYLE)``.
        description: what it shows.
    """
    file = io.StringIO()
    salt = hashlib.sha256(description.encode()).hexdigest()
    with mpl.rc_context(STYLE | {"svg.hashsalt": salt}):
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    drawing = file.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    # A page has many pictures, and matplotlib calls the parts of each alike.
    drawing = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>p{salt[:8]}-", drawing)
    drawing = re.sub(r' (width|height)="[\d.]+pt"', "", drawing, count=2)
    drawing = drawing.replace(' type="text/css">*{', ">svg *{").replace(INK, "currentColor")
    label = Markup.escape(description)
    width = figure.get_size_inches()[0]
    return Markup(f'<svg role="img" aria-label="{label}" style="max-width:{width:g}in"{drawing.removeprefix("<svg")}')
