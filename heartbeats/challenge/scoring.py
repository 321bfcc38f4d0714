"""The Challenge's seven measures, equal to the organisers' scorer to 10^-12.

The reward weights choose the scorer of 2020 or of 2021. One exception: a label ``1.0`` is always 0, as in 2020.

Definitions: "Classification of 12-lead ECGs: the PhysioNet/Computing in Cardiology Challenge 2020" (Perez Alday et al.,
Physiol Meas 2020), and the organisers' evaluation page. Docstrings note unexpected behaviour of that scorer.
"""

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import CLASSES, SINUS_RHYTHM, RewardWeights, label_matrix, read_weights
from heartbeats.challenge.outputs import OutputError, Prediction, predictions, read_output
from heartbeats.ecg.header import find_headers, parse_diagnoses, read_header_text

Labels = npt.NDArray[np.bool_]  # shape (recordings, classes)
Floats = npt.NDArray[np.float64]

# The organisers' names of the measures, in the order of their score file, and those of :class:`Scores`.
MEASURES = {
    "AUROC": "auroc",
    "AUPRC": "auprc",
    "Accuracy": "accuracy",
    "F-measure": "f_measure",
    "Fbeta-measure": "f_beta_measure",
    "Gbeta-measure": "g_beta_measure",
    "Challenge metric": "challenge_metric",
}


@dataclass(frozen=True)
class Scores:
    """The seven measures, and three of them per class: float64, shape (classes,), NaN if undefined."""

    classes: tuple[str, ...]
    auroc: float
    auprc: float
    accuracy: float
    f_measure: float
    f_beta_measure: float
    g_beta_measure: float
    challenge_metric: float
    auroc_classes: Floats
    auprc_classes: Floats
    f_measure_classes: Floats

    def table(self) -> str:
        """Return the organisers' score file of 2020: a heading and one row of numbers with three decimals."""
        return f"{','.join(MEASURES)}\n{','.join(f'{value:.3f}' for value in self.measures().values())}"

    def class_table(self) -> str:
        """Return the organisers' per-class file of 2020: a row of classes and three rows of measures."""
        rows = [("AUROC", self.auroc_classes), ("AUPRC", self.auprc_classes), ("F-measure", self.f_measure_classes)]
        lines = [f"{name},{','.join(f'{value:.3f}' for value in values)}" for name, values in rows]
        return "\n".join([f"Classes,{','.join(self.classes)}", *lines])

    def measures(self) -> dict[str, float]:
        """Return the seven measures by name, in the organisers' order."""
        return {name: getattr(self, name) for name in MEASURES.values()}


@dataclass(frozen=True)
class Submission:
    """True labels, predicted labels and probabilities: the input of the measures.

    Raises:
        ValueError: an array's shape does not match ``names`` and the classes of ``weights``.

    Attributes:
        names: one per recording.
        labels: true, bool, shape (recordings, classes).
        binary: predicted, bool, same shape.
        scalar: probabilities, float64, same shape (see :func:`output_matrices`).
        incomplete: whether a probability of the recording is NaN, shape (recordings,).
        weights: the reward matrix.
    """

    names: tuple[str, ...]
    labels: Labels
    binary: Labels
    scalar: Floats
    incomplete: Labels
    weights: RewardWeights

    def __post_init__(self) -> None:
        shape = (len(self.names), len(self.weights.classes))
        if not self.labels.shape == self.binary.shape == self.scalar.shape == shape:
            raise ValueError(
                f"arrays of shape {self.labels.shape}, {self.binary.shape} and {self.scalar.shape}, not {shape}; "
                "scoring.submission takes all 27 classes and merges those that are scored as one"
            )

    def select(self, rows: npt.NDArray[np.intp] | Labels) -> "Submission":
        """Return the submission of the recordings at some indices (repeats allowed) or in a mask."""
        names = tuple(np.array(self.names, dtype=object)[rows])
        arrays = (self.labels[rows], self.binary[rows], self.scalar[rows], self.incomplete[rows])
        return Submission(names, *arrays, self.weights)

    def score(self) -> Scores:
        """Return all measures."""
        auroc, auprc = ranking_areas(self.labels, self.scalar)
        f_measure = f_measures(self.labels, self.binary)
        f_beta, g_beta = beta_measures(self.labels, self.binary)
        return Scores(
            classes=self.weights.names,
            auroc=mean_of_defined(auroc),
            auprc=mean_of_defined(auprc),
            accuracy=float(np.mean(np.all(self.labels == self.binary, axis=1))),  # all labels of a recording right
            f_measure=mean_of_defined(f_measure),
            f_beta_measure=mean_of_defined(f_beta),
            g_beta_measure=mean_of_defined(g_beta),
            # As the organisers: 0 if the true labels earn the same as sinus rhythm.
            challenge_metric=float(np.nan_to_num(challenge_metric(self.labels, self.binary, self.weights))),
            auroc_classes=auroc,
            auprc_classes=auprc,
            f_measure_classes=f_measure,
        )


