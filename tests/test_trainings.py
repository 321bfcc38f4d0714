"""What rows of Table 1 answer by the networks of one training, and from which recordings their thresholds come."""

import dataclasses

import numpy as np
import pytest

from heartbeats.cohort import falls_in_share
from heartbeats.diagnoses import CLASSES, SINUS_RHYTHM
from heartbeats.experiments import trainings
from heartbeats.experiments.trainings import ROWS, TEST, UNSEEN, Scored

SNR, AF = CLASSES.index(SINUS_RHYTHM), CLASSES.index("164889003")


def scored(probability: np.ndarray) -> Scored:
    """Recordings with AF of these probabilities, and as many with sinus rhythm of lower ones."""
    count = len(probability)
    labels = np.zeros((2 * count, 27), dtype=bool)
    labels[:count, AF] = labels[count:, SNR] = True
    members = np.zeros((2, 2 * count, 27))
    members[:, :count, AF], members[:, count:, AF] = probability, probability - 0.1
    names = tuple(f"A{i}" for i in range(2 * count))
    return Scored(names, names, labels, np.zeros(2 * count, dtype=bool), members)


@pytest.mark.parametrize("seed", range(10))
def test_both_halves_of_any_seed_s_20_percent_are_about_as_large(seed):
    digests = tuple(d for d in map(str, range(3000)) if falls_in_share(d, 0.2, draw=seed))
    nothing = np.zeros((len(digests), 27))
    test = Scored(digests, digests, nothing.astype(bool), nothing[:, 0].astype(bool), nothing[None])
    one, other = test.halves()
    assert set(one.names) | set(other.names) == set(digests)
    assert not set(one.names) & set(other.names)
    assert 0.4 < len(one.names) / len(digests) < 0.6


def test_a_half_is_answered_at_the_threshold_of_the_other():
    """The halves want other thresholds: each is wrong at the other's, right at its own."""
    one, other = scored(np.full(400, 0.3)).halves()
    one, other = (dataclasses.replace(half, members=half.members + more) for half, more in ((one, 0), (other, 0.5)))
    both = (np.concatenate([getattr(half, name) for half in (one, other)]) for name in ("labels", "rule"))
    members = np.concatenate([one.members, other.members], axis=1)
    test = Scored(one.names + other.names, one.digests + other.digests, *both, members)
    answers = trainings.answers([{TEST: test}], "30 s", TEST)[UNSEEN][0]
    assert sorted(answers.names) == sorted(test.names)
    assert answers.score() < 0.6
    assert [half.answers("30 s", half.threshold("30 s")).score() for half in (one, other)] == [1, 1]


def test_a_row_is_the_mean_of_its_members_and_the_rule_takes_bradycardia_away():
    brady = CLASSES.index("426627000")
    members = np.zeros((2, 1, 27))
    members[0, 0, brady], members[1, 0, AF] = 0.9, 0.9
    one = Scored(("A1",), ("A1",), np.zeros((1, 27), dtype=bool), np.zeros(1, dtype=bool), members)
    positives = {row: int(one.answers(row, 0.4).binary.sum()) for row in ROWS}
    assert positives == {"30 s": 1, "10 s": 1, "30 s + 10 s": 2, "30 s + 10 s + rule": 1}
