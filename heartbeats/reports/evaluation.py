"""What both reports say of answers beside labels: measures and their intervals, confusion, calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import ABBREVIATIONS, RewardWeights
from heartbeats.challenge.scoring import Submission, challenge_metric, confusion_matrix
from heartbeats.ecg.header import source_of
from heartbeats.reports.bootstrap import DRAWS, LEAST, challenge_interval, resampled
from heartbeats.reports.charts import Chart, calibration_chart, interval_chart

__all__ = ["evaluation", "number", "source_name"]

Floats = npt.NDArray[np.float64]

SOURCE_NAMES = {
    "cpsc": "CPSC",
    "cpsc_extra": "CPSC-Extra",
    "incart": "INCART",
    "ptb": "PTB",
    "ptb_xl": "PTB-XL",
    "georgia": "Georgia",
    "chapman_ningbo": "Chapman and Ningbo",
}
MEASURES = {
    "challenge_metric": "Challenge score",
    "auroc": "AUROC, mean over classes",
    "auprc": "AUPRC, mean over classes",
    "accuracy": "Accuracy, all labels of a recording right",
    "f_measure": "F-measure, mean over classes",
    "f_beta_measure": "F2-measure of the Challenge",
    "g_beta_measure": "G2-measure of the Challenge",
}
BINS = 10
LEVELS = 10  # shades of a heat map


@dataclass(frozen=True)
class Matrix:
    """A heat map with a row for each class: its name, its number of recordings, its cells as text and shade.

    The number is ``None`` where the map is not about recordings, the cells where there are none with the class.
    """

    caption: str
    names: list[str]
    rows: list[tuple[str, int | None, list[tuple[str, int]] | None]]


def evaluation(submission: Submission) -> dict[str, Any]:
    """What ``evaluation.html`` shows of a submission with at least one recording.

    The challenge score and the other measures are those of :mod:`heartbeats.challenge.scoring`, the intervals bootstrapped.
    """
    scores, ends = submission.score(), resampled(submission)
    names = _class_names(submission.weights)
    support = submission.labels.sum(axis=0)
    per_class = {
        "AUROC": (scores.auroc_classes, ends.auroc_classes),
        "AUPRC": (scores.auprc_classes, ends.auprc_classes),
        "F-measure": (scores.f_measure_classes, ends.f_measure_classes),
    }
    # The most frequent first; those without a positive recording, or with no other, last.
    order = sorted(range(len(names)), key=lambda j: (np.isnan(scores.auroc_classes[j]), -support[j], j))
    drawn = [j for j in order if not np.isnan(scores.auroc_classes[j])]
    of_measures = scores.measures()
    return {
        "recordings": len(submission.names),
        "incomplete": int(submission.incomplete.sum()),
        "draws": DRAWS,
        "least": LEAST,
        "nan_counts_as_0": any("|" in name for name in submission.weights.names),
        "score": _with_interval(scores.challenge_metric, ends.measures["challenge_metric"]),
        "measures": [(MEASURES[name], _with_interval(of_measures[name], ends.measures[name])) for name in MEASURES],
        "classes": [
            (names[j], int(support[j]), [_with_interval(values[j], e[:, j]) for values, e in per_class.values()])
            for j in order
        ],
        "class_charts": [_class_chart(label, names, drawn, *figures) for label, figures in per_class.items()],
        **_per_source(submission),
        "matrices": [_rewards(submission.weights), _confusion(submission)],
        "calibration": _calibration(submission),
    }


def _class_names(weights: RewardWeights) -> list[str]:
    """The classes' abbreviations, ``A|B`` for codes that are scored as one; a code without one stands for itself."""
    return ["|".join(ABBREVIATIONS.get(code, code) for code in codes) for codes in weights.classes]


def source_name(source: str) -> str:
    """A Challenge database as its owners write it."""
    return SOURCE_NAMES.get(source, source)


def number(value: float) -> str:
    """Three decimals, with a true minus sign; a dash where a measure is undefined."""
    return "–" if math.isnan(value) else f"{value:.3f}".replace("-", "−")


def _with_interval(value: float, ends: Floats) -> tuple[str, str]:
    """A measure and its interval in words, which is empty where there is none."""
    return number(value), "" if np.isnan([value, *ends]).any() else f"{number(ends[0])} to {number(ends[1])}"