def submission(names: Sequence[str], labels: Labels, predicted: Labels, probabilities: Floats) -> Submission:
    """Make a submission from arrays with the 27 columns of ``diagnoses.CLASSES``.

    Args:
        names: one per recording.
        labels: true, shape (recordings, 27).
        predicted: same shape.
        probabilities: same shape, NaN if a recording was not classified.
    """
    weights = read_weights()
    matrices = output_matrices(predictions(names, predicted, probabilities), weights)
    incomplete: Labels = np.asarray(np.isnan(probabilities).any(axis=1))
    return Submission(tuple(names), merge_equivalent(labels, weights), *matrices, incomplete, weights)


def read_submission(
    label_directory: Path | str, output_directory: Path | str, weights: RewardWeights | None = None
) -> Submission:
    """Make a submission from a folder of headers and a folder of output files.

    Raises:
        OutputError: an output file is missing or cannot be read, or two headers have the same name.
        OSError: a folder is missing or holds no headers, or a header cannot be read.
    """
    weights = weights or read_weights()
    headers = find_headers(label_directory)
    if not headers:
        raise FileNotFoundError(f"{label_directory}: no header files (.hea) to score against")
    names = [header.stem for header in headers]
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise OutputError(
            f"{label_directory}: {count} headers are named {name}.hea, but there is one {name}.csv: score one folder "
            "at a time, or rename them"
        )
    present = set(os.listdir(output_directory))  # noqa: PTH208 - names are wanted, not paths
    if missing := [f"{name}.csv" for name in names if f"{name}.csv" not in present]:
        named = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise OutputError(f"{output_directory}: {len(missing)} of {len(headers)} output files are missing: {named}")
    labels = label_matrix([parse_diagnoses(read_header_text(header)) for header in headers], weights.classes)
    read = [read_output(f"{output_directory}/{name}.csv") for name in names]
    incomplete = np.array([any(map(math.isnan, prediction.probabilities)) for prediction in read])
    return Submission(tuple(names), labels, *output_matrices(read, weights), incomplete, weights)


def output_matrices(predicted: Sequence[Prediction], weights: RewardWeights) -> tuple[Labels, Floats]:
    """Return labels and probabilities by scored class, each of shape (recordings, classes).

    A class is positive if any of its codes is. Its probability is the mean over its codes, or 0 without codes. The mean
    ignores NaN, as in 2020. For a class ``a|b``, NaN counts as 0, as in 2021.
    """
    binary = np.zeros((len(predicted), len(weights.classes)), dtype=np.bool_)
    scalar = np.zeros(binary.shape)
    alike: dict[tuple[str, ...], list[int]] = {}
    for i, prediction in enumerate(predicted):
        alike.setdefault(prediction.classes, []).append(i)
    for classes, rows in alike.items():  # usually one: all outputs have the same classes
        labels = np.array([predicted[i].labels for i in rows], dtype=np.bool_)
        probabilities = np.array([predicted[i].probabilities for i in rows], dtype=np.float64)
        for j, (name, codes) in enumerate(zip(weights.names, weights.classes, strict=True)):
            columns = [k for k, code in enumerate(classes) if code in codes]
            binary[rows, j] = labels[:, columns].any(axis=1)
            missing = np.isnan(probabilities[:, columns])
            with np.errstate(invalid="ignore", over="ignore"):  # the mean of inf and -inf is NaN, which counts as 0
                total = np.nan_to_num(
                    np.where(missing, 0, probabilities[:, columns]).sum(axis=1), posinf=np.inf, neginf=-np.inf
                )
            count = len(columns) if "|" in name else (~missing).sum(axis=1)
            scalar[rows, j] = total / np.maximum(count, 1)
    return binary, scalar


