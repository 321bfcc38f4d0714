"""The challenge score of several trainings, and how far it would move with other seeds and other recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heartbeats.diagnoses import RewardWeights, read_weights
from heartbeats.scoring import challenge_metric

__all__ = ["Answers", "Estimate", "estimate"]

BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Answers:
    """What one training answered: names of recordings, and true and answered labels, shape (recordings, classes)."""

    names: tuple[str, ...]
    labels: npt.NDArray[np.bool_]
    binary: npt.NDArray[np.bool_]

    def score(self, drawn: npt.NDArray[np.intp] | slice = slice(None)) -> float:
        """The challenge score of all recordings, or of those of these numbers."""
        return challenge_metric(self.labels[drawn], self.binary[drawn], _WEIGHTS)


_WEIGHTS: RewardWeights = read_weights()


@dataclass(frozen=True)
class Estimate:
    """The mean challenge score of several trainings, and a 95 % interval of it."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


def estimate(runs: Sequence[Answers]) -> Estimate:
    """The mean over trainings, with the interval of a bootstrap over both the trainings and the recordings.

    A recording that several trainings answered is drawn for all of them or for none, since its difficulty is its own.
    """
    names = sorted({name for run in runs for name in run.names})
    place = {name: i for i, name in enumerate(names)}
    of_run = [np.array([place[name] for name in run.names], dtype=np.intp) for run in runs]
    rng = np.random.default_rng(0)
    means = []
    for _ in range(BOOTSTRAPS):
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)))
        chosen = rng.integers(len(runs), size=len(runs))
        means.append(np.mean([runs[i].score(np.repeat(np.arange(len(of_run[i])), times[of_run[i]])) for i in chosen]))
    low, high = np.nanpercentile(means, [2.5, 97.5])
    return Estimate(float(np.mean([run.score() for run in runs])), float(low), float(high))
