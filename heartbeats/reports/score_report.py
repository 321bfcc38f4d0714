"""Evaluate answers: measures with intervals, confusion matrix, calibration, and the page that shows them."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.scoring import MEASURES, Floats, Submission, challenge_metric, confusion_matrix, ratio
from heartbeats.common.bootstrap import interval_over
from heartbeats.ecg.header import source_of
from heartbeats.reports.page import abbreviation, chart, number, render

DRAWS = 500  # 8,000 recordings take 10 seconds
# An interval needs this many recordings, also with and without each class. With fewer it would be too narrow.
LEAST = 5
CLASS_MEASURES = ("auroc_classes", "auprc_classes", "f_measure_classes")
BINS = 10  # of the calibration
SHADES = 10  # of the confusion matrix


def score_report(submission: Submission, labels: Path, outputs: Path) -> str:
    """Return the page of ``evaluate_model.py --report``. The page names the folders of labels and outputs."""
    return render("score_report.html", labels=labels, outputs=outputs, evaluation=evaluation(submission))


def evaluation(submission: Submission, patients: npt.NDArray[np.str_] | None = None) -> dict[str, Any]:
    """Return the values of ``evaluation.html`` for a submission with at least one recording.

    Args:
        submission: the answers.
        patients: of the recordings, shape (recordings,). The bootstrap draws patients; by default it draws recordings.
    """
    units = np.array(submission.names) if patients is None else patients
    names = [abbreviation(*codes) for codes in submission.weights.classes]
    sources = np.array([source_of(name) for name in submission.names])
    source_names, counts = np.unique(sources, return_counts=True)
    whole, of_classes, of_sources = _measured(submission, sources, units)
    support = submission.labels.sum(axis=0)
    # The most frequent class first. Classes without an AUROC stand last.
    order = np.lexsort((-support, np.isnan(of_classes[0, :, 0])))
    return {
        "recordings": len(submission.names),
        "incomplete": int(submission.incomplete.sum()),
        "draws": DRAWS,
        "least": LEAST,
        "measures": [(title, *_in_words(row)) for title, row in zip(MEASURES, whole, strict=True)],
        "classes": [(names[j], int(support[j]), *map(_in_words, of_classes[:, j])) for j in order],
        "sources": list(zip(source_names.tolist(), counts.tolist(), map(_in_words, of_sources), strict=True)),
        "names": names,
        "confusion": _confusion(submission, names),
        "calibration": _calibration(submission),
    }


def _measured(
    submission: Submission, sources: npt.NDArray[np.str_], units: npt.NDArray[np.str_]
) -> tuple[Floats, Floats, Floats]:
    """Return all measures as value, lower end and upper end. Undefined ones are NaN.

    Args:
        submission: the answers.
        sources, units: the source and the bootstrap's unit of each recording, shape (recordings,).

    Returns:
        The seven measures, shape (7, 3), three measures by class, (3, classes, 3), and the challenge score by source,
        (sources, 3).
    """
    source_names, counts = np.unique(sources, return_counts=True)

    def measures(rows: npt.NDArray[np.intp]) -> Floats:
        drawn, of = submission.select(rows), sources[rows]
        scores = drawn.score()
        by_source = [
            challenge_metric(drawn.labels[of == source], drawn.binary[of == source], drawn.weights)
            for source in source_names
        ]
        by_class = [getattr(scores, name) for name in CLASS_MEASURES]
        return np.concatenate([list(scores.measures().values()), *by_class, by_source])

    recordings = len(sources)
    ends = interval_over(units, measures, DRAWS)
    support = submission.labels.sum(axis=0)
    rarer = np.minimum(support, recordings - support)
    few = rarer < LEAST
    over_classes = bool((few & (rarer > 0)).any())  # a mean over classes counts the defined ones
    unknown = [
        recordings < LEAST if name in ("challenge_metric", "accuracy") else over_classes for name in MEASURES.values()
    ]
    ends[:, np.concatenate([unknown, *[few] * len(CLASS_MEASURES), counts < LEAST])] = np.nan
    table = np.vstack([measures(np.arange(recordings)), ends]).T
    whole, by_class, by_source = np.split(table, [len(MEASURES), len(MEASURES) + len(CLASS_MEASURES) * len(few)])
    return whole, by_class.reshape(len(CLASS_MEASURES), -1, 3), by_source


def _in_words(measured: Floats) -> tuple[str, str]:
    """Return a value and its interval as text; the interval is empty if it is unknown."""
    value, lower, upper = measured
    return number(value), "" if np.isnan(measured).any() else f"{number(lower)} to {number(upper)}"


def _confusion(submission: Submission, names: list[str]) -> list[tuple[str, list[tuple[str, int]]]]:
    """Return the rows of the confusion matrix: a name, and the text and shade of each cell. 0.00 has no text."""
    support = np.maximum(submission.labels.sum(axis=0), 1)
    shares = confusion_matrix(submission.labels, submission.binary) / support[:, None]
    shades = np.minimum(SHADES * shares, SHADES - 1).astype(int).tolist()
    texts = [[f"{share:.2f}".removeprefix("0").removesuffix(".00") for share in row] for row in shares]
    return [(name, list(zip(*row, strict=True))) for name, *row in zip(names, texts, shades, strict=True)]


def _calibration(submission: Submission) -> dict[str, Any] | None:
    """Return reliability and Brier score over all classes of the classified recordings.

    Return ``None`` if no recording was classified, or if a probability is outside 0 to 1.
    """
    probabilities = submission.scalar[~submission.incomplete].ravel()
    true = submission.labels[~submission.incomplete].ravel()
    if not len(true) or probabilities.min() < 0 or probabilities.max() > 1:
        return None
    weights = (np.ones_like(probabilities), probabilities, true.astype(np.float64))
    counts, summed, positive = (np.histogram(probabilities, BINS, (0, 1), weights=each)[0] for each in weights)
    predicted, observed = ratio(summed, counts), ratio(positive, counts)
    filled = counts > 0
    pairs = ", ".join(f"{p:.2f}: {share:.2f}" for p, share in zip(predicted[filled], observed[filled], strict=True))
    described = f"Share of answers with the label, by mean probability: {pairs}."
    axes: Any = {
        "xlabel": "probability",
        "ylabel": "share with the label",
        "xlim": (0, 1),
        "ylim": (0, 1.02),
    }
    return {
        "answers": len(true),
        "mean": float(probabilities.mean()),
        "rate": float(true.mean()),
        "brier": float(np.mean((probabilities - true) ** 2)),
        "chart": chart(predicted[filled], observed[filled], described, diagonal=True, **axes),
    }
