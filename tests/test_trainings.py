"""The answers of Table 1's rows, the recordings that their thresholds come from, and intervals of scores."""

import dataclasses

import numpy as np
import pytest

from heartbeats.challenge.diagnoses import CLASSES, SINUS_RHYTHM
from heartbeats.classification.decision import Evidence
from heartbeats.common.settings import DecisionSettings
from heartbeats.experiments.trainings import AS_PAPER, FULL, ROWS, TEST, UNSEEN, Answers, Scored, SeedSets, estimate
from heartbeats.training.cohort import drawn

LONG = next(iter(ROWS))
SNR, AF = CLASSES.index(SINUS_RHYTHM), CLASSES.index("164889003")


def scored(probability: np.ndarray, decision: DecisionSettings = DecisionSettings()) -> Scored:  # noqa: B008
    """Return recordings with AF at these probabilities, and as many with sinus rhythm at lower ones."""
    count = len(probability)
    labels = np.zeros((2 * count, 27), dtype=bool)
    labels[:count, AF] = labels[count:, SNR] = True
    members = np.zeros((2, 2 * count, 27))
    members[:, :count, AF], members[:, count:, AF] = probability, probability - 0.1
    names = tuple(f"A{i}" for i in range(2 * count))
    return Scored(names, names, labels, Evidence(np.zeros(2 * count, dtype=bool)), members, decision)


def test_the_tenths_of_a_20_percent_are_about_equal_and_keep_signals_together():
    for seed in range(10):
        digests = tuple(d for d in map(str, range(150)) if drawn(d, by=seed) < 0.2)
        digests += digests[:2]  # the same signals again
        nothing = np.zeros((len(digests), 27))
        evidence = Evidence(np.zeros(len(digests), dtype=bool))
        folds = Scored(digests, digests, nothing.astype(bool), evidence, nothing[None], DecisionSettings()).folds()
        assert (np.sum(folds, axis=0) == 1).all()
        assert len(folds) == 10
        for fold in folds:
            tenth, others = set(np.array(digests)[fold]), set(np.array(digests)[~fold])
            assert abs(len(tenth) - len(set(digests)) / 10) < 1
            assert not tenth & others


def test_a_tenth_is_answered_at_the_threshold_of_the_others():
    """One tenth needs another threshold: it is wrong at the others' threshold, right at its own."""
    whole = scored(np.full(400, 0.8))
    fold = whole.folds()[0]
    test = dataclasses.replace(whole, members=np.maximum(whole.members - np.where(fold, 0.5, 0)[None, :, None], 0))
    answers = test.answers_by_folds(LONG)
    wrong = (answers.labels != answers.binary).any(axis=1)
    np.testing.assert_array_equal(wrong, fold & test.labels[:, AF])
    tenth = test.part(fold)
    assert tenth.answers(LONG, tenth.threshold(LONG)).score() == 1


def test_a_row_is_the_mean_of_its_members_and_only_the_rule_removes_bradycardia():
    brady = CLASSES.index("426627000")
    members = np.zeros((2, 1, 27))
    members[0, 0, brady], members[1, 0, AF] = 0.9, 0.9
    evidence = Evidence(np.zeros(1, dtype=bool))
    one = Scored(("A1",), ("A1",), np.zeros((1, 27), dtype=bool), evidence, members, DecisionSettings())
    positives = {row: int(one.answers(row, 0.4).binary.sum()) for row in ROWS}
    assert positives == {LONG: 1, "{1:g} s": 1, "{0:g} s + {1:g} s": 2, "{0:g} s + {1:g} s + rule": 1}


def test_every_row_follows_the_settings_of_the_decision():
    pvc = CLASSES.index("427172004")
    no_fallback = scored(np.zeros(1), DecisionSettings(sinus_rhythm_fallback=False))
    asked = scored(np.zeros(1), DecisionSettings(sinus_rhythm_fallback=False, pvc="unet"))
    marked = dataclasses.replace(asked, evidence=Evidence(np.zeros(2, dtype=bool), np.array([True, False])))
    for row in ROWS:
        assert not no_fallback.answers(row, 0.4).binary.any()
        assert marked.answers(row, 0.4).binary[:, pvc].tolist() == [True, False]
        assert marked.part(np.array([False, True])).answers(row, 0.4).binary[:, pvc].tolist() == [False]


def test_each_set_has_the_thresholds_that_its_columns_name():
    """Each set needs its own threshold, and is right only at it."""
    test, first, second, full = (scored(np.full(40, p)) for p in (0.3, 0.9, 0.6, 0.8))
    answers = SeedSets(test, {"first": first, "second": second}, full).answers(LONG)
    assert {name: [*thresholds] for name, thresholds in answers.items()} == {
        TEST: [AS_PAPER, UNSEEN], "first": [UNSEEN], "second": [UNSEEN], FULL: [AS_PAPER, UNSEEN],
    }  # fmt: skip
    papers = test.threshold(LONG)
    for name, scored_set in {"first": first, "second": second}.items():
        np.testing.assert_array_equal(answers[name][UNSEEN].binary, scored_set.answers(LONG, papers).binary)
    np.testing.assert_array_equal(answers[FULL][AS_PAPER].binary, full.answers(LONG, papers).binary)
    expected = full.answers(LONG, first.threshold(LONG)).binary
    np.testing.assert_array_equal(answers[FULL][UNSEEN].binary, expected)
    assert not np.array_equal(expected, full.answers(LONG, second.threshold(LONG)).binary)
    assert [*SeedSets(test, {}, full).answers(LONG)[FULL]] == [AS_PAPER]


def answers_of(right: int, wrong: int, name: str = "A") -> Answers:
    labels = np.zeros((right + wrong, 24), dtype=bool)
    labels[:, 0] = True
    binary = labels.copy()
    binary[right:] = False
    return Answers(tuple(f"{name}{i}" for i in range(right + wrong)), labels, binary)


def test_a_difference_is_of_the_same_recordings():
    """Two trainings with the same errors differ by 0, whichever recordings are drawn."""
    one, other = answers_of(8, 2), answers_of(5, 5)
    same = estimate([one, other], [one, other])
    assert (same.mean, same.low, same.high) == (0, 0, 0)
    worse = estimate([other, other], [one, one])
    assert worse.mean == pytest.approx(other.score() - one.score())
    assert worse.low < worse.mean < worse.high <= 0
    with pytest.raises(ValueError, match="different recordings"):
        estimate([one], [answers_of(8, 2, "B")])


def test_intervals_contain_the_mean_and_shrink_with_more_recordings():
    few, many = (estimate([answers_of(8 * n, 2 * n), answers_of(7 * n, 3 * n)]) for n in (1, 20))
    for e in (few, many):
        assert e.low <= e.mean <= e.high
    assert few.high - few.low > many.high - many.low > 0
    perfect = estimate([answers_of(10, 0)])
    assert (perfect.low, perfect.mean, perfect.high) == (1, 1, 1)


def test_trainings_of_different_recordings_have_one_interval():
    e = estimate([answers_of(8, 2, "A"), answers_of(3, 1, "B")])
    assert e.low < e.mean < e.high
    assert e.recordings == 7
