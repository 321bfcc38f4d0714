"""Search one threshold for all classes (paper, section 2.4)."""

from dataclasses import dataclass

import numpy as np

from heartbeats.challenge.diagnoses import read_weights
from heartbeats.challenge.scoring import challenge_metric, merge_equivalent
from heartbeats.classification.decision import Evidence, Floats, Labels, decide
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
    probabilities: Floats, evidence: Evidence, labels: Labels, settings: DecisionSettings
) -> ThresholdSearch:
    """Return the threshold, in steps of 0.01, whose final labels have the best challenge score.

    The paper searched on its 20 % and does not name the score or the steps. If several thresholds are best, the middle
    one is used. Without a score (no validation recordings, or only sinus rhythm), the paper's 0.36 is used.

    Args:
        probabilities: of the ensemble for the validation recordings, shape (recordings, 27).
        evidence: of the same recordings.
        labels: as published, bool, shape (recordings, 27).
        settings: of the decision.
    """
    weights = read_weights()
    true = merge_equivalent(labels, weights)
    answers = (decide(probabilities, evidence, threshold, settings) for threshold in THRESHOLDS)
    scores = np.array([challenge_metric(true, merge_equivalent(answer, weights), weights) for answer in answers])
    threshold = PAPER_THRESHOLD
    if not np.isnan(scores).all():
        best = np.flatnonzero(scores == scores.max())
        threshold = float(THRESHOLDS[best[(len(best) - 1) // 2]])
    return ThresholdSearch(threshold, tuple(THRESHOLDS.tolist()), tuple(scores.tolist()))
