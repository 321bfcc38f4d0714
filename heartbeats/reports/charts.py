"""The pictures of the reports: small ones, side by side on a wide screen and one below the other on a narrow one.

Each says in words what it shows. Colours are told apart by colour-blind readers, and stand out from white and black.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from heartbeats.reports.page import INK, STYLE, picture

__all__ = ["Chart", "calibration_chart", "histogram", "interval_chart", "learning_curve", "threshold_chart"]

Floats = npt.NDArray[np.float64]

BLUE, ORANGE = "#2f7fc0", "#c8641b"
WIDTH = 3.4  # inches: what a telephone shows without scrolling


@dataclass(frozen=True)
class Chart:
    """A picture, its title, and what else there is to say of it."""

    title: str
    picture: Markup
    note: str = ""


def interval_chart(names: Sequence[str], values: Floats, ends: Floats, *, description: str) -> Markup:
    """A dot and its 95 % interval per name, from top to bottom, on an axis from 0 or below to 1.

    A name without an interval (NaN) has its dot alone. One that reaches below -1, as a challenge score's of few
    recordings may, is cut there.

    Args:
        values: shape (names,).
        ends: shape (2, names).
    """
    with mpl.rc_context(STYLE):
        figure, axes = _axes(0.75 + 0.19 * len(names))
        places = np.arange(len(names))
        axes.hlines(places, *ends, color=BLUE, linewidth=2, alpha=0.6)
        axes.plot(values, places, "o", color=BLUE, markersize=4.5)
        axes.set_yticks(places, labels=names)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(min(max(np.nan_to_num(ends).min(initial=0), -1), values.min()) - 0.02, 1.02)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        return picture(figure, description)


def learning_curve(losses: Floats, rates: Floats, *, highest: float, description: str) -> Markup:
    """A network's loss per epoch, from 0 to ``highest``, and where the learning rate changes; each shape (epochs,)."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes(2.4)
        epochs = np.arange(1, len(losses) + 1)
        axes.plot(epochs, losses, "o-", color=BLUE, markersize=3, linewidth=1.5)
        for first in np.flatnonzero(np.append(1, np.diff(rates))):
            if first:
                axes.axvline(epochs[first] - 0.5, color=ORANGE, linewidth=1, linestyle="--")
            axes.annotate(
                f"rate {rates[first]:g}", (epochs[first] - 0.4, 1), xycoords=("data", "axes fraction"), fontsize=8,
                va="bottom", color=INK,
            )  # fmt: skip
        axes.set(xlabel="epoch", ylabel="mean loss", ylim=(0, 1.05 * highest), xlim=(0.5, len(losses) + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        return picture(figure, description)


def threshold_chart(thresholds: Floats, scores: Floats, chosen: float, *, description: str) -> Markup:
    """The challenge score over the threshold, and the one that was taken."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes(2.6)
        axes.plot(thresholds, scores, color=BLUE, linewidth=1.5)
        axes.axvline(chosen, color=ORANGE, linewidth=1, linestyle="--")
        axes.plot([chosen], [scores[np.argmin(np.abs(thresholds - chosen))]], "o", color=ORANGE, markersize=5)
        axes.annotate(f"{chosen:.2f}", (chosen, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom")
        axes.set(xlabel="threshold", ylabel="challenge score", xlim=(0, 1))
        axes.grid(axis="y")
        return picture(figure, description)


def calibration_chart(predicted: Floats, observed: Floats, counts: Floats, *, description: str) -> Markup:
    """The share of labels that are there over the mean probability, and how many answers each bin holds.

    Args:
        predicted: the mean probability per bin of equal width, NaN for an empty one; shape (bins,) as the others.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
        axes, below = figure.subplots(2, height_ratios=(3, 1), sharex=True)
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
        filled = counts > 0
        axes.plot(predicted[filled], observed[filled], "o-", color=BLUE, markersize=4, linewidth=1.5)
        axes.set(ylabel="share with the label", xlim=(0, 1), ylim=(0, 1.02))
        axes.grid()
        edges = np.linspace(0, 1, len(counts) + 1)
        below.bar(edges[:-1], counts, width=0.9 * np.diff(edges), align="edge", color=BLUE, alpha=0.6)
        below.set(xlabel="probability", ylabel="answers", yscale="log", ylim=(0.5, 3 * max(1, counts.max())))
        below.yaxis.set_major_formatter("{x:,.0f}")
        below.minorticks_off()
        return picture(figure, description)


def histogram(values: Floats, counts: npt.NDArray[np.intp], *, width: float, label: str, description: str) -> Markup:
    """Bars of counts: how many recordings lie between each value and the next ``width``."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes(2.2)
        axes.bar(values, counts, width=0.9 * width, align="edge", color=BLUE)
        axes.set(xlabel=label, ylabel="recordings")
        axes.set_axisbelow(True)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.grid(axis="y")
        return picture(figure, description)


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots()
