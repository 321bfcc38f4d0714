"""The experiment that trains and measures the U-Net: whom it learns from, what counts, and what it writes."""

import csv
import dataclasses

import numpy as np
import pytest
import torch
import wfdb
from annotated_beats import annotated, lead_with, rhythm, write_mitdb_record
from heartbeats.preparation.preprocessing import prepare

from heartbeats.ecg.recording import Recording
from heartbeats.experiments import pvc_unet, pvc_windows
from heartbeats.preparation.prepared import Prepared
from heartbeats.pvc_unet import unet
from heartbeats.pvc_unet.labels import Labelled, annotated_without_pvc
from heartbeats.pvc_unet.measures import Counts, beat_counts, beats_marked, window_counts
from heartbeats.pvc_unet.mit_bih import COUNTS, OTHER, PREMATURE, read_annotated, read_records, truth
from heartbeats.pvc_unet.unet import WINDOW, UNet, mark, spans
from heartbeats.pvc_unet.windows import draw_windows, random_filter, varied_window


@pytest.fixture(scope="module")
def kept() -> UNet:
    return unet.load()


def test_no_patient_is_on_both_sides():
    patients = {name: "201" if name == "202" else name for name in (*pvc_unet.DS1, *pvc_unet.DS2)}
    assert not {patients[name] for name in pvc_unet.DS1} & {patients[name] for name in pvc_unet.DS2}
    assert (len(set(pvc_unet.DS1)), len(set(pvc_unet.DS2))) == (21, 22)
    assert not {"102", "104", "107", "217"} & {*pvc_unet.DS1, *pvc_unet.DS2}


def test_the_truth_is_a_span_a_beat_that_ends_before_its_neighbour_s():
    record = annotated({2.0: "N", 2.5: "V", 2.9: "V", 4.0: "N", 6.0: "E", 8.0: "F"}, 10)
    premature, other, counts = truth(record).astype(bool)
    np.testing.assert_allclose(spans(premature) / 500, [[2.3, 2.68], [2.72, 3.3]], atol=0.003)
    np.testing.assert_allclose(spans(other) / 500, [[1.8, 2.23], [3.8, 4.4], [7.8, 8.4]], atol=0.003)
    np.testing.assert_allclose(spans(~counts) / 500, [[5.8, 6.4]], atol=0.003)


@pytest.mark.parametrize(
    ("found", "marked", "strays"),
    [
        ([[950, 1050]], [1000], 0),
        ([[1000, 1001]], [1000], 0),
        ([[1001, 1010]], [1000], 0),  # within 150 ms after
        ([[1060, 1080]], [1000], 0),
        ([[900, 926]], [1000], 0),  # within 150 ms before
        ([[900, 925]], [], 1),
        ([[1076, 1100]], [], 1),
        ([[950, 1450]], [1000, 1400], 0),  # a long span marks all that it covers
        ([[1390, 1410], [1330, 1340], [3000, 3010]], [1400], 1),
        ([], [], 0),
    ],
)
def test_a_span_marks_the_beats_that_it_covers_or_else_the_nearest(found, marked, strays):
    beats = np.array([1000, 1400, 2000])
    got, none = beats_marked(np.array(found, dtype=int).reshape(-1, 2), beats)
    assert (beats[got].tolist(), none) == (marked, strays)


def test_marking_everything_is_an_error_for_every_other_beat():
    record = annotated(rhythm(30, (9, 20)))
    assert beat_counts(record, np.ones(15000, bool))[0] == Counts(tp=2, fp=len(record.beats) - 2)
    assert beat_counts(record, np.zeros(15000, bool))[0] == Counts(fn=2)


def test_fusion_and_escape_beats_count_by_the_convention():
    record = annotated({2.0: "V", 4.0: "E", 6.0: "F", 8.0: "N"}, 10)
    marks = np.repeat([True, True, False], [3600, 200, 1200])
    assert beat_counts(record, marks) == (Counts(tp=1, fp=2), Counts(tp=2))


def test_windows_are_told_by_the_r_marks_in_them():
    record = annotated({1.0: "N", 9.9: "V", 15.0: "N", 25.0: "V", 35.0: "E", 45.0: "N"}, 50)

    class Everything(UNet):
        def forward(self, x):
            return torch.ones(len(x), 2, x.shape[-1])

    # The second window holds the end of the first's premature beat, the fourth an escape beat.
    assert window_counts(record, Everything()) == (Counts(tp=2, fp=1), 2)


