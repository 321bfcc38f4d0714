"""Search one threshold for all classes (paper, section 2.4), and read your own thresholds."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heartbeats.challenge.diagnoses import SCORED, Classes, read_weights
from heartbeats.challenge.scoring import challenge_metric, f_measures, mean_of_defined, merge_equivalent
from heartbeats.classification.decision import Evidence, Floats, Labels, decide
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import DecisionSettings

PAPER_THRESHOLD = 0.36
THRESHOLDS = np.arange(1, 100) / 100


@dataclass(frozen=True)
class ThresholdSearch:
    """The challenge score of each threshold, and the chosen threshold."""

    threshold: float
    thresholds: tuple[float, ...]
    challenge_scores: tuple[float, ...]

    @property
    def undecided(self) -> bool:
        """Whether no threshold has a challenge score, so that the paper's is used."""
        return bool(np.isnan(self.challenge_scores).all())


def search_threshold(
    probabilities: Floats,
    evidence: Evidence,
    labels: Labels,
    settings: DecisionSettings,
    classes: Classes = SCORED,
) -> ThresholdSearch:
    """Return the threshold, in steps of 0.01, whose final labels have the best challenge score.

    The paper searched on its 20 % and does not name the score or the steps. If several thresholds are best, the middle
    one is used. Without a score (no validation recordings, or only sinus rhythm), the paper's 0.36 is used. For your
    own classes, which have no reward weights, the score is the mean F-measure of the classes.

    Args:
        probabilities: of the ensemble for the validation recordings, shape (recordings, classes).
        evidence: of the same recordings.
        labels: as published, bool, shape (recordings, classes).
        settings: of the decision.
        classes: the Challenge's, or the user's own.
    """
    answers = (decide(probabilities, evidence, threshold, settings, classes.codes) for threshold in THRESHOLDS)
    if classes == SCORED:
        weights = read_weights()
        true = merge_equivalent(labels, weights)
        scores = np.array([challenge_metric(true, merge_equivalent(answer, weights), weights) for answer in answers])
    else:
        scores = np.array([mean_of_defined(f_measures(labels, answer)) for answer in answers])
    threshold = PAPER_THRESHOLD
    if not np.isnan(scores).all():
        best = np.flatnonzero(scores == scores.max())
        threshold = float(THRESHOLDS[best[(len(best) - 1) // 2]])
    return ThresholdSearch(threshold, tuple(THRESHOLDS.tolist()), tuple(scores.tolist()))


def read_thresholds(path: Path, classes: Classes = SCORED) -> dict[str, float]:
    """Return thresholds by code from a CSV file with the columns ``class`` (code or abbreviation) and ``threshold``.

    Raises:
        HeartBeatsError: a column is missing, a class is unknown or given twice, or a threshold is not within 0 to 1.
        OSError: the file cannot be read.
    """
    codes = dict(zip(classes.codes + classes.abbreviations, classes.codes * 2, strict=True))
    thresholds: dict[str, float] = {}
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except UnicodeDecodeError as error:
        raise HeartBeatsError(f"{path} is not text in UTF-8 ({error}): save it as CSV in UTF-8") from error
    for number, row in enumerate(rows, start=2):
        try:
            name, threshold = row["class"].strip(), float(row["threshold"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            needed = "the columns class and threshold, with a comma between them"
            raise HeartBeatsError(f"{path}, line {number}: needs {needed} ({error!r})") from error
        code = codes.get(name)
        if code is None or code in thresholds or not 0 <= threshold <= 1:
            needed = "a class of the model that is not given above, and a number from 0 to 1"
            raise HeartBeatsError(f"{path}, line {number}: needs {needed}, not {name!r} and {threshold:g}")
        thresholds[code] = threshold
    return thresholds
