"""The Challenge's seven measures, those of the organisers' scorer to 10^-12, in vectorised form.

With the reward weights of 2020 or 2021 it is that year's scorer, but for one thing: a label written ``1.0`` is 0, as in
2020, where 2021's took it for 1.

Definitions: "Classification of 12-lead ECGs: the PhysioNet/Computing in Cardiology Challenge 2020" (Perez Alday et al.,
Physiol Meas 2020), and the organisers' evaluation page. Where that scorer does something that a reader of the
definitions would not guess, the function says so.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import CLASSES, SINUS_RHYTHM, RewardWeights, label_matrix, read_weights
from heartbeats.challenge.outputs import Diagnosis, OutputError, diagnoses_of, read_output
from heartbeats.ecg.header import header_paths, parse_diagnoses, read_header_text

__all__ = [
    "Scores",
    "Submission",
    "accuracy",
    "beta_measures",
    "challenge_metric",
    "confusion_matrix",
    "f_measures",
    "merge_equivalent",
    "output_matrices",
    "ranking_areas",
    "ratio",
    "read_submission",
    "score",
    "submission",
]

Labels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """The seven measures, and three of them per class (float64, shape (classes,), NaN where undefined)."""

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
        """The organisers' score file of 2020: a heading and one row of three-decimal figures."""
        heading = "AUROC,AUPRC,Accuracy,F-measure,Fbeta-measure,Gbeta-measure,Challenge metric"
        return f"{heading}\n{','.join(f'{value:.3f}' for value in self.measures().values())}"

    def class_table(self) -> str:
        """The organisers' per-class file of 2020: a row of classes and a row each for three measures."""
        rows = [("AUROC", self.auroc_classes), ("AUPRC", self.auprc_classes), ("F-measure", self.f_measure_classes)]
        lines = [f"{name},{','.join(f'{value:.3f}' for value in values)}" for name, values in rows]
        return "\n".join([f"Classes,{','.join(self.classes)}", *lines])

    def measures(self) -> dict[str, float]:
        """The seven measures by name, in the organisers' order."""
        names = ("auroc", "auprc", "accuracy", "f_measure", "f_beta_measure", "g_beta_measure", "challenge_metric")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Submission:
    """What was answered and what is true: all that the measures need.

    Attributes:
        names: one per recording.
        labels: true, bool, shape (recordings, classes).
        binary: answered, bool, same shape.
        scalar: probabilities, float64, same shape (see :func:`output_matrices`).
        incomplete: whether a probability of the recording is NaN, as where it was not classified, shape (recordings,).
        weights: of the classes.
    """

    names: tuple[str, ...]
    labels: Labels
    binary: Labels
    scalar: Floats
    incomplete: Labels
    weights: RewardWeights

    def at(self, rows: npt.NDArray[np.intp] | Labels) -> Submission:
        """Return the submission of some recordings, chosen by number (repeats allowed) or by a mask."""
        names = tuple(np.array(self.names, dtype=object)[rows])
        arrays = (self.labels[rows], self.binary[rows], self.scalar[rows], self.incomplete[rows])
        return Submission(names, *arrays, self.weights)

    def score(self) -> Scores:
        """All measures."""
        return score(self.labels, self.binary, self.scalar, self.weights)


def submission(
    names: Sequence[str], labels: Labels, answered: Labels, probabilities: Floats, weights: RewardWeights | None = None
) -> Submission:
    """A submission of arrays over the 27 classes of ``diagnoses.CLASSES``, as its output files would be read.

    Args:
        names: one per recording.
        labels: true, shape (recordings, 27).
        answered: the same shape.
        probabilities: the same shape, NaN where a recording was not classified.
        weights: 2020's by default.
    """
    weights = weights or read_weights()
    matrices = output_matrices(diagnoses_of(names, answered, probabilities), weights)
    incomplete: Labels = np.asarray(np.isnan(probabilities).any(axis=1))
    return Submission(tuple(names), merge_equivalent(labels, weights), *matrices, incomplete, weights)


