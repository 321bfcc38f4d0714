"""The U-Net: its network, its marks, its training data, training and evaluation."""

import csv
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import wfdb
from annotated_beats import annotated, lead_with, rhythm, write_mitdb_record
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors import safe_open

from heartbeats.ecg.recording import Recording, RecordingError, read_recording
from heartbeats.preparation.prepared import prepare
from heartbeats.pvc_unet import __main__ as command
from heartbeats.pvc_unet import marking, training, unet
from heartbeats.pvc_unet.data import DS1, DS2, read_challenge, read_mitdb, targets
from heartbeats.pvc_unet.evaluation import count_beats, count_recording, measures
from heartbeats.pvc_unet.marking import agree_by_shape, mark, marked_runs, spans, write_annotations
from heartbeats.pvc_unet.training import draw_windows, folds_of_neighbours, segmentation_loss, varied_window
from heartbeats.pvc_unet.unet import WINDOW, UNet, scaled

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


@pytest.mark.parametrize("samples", [1, 5000, 5001, 7501, 30123])
def test_each_sample_of_a_long_lead_is_answered_once_and_in_place(samples, monkeypatch):
    monkeypatch.setattr(unet, "scaled", lambda windows: windows.astype(np.float32) / 5000)
    lead = np.arange(samples).astype(np.int16)
    answers = marking._log_odds(lambda x: x[:, None], lead)
    np.testing.assert_allclose(answers, lead / 5000, rtol=1e-6)


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


@pytest.mark.parametrize(("name", "found", "falsely"), [("103", 0, 0), ("200", 780, 4), ("228", 350, 10)])
def test_the_kept_weights_find_the_beats_of_new_patients(ecg_data, name, found, falsely):
    record = read_mitdb(ecg_data / f"mitdb/{name}.hea")
    counts = count_beats(record, mark(KEPT, record.leads[:1]))
    assert counts[0] >= found
    assert counts[1] <= falsely


# ---- training and evaluation -----------------------------------------------------------------------------------------


def test_no_patient_is_on_both_sides():
    assert (len(set(DS1)), len(set(DS2))) == (21, 22)
    assert not set(DS1) & set(DS2)
    assert not {"102", "104", "107", "217", "201"} & {*DS1, *DS2}  # paced, or the patient of 202


def test_targets_are_a_span_for_each_beat():
    record = annotated({2.0: "N", 2.5: "V", 2.9: "V", 4.0: "N", 6.0: "E", 8.0: "F"}, 10)
    premature, other, counts = targets(record).astype(bool)
    np.testing.assert_allclose(spans(premature) / 500, [[2.3, 2.68], [2.72, 3.3]], atol=0.003)
    np.testing.assert_allclose(spans(other) / 500, [[1.8, 2.23], [3.8, 4.4], [7.8, 8.4]], atol=0.003)
    np.testing.assert_allclose(spans(~counts) / 500, [[5.8, 6.4]], atol=0.003)


def test_mlii_is_prepared_as_for_the_other_networks(tmp_path):
    write_mitdb_record(tmp_path, "100", rhythm(30, (9,)), seed=0)
    record = read_mitdb(tmp_path / "100.hea")
    raw = read_recording(tmp_path / "100.hea").signal[1]
    lead = prepare(Recording("100", raw[None], 360, ("II",))).signal[marking.LEAD_II]
    np.testing.assert_array_equal(record.leads[0], lead)
    assert np.argmax(np.abs(lead)) == pytest.approx(record.beats[record.symbols == "V"][0], abs=5)
    write_mitdb_record(tmp_path, "102", rhythm(30), seed=0, lead="V5")
    with pytest.raises(RecordingError, match="V1, V5; II is missing"):
        read_mitdb(tmp_path / "102.hea")


def test_a_challenge_recording_has_lead_ii_first_and_only_other_beats(write_record):
    header_file = write_record(dx="426783006,427393009")
    record = read_challenge(header_file)
    signal = prepare(read_recording(header_file)).signal
    np.testing.assert_array_equal(record.leads, signal[[1, 0, 2, 3, 4, 5, 6, 7]])
    assert (set(record.symbols), record.codes, record.teaches) == ({"N"}, {"426783006", "427393009"}, True)
    premature, other, counts = targets(record)
    assert (premature.any(), other.any(), counts.all()) == (False, True, True)
    assert not replace(record, leads=record.leads[:, 1:]).teaches  # shorter than a window


