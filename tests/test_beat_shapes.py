"""Beats of one shape get one answer."""

import numpy as np
import pytest
from annotated_beats import lead_with, rhythm

from heartbeats.pvc_unet import beat_shapes
from heartbeats.pvc_unet.beat_shapes import agreed

PREMATURE = (9, 15, 22, 30)
BEATS = rhythm(40, PREMATURE)
LEAD = lead_with(BEATS, 40)
TIMES, SYMBOLS = np.array([*BEATS]), np.array([*BEATS.values()])


def answers(of_beats):
    """Probabilities of samples: each beat's own, from 0.2 s before it to 0.2 s after; elsewhere 0.01."""
    p = np.full(len(LEAD), 0.01, np.float32)
    for time, own in zip(TIMES, of_beats, strict=True):
        p[round((time - 0.2) * 500) : round((time + 0.2) * 500)] = own
    return p


def of_beats(p):
    return p[np.rint(TIMES * 500).astype(int)]


def test_one_wrong_answer_gives_way_to_those_for_beats_of_its_shape():
    first, second = np.flatnonzero(SYMBOLS == "N")[[5, 20]]
    given = np.where(SYMBOLS == "V", 0.9, 0.05)
    given[[first, second]] = 0.9, 0.6
    given[np.flatnonzero(SYMBOLS == "V")[2]] = 0.2
    got = of_beats(agreed(answers(given), LEAD))
    np.testing.assert_array_equal(got > 0.5, SYMBOLS == "V")


def test_the_answer_is_the_mean_of_the_log_odds_of_all_beats_of_the_shape():
    given = np.linspace(0.1, 0.9, len(TIMES))
    log_odds = np.log(given / (1 - given))
    expected = np.choose(SYMBOLS == "V", [log_odds[SYMBOLS == "N"].mean(), log_odds[SYMBOLS == "V"].mean()])
    got = of_beats(agreed(answers(given), LEAD)).astype(np.float64)
    np.testing.assert_allclose(np.log(got / (1 - got)), expected, atol=1e-3)


def test_the_samples_about_a_beat_are_shifted_alike_and_keep_their_order():
    given = np.where(SYMBOLS == "V", 0.9, 0.05)
    beat = np.flatnonzero(SYMBOLS == "V")[1]
    given[beat] = 0.3
    p = answers(given)
    about = slice(round((TIMES[beat] - 0.2) * 500), round((TIMES[beat] + 0.2) * 500))
    p[about] *= np.linspace(0.5, 1, about.stop - about.start, dtype=np.float32)
    got = agreed(p, LEAD)[about].astype(np.float64)
    shift = np.log(got / (1 - got)) - np.log(p[about] / (1 - p[about]))
    assert np.ptp(shift) < 1e-3
    assert shift[0] > 0.5


def test_a_beat_of_a_shape_of_its_own_keeps_its_answer():
    lead = LEAD.copy()
    alone = np.flatnonzero(SYMBOLS == "N")[12]
    about = slice(round((TIMES[alone] - 0.15) * 500), round((TIMES[alone] + 0.15) * 500))
    lead[about] *= -1
    given = np.where(np.arange(len(TIMES)) == alone, 0.8, 0.1)
    assert of_beats(agreed(answers(given), lead))[alone] == pytest.approx(0.8, abs=1e-6)


def test_an_answer_of_0_or_1_does_not_outweigh_all_others():
    given = np.where(SYMBOLS == "V", 1.0, 0.1)
    given[np.flatnonzero(SYMBOLS == "N")[3]] = 1.0
    got = of_beats(agreed(answers(given), LEAD))
    np.testing.assert_array_equal(got > 0.5, SYMBOLS == "V")


def test_beats_are_told_apart_by_the_quarter_of_an_hour(monkeypatch):
    given = np.where(TIMES < 20, 0.9, 0.1)
    given[SYMBOLS == "V"] = 0.5
    monkeypatch.setattr(beat_shapes, "TOGETHER", len(TIMES) // 2 + 1)
    got = of_beats(agreed(answers(given), LEAD))[SYMBOLS == "N"]
    assert (got[:8] > 0.8).all()
    assert (got[-8:] < 0.2).all()


@pytest.mark.parametrize("change", [lambda lead: 3 * lead, lambda lead: lead + np.int16(500)])
def test_gain_and_offset_do_not_matter(change):
    given = np.linspace(0.1, 0.9, len(TIMES))
    expected = of_beats(agreed(answers(given), LEAD))
    np.testing.assert_allclose(of_beats(agreed(answers(given), change(LEAD))), expected, atol=0.02)


@pytest.mark.parametrize("lead", [np.zeros(3000, np.int16), np.zeros(1, np.int16)])
def test_a_lead_without_r_peaks_keeps_its_answers(lead):
    p = np.linspace(0, 1, len(lead), dtype=np.float32)
    np.testing.assert_array_equal(agreed(p, lead), p)


@pytest.mark.parametrize("start", range(0, 400, 40))
def test_beats_cut_at_either_end_are_answered(start):
    part = LEAD[start : start + 5000]
    got = agreed(np.full(len(part), 0.25, np.float32), part)
    np.testing.assert_allclose(got, 0.25, atol=1e-6)