def read_submission(
    label_directory: Path | str, output_directory: Path | str, weights: RewardWeights | None = None
) -> Submission:
    """Read a folder of output files beside a folder of headers.

    Raises:
        OutputError: a recording has no output file, or one that cannot be read, or shares it with another.
        OSError: a folder is missing or holds no headers, or one of these cannot be read.
    """
    weights = weights or read_weights()
    headers = header_paths(label_directory)
    if not headers:
        raise FileNotFoundError(f"{label_directory}: no header files (.hea) to score against")
    names = [header.rpartition("/")[2].removesuffix(".hea") for header in headers]
    if len(set(names)) < len(names):
        name, count = Counter(names).most_common(1)[0]
        raise OutputError(
            f"{label_directory}: {count} headers are named {name}.hea, but there is one {name}.csv: score one folder "
            "at a time, or rename them"
        )
    present = set(os.listdir(output_directory))  # noqa: PTH208 - names are wanted, not paths
    if missing := [f"{name}.csv" for name in names if f"{name}.csv" not in present]:
        named = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise OutputError(f"{output_directory}: {len(missing)} of {len(headers)} output files are missing: {named}")
    labels = label_matrix([parse_diagnoses(read_header_text(header)) for header in headers], weights.classes)
    diagnoses = [read_output(f"{output_directory}/{name}.csv") for name in names]
    binary, scalar = output_matrices(diagnoses, weights)
    incomplete = np.array([math.isnan(sum(diagnosis.probabilities)) for diagnosis in diagnoses])
    return Submission(tuple(names), labels, binary, scalar, incomplete, weights)


def output_matrices(diagnoses: Sequence[Diagnosis], weights: RewardWeights) -> tuple[Labels, Floats]:
    """Labels and probabilities by scored class, each of shape (recordings, classes).

    A class is positive if any of its equivalent codes is, and has the mean of their probabilities, or 0 where there is
    none. A NaN among them is passed over, as in 2020, but counts as 0 under a heading ``a|b``, as in 2021.
    """
    column = {code: j for j, codes in enumerate(weights.classes) for code in codes}
    nan_is_zero = ["|" in name for name in weights.names]
    binary = np.zeros((len(diagnoses), len(weights.classes)), dtype=np.bool_)
    scalar = np.zeros(binary.shape)
    alike: dict[tuple[str, ...], list[int]] = {}
    for i, diagnosis in enumerate(diagnoses):
        alike.setdefault(diagnosis.classes, []).append(i)
    for classes, rows in alike.items():  # as a rule one: all outputs name the same classes
        labels = np.array([diagnoses[i].labels for i in rows], dtype=np.bool_).T
        probabilities = np.array([diagnoses[i].probabilities for i in rows], dtype=np.float64).T
        positive = np.zeros((len(weights.classes), len(rows)), dtype=np.bool_)
        total, count = np.zeros((2, len(weights.classes), len(rows)))
        for k, code in enumerate(classes):
            if (j := column.get(code)) is not None:
                positive[j] |= labels[k]
                total[j] += np.where(np.isnan(probabilities[k]), 0, probabilities[k])
                count[j] += nan_is_zero[j] | ~np.isnan(probabilities[k])
        binary[rows] = positive.T
        scalar[rows] = np.divide(total, count, out=np.zeros_like(total), where=count > 0).T
    return binary, scalar


def merge_equivalent(labels: Labels, weights: RewardWeights) -> Labels:
    """From columns as ``diagnoses.CLASSES`` to the scored classes of ``weights``: a class is any of its codes."""
    column = {code: j for j, code in enumerate(CLASSES)}
    merged = np.zeros((len(labels), len(weights.classes)), dtype=np.bool_)
    for j, codes in enumerate(weights.classes):
        merged[:, j] = labels[:, [column[code] for code in codes if code in column]].any(axis=1)
    return merged


def score(labels: Labels, binary: Labels, scalar: Floats, weights: RewardWeights) -> Scores:
    """All measures of binary and scalar outputs against labels, each of shape (recordings, classes).

    Raises:
        ValueError: their classes are not those of the weights, which count some pairs as one: :func:`submission` takes
            the 27.
    """
    if not labels.shape == binary.shape == scalar.shape == (len(labels), len(weights.classes)):
        raise ValueError(
            f"arrays of shape {labels.shape}, {binary.shape} and {scalar.shape} for {len(weights.classes)} classes; "
            "scoring.submission takes all 27 and merges those that are scored as one"
        )
    auroc, auprc = ranking_areas(labels, scalar)
    f_measure = f_measures(labels, binary)
    f_beta, g_beta = beta_measures(labels, binary)
    return Scores(
        classes=weights.names,
        auroc=_mean(auroc),
        auprc=_mean(auprc),
        accuracy=accuracy(labels, binary),
        f_measure=_mean(f_measure),
        f_beta_measure=_mean(f_beta),
        g_beta_measure=_mean(g_beta),
        challenge_metric=challenge_metric(labels, binary, weights),
        auroc_classes=auroc,
        auprc_classes=auprc,
        f_measure_classes=f_measure,
    )


