"""The challenge score of several trainings, and how far it would move with other seeds and other recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import RewardWeights, read_weights
from heartbeats.challenge.scoring import challenge_metric

__all__ = ["Answers", "Estimate", "estimate", "estimate_difference"]

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
    """The mean challenge score of several trainings, a 95 % interval of it, and the mean number of recordings."""

    mean: float
    low: float
    high: float
    recordings: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


def estimate(runs: Sequence[Answers]) -> Estimate:
    """The mean over trainings, with the interval of a bootstrap over both the trainings and the recordings.

    A recording that several trainings answered is drawn for all of them or for none, since its difficulty is its own.
    """
    means = [np.mean([runs[i].score(drawn) for i, drawn in draw]) for draw in _draws(runs)]
    return _estimate(runs, [run.score() for run in runs], means)


def estimate_difference(runs: Sequence[Answers], others: Sequence[Answers]) -> Estimate:
    """The mean over trainings of how much more ``runs`` score than ``others`` on the same recordings, as above.

    Raises:
        ValueError: a training and its other answered other recordings.
    """
    if [run.names for run in runs] != [other.names for other in others]:
        raise ValueError("answers to be compared are of other recordings")
    means = [np.mean([runs[i].score(drawn) - others[i].score(drawn) for i, drawn in draw]) for draw in _draws(runs)]
    return _estimate(runs, [run.score() - other.score() for run, other in zip(runs, others, strict=True)], means)


def _draws(runs: Sequence[Answers]) -> Iterator[list[tuple[int, npt.NDArray[np.intp]]]]:
    """Of each bootstrap the trainings, by number, and of each of them the recordings, by number."""
    names = sorted({name for run in runs for name in run.names})
    place = {name: i for i, name in enumerate(names)}
    of_run = [np.array([place[name] for name in run.names], dtype=np.intp) for run in runs]
    rng = np.random.default_rng(0)
    for _ in range(BOOTSTRAPS):
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)))
        chosen = rng.integers(len(runs), size=len(runs))
        yield [(int(i), np.repeat(np.arange(len(of_run[i])), times[of_run[i]])) for i in chosen]


def _estimate(runs: Sequence[Answers], values: Sequence[float], bootstrapped: Sequence[np.floating]) -> Estimate:
    low, high = np.nanpercentile(bootstrapped, [2.5, 97.5])
    return Estimate(float(np.mean(values)), float(low), float(high), round(np.mean([len(run.names) for run in runs])))
