"""Evaluate answers against labels: measures with intervals, confusion, calibration; and the page that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from heartbeats.challenge.diagnoses import ABBREVIATIONS
from heartbeats.challenge.scoring import Submission, challenge_metric, confusion_matrix, ratio
from heartbeats.common.bootstrap import bootstrap_interval
from heartbeats.ecg.header import source_of
from heartbeats.reports.charts import calibration_chart, interval_chart
from heartbeats.reports.page import number, render

Floats = npt.NDArray[np.float64]

DRAWS = 500  # 8,000 recordings take 10 seconds
# Fewer recordings than this, in all or with or without a class, give no interval: it would be too narrow.
LEAST = 5
MEASURES = {
    "challenge_metric": "Challenge score",
    "auroc": "AUROC, mean over classes",
    "auprc": "AUPRC, mean over classes",
    "accuracy": "Accuracy, all labels of a recording right",
    "f_measure": "F-measure, mean over classes",
    "f_beta_measure": "F2-measure of the Challenge",
    "g_beta_measure": "G2-measure of the Challenge",
}
CLASS_MEASURES = {"AUROC": "auroc_classes", "AUPRC": "auprc_classes", "F-measure": "f_measure_classes"}
BINS = 10
SHADES = 10  # of a heat map


def score_report(submission: Submission, labels: Path, outputs: Path) -> str:
    """Return the page of ``evaluate_model.py --report``. The page names the folders of labels and outputs."""
    return render("score_report.html", labels=labels, outputs=outputs, evaluation=evaluation(submission))


def evaluation(submission: Submission) -> dict[str, Any]:
    """Return what ``evaluation.html`` shows of a submission with at least one recording."""
    weights = submission.weights
    names = ["|".join(ABBREVIATIONS.get(code, code) for code in codes) for codes in weights.classes]
    sources = np.array([source_of(name) for name in submission.names])
    source_names = sorted(set(sources.tolist()))
    whole, of_classes, of_sources = _measured(submission, sources, source_names)
    support = submission.labels.sum(axis=0)
    # The most frequent class first. Classes without an AUROC stand last.
    order = np.lexsort((-support, np.isnan(of_classes[0, :, 0])))
    confusion = confusion_matrix(submission.labels, submission.binary) / np.maximum(support, 1)[:, None]
    return {
        "recordings": len(submission.names),
        "incomplete": int(submission.incomplete.sum()),
        "draws": DRAWS,
        "least": LEAST,
        "measures": [(title, *_in_words(row)) for title, row in zip(MEASURES.values(), whole, strict=True)],
        "classes": [(names[j], int(support[j]), *map(_in_words, of_classes[:, j])) for j in order],
        "class_charts": [
            (title, _chart(f"{title} by class", [names[j] for j in order], rows[order]))
            for title, rows in zip(CLASS_MEASURES, of_classes, strict=True)
        ],
        "sources": [
            (source, int((sources == source).sum()), _in_words(row))
            for source, row in zip(source_names, of_sources, strict=True)
        ],
        "source_chart": _chart("Challenge score by source", source_names, of_sources),
        "matrices": [
            ("Reward of an answer (column) if a class (row) is true", names, _cells(names, weights.weights)),
            ("Mean share of an answer (column) in recordings with a class (row)", names, _cells(names, confusion)),
        ],
        "calibration": _calibration(submission),
    }


def _measured(
    submission: Submission, sources: npt.NDArray[np.str_], source_names: list[str]
) -> tuple[Floats, Floats, Floats]:
    """Return value, lower end and upper end of all measures, NaN where undefined.

    Returns:
        The seven measures, shape (7, 3), three measures by class, (3, classes, 3), and the challenge score by source,
        (sources, 3).
    """

    def measures(rows: npt.NDArray[np.intp]) -> Floats:
        drawn, of = submission.at(rows), sources[rows]
        scores = drawn.score()
        by_source = [
            challenge_metric(drawn.labels[of == source], drawn.binary[of == source], drawn.weights)
            for source in source_names
        ]
        by_class = [getattr(scores, name) for name in CLASS_MEASURES.values()]
        return np.concatenate([[getattr(scores, name) for name in MEASURES], *by_class, by_source])

    recordings = len(sources)
    ends = bootstrap_interval(measures, recordings, draws=DRAWS)
    support = submission.labels.sum(axis=0)
    rarer = np.minimum(support, recordings - support)
    few = rarer < LEAST
    over_classes = bool((few & (rarer > 0)).any())  # a mean over classes counts the defined ones
    unknown = [recordings < LEAST if name in ("challenge_metric", "accuracy") else over_classes for name in MEASURES]
    few_of_source = [(sources == source).sum() < LEAST for source in source_names]
    ends[:, np.concatenate([unknown, *[few] * len(CLASS_MEASURES), few_of_source])] = np.nan
    table = np.vstack([measures(np.arange(recordings)), ends]).T
    first, last = len(MEASURES), len(MEASURES) + len(CLASS_MEASURES) * len(few)
    return table[:first], table[first:last].reshape(len(CLASS_MEASURES), -1, 3), table[last:]


def _in_words(measured: Floats) -> tuple[str, str]:
    """Return a value and its interval as text; the interval is empty if it is unknown."""
    value, lower, upper = measured
    return number(value), "" if np.isnan(measured).any() else f"{number(lower)} to {number(upper)}"


def _chart(title: str, names: list[str], measured: Floats) -> Markup | None:
    """Return the chart of values with intervals, shape (names, 3), or ``None`` if no value is defined."""
    known = [i for i in range(len(names)) if not np.isnan(measured[i, 0])]
    if not known:
        return None
    values = ", ".join(f"{names[i]} {number(measured[i, 0])}" for i in known)
    return interval_chart([names[i] for i in known], measured[known], f"{title}, with 95 % intervals: {values}.")


def _cells(names: list[str], table: Floats) -> list[tuple[str, list[tuple[str, int]]]]:
    """Return the rows of a heat map: a name, and for each cell two decimals and a shade. 0.00 is left empty."""
    shades = np.clip(SHADES * table / max(table.max(), 0.01), 0, SHADES - 1).astype(int)
    texts = [[f"{value:.2f}".removeprefix("0").removesuffix(".00") for value in row] for row in table]
    return [(name, list(zip(*row, strict=True))) for name, *row in zip(names, texts, shades.tolist(), strict=True)]


def _calibration(submission: Submission) -> dict[str, Any] | None:
    """Return reliability and Brier score over all classes of the classified recordings.

    ``None`` if no recording was classified, or if an answer is no probability because it lies outside 0 to 1.
    """
    probabilities = submission.scalar[~submission.incomplete].ravel()
    true = submission.labels[~submission.incomplete].ravel()
    if not len(true) or probabilities.min() < 0 or probabilities.max() > 1:
        return None
    weights = (np.ones_like(probabilities), probabilities, true.astype(np.float64))
    counts, summed, positive = (np.histogram(probabilities, BINS, (0, 1), weights=each)[0] for each in weights)
    predicted, observed = ratio(summed, counts), ratio(positive, counts)
    mean, rate = float(probabilities.mean()), float(true.mean())
    finding = "too high" if mean > rate else "too low"
    described = f"Reliability: mean probability {mean:.3f}, share of labels {rate:.3f}: {finding} on average."
    return {
        "answers": len(true),
        "mean": mean,
        "rate": rate,
        "finding": finding,
        "brier": float(np.mean((probabilities - true) ** 2)),
        "bins": [
            (f"{b / BINS:.1f} to {(b + 1) / BINS:.1f}", int(counts[b]), predicted[b], observed[b]) for b in range(BINS)
        ],
        "chart": calibration_chart(predicted, observed, described),
    }
