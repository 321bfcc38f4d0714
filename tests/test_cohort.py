"""Which recordings train, which validate, and which are left out."""

import dataclasses
import logging

import numpy as np
import pytest
from conftest import ecg

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import CohortSettings, Settings
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import read_recording
from heartbeats.training.cohort import build_cohort, draw
from heartbeats.training.description import describe_cohort

SETTINGS = Settings()


@pytest.fixture
def folder(write_record, tmp_path):
    """Ten recordings to use and three to leave out."""
    for i in range(10):
        write_record(f"E0000{i}", ecg(rate=50 + i), folder=tmp_path / "data/georgia", dx="426177001,164889003")
    write_record("I0001", folder=tmp_path / "data/incart")
    write_record("A0001", folder=tmp_path / "data/cpsc", dx="164884008,nonsense")
    write_record("A0002", folder=tmp_path / "data/cpsc").with_suffix(".mat").unlink()
    return tmp_path / "data"


def test_incart_unscored_and_unusable_recordings_are_left_out(folder, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        cohort = build_cohort(folder, tmp_path / "store", SETTINGS)
    assert sorted(recording.name for recording in cohort.recordings) == [f"E0000{i}" for i in range(10)]
    assert cohort.left_out["source incart"] == ["I0001"]
    assert cohort.left_out["no scored label"] == ["A0001"]
    assert cohort.left_out["unusable"][0].startswith("A0002 (no signal file")
    log = caplog.text
    for name in ("I0001", "A0001", "A0002"):
        assert name in log
    assert "diagnoses of those without a scored label: 164884008 (1), nonsense (1)\n" in log
    assert set(cohort.sources) == {"georgia"}
    assert [CLASSES[j] for j in np.flatnonzero(cohort.labels.all(axis=0))] == ["164889003", "426177001"]


def test_the_log_escapes_control_characters(write_record, tmp_path, caplog):
    write_record("E0001", folder=tmp_path / "data")
    write_record("E0002\x1b[2J", folder=tmp_path / "data", dx="164884008")
    signal = ecg()
    signal[11, 5] = -(2**15)  # a missing sample, so the log names the lead
    header_file = write_record("E0003", signal, folder=tmp_path / "data")
    header_file.write_text(header_file.read_text().replace(" V6\n", " \x1b[2JV6\n"))
    with caplog.at_level(logging.INFO):
        build_cohort(tmp_path / "data", tmp_path / "store", SETTINGS)
    messages = [record.getMessage() for record in caplog.records]
    assert r"left out, no scored label (1 recordings): E0002\x1b[2J" in messages
    assert all(message.isprintable() for message in messages)


def test_the_log_names_ten_recordings_and_the_model_names_all(folder, write_record, tmp_path, caplog):
    for i in range(12):
        write_record(f"A01{i:02}", folder=folder / "cpsc", dx="164884008")
        write_record(f"E01{i:02}", ecg(leads=1), leads=("I",), folder=folder / "georgia")
    with caplog.at_level(logging.INFO):
        cohort = build_cohort(folder, tmp_path / "store", SETTINGS)
    assert "no scored label (13 recordings): A0001, A0100, " in caplog.text
    assert "A0108 and 3 more" in caplog.text
    assert "E0109 and 2 more" in caplog.text
    assert "A0109" not in caplog.text
    described = describe_cohort(cohort)
    assert described["left_out"]["no scored label"] == ["A0001", *(f"A01{i:02}" for i in range(12))]
    assert [f"E01{i:02}" for i in range(12)] in described["warned"].values()


def test_a_header_that_cannot_be_read_is_left_out_and_named(folder, tmp_path):
    (folder / "E00099.hea").symlink_to("nowhere")
    left_out = build_cohort(folder, tmp_path / "store", SETTINGS).left_out
    assert "E00099 (E00099.hea cannot be read: No such file or directory)" in left_out["unusable"]


def test_a_recording_keeps_its_side_when_others_are_added(folder, write_record, tmp_path):
    def sides():
        cohort = build_cohort(folder, tmp_path / "store", dataclasses.replace(SETTINGS, cohort=CohortSettings(seed=4)))
        return {r.name: side for r, side in zip(cohort.recordings, cohort.validation, strict=True)}

    before = sides()
    for i in range(10):
        write_record(f"A010{i}", ecg(rate=80 + i), folder=folder)
    after = sides()
    assert len(after) == 20
    assert {name: after[name] for name in before} == before


def test_about_the_fraction_validates_and_the_seed_changes_which():
    digests = [f"{i:064x}" for i in range(20000)]
    one, other = ([draw(digest, seed=seed) < 0.2 for digest in digests] for seed in (0, 1))
    assert np.mean(one) == pytest.approx(0.2, abs=0.01)
    assert np.mean(np.array(one) & np.array(other)) == pytest.approx(0.04, abs=0.01)


def test_the_same_signal_under_two_names_is_on_one_side_for_every_seed(ecg_data):
    for pair in (("cpsc_2018/A0101", "cpsc_2018_extra/Q0048"), ("georgia/E07509", "georgia/E07510")):
        one, other = (read_recording(ecg_data / "challenge" / f"{name}.hea").digest for name in pair)
        assert [draw(one, seed=s) < 0.2 for s in range(50)] == [draw(other, seed=s) < 0.2 for s in range(50)]


def test_a_folder_without_recordings_to_train_with_is_refused(write_record, tmp_path):
    write_record("I0001", folder=tmp_path / "data")
    with pytest.raises(HeartBeatsError, match="no recordings to train with"):
        build_cohort(tmp_path / "data", tmp_path / "store", SETTINGS)


def test_the_304_real_recordings(ecg_data, tmp_path):
    cohort = build_cohort(ecg_data / "challenge", tmp_path / "store", SETTINGS)
    named = sum(map(len, cohort.left_out.values()))
    assert len(cohort.recordings) + named == len(find_headers(ecg_data / "challenge")) == 304
    assert set(cohort.left_out) == {"no scored label"}
    assert cohort.labels.any(axis=1).all()
    assert 0.1 < cohort.validation.mean() < 0.3


def test_each_side_has_its_recordings_labels_and_particulars(write_record, tmp_path):
    dx = {"E00000": "426177001", "E00001": "164889003", "E00002": "426783006"}
    for i in range(30):
        name = f"E000{i:02}"
        write_record(
            name,
            ecg(rate=50 + i, sampling_rate=400 + i),
            sampling_rate=400 + i,
            folder=tmp_path / "data",
            dx=dx.get(name, "39732003"),
            comments=f"#Age: {20 + i}\n#Sex: {'Male' if i % 3 else 'Female'}\n",
        )
    (tmp_path / "data/E00003.mat").unlink()
    cohort = build_cohort(tmp_path / "data", tmp_path / "store", SETTINGS)
    sides = {validating: cohort.side(validating=validating) for validating in (False, True)}
    assert sides[True][0]
    names = [recording.name for recording in cohort.recordings]
    assert sorted(r.name for recordings, _ in sides.values() for r in recordings) == names
    assert len(names) == 29
    for validating, (recordings, labels) in sides.items():
        for recording, row in zip(recordings, labels, strict=True):
            assert (draw(recording.digest, seed=0) < 0.2) == validating
            assert [CLASSES[j] for j in np.flatnonzero(row)] == [dx.get(recording.name, "39732003")]
    for name, header in zip(names, cohort.headers, strict=True):
        i = int(name[1:])
        assert (header.sampling_rate, header.age) == (400 + i, 20 + i)
    described = describe_cohort(cohort)
    for side, validating in (("training", False), ("validation", True)):
        count = len(sides[validating][0])
        assert described[side]["sources"] == {"georgia": count}
        assert sum(described[side]["classes"].values()) == count
    assert described["particulars"]["georgia"]["sexes"] == {"Female": 9, "Male": 20}


def test_a_cohort_without_training_recordings_is_refused(write_record, tmp_path):
    write_record("E00001", folder=tmp_path / "data")
    all_of_them = dataclasses.replace(SETTINGS, cohort=CohortSettings(validation_fraction=0.999999))
    with pytest.raises(HeartBeatsError, match="to validate with: 1; to train with: 0"):
        build_cohort(tmp_path / "data", tmp_path / "store", all_of_them)