@pytest.mark.parametrize(
    ("code", "teaches"),
    [
        *((code, False) for code in ("427172004", "17338001", "164884008", "10370003", "164895002", "425856008")),
        *((code, True) for code in ("251173003", "284470004", "426761007")),  # supraventricular beats
    ],
)
def test_recordings_with_ventricular_beats_are_not_learned_from(code, teaches):
    assert replace(annotated(rhythm(12), 12), codes=frozenset({"426783006", code})).teaches is teaches


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([[950, 1050]], (1, 0, 1)),
        ([[1001, 1010]], (1, 0, 1)),  # within 150 ms after
        ([[900, 926]], (1, 0, 1)),  # within 150 ms before
        ([[900, 925]], (0, 1, 2)),
        ([[1076, 1100]], (0, 1, 2)),
        ([[950, 1450]], (1, 1, 1)),  # a long span marks all beats that it covers
        ([[1990, 2010], [1330, 1340], [3000, 3010]], (1, 2, 1)),
        ([], (0, 0, 2)),
    ],
)
def test_a_span_finds_the_beats_that_it_covers_or_the_nearest(found, expected):
    record = annotated({2.0: "V", 2.8: "N", 4.0: "V"}, 10)
    marks = np.zeros(5000, bool)
    for start, end in found:
        marks[start:end] = True
    assert count_beats(record, marks) == expected
    record.flutter[:] = True
    assert count_beats(record, marks) == (0, 0, 2)


def test_measures_are_those_of_all_counts_together():
    np.testing.assert_allclose(measures(np.array([[2.0, 0, 1], [1, 1, 0]]))[:3], 3 / 4)
    without = annotated(rhythm(10), 10)
    with_pvc = replace(without, codes=frozenset({"17338001"}))
    answers = [(with_pvc, True), (with_pvc, False), (without, True), (without, False), (without, False)]
    counts = [count_recording(record, np.array([False, marked])) for record, marked in answers]
    assert counts == [(1, 0, 0), (0, 0, 1), (0, 1, 0), (0, 0, 0), (0, 0, 0)]
    np.testing.assert_allclose(measures(np.array(counts)), [1 / 2, 1 / 2, 1 / 2, 2 / 3])


def test_one_window_in_ten_is_a_lead_or_a_mixture_and_the_others_are_filtered():
    leads = annotated(rhythm(10, (5,)), 10).leads
    windows = [varied_window(leads, np.random.default_rng(seed)) for seed in range(400)]
    # The second lead is half the first: a mixture alone is a multiple of the first.
    unfiltered = [abs(np.corrcoef(window, leads[0])[0, 1]) > 0.9999 for window in windows]
    assert 0.02 < np.mean([np.array_equal(window, leads[0]) for window in windows]) < 0.09
    assert 0.05 < np.mean(unfiltered) < 0.15
    powers = [np.sqrt(np.mean(window**2)) for window, same in zip(windows, unfiltered, strict=True) if not same]
    np.testing.assert_allclose(powers, 300, rtol=1e-3)
    assert np.ptp(varied_window(np.full((2, WINDOW), 700, np.int16), np.random.default_rng(0))) < 0.01


def test_records_are_drawn_by_the_root_of_their_length_or_of_their_premature_beats(monkeypatch):
    long, short = annotated({1.0: "V"}, 90), annotated({1.0: "N"}, 10)
    records, drawn = [long, *[short] * 3], []
    long.leads[1], short.leads[1] = 1, 2
    monkeypatch.setattr(training, "varied_window", lambda leads, _: drawn.append(leads[1, 0]) or leads[0])
    x, y = draw_windows(records, [targets(record) for record in records], np.random.default_rng(0), 400)
    assert (x.shape, x.dtype, y.shape) == ((400, WINDOW), np.float32, (400, 3, WINDOW))
    assert y[1::2, 0].any(axis=1).all()
    assert drawn[1::2] == [1] * 200
    assert np.mean(np.array(drawn[::2]) == 1) == pytest.approx(0.5, abs=0.1)


