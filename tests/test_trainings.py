"""What rows of Table 1 answer by the networks of one training, and from which recordings their thresholds come."""

import numpy as np

from heartbeats.diagnoses import CLASSES, SINUS_RHYTHM
from heartbeats.experiments import trainings
from heartbeats.experiments.trainings import ROWS, Scored

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


def test_a_half_is_answered_at_the_threshold_of_the_other(monkeypatch):
    """The halves want other thresholds: each is wrong at the other's, right at its own."""
    test = scored(np.repeat([0.3, 0.8], 20))
    wants_high = {name: p > 0.5 for name, p in zip(test.names, np.tile(np.repeat([0.3, 0.8], 20), 2), strict=True)}
    monkeypatch.setattr(trainings, "is_validation", lambda digest, *_arguments, **_options: wants_high[digest])
    answers = trainings._by_halves(test, "30 s")
    assert sorted(answers.names) == sorted(test.names)
    own = [test.part(np.array([wants_high[n] == high for n in test.names])) for high in (False, True)]
    assert answers.score() < 0.6
    assert [half.answers("30 s", half.threshold("30 s")).score() for half in own] == [1, 1]


def test_a_row_is_the_mean_of_its_members_and_the_rule_takes_bradycardia_away():
    brady = CLASSES.index("426627000")
    members = np.zeros((2, 1, 27))
    members[0, 0, brady], members[1, 0, AF] = 0.9, 0.9
    one = Scored(("A1",), ("A1",), np.zeros((1, 27), dtype=bool), np.zeros(1, dtype=bool), members)
    positives = {row: int(one.answers(row, 0.4).binary.sum()) for row in ROWS}
    assert positives == {"30 s": 1, "10 s": 1, "30 s + 10 s": 2, "30 s + 10 s + rule": 1}