def test_a_random_filter_is_of_20_to_120_ms_and_fades():
    filters = [random_filter(np.random.default_rng(seed)) for seed in range(200)]
    lengths = {len(taps) for taps in filters}
    assert (min(lengths), max(lengths)) == pytest.approx((10, 60), abs=2)
    for taps in filters:
        assert max(abs(taps[0]), abs(taps[-1])) < 0.5 * np.abs(taps).max()


def test_one_window_in_ten_is_a_lead_or_a_mixture_and_the_others_are_filtered():
    leads = annotated(rhythm(10, (5,)), 10).leads
    windows = [varied_window(leads, np.random.default_rng(seed)) for seed in range(400)]
    same = [np.array_equal(window, leads[0]) for window in windows]
    # The second lead is half the first: a mixture alone is a multiple of the first.
    unfiltered = [abs(np.corrcoef(window, leads[0])[0, 1]) > 0.9999 for window in windows]
    assert 0.02 < np.mean(same) < 0.09
    assert 0.05 < np.mean(unfiltered) < 0.15
    for window, is_unfiltered in zip(windows, unfiltered, strict=True):
        assert (window.shape, window.dtype) == ((WINDOW,), np.float32)
        assert is_unfiltered or np.sqrt(np.mean(window**2)) == pytest.approx(300, rel=1e-3)


def test_a_varied_beat_stays_in_its_place_and_gets_up_to_several_times_as_wide():
    t = np.arange(WINDOW) / 500
    beat = (1000 * np.exp(-(((t - 5) / 0.02) ** 2))).astype(np.int16)
    widths = []
    for seed in range(100):
        power = varied_window(np.stack([beat, beat]), np.random.default_rng(seed)).astype(np.float64) ** 2
        centre = np.average(t, weights=power)
        assert centre == pytest.approx(5, abs=0.06)
        widths.append(np.sqrt(np.average((t - centre) ** 2, weights=power)))
    assert np.median(widths) > 0.012  # 0.01 before
    assert max(widths) > 0.025


@pytest.mark.parametrize("seed", range(20))
def test_a_flat_lead_stays_flat_however_varied(seed):
    assert np.ptp(varied_window(np.full((2, WINDOW), 700, np.int16), np.random.default_rng(seed))) < 0.01


def test_every_other_window_drawn_holds_a_premature_beat():
    records = [annotated(rhythm(30, (9, 20)), seed=1), annotated(rhythm(30), seed=2)]
    truths = [truth(record) for record in records]
    windows, targets = draw_windows(records, truths, np.random.default_rng(0), 16)
    assert (windows.shape, windows.dtype, targets.shape) == ((16, WINDOW), np.float32, (16, 3, WINDOW))
    assert np.isfinite(windows).all()
    assert targets[1::2, 0].any(axis=1).all()


def test_recordings_are_drawn_by_the_root_of_their_length(monkeypatch):
    long, short = annotated({1.0: "V"}, 90, name="long"), annotated({1.0: "N"}, 10, name="short")
    drawn = []
    monkeypatch.setattr(pvc_windows, "varied_window", lambda leads, _: drawn.append(leads[1, 0]) or leads[0])
    long.leads[1], short.leads[1] = 1, 2
    draw_windows([long, *[short] * 3], [truth(long), *[truth(short)] * 3], np.random.default_rng(0), 2000)
    assert drawn[1::2] == [1] * 1000
    assert np.mean(np.array(drawn[::2]) == 1) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("row", [1, 2, 3])
def test_lead_ii_is_mixed_with_every_other_lead(row):
    leads = np.random.default_rng(0).normal(scale=300, size=(4, WINDOW)).astype(np.int16)
    windows = [varied_window(leads, np.random.default_rng(seed)) for seed in range(400)]
    assert 5 < sum(abs(np.corrcoef(window, leads[row])[0, 1]) > 0.2 for window in windows) < 150


def test_a_recording_without_premature_beats_is_all_other_beats():
    signal = np.stack([lead_with(rhythm(12), 12, seed) for seed in range(8)])
    recording = Prepared("E1", signal, bradycardia=False, digest="", warnings=())
    record = annotated_without_pvc(recording, frozenset({"426783006"}))
    np.testing.assert_array_equal(record.leads, signal[[1, 0, 2, 3, 4, 5, 6, 7]])
    np.testing.assert_allclose(record.beats, [500 * at for at in rhythm(12)], atol=10)
    targets = truth(record)
    assert not targets[PREMATURE].any()
    assert targets[OTHER].any()
    assert targets[COUNTS].all()