def merge_equivalent(labels: Labels, weights: RewardWeights) -> Labels:
    """Merge labels, shape (recordings, 27), into scored classes: a class is true if any of its codes is."""
    merged = [labels[:, [code in codes for code in CLASSES]].any(axis=1) for codes in weights.classes]
    return np.stack(merged, axis=1)


def ranking_areas(labels: Labels, scalar: Floats) -> tuple[Floats, Floats]:
    """Return AUROC (by trapezoids) and AUPRC (by steps) per class, each of shape (classes,).

    Both are NaN if a class has no positive or no negative recordings.
    """
    auroc, auprc = np.full((2, labels.shape[1]), np.nan)
    for j in range(labels.shape[1]):
        true, ranks = labels[:, j], scalar[:, j]
        positives = int(true.sum())
        negatives = len(true) - positives
        if positives and negatives:
            order = np.argsort(-ranks, kind="stable")
            ranked = ranks[order]
            # Comparison, not subtraction: the difference of infinities is NaN.
            last_of_tie = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(order) - 1)
            tp = np.append(0, np.cumsum(true[order])[last_of_tie])
            fp = np.append(0, last_of_tie + 1) - tp
            recall, fall_out = tp / positives, fp / negatives
            auroc[j] = np.sum(np.diff(fall_out) * (recall[1:] + recall[:-1]) / 2)
            auprc[j] = np.sum(np.diff(recall) * tp[1:] / (tp[1:] + fp[1:]))
    return auroc, auprc


def f_measures(labels: Labels, binary: Labels) -> Floats:
    """Return F1 per class, shape (classes,), NaN if a class is neither true nor predicted."""
    tp, fp, fn = _counts(labels, binary, np.ones(len(labels)))
    return ratio(2 * tp, 2 * tp + fp + fn)


def beta_measures(labels: Labels, binary: Labels) -> tuple[Floats, Floats]:
    """Return the Challenge's F-beta and G-beta per class, with beta = 2, each of shape (classes,).

    A recording counts 1 / max(1, its number of true classes).
    """
    tp, fp, fn = _counts(labels, binary, 1.0 / np.maximum(labels.sum(axis=1), 1))
    beta = 2.0
    f_beta = ratio((1 + beta**2) * tp, (1 + beta**2) * tp + fp + beta**2 * fn)
    return f_beta, ratio(tp, tp + fp + beta * fn)


def challenge_metric(labels: Labels, binary: Labels, weights: RewardWeights) -> float:
    """Return the challenge score: 1 for the true labels, 0 for sinus rhythm only, NaN if both earn the same.

    It is (s(predicted) - s(sinus)) / (s(true) - s(sinus)), where s sums weights times :func:`confusion_matrix`.
    """
    sinus_only = np.zeros_like(binary)
    sinus_only[:, [SINUS_RHYTHM in codes for codes in weights.classes]] = True
    observed, correct, inactive = (
        float(np.sum(weights.weights * confusion_matrix(labels, each))) for each in (binary, labels, sinus_only)
    )
    return (observed - inactive) / (correct - inactive) if correct != inactive else math.nan


def confusion_matrix(labels: Labels, binary: Labels) -> Floats:
    """Return the organisers' multi-label confusion matrix, shape (true classes, predicted classes).

    Each pair of a true and a predicted class counts 1 / (number of the recording's true or predicted classes).
    """
    share = 1.0 / np.maximum((labels | binary).sum(axis=1), 1)
    confusion: Floats = labels.T.astype(np.float64) @ (binary * share[:, None])
    return confusion


def _counts(labels: Labels, binary: Labels, share: Floats) -> tuple[Floats, Floats, Floats]:
    """Return true positives, false positives and false negatives per class; ``share`` weights the recordings."""
    return share @ (labels & binary), share @ (~labels & binary), share @ (labels & ~binary)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return the ratio of two arrays of the same shape, NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def mean_of_defined(values: Floats) -> float:
    """Return the mean over the classes for which a measure is defined."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan
