"""The U-Net's training data, training and evaluation."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from annotated_beats import annotated, rhythm, write_mitdb_record

from heartbeats.ecg.recording import Recording, RecordingError, read_recording
from heartbeats.preparation.prepared import prepare
from heartbeats.pvc_unet import __main__ as command
from heartbeats.pvc_unet import marking, training, unet
from heartbeats.pvc_unet.data import DS1, DS2, read_challenge, read_mitdb, targets
from heartbeats.pvc_unet.evaluation import Counts, count_beats, count_recording, measures, report
from heartbeats.pvc_unet.marking import spans
from heartbeats.pvc_unet.training import draw_windows, folds_of_neighbours, segmentation_loss, varied_window
from heartbeats.pvc_unet.unet import WINDOW, UNet


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
    lead = prepare(Recording("100", raw[None], 360, ("II",)))[0][marking.LEAD_II]
    np.testing.assert_array_equal(record.leads[0], lead)
    assert np.argmax(np.abs(lead)) == pytest.approx(record.beats[record.symbols == "V"][0], abs=5)
    write_mitdb_record(tmp_path, "102", rhythm(30), seed=0, lead="V5")
    with pytest.raises(RecordingError, match="V1, V5; MLII is missing"):
        read_mitdb(tmp_path / "102.hea")


def test_a_challenge_recording_has_lead_ii_first_and_only_other_beats(write_record):
    header_file = write_record(dx="426783006,427393009")
    record = read_challenge(header_file)
    signal = prepare(read_recording(header_file))[0]
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


def test_the_report_has_a_row_for_each_set_and_its_leads():
    rows = [Counts("DS2", str(i), 3, 1, 1, 4, 0, 0) for i in range(3)] + [Counts("Challenge", "A1", 1, 0, 0, 0, 0, 1)]
    text = report("2026.", rows)
    same = "0.750 (0.750 to 0.750)"
    assert f"| DS2, lead II | 12 | 9 | 3 | {same} | {same} | {same} | - |\n" in text
    assert "| Challenge, all leads | 1 | 0 | 0 | 0.000 (0.000 to 0.000) |" in text


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
