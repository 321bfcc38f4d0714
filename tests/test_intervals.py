"""Intervals of challenge scores: over trainings and recordings, and of differences on the same recordings."""

import numpy as np
import pytest

from heartbeats.experiments.intervals import Answers, estimate, estimate_difference


def answers(right: int, wrong: int, name: str) -> Answers:
    labels = np.zeros((right + wrong, 24), dtype=bool)
    labels[:, 0] = True
    binary = labels.copy()
    binary[right:] = False
    return Answers(tuple(f"{name}{i}" for i in range(right + wrong)), labels, binary)


def test_a_difference_is_of_the_same_recordings():
    """Two trainings that err on the same recordings differ by 0, whatever recordings are drawn."""
    one, other = answers(8, 2, "A"), answers(5, 5, "A")
    same = estimate_difference([one, other], [one, other])
    assert (same.mean, same.low, same.high) == (0, 0, 0)
    worse = estimate_difference([other, other], [one, one])
    assert worse.mean == pytest.approx(other.score() - one.score())
    assert worse.low < worse.mean < worse.high <= 0
    with pytest.raises(ValueError, match="other recordings"):
        estimate_difference([one], [answers(8, 2, "B")])


def test_intervals_hold_the_mean_and_shrink_with_more_recordings():
    few, many = (estimate([answers(8 * n, 2 * n, "A"), answers(7 * n, 3 * n, "A")]) for n in (1, 20))
    for e in (few, many):
        assert e.low <= e.mean <= e.high
    assert few.high - few.low > many.high - many.low > 0


def test_one_training_has_an_interval_of_its_recordings_alone():
    e = estimate([answers(10, 0, "A")])
    assert (e.low, e.mean, e.high) == (1, 1, 1)