@pytest.mark.parametrize(
    "code", ["427172004", "17338001", "164884008", "10370003", "164895002", "425856008", "13640000", "74390002"]
)
def test_no_recording_with_ventricular_beats_is_learned_from(code):
    assert annotated_without_pvc(constant(seconds=12), frozenset({"426783006", code})) is None


@pytest.mark.parametrize("code", ["251168009", "251173003", "284470004", "426761007", "67198005"])
def test_recordings_with_supraventricular_beats_are_learned_from(code):
    assert annotated_without_pvc(constant(seconds=10), frozenset({"426783006", code})) is not None


def test_no_recording_shorter_than_a_window_is_learned_from():
    assert annotated_without_pvc(constant(seconds=9), frozenset({"426783006"})) is None


def constant(seconds: int) -> Prepared:
    return Prepared("E1", np.ones((8, 500 * seconds), np.int16), bradycardia=False, digest="", warnings=())


@pytest.fixture
def short_training(monkeypatch):
    monkeypatch.setattr(pvc_unet, "WINDOWS", 64)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(short_training):
    records = [annotated(rhythm(30, (9, 20)), seed=1), annotated(rhythm(30), seed=2)]
    first, again, other = (pvc_unet.train(records, epochs=1, seed=seed).head.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_lead_read_is_mlii_prepared_as_for_the_other_networks(tmp_path):
    beats = rhythm(30, (9,))
    write_mitdb_record(tmp_path, "100", beats, seed=0)
    record = read_annotated(tmp_path / "100.hea")
    raw = wfdb.rdrecord(str(tmp_path / "100")).p_signal.T[1]
    prepared = prepare(Recording("100", raw[None], 360, ("II",)))[0][unet.LEAD]
    np.testing.assert_array_equal(record.leads[0], prepared)
    assert np.argmax(np.abs(prepared)) == pytest.approx(record.beats[record.symbols == "V"][0], abs=5)


def test_the_experiment_writes_weights_report_and_counts(tmp_path, short_training, monkeypatch, capsys, write_record):
    monkeypatch.setattr(pvc_unet, "DS1", ("1", "2", "absent", "3", "4"))
    monkeypatch.setattr(pvc_unet, "DS2", ("5", "6", "V5"))
    for i in range(1, 7):
        write_mitdb_record(tmp_path, str(i), rhythm(30, (9, 9 + 3 * i)), seed=i)
    write_record(name="V5", leads=("V5", "V2"), folder=tmp_path)
    write_record(name="A0001", dx="164884008", folder=tmp_path / "challenge")
    write_record(name="E00002", folder=tmp_path / "challenge").with_suffix(".mat").unlink()
    write_record(name="E00001", folder=tmp_path / "challenge")
    options = [str(tmp_path), str(tmp_path / "out"), "--challenge", str(tmp_path / "challenge"), "--epochs", "2"]
    pvc_unet.main(options)
    text = (tmp_path / "out/pvc_unet.md").read_text()
    assert text == capsys.readouterr().out
    assert "Left out, 2 records of MIT-BIH:\n\n- absent: " in text
    assert "- V5: V5 has the leads V5, V2, not MLII\n" in text
    assert "Left out, 1 Challenge recordings:\n\n- E00002: no signal file" in text
    assert str(tmp_path) not in (tmp_path / "out/pvc_unet.md").read_text()
    with (tmp_path / "out/pvc_unet.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["record"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    for row in rows:
        assert int(row["beats_tp"]) + int(row["beats_fn"]) == 2
    network = unet.load(tmp_path / "out/pvc_unet.safetensors")
    windows, unclear = window_counts(read_annotated(tmp_path / "5.hea"), network)
    assert [int(rows[4][f"windows_{kind}"]) for kind in ("tp", "fp", "fn", "tn", "unclear")] == [
        windows.tp, windows.fp, windows.fn, windows.tn, unclear,
    ]  # fmt: skip
    with (tmp_path / "out/pvc_unet_challenge.csv").open(newline="") as file:
        assert [(row["record"], row["codes"]) for row in csv.DictReader(file)] == [
            ("A0001", "164884008"), ("E00001", ""),
        ]  # fmt: skip


@pytest.mark.parametrize("recordings", [0, 7])
def test_no_network_marks_what_it_was_trained_on_but_the_kept_one(monkeypatch, recordings):
    ds1 = [annotated(rhythm(10, (5,)), 10, name=str(i)) for i in range(4)]
    challenge = tuple(dataclasses.replace(constant(seconds=12), name=f"E{i}", digest=f"{i}") for i in range(recordings))
    labelled = Labelled(challenge, tuple(frozenset(["427172004"] if i == 0 else []) for i in range(recordings)))
    learned = {}

    def training(records, **_):
        network = UNet().eval()
        learned[network] = {record.name for record in records}
        return network

    def threshold(records, networks):
        assert not any(record.name in learned[network] for record, network in zip(records, networks, strict=True))
        assert [*records] == ds1
        return 0.25

    monkeypatch.setattr(pvc_unet, "train", training)
    monkeypatch.setattr(pvc_unet, "best_threshold", threshold)
    trained = pvc_unet.train_all(ds1, labelled, epochs=1, seed=0)
    for recording, network in zip(challenge, trained.for_challenge, strict=True):
        assert recording.name not in learned[network]
    everyone = {"0", "1", "2", "3", *(f"E{i}" for i in range(1, recordings))}
    assert learned[trained.kept] == everyone
    assert set().union(*(learned[network] for network in trained.for_ds1)) == everyone
    assert trained.learned == max(0, recordings - 1)
    assert {network.threshold.item() for network in learned} == {0.25}


@pytest.mark.parametrize(
    ("first", "flat", "threshold"),
    [
        (0.900, {}, 0.05),
        (0.900, {0.5: 0.888, 0.55: 0.889}, 0.05),
        (0.900, {0.1: 0.892, 0.15: 0.891, 0.2: 0.895, 0.25: 0.890}, 0.15),  # one end of what is as good
        (0.900, {0.85: 0.895, 0.9: 0.905, 0.95: 0.91}, 0.9),
    ],
)
def test_of_thresholds_as_good_as_the_best_the_middle_one_is_taken(monkeypatch, first, flat, threshold):
    scores = {0.05: first} | flat
    monkeypatch.setattr(unet, "probabilities", lambda *_: np.zeros(15000, np.float32))
    monkeypatch.setattr(unet, "marked_runs", lambda _, threshold: threshold)
    monkeypatch.setattr(pvc_unet, "beat_counts", lambda _, threshold: [threshold])
    monkeypatch.setattr(pvc_unet, "f1", lambda of_records: scores.get(of_records[0], 0.5))
    assert pvc_unet.best_threshold([annotated(rhythm(30))], [UNet()]) == threshold


def test_neighbours_and_recordings_of_the_same_samples_are_in_one_fold():
    assert pvc_unet._thirds(list("abcdef")) == [0, 0, 1, 1, 2, 2]
    assert pvc_unet._thirds(list("abcdea")) == [0, 0, 1, 1, 2, 0]
    assert pvc_unet._thirds([]) == []


def test_a_missing_database_is_named(tmp_path):
    with pytest.raises(SystemExit, match=r"pvc_unet: .*101\.hea"):
        pvc_unet.main([str(tmp_path), str(tmp_path / "out")])


def test_a_record_without_mlii_is_named(ecg_data):
    with pytest.raises(ValueError, match="102 has the leads V5, V2, not MLII"):
        read_annotated(ecg_data / "mitdb/102.hea")


@pytest.mark.parametrize(
    ("name", "found", "falsely"), [("103", 0, 0), ("200", 780, 4), ("221", 390, 4), ("228", 350, 10)]
)
def test_the_kept_weights_find_the_beats_of_patients_unseen_in_training(ecg_data, kept, name, found, falsely):
    record = read_annotated(ecg_data / f"mitdb/{name}.hea")
    counts, _ = beat_counts(record, mark(kept, record.leads[0]))
    assert counts.tp >= found
    assert counts.fp <= falsely


def test_a_record_without_mlii_is_named_and_the_rest_goes_on(tmp_path):
    write_mitdb_record(tmp_path, "100", rhythm(30, (9,)), seed=0)
    write_mitdb_record(tmp_path, "102", rhythm(30, (9,)), seed=0)
    header = tmp_path / "102.hea"
    header.write_text(header.read_text().replace("MLII", "V5"))
    records, left_out = read_records(tmp_path, ("100", "102", "999"))
    assert [record.name for record in records] == ["100"]
    assert [line.split(":")[0] for line in left_out] == ["102", "999"]
    assert "not MLII" in left_out[0]
    with pytest.raises(FileNotFoundError, match="999"):
        read_records(tmp_path, ("999",))