def test_the_loss_is_small_for_right_answers_and_ignores_samples_that_do_not_count():
    y = torch.from_numpy(targets(annotated(rhythm(10, (5,)) | {9.8: "E"}, 10)))[None]
    right = 40 * y[:, :2] - 20
    assert segmentation_loss(right, y) < 0.01
    assert segmentation_loss(-right, y) > 10
    torch.testing.assert_close(segmentation_loss(torch.where(y[:, 2:] > 0, right, 20), y), segmentation_loss(right, y))


@pytest.mark.parametrize("recordings", [0, 7])
def test_only_the_kept_network_marks_what_it_was_trained_on(monkeypatch, recordings):
    ds1 = [annotated(rhythm(10, (5,)), 10, name=str(i)) for i in range(4)]
    challenge = [annotated(rhythm(12), 12, name=f"E{i}") for i in range(recordings)]
    challenge[:1] = [replace(record, codes=frozenset({"427172004"})) for record in challenge[:1]]
    learned = {}

    def train(records):
        network = UNet().eval()
        learned[network] = {record.name for record in records}
        return network

    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(training, "best_threshold", lambda records, networks: 0.4)
    kept, for_ds1, for_challenge = training.train_by_folds(ds1, challenge)
    for record, network in zip([*ds1, *challenge], [*for_ds1, *for_challenge], strict=True):
        assert record.name not in learned[network]
    assert learned[kept] == {"0", "1", "2", "3", *(f"E{i}" for i in range(1, recordings))}
    assert {round(network.threshold.item(), 6) for network in learned} == {0.4}


def test_neighbours_and_copies_of_one_signal_share_a_fold():
    assert folds_of_neighbours(list("abcdef")) == [0, 0, 1, 1, 2, 2]
    assert folds_of_neighbours(list("abcdea")) == [0, 0, 1, 1, 2, 0]


def test_the_threshold_is_the_middle_of_all_near_the_best(monkeypatch):
    f1 = {0.05: 0.9, 0.1: 0.892, 0.15: 0.891, 0.2: 0.895, 0.25: 0.890, 0.8: 0.888}
    monkeypatch.setattr(marking, "marked_runs", lambda _, threshold: threshold)
    monkeypatch.setattr(training, "count_beats", lambda _, threshold: (threshold, 0, 0))
    monkeypatch.setattr(training, "measures", lambda counts: (0, 0, f1.get(counts[0, 0], 0.5)))
    assert training.best_threshold([annotated(rhythm(30))], [UNet().eval()]) == 0.15


def test_the_command_writes_weights_report_and_counts(tmp_path, monkeypatch, capsys, write_record):
    monkeypatch.setattr(training, "WINDOWS", 64)
    monkeypatch.setattr(training, "EPOCHS", 1)
    monkeypatch.setattr(command, "DS1", ("1", "2", "absent", "3"))
    monkeypatch.setattr(command, "DS2", ("4", "5"))
    for i in range(1, 6):
        write_mitdb_record(tmp_path, str(i), rhythm(30, (9, 9 + 3 * i)), seed=i)
    challenge, out = tmp_path / "challenge", tmp_path / "out"
    write_record(name="A0001", dx="164884008", folder=challenge)
    write_record(name="E00001", folder=challenge)
    write_record(name="E00002", folder=challenge).with_suffix(".mat").unlink()
    command.main([str(tmp_path), str(out), "--challenge", str(challenge)])
    said = capsys.readouterr()
    assert (out / "pvc_unet.md").read_text() == said.out
    assert "E00002.hea is left out: no signal file" in said.err
    assert "absent.hea is left out: absent.hea cannot be read" in said.err
    with (out / "pvc_unet.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["record"] for row in rows] == ["1", "2", "3", "4", "5", "A0001", "E00001"]
    assert [int(row["lead_ii_found"]) + int(row["lead_ii_missed"]) for row in rows] == [2] * 5 + [1, 0]
    record = read_mitdb(tmp_path / "4.hea")
    counts = count_beats(record, marking.mark(unet.load(out / "pvc_unet.safetensors"), record.leads))
    assert tuple(int(rows[3][f"all_leads_{kind}"]) for kind in ("found", "false", "missed")) == counts


def test_a_folder_without_the_database_is_named(tmp_path):
    with pytest.raises(SystemExit, match=f"pvc_unet: {tmp_path} has no record that can be used"):
        command.main([str(tmp_path), str(tmp_path / "out")])
