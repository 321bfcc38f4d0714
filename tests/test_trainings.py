"""What rows of Table 1 answer by the networks of one training, and from which recordings their thresholds come."""

import dataclasses

import numpy as np
import pytest
from heartbeats.classification.classifier import Evidence

from heartbeats.challenge.diagnoses import CLASSES, SINUS_RHYTHM
from heartbeats.common.settings import DecisionSettings
from heartbeats.experiments.trainings import AS_PAPER, FULL, ROWS, TEST, UNSEEN, Scored, SeedSets
from heartbeats.training.cohort import drawn

LONG = next(iter(ROWS))
SNR, AF = CLASSES.index(SINUS_RHYTHM), CLASSES.index("164889003")


def nothing_speaks(recordings: int) -> Evidence:
    return Evidence(np.zeros(recordings, dtype=bool))


def scored(probability: np.ndarray) -> Scored:
    """Recordings with AF of these probabilities, and as many with sinus rhythm of lower ones."""
    count = len(probability)
    labels = np.zeros((2 * count, 27), dtype=bool)
    labels[:count, AF] = labels[count:, SNR] = True
    members = np.zeros((2, 2 * count, 27))
    members[:, :count, AF], members[:, count:, AF] = probability, probability - 0.1
    names = tuple(f"A{i}" for i in range(2 * count))
    return Scored(names, names, labels, nothing_speaks(2 * count), members, DecisionSettings())


@pytest.mark.parametrize("seed", range(10))
def test_all_tenths_of_any_seed_s_20_percent_are_about_as_large(seed):
    digests = tuple(d for d in map(str, range(150)) if drawn(d, by=seed) < 0.2)
    digests += digests[:2]  # the same signals once more
    nothing = np.zeros((len(digests), 27))
    evidence = nothing_speaks(len(digests))
    folds = Scored(digests, digests, nothing.astype(bool), evidence, nothing[None], DecisionSettings()).folds()
    assert len(folds) == 10
    assert sorted(name for tenth, _ in folds for name in tenth.names) == sorted(digests)
    for tenth, others in folds:
        assert abs(len(set(tenth.digests)) - len(set(digests)) / 10) < 1
        assert sorted(tenth.names + others.names) == sorted(digests)
        assert not set(tenth.digests) & set(others.digests)


def test_a_tenth_is_answered_at_the_threshold_of_the_others():
    """One tenth wants another threshold than the others: it is wrong at theirs, right at its own."""
    whole = scored(np.full(400, 0.8))
    other = {*whole.folds()[0][0].names}
    lower = np.where([name in other for name in whole.names], 0.5, 0.0)
    test = dataclasses.replace(whole, members=np.maximum(whole.members - lower[None, :, None], 0))
    answers = test.answers_by_folds(LONG)
    assert sorted(answers.names) == sorted(test.names)
    right = {
        name: bool((a == b).all()) for name, a, b in zip(answers.names, answers.labels, answers.binary, strict=True)
    }
    has_af = dict(zip(test.names, test.labels[:, AF], strict=True))
    assert {name for name in right if not right[name]} == {name for name in other if has_af[name]}
    tenth = test.folds()[0][0]
    assert tenth.answers(LONG, tenth.threshold(LONG)).score() == 1


def test_a_row_is_the_mean_of_its_members_and_the_rule_takes_bradycardia_away():
    brady = CLASSES.index("426627000")
    members = np.zeros((2, 1, 27))
    members[0, 0, brady], members[1, 0, AF] = 0.9, 0.9
    one = Scored(("A1",), ("A1",), np.zeros((1, 27), dtype=bool), nothing_speaks(1), members, DecisionSettings())
    positives = {row: int(one.answers(row, 0.4).binary.sum()) for row in ROWS}
    assert positives == {LONG: 1, "{1:g} s": 1, "{0:g} s + {1:g} s": 2, "{0:g} s + {1:g} s + rule": 1}


def test_settings_of_the_decision_are_the_tables_too():
    pvc = CLASSES.index("427172004")
    no_fallback = dataclasses.replace(scored(np.zeros(1)), decision=DecisionSettings(sinus_rhythm_fallback=False))
    asked = dataclasses.replace(no_fallback, decision=DecisionSettings(sinus_rhythm_fallback=False, pvc="unet"))
    marked = dataclasses.replace(asked, evidence=Evidence(np.zeros(2, dtype=bool), np.array([True, False])))
    for row in ROWS:
        assert not no_fallback.answers(row, 0.4).binary.any()
        assert marked.answers(row, 0.4).binary[:, pvc].tolist() == [True, False]
        assert marked.part(np.array([False, True])).answers(row, 0.4).binary[:, pvc].tolist() == [False]


def test_only_the_20_percent_s_own_threshold_and_the_full_training_set_s_are_the_paper_s():
    """Each set wants another threshold, and is right at a threshold of its own only."""
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
