"""The U-Net's network, and the marks that it makes."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import wfdb
from annotated_beats import lead_with, rhythm
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors import safe_open

from heartbeats.pvc_unet import marking, unet
from heartbeats.pvc_unet.data import DS2, read_mitdb
from heartbeats.pvc_unet.evaluation import count_beats
from heartbeats.pvc_unet.marking import agree_by_shape, mark, marked_runs, spans, write_annotations
from heartbeats.pvc_unet.unet import UNet, scaled

KEPT = unet.load()

BEATS = rhythm(40, (9, 15, 22, 30))
LEAD = lead_with(BEATS, 40)
TIMES, SYMBOLS = np.array([*BEATS]), np.array([*BEATS.values()])
PEAKS = np.rint(TIMES * 500).astype(int)
V, N = np.flatnonzero(SYMBOLS == "V"), np.flatnonzero(SYMBOLS == "N")


def test_classification_does_not_import_the_network():
    code = "import sys, heartbeats.classification.ensemble; print('heartbeats.pvc_unet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


@pytest.mark.parametrize("samples", [1, 127, 500, 5001])
def test_each_sample_gets_two_logits(samples):
    assert UNet().eval()(torch.randn(3, samples)).shape == (3, 2, samples)


def test_scaled_windows_do_not_depend_on_gain_offset_or_one_tall_beat():
    window = lead_with(rhythm(10), 10)[None]
    expected = scaled(window)
    assert expected.max() == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(scaled(3 * window + np.int16(200)), expected, atol=1e-5)
    window[:, 2600:2650] = 9000
    np.testing.assert_allclose(scaled(window)[:, :2500], expected[:, :2500], atol=0.1)


def test_the_weights_say_where_they_come_from():
    with safe_open(unet.WEIGHTS_FILE, framework="pt") as file:
        metadata = file.metadata()
    assert {"data", "split", "command", "date"} <= set(metadata)
    assert not set(metadata["split"].split()) & set(DS2)
    assert KEPT.threshold.item() == 0.25


def test_recordings_are_read_on_lead_ii_or_on_all_leads():
    plain, premature = (np.stack([lead_with(rhythm(20, early), 20)] * 8) for early in ((), (5, 12)))
    only_lead_ii = plain.copy()
    only_lead_ii[1] = premature[1]
    signals = [plain, premature, only_lead_ii]
    assert marking.has_premature_beats(signals, all_leads=False).tolist() == [False, True, True]
    assert marking.has_premature_beats(signals, all_leads=True).tolist() == [False, True, False]


def test_equal_or_flat_leads_do_not_change_the_marks():
    lead = lead_with(rhythm(20, (5, 12)), 20)
    flat = np.full_like(lead, 300)
    expected = mark(KEPT, lead[None])
    assert len(spans(expected)) == 2
    for leads in ([lead, lead], [lead, flat], [flat, lead, flat]):
        np.testing.assert_array_equal(mark(KEPT, np.array(leads)), expected)
    assert not mark(KEPT, np.array([flat, flat])).any()
    with pytest.raises(TypeError, match="not int16 in microvolts"):
        mark(KEPT, lead[None] / 1000)


@pytest.mark.parametrize("samples", [1, 400, 5000, 5001, 7500, 7501, 15000, 30123])
def test_each_sample_of_a_long_lead_is_answered_once_and_in_place(samples, monkeypatch):
    monkeypatch.setattr(unet, "scaled", lambda windows: windows.astype(np.float32) / 5000)
    lead = np.arange(samples).astype(np.int16)
    answers = marking._log_odds(lambda x: x[:, None], lead)
    np.testing.assert_allclose(answers, lead / 5000, rtol=1e-6)


def test_a_batch_of_one_answers_as_a_batch_of_many(monkeypatch):
    lead = lead_with(rhythm(60, (9, 33, 60)), 60)
    expected = marking._log_odds(KEPT, lead)
    monkeypatch.setattr(marking, "BATCH_SIZE", 1)
    np.testing.assert_allclose(marking._log_odds(KEPT, lead), expected, atol=1e-3)


def of_samples(of_beats):
    """Return log-odds of samples: each beat's own from 0.2 s before to 0.2 s after it, elsewhere -5."""
    log_odds = np.full(len(LEAD), -5.0)
    for peak, own in zip(PEAKS, of_beats, strict=True):
        log_odds[peak - 100 : peak + 100] = own
    return log_odds


@pytest.mark.parametrize("change", [lambda lead: lead, lambda lead: 3 * lead, lambda lead: lead + np.int16(500)])
def test_beats_of_one_shape_get_the_mean_of_their_log_odds(change):
    own = np.linspace(-2, 2, len(TIMES))
    expected = np.where(SYMBOLS == "V", own[V].mean(), own[N].mean())
    np.testing.assert_allclose(agree_by_shape(of_samples(own), change(LEAD))[PEAKS], expected, atol=1e-9)


def test_samples_near_a_beat_are_shifted_by_one_amount():
    log_odds = of_samples(np.where(SYMBOLS == "V", 2.0, -3.0))
    near = slice(PEAKS[V[1]] - 100, PEAKS[V[1]] + 100)
    log_odds[near] += np.linspace(-3, 0, 200)
    shift = agree_by_shape(log_odds, LEAD)[near] - log_odds[near]
    assert np.ptp(shift) < 1e-9
    assert shift[0] > 0.5


@given(arrays(np.bool_, st.integers(0, 50)))
def test_spans_are_the_runs_of_marks(marks):
    found = spans(marks)
    again = np.zeros_like(marks)
    for start, end in found:
        assert start < end
        again[start:end] = True
    np.testing.assert_array_equal(again, marks)
    assert (found[1:, 0] > found[:-1, 1]).all()


@pytest.mark.parametrize("start", [0, 400])
def test_runs_shorter_than_a_fifth_of_a_second_are_removed(start):
    log_odds = np.full(1000, -1.0)
    log_odds[start : start + 99] = 0.5
    log_odds[900:] = 0.0  # the threshold's own log-odds
    assert spans(marked_runs(log_odds, 0.5)).tolist() == [[900, 1000]]


def test_spans_are_written_in_the_samples_of_the_recording(tmp_path):
    lead = lead_with({2.0: "N", 4.0: "V"}, 10)
    found = np.array([[1900, 2200], [4000, 4001]])
    path = write_annotations(found, lead, name="100", folder=tmp_path, sampling_rate=360)
    assert [*tmp_path.iterdir()] == [path]
    annotation = wfdb.rdann(str(path.with_suffix("")), "pvc")
    assert annotation.symbol == ["(", "V", ")"] * 2
    first, peak, last, *single = annotation.sample
    assert (first, last, single) == (1368, 1583, [2880, 2880, 2880])
    assert peak == pytest.approx(4.0 * 360, abs=8)
    with pytest.raises(ValueError, match="100: there are no spans"):
        write_annotations(found[:0], lead, name="100", folder=tmp_path, sampling_rate=360)


@pytest.mark.parametrize(("name", "found", "falsely"), [("103", 0, 0), ("200", 780, 4), ("228", 350, 10)])
def test_the_kept_weights_find_the_beats_of_new_patients(ecg_data, name, found, falsely):
    record = read_mitdb(ecg_data / f"mitdb/{name}.hea")
    counts = count_beats(record, mark(KEPT, record.leads[:1]))
    assert counts[0] >= found
    assert counts[1] <= falsely