def _class_chart(label: str, names: list[str], drawn: list[int], values: Floats, ends: Floats) -> Chart | None:
    """The picture of a measure per class; ``None`` where it is defined for no class."""
    known = [j for j in drawn if not np.isnan(values[j])]
    if not known:
        return None
    best, worst = max(known, key=lambda j: values[j]), min(known, key=lambda j: values[j])
    finding = f"{names[best]} has the highest {number(values[best])}, {names[worst]} the lowest {number(values[worst])}"
    description = f"{label} of {len(known)} classes with 95 % intervals: {finding}."
    picture = interval_chart([names[j] for j in known], values[known], ends[:, known], description=description)
    return Chart(label, picture)


def _per_source(submission: Submission) -> dict[str, Any]:
    sources = np.array([source_of(name) for name in submission.names])
    found = []
    for source in sorted(set(sources.tolist())):
        chosen = sources == source
        value = challenge_metric(submission.labels[chosen], submission.binary[chosen], submission.weights)
        found.append((source_name(source), int(chosen.sum()), value, challenge_interval(submission, chosen)))
    known = [each for each in found if not math.isnan(each[2])]
    chart = None
    if known:
        listed = ", ".join(f"{name} {number(value)}" for name, _, value, _ in known)
        chart = interval_chart(
            [name for name, *_ in known],
            np.array([value for *_, value, _ in known]),
            np.array([ends for *_, ends in known]).T,
            description=f"Challenge score by source with 95 % intervals: {listed}.",
        )
    return {
        "sources": [(name, count, _with_interval(value, ends)) for name, count, value, ends in found],
        "source_chart": chart,
    }


def _rewards(weights: RewardWeights) -> Matrix:
    names = _class_names(weights)
    rows = zip(names, _cells(weights.weights), strict=True)
    caption = "Reward of an answer (column) where a class (row) is true"
    return Matrix(caption, names, [(name, None, cells) for name, cells in rows])


def _confusion(submission: Submission) -> Matrix:
    """For each true class the mean share that each answered class has in its recordings."""
    names = _class_names(submission.weights)
    support = submission.labels.sum(axis=0)
    shares = confusion_matrix(submission.labels, submission.binary) / np.maximum(support, 1)[:, None]
    rows = zip(names, map(int, support), _cells(shares), strict=True)
    caption = "Mean share of an answer (column) in recordings with a class (row)"
    return Matrix(caption, names, [(name, count, cells if count else None) for name, count, cells in rows])


def _cells(table: Floats) -> list[list[tuple[str, int]]]:
    """Each value in two decimals, and its shade: the table's largest has the last.

    What rounds to 0 is left empty, what rounds to 1 is ``1``.
    """
    shades = np.clip(LEVELS * table / max(table.max(), 0.01), 0, LEVELS - 1).astype(int)
    texts = [[f"{value:.2f}".removeprefix("0").removesuffix(".00") for value in row] for row in table]
    return [list(zip(*row, strict=True)) for row in zip(texts, shades.tolist(), strict=True)]


def _calibration(submission: Submission) -> dict[str, Any] | None:
    """Reliability and Brier score over all classes of the complete recordings.

    ``None`` where no recording is complete, or where an answer lies outside 0 to 1 and so is no probability: entries
    may rank by other figures.
    """
    probabilities = submission.scalar[~submission.incomplete].ravel()
    true = submission.labels[~submission.incomplete].ravel()
    if not len(true) or not ((probabilities >= 0) & (probabilities <= 1)).all():
        return None
    bins = np.minimum((probabilities * BINS).astype(np.intp), BINS - 1)
    counts = np.bincount(bins, minlength=BINS).astype(np.float64)
    predicted, observed = (
        np.divide(np.bincount(bins, values, BINS), counts, out=np.full(BINS, np.nan), where=counts > 0)
        for values in (probabilities, true)
    )
    brier, rate, mean = (float(np.mean(x)) for x in ((probabilities - true) ** 2, true, probabilities))
    finding = "too high" if mean > rate else "too low"
    description = f"Reliability: mean probability {mean:.3f}, share of labels {rate:.3f}: {finding} as a whole."
    return {
        "brier": number(brier),
        "base": number(rate * (1 - rate)),
        "mean": number(mean),
        "rate": number(rate),
        "finding": finding,
        "answers": len(true),
        "bins": [
            (f"{b / BINS:.1f} to {(b + 1) / BINS:.1f}", int(counts[b]), number(predicted[b]), number(observed[b]))
            for b in range(BINS)
        ],
        "chart": calibration_chart(predicted, observed, counts, description=description),
    }
