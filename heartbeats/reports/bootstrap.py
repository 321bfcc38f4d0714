"""How far measures would move with other recordings: 95 % intervals by drawing recordings with replacement.

A draw is a weight per recording, how often it was drawn. What follows from sums over recordings is computed by one
product for many draws; the areas by counts along their curves, which are sorted once. With weights of 1 every measure
is that of :mod:`heartbeats.challenge.scoring`. The draws are the same every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import SINUS_RHYTHM, RewardWeights
from heartbeats.challenge.scoring import Submission, ratio

__all__ = ["DRAWS", "LEAST", "Intervals", "challenge_interval", "draws", "measures_by_draw", "resampled"]

DRAWS = 500
# With fewer recordings than this, in all or with or without a class, an interval says nothing: the same few are drawn
# again and again, which narrows it, and a second copy of a found positive flatters precision.
LEAST = 5
BLOCK = 50  # draws at once: 17 MB of weights for 43,101 recordings

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Intervals:
    """95 % intervals, lower ends first: of measures per class, shape (2, classes), and of the seven whole ones, (2,).

    Draws in which a measure is undefined are passed over; where it is undefined in all of them, the ends are NaN.
    """

    auroc_classes: Floats
    auprc_classes: Floats
    f_measure_classes: Floats
    measures: dict[str, Floats]


def resampled(submission: Submission) -> Intervals:
    """Intervals of all measures, NaN for those of fewer than :data:`LEAST` recordings.

    A mean over classes has an interval only where each class that counts in it has one.
    """
    by_draw = measures_by_draw(submission, draws(len(submission.names)))
    ends = {name: _ends(values) for name, values in by_draw.items()}
    support = submission.labels.sum(axis=0)
    rarer = np.minimum(support, len(submission.labels) - support)
    few, defined = rarer < LEAST, rarer > 0
    for name in ("auroc_classes", "auprc_classes", "f_measure_classes"):
        ends[name][:, few] = np.nan
    if (few & defined).any():
        for name in ("auroc", "auprc", "f_measure", "f_beta_measure", "g_beta_measure"):
            ends[name][:] = np.nan
    if len(submission.labels) < LEAST:
        for name in ("accuracy", "challenge_metric"):
            ends[name][:] = np.nan
    auroc, auprc, f_measure = (ends.pop(f"{name}_classes") for name in ("auroc", "auprc", "f_measure"))
    return Intervals(auroc, auprc, f_measure, ends)


def challenge_interval(submission: Submission, chosen: Labels) -> Floats:
    """The interval, shape (2,), of the challenge score of those recordings that are chosen, drawn from among them.

    NaN for fewer than :data:`LEAST`.
    """
    if chosen.sum() < LEAST:
        return np.full(2, np.nan)
    rewards = _rewards(submission.labels[chosen], submission.binary[chosen], submission.weights)
    observed, best = np.concatenate([block @ rewards for block in draws(len(rewards))]).T
    return _ends(ratio(observed, best))


def draws(recordings: int) -> Iterator[Floats]:
    """How often each recording is drawn, DRAWS rows in all, in blocks of shape (BLOCK, recordings)."""
    rng = np.random.default_rng(0)
    for _ in range(0, DRAWS, BLOCK):
        drawn = (rng.integers(max(recordings, 1), size=recordings) for _ in range(BLOCK))
        yield np.array([np.bincount(each, minlength=recordings) for each in drawn], dtype=np.float64)


def measures_by_draw(submission: Submission, blocks: Iterator[Floats]) -> dict[str, Floats]:
    """The seven measures, each of shape (draws,), and the three per class, (draws, classes), as named in ``Scores``."""
    labels, binary = submission.labels, submission.binary
    share = 1.0 / np.maximum(labels.sum(axis=1, keepdims=True), 1)
    hit, false, missed = labels & binary, ~labels & binary, labels & ~binary
    right = (labels == binary).all(axis=1, keepdims=True)
    summed = [np.ones_like(right), right, _rewards(labels, binary, submission.weights)]
    columns = np.hstack([*summed, hit, false | missed, hit * share, false * share, missed * share]).astype(np.float64)
    curves = [_curve(*column) for column in zip(labels.T, submission.scalar.T, strict=True)]
    sums, areas = [], []
    for block in blocks:
        sums.append(block @ columns)
        areas.append([_areas(curve, block) for curve in curves])
    (count, correct, observed, best), per_class = np.split(np.concatenate(sums).T, [4])
    tp, wrong, tp_share, fp_share, fn_share = per_class.reshape(5, labels.shape[1], -1)
    auroc, auprc = np.concatenate(areas, axis=2).transpose(1, 2, 0)
    f_measure = ratio(2 * tp, 2 * tp + wrong).T
    return {
        "auroc": _mean(auroc),
        "auprc": _mean(auprc),
        "accuracy": ratio(correct, count),
        "f_measure": _mean(f_measure),
        "f_beta_measure": _mean(ratio(5 * tp_share, 5 * tp_share + fp_share + 4 * fn_share).T),
        "g_beta_measure": _mean(ratio(tp_share, tp_share + fp_share + 2 * fn_share).T),
        "challenge_metric": ratio(observed, best),
        "auroc_classes": auroc,
        "auprc_classes": auprc,
        "f_measure_classes": f_measure,
    }


def _rewards(labels: Labels, binary: Labels, weights: RewardWeights) -> Floats:
    """What each recording earned and could have earned, over always answering sinus rhythm, shape (recordings, 2).

    The challenge score is the ratio of their sums: a recording's reward does not depend on the others.
    """
    sinus_only = np.zeros_like(binary)
    sinus_only[:, [SINUS_RHYTHM in codes for codes in weights.classes]] = True
    due = labels @ weights.weights
    observed, correct, inactive = (
        np.sum(due * answer, axis=1) / np.maximum((labels | answer).sum(axis=1), 1)
        for answer in (binary, labels, sinus_only)
    )
    return np.stack([observed - inactive, correct - inactive], axis=1)


def _curve(true: Labels, scalar: Floats) -> npt.NDArray[np.intp]:
    """Where on the curves of a class its recordings stand, shape (recordings,): counts of these give the areas.

    Recordings of one probability are one step. 3k is a negative recording before the k-th step with a positive one,
    3k + 1 a negative one of this step, 3k + 2 a positive one.
    """
    order = np.argsort(-scalar, kind="stable")
    ranked = scalar[order]
    step = np.append(0, np.cumsum(ranked[1:] != ranked[:-1]))[: len(order)]  # a difference of infinities is NaN
    positive = true[order]
    with_positive = np.unique(step[positive])
    k = np.searchsorted(with_positive, step)
    tied = np.isin(step, with_positive)
    place = np.empty(len(order), dtype=np.intp)
    place[order] = 3 * k + tied + (tied & positive)
    return place


def _areas(curve: npt.NDArray[np.intp], weights: Floats) -> tuple[Floats, Floats]:
    """Area under the ROC curve (trapezoids) and under precision over recall (steps) of each draw, shape (draws,).

    They are those of ``scoring.ranking_areas``.
    """
    places = 3 * (curve.max(initial=0) // 3 + 1)
    of_draw = curve + places * np.arange(len(weights))[:, None]
    counts = np.bincount(of_draw.ravel(), weights.ravel(), minlength=places * len(weights))
    of_step = np.asarray(counts, dtype=np.float64).reshape(len(weights), -1, 3)
    before, tied, positive = np.moveaxis(of_step, 2, 0)
    tp, fp = np.cumsum(positive, axis=1), np.cumsum(before + tied, axis=1)
    positives, negatives = tp[:, -1], fp[:, -1]
    ranked = np.sum(positive * (negatives[:, None] - fp + tied / 2), axis=1)
    precise = np.sum(positive * tp / np.maximum(tp + fp, 1), axis=1)
    return ratio(ranked, positives * negatives), np.where(negatives > 0, ratio(precise, positives), np.nan)


def _mean(values: Floats) -> Floats:
    """The mean over the classes that are defined in a draw, shape (draws,)."""
    return ratio(np.nansum(values, axis=1), np.sum(~np.isnan(values), axis=1, dtype=np.float64))


def _ends(values: Floats) -> Floats:
    """The 2.5th and 97.5th percentiles of draws, shape (draws, ...), as shape (2, ...)."""
    ends = np.full((2, *values.shape[1:]), np.nan)
    some = ~np.isnan(values).all(axis=0)
    ends[:, some] = np.nanpercentile(values[:, some], [2.5, 97.5], axis=0)
    return ends
