"""The cache returns prepared recordings. It prepares new, changed and damaged ones again."""

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import ecg

from heartbeats.common.settings import PreparationSettings
from heartbeats.ecg.header import find_headers
from heartbeats.preparation import prepared
from heartbeats.preparation.prepared import prepare_file, prepare_files
from heartbeats.preparation.workers import Failure
from heartbeats.training.loop import data_digest


@pytest.fixture
def header_files(write_record) -> list[Path]:
    return [write_record(f"A000{i}", ecg(rate=60 + 10 * i, seconds=2 + i)) for i in range(1, 5)]


@pytest.fixture
def prepared_again(monkeypatch) -> list[str]:
    """The names of recordings that are prepared from now on, in this process."""
    names: list[str] = []

    def prepare(header_file, settings):
        names.append(header_file.stem)
        return prepare_file(header_file, settings)

    monkeypatch.setattr(prepared, "prepare_file", prepare)
    monkeypatch.setattr(prepared, "map_recordings", map)
    return names


def assert_right(found, header_files):
    for item, path in zip(found, header_files, strict=True):
        expected = prepare_file(path)
        np.testing.assert_array_equal(item.signal, expected.signal)
        for field in ("name", "bradycardia", "digest", "warnings", "checksum"):
            assert getattr(item, field) == getattr(expected, field)


def test_a_second_run_prepares_nothing(header_files, tmp_path, prepared_again):
    for _ in range(2):
        assert_right(prepare_files(header_files, tmp_path / "cache"), header_files)
    assert prepared_again == [path.stem for path in header_files]
    assert prepare_files([], tmp_path / "cache") == []


def test_worker_processes_fill_the_cache(header_files, tmp_path):
    assert_right(prepare_files(header_files, tmp_path / "cache"), header_files)
    assert len(list((tmp_path / "cache").iterdir())) == len(header_files)


def test_new_and_changed_recordings_are_prepared_and_no_others(header_files, write_record, tmp_path, prepared_again):
    prepare_files(header_files[:3], tmp_path / "cache")
    prepared_again.clear()
    header_files[0].write_text(header_files[0].read_text().replace("#Age: 60", "#Age: 61"))
    write_record("A0002", ecg(rate=100, seconds=7))
    assert_right(prepare_files(header_files, tmp_path / "cache"), header_files)
    assert prepared_again == ["A0001", "A0002", "A0004"]


@pytest.mark.parametrize("damage", ["cut", "flipped bit", "missing"])
def test_a_damaged_file_is_prepared_again(header_files, tmp_path, prepared_again, damage, caplog):
    found = prepare_files(header_files, tmp_path / "cache")
    path = found[1].samples
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    {
        "cut": lambda: os.truncate(path, len(content) - 100),
        "flipped bit": lambda: path.write_bytes(content),
        "missing": path.unlink,
    }[damage]()
    prepared_again.clear()
    for _ in range(2):
        assert_right(prepare_files(header_files, tmp_path / "cache"), header_files)
    assert prepared_again == ["A0002"]
    assert ("is damaged: the recording" in caplog.text) == (damage != "missing")


def test_other_code_or_settings_use_other_files(header_files, tmp_path, prepared_again, monkeypatch):
    prepare_files(header_files, tmp_path / "cache")
    raw = prepare_files(header_files, tmp_path / "cache", PreparationSettings(denoising=False))
    with monkeypatch.context() as changed:
        changed.setattr(prepared, "code_digest", lambda *_rooms: "changed")
        prepare_files(header_files, tmp_path / "cache")
    assert len(prepared_again) == 3 * len(header_files)
    denoised = prepare_files(header_files, tmp_path / "cache")
    assert all(not np.array_equal(one.signal, other.signal) for one, other in zip(denoised, raw, strict=True))
    assert len(prepared_again) == 3 * len(header_files)


def test_an_unusable_recording_is_tried_again_in_the_next_run(header_files, write_record, tmp_path):
    header_files[1].with_suffix(".mat").write_bytes(b"")
    found = prepare_files(header_files, tmp_path / "cache")
    assert [isinstance(item, Failure) for item in found] == [False, True, False, False]
    assert "A0002.mat" in found[1].reason
    write_record("A0002")
    assert_right(prepare_files(header_files, tmp_path / "cache"), header_files)


def test_a_cache_that_cannot_be_written_ends_the_run(header_files):
    with pytest.raises(OSError, match="/proc"):
        prepare_files(header_files, Path("/proc/cache"))


@pytest.mark.parametrize("name", ["x" * 300 + ".dat", "a\0b.dat", "..", "."])
def test_a_header_that_names_an_impossible_file_is_a_failure(write_record, tmp_path, name):
    header_file = write_record("A0001")
    header_file.with_suffix(".mat").unlink()
    header_file.write_text(header_file.read_text().replace("A0001.mat", name))
    (item,) = prepare_files([header_file], tmp_path / "cache")
    assert isinstance(item, Failure)
    assert not item.reason.startswith("unforeseen")


def test_a_name_that_is_not_utf_8_is_kept(write_record, tmp_path):
    header_file = write_record()
    for suffix in (".hea", ".mat"):
        header_file.with_suffix(suffix).rename(tmp_path / os.fsdecode(b"caf\xe9" + suffix.encode()))
    (item,) = prepare_files(find_headers(tmp_path), tmp_path / "cache")
    assert os.fsencode(item.name) == b"caf\xe9"
    assert data_digest([item], np.zeros((1, 27), bool))


def test_the_cache_returns_real_recordings_unchanged(ecg_data, tmp_path):
    header_files = find_headers(ecg_data / "challenge")[::15] + find_headers(ecg_data / "quirks")
    for _ in range(2):
        assert_right(prepare_files(header_files, tmp_path / "cache"), header_files)