def ranking_areas(labels: Labels, scalar: Floats) -> tuple[Floats, Floats]:
    """Area under the ROC curve (trapezoids) and under precision over recall (steps) per class, each shape (classes,).

    Both are NaN for a class without a positive or without a negative recording.
    """
    auroc, auprc = np.full((2, labels.shape[1]), np.nan)
    for j in range(labels.shape[1]):
        true, ranks = labels[:, j], scalar[:, j]
        positives = int(true.sum())
        negatives = len(true) - positives
        if positives and negatives:
            order = np.argsort(-ranks, kind="stable")
            ranked = ranks[order]
            # Compared and not subtracted: a difference of infinities is NaN.
            last_of_tie = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(order) - 1)
            tp = np.append(0, np.cumsum(true[order])[last_of_tie])
            fp = np.append(0, last_of_tie + 1) - tp
            recall, fall_out = tp / positives, fp / negatives
            auroc[j] = np.sum(np.diff(fall_out) * (recall[1:] + recall[:-1]) / 2)
            auprc[j] = np.sum(np.diff(recall) * tp[1:] / (tp[1:] + fp[1:]))
    return auroc, auprc


def accuracy(labels: Labels, binary: Labels) -> float:
    """The share of recordings whose labels are all right."""
    return float(np.mean(np.all(labels == binary, axis=1)))


def f_measures(labels: Labels, binary: Labels) -> Floats:
    """F1 per class, shape (classes,), NaN where a class is neither true nor answered."""
    tp, fp, fn = _confusion(labels, binary, np.ones(len(labels)))
    return ratio(2 * tp, 2 * tp + fp + fn)


def beta_measures(labels: Labels, binary: Labels) -> tuple[Floats, Floats]:
    """The Challenge's F-beta and G-beta per class, with beta = 2, each of shape (classes,).

    A recording counts by one over the number of its true classes (at least 1).
    """
    tp, fp, fn = _confusion(labels, binary, 1.0 / np.maximum(labels.sum(axis=1), 1))
    beta = 2.0
    f_beta = ratio((1 + beta**2) * tp, (1 + beta**2) * tp + fp + beta**2 * fn)
    return f_beta, ratio(tp, tp + fp + beta * fn)


def challenge_metric(labels: Labels, binary: Labels, weights: RewardWeights) -> float:
    """The challenge score: 1 for the right answers, 0 for answering sinus rhythm always; NaN where these are equal.

    Each pair of a true and an answered class earns its weight, over the number of classes true or answered.
    """
    sinus_only = np.zeros_like(binary)
    sinus_only[:, [SINUS_RHYTHM in codes for codes in weights.classes]] = True
    observed, correct, inactive = (_reward(labels, answer, weights) for answer in (binary, labels, sinus_only))
    return (observed - inactive) / (correct - inactive) if correct != inactive else float("nan")


def confusion_matrix(labels: Labels, binary: Labels) -> Floats:
    """The organisers' confusion matrix for recordings of several classes, shape (true classes, answered classes).

    Each pair of a true and an answered class of a recording counts one over the number of classes true or answered.
    """
    share = 1.0 / np.maximum((labels | binary).sum(axis=1), 1)
    confusion: Floats = labels.T.astype(np.float64) @ (binary * share[:, None])
    return confusion


def _reward(labels: Labels, binary: Labels, weights: RewardWeights) -> float:
    return float(np.sum(weights.weights * confusion_matrix(labels, binary)))


def _confusion(labels: Labels, binary: Labels, share: Floats) -> tuple[Floats, Floats, Floats]:
    """True positives, false positives and false negatives per class, recordings counted by their share."""
    return share @ (labels & binary), share @ (~labels & binary), share @ (labels & ~binary)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """A ratio, arrays of one shape; NaN where the denominator is 0, since nothing is measured there."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def _mean(values: Floats) -> float:
    """The mean over the classes for which a measure is defined."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
