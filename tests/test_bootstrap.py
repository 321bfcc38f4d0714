"""Intervals by drawing recordings: with every weight 1 the scoring's own figures, and none of a handful."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from pages_made import ABSENT, WEIGHTS, submission

from heartbeats.challenge.scoring import challenge_metric
from heartbeats.reports.bootstrap import DRAWS, LEAST, challenge_interval, draws, measures_by_draw, resampled
from heartbeats.reports.evaluation import evaluation


@pytest.mark.parametrize("levels", [2, 5, 10**9])
@pytest.mark.parametrize("recordings", [1, 2, 60])
def test_with_weights_of_1_every_measure_is_that_of_the_scoring(recordings, levels):
    answers = submission(recordings, levels=levels)
    scores = answers.score()
    by_draw = measures_by_draw(answers, iter([np.ones((2, recordings))]))
    assert set(by_draw) == {field.name for field in dataclasses.fields(scores)} - {"classes"}
    for name, values in by_draw.items():
        for value in values:
            np.testing.assert_allclose(value, getattr(scores, name), rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("seed", range(3))
def test_a_recording_drawn_n_times_counts_as_n_recordings(seed):
    answers = submission(seed=seed)
    times = np.random.default_rng(seed).integers(0, 4, 60)
    rows = np.repeat(np.arange(60), times)
    repeated = dataclasses.replace(
        answers, labels=answers.labels[rows], binary=answers.binary[rows], scalar=answers.scalar[rows]
    )
    for name, values in measures_by_draw(answers, iter([times[None].astype(float)])).items():
        np.testing.assert_allclose(values[0], getattr(repeated.score(), name), rtol=0, atol=1e-12, err_msg=name)


def test_as_many_recordings_are_drawn_as_there_are_and_the_same_every_time():
    first, second = (np.concatenate(list(draws(30))) for _ in range(2))
    assert first.shape == (DRAWS, 30)
    np.testing.assert_array_equal(first, second)
    assert set(first.sum(axis=1)) == {30}
    assert len(np.unique(first, axis=0)) > DRAWS / 2


def test_intervals_hold_the_measure_and_narrow_with_more_recordings():
    few, many = submission(60), submission(2000)
    widths = []
    for answers in (few, many):
        low, high = resampled(answers).measures["challenge_metric"]
        assert low < answers.score().challenge_metric < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


def test_what_is_undefined_has_no_interval():
    ends = resampled(submission())
    assert np.isnan(ends.auroc_classes[:, ABSENT]).all()
    assert np.isfinite(np.delete(ends.auroc_classes, ABSENT, axis=1)).all()
    nobody = submission(0)
    assert all(np.isnan(ends).all() for ends in resampled(nobody).measures.values())


@pytest.mark.parametrize("positive", [LEAST - 1, LEAST])
def test_a_handful_of_recordings_has_no_interval(positive):
    """A class of few positives: drawing the same few again and again says little of others, and flatters AUPRC."""
    answers = submission()
    labels = answers.labels.copy()
    labels[:, 0] = np.arange(len(labels)) < positive
    ends = resampled(dataclasses.replace(answers, labels=labels))
    for of_class in (ends.auroc_classes, ends.auprc_classes, ends.f_measure_classes):
        assert np.isfinite(of_class[:, 0]).all() == (positive >= LEAST)
        assert np.isfinite(of_class[:, 1]).all()
    for name, of_mean in ends.measures.items():
        over_classes = name not in ("accuracy", "challenge_metric")
        assert np.isfinite(of_mean).all() == (positive >= LEAST or not over_classes), name


def test_the_score_of_a_handful_of_recordings_has_no_interval():
    few = submission(LEAST - 1)
    assert all(np.isnan(ends).all() for ends in resampled(few).measures.values())
    assert np.isnan(challenge_interval(few, np.ones(LEAST - 1, dtype=np.bool_))).all()
    shown = evaluation(few)
    assert shown["score"][1] == ""
    assert all(pair[1] == "" for _, _, pair in shown["sources"])


def test_the_interval_of_a_source_is_of_its_recordings_alone():
    answers = submission()
    chosen = np.array([name.startswith("A") for name in answers.names])
    own = dataclasses.replace(answers, labels=answers.labels[chosen], binary=answers.binary[chosen])
    expected = challenge_interval(own, np.ones(chosen.sum(), dtype=np.bool_))
    np.testing.assert_array_equal(challenge_interval(answers, chosen), expected)
    assert expected[0] < challenge_metric(own.labels, own.binary, WEIGHTS) < expected[1]
