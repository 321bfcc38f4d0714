"""Draw the charts of the reports, narrow enough for a telephone.

The colours can be told apart by colour-blind readers, on white and on black. Every function returns inline SVG; its
``description`` says in words what the chart shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from heartbeats.reports.page import INK, drawing, picture

Floats = npt.NDArray[np.float64]

BLUE, ORANGE = "#2f7fc0", "#c8641b"
WIDTH = 3.4  # inches


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots()


@drawing()
def interval_chart(names: Sequence[str], measured: Floats, description: str) -> Markup:
    """Draw a dot and its 95 % interval for each name, from top to bottom.

    Args:
        measured: value, lower end and upper end, shape (names, 3). A name without an interval (NaN) has a dot only.
    """
    figure, axes = _axes(0.75 + 0.19 * len(names))
    values, lower, upper = measured.T
    places = np.arange(len(names))
    axes.hlines(places, lower, upper, color=BLUE, linewidth=2, alpha=0.6)
    axes.plot(values, places, "o", color=BLUE, markersize=4.5)
    axes.set_yticks(places, labels=names)
    axes.tick_params(axis="y", length=0)
    # The challenge score of a few recordings may have an interval far below 0.
    lowest = min(0, values.min(), max(-1, np.nan_to_num(lower).min()))
    axes.set(xlim=(lowest - 0.02, 1.02), ylim=(len(names) - 0.5, -0.5))
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    return picture(figure, description)


@drawing()
def learning_curve(losses: Floats, rates: Floats, highest: float, description: str) -> Markup:
    """Draw a network's loss per epoch, from 0 to ``highest``, and its learning rates; both shape (epochs,)."""
    figure, axes = _axes(2.4)
    axes.plot(np.arange(1, len(losses) + 1), losses, "o-", color=BLUE, markersize=3, linewidth=1.5)
    for i in np.flatnonzero(np.append(1, np.diff(rates))):  # the first epoch of each rate
        if i:
            axes.axvline(i + 0.5, color=ORANGE, linewidth=1, linestyle="--")
        axes.annotate(f"rate {rates[i]:g}", (i + 0.6, 1), xycoords=("data", "axes fraction"), fontsize=8, va="bottom")
    axes.set(xlabel="epoch", ylabel="mean loss", ylim=(0, 1.05 * highest), xlim=(0.5, len(losses) + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    return picture(figure, description)


@drawing()
def threshold_chart(thresholds: Floats, scores: Floats, chosen: float, description: str) -> Markup:
    """Draw the challenge score of each threshold, and mark the chosen one."""
    figure, axes = _axes(2.6)
    axes.plot(thresholds, scores, color=BLUE, linewidth=1.5)
    axes.axvline(chosen, color=ORANGE, linewidth=1, linestyle="--")
    axes.annotate(f"{chosen:.2f}", (chosen, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom")
    axes.set(xlabel="threshold", ylabel="challenge score", xlim=(0, 1))
    axes.grid(axis="y")
    return picture(figure, description)


@drawing()
def calibration_chart(predicted: Floats, observed: Floats, description: str) -> Markup:
    """Draw the share of true labels over the mean probability, both shape (bins,), NaN for an empty bin."""
    figure, axes = _axes(2.9)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    filled = ~np.isnan(predicted)
    axes.plot(predicted[filled], observed[filled], "o-", color=BLUE, markersize=4, linewidth=1.5)
    axes.set(xlabel="probability", ylabel="share with the label", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid()
    return picture(figure, description)
