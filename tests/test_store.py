"""Prepared signals are stored once, and whatever is damaged or changed is prepared anew."""

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import ecg

from heartbeats import store
from heartbeats.header import find_headers
from heartbeats.prepared import Failure, prepare_file
from heartbeats.read_ahead import read_ahead
from heartbeats.settings import PreparationSettings
from heartbeats.store import stored
from heartbeats.training import data_digest


@pytest.fixture
def header_files(write_record) -> list[Path]:
    return [write_record(f"A000{i}", ecg(rate=60 + 10 * i, seconds=2 + i)) for i in range(1, 5)]


def prepared_now(monkeypatch) -> list[str]:
    """Names of the recordings that the store prepares from here on."""
    names: list[str] = []

    def counted(make, header_files):
        paths = list(header_files)
        names.extend(path.stem for path in paths)
        return read_ahead(make, paths)

    monkeypatch.setattr(store, "read_ahead", counted)
    return names


def assert_all_right(items, header_files):
    for item, path in zip(items, header_files, strict=True):
        expected = prepare_file(path)
        assert item.name == path.stem
        np.testing.assert_array_equal(item.signal, expected.signal)
        assert (item.bradycardia, item.digest, item.warnings) == (
            expected.bradycardia,
            expected.digest,
            expected.warnings,
        )


def test_stored_signals_are_the_prepared_ones_at_their_true_length(header_files, tmp_path):
    items = stored(header_files, tmp_path / "store")
    assert_all_right(items, header_files)
    assert [item.signal.shape for item in items] == [(8, 500 * seconds) for seconds in (3, 4, 5, 6)]
    assert (tmp_path / "store/signals.int16").stat().st_size == 8 * 2 * 500 * (3 + 4 + 5 + 6)


def test_a_second_run_prepares_nothing(header_files, tmp_path, monkeypatch):
    stored(header_files, tmp_path / "store")
    names = prepared_now(monkeypatch)
    assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    assert names == []


def test_an_interrupted_preparation_goes_on_where_it_stopped(header_files, tmp_path, monkeypatch):
    def interrupted(make, paths):
        yield from read_ahead(make, list(paths)[:2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store, "read_ahead", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stored(header_files, tmp_path / "store")
    names = prepared_now(monkeypatch)
    assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    assert names == ["A0003", "A0004"]


def test_signals_without_a_line_harm_none(header_files, tmp_path, monkeypatch):
    """A process that was killed leaves them among those of others, whole or in part."""

    def with_parts(make, paths):
        for path in paths:
            with (tmp_path / "store/signals.int16").open("ab") as signals:
                signals.write(b"\x55" * 33)
            yield from read_ahead(make, [path])

    with monkeypatch.context() as patched:
        patched.setattr(store, "read_ahead", with_parts)
        assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    index = tmp_path / "store/index.jsonl"
    lines = index.read_text().splitlines(keepends=True)
    index.write_text(lines[0] + "".join(lines[2:]))
    names = prepared_now(monkeypatch)
    for _ in range(2):
        assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    assert names == ["A0002"]


def test_processes_that_store_side_by_side_leave_each_signal_its_place(write_record, tmp_path, monkeypatch):
    header_files = [write_record(f"A00{i:02d}", ecg(rate=50 + 2 * i, seconds=2 + i % 3)) for i in range(30)]
    with monkeypatch.context() as patched:
        patched.setattr(store, "read_ahead", partial(read_ahead, group=1))
        assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    lines = [json.loads(line) for line in (tmp_path / "store/index.jsonl").read_text().splitlines()]
    spans = sorted((line["start"], line["end"]) for line in lines)
    assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert [line["name"] for line in lines] == [path.stem for path in header_files]


def test_a_full_disk_is_told_with_the_file_that_it_had_no_room_for(header_files, tmp_path, monkeypatch):
    def index_in_the_way(make, paths):
        monkeypatch.setattr(store, "INDEX", "/dev/full")
        yield from read_ahead(make, paths)

    monkeypatch.setattr(store, "read_ahead", index_in_the_way)
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        stored(header_files, tmp_path / "store")


def test_added_and_changed_recordings_are_prepared_and_no_others(header_files, write_record, tmp_path, monkeypatch):
    stored(header_files[:3], tmp_path / "store")
    header_files[0].write_text(header_files[0].read_text().replace("#Age: 60", "#Age: 61"))
    write_record("A0002", ecg(rate=100, seconds=7))
    names = prepared_now(monkeypatch)
    assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    assert names == ["A0001", "A0002", "A0004"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: os.truncate(folder / "signals.int16", 8 * 2 * 500 * 3 + 100),
        lambda folder: os.truncate(folder / "index.jsonl", (folder / "index.jsonl").stat().st_size - 5),
        lambda folder: (folder / "signals.int16").unlink(),
        lambda folder: (folder / "index.jsonl").unlink(),
        lambda folder: (folder / "index.jsonl").write_text("not an index\n"),
        lambda folder: (folder / "index.jsonl").write_text("[" * 200_000 + "\n"),
        lambda folder: (folder / "index.jsonl").write_text('{"key": "of another version"}\n'),
    ],
    ids=["signals cut", "index cut", "no signals", "no index", "garbage", "nested", "another form"],
)
def test_what_is_damaged_is_prepared_anew(header_files, tmp_path, damage):
    stored(header_files, tmp_path / "store")
    damage(tmp_path / "store")
    assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    size = (tmp_path / "store/signals.int16").stat().st_size
    lines = (tmp_path / "store/index.jsonl").read_text().splitlines()
    assert size == json.loads(lines[-1])["end"] == 8 * 2 * 500 * 18


def test_other_code_of_the_preparation_prepares_anew_and_keeps_what_the_earlier_prepared(
    header_files, tmp_path, monkeypatch
):
    stored(header_files, tmp_path / "store")
    names = prepared_now(monkeypatch)
    with monkeypatch.context() as changed:
        changed.setattr(store, "code_digest", lambda *_modules: "changed")
        assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    assert names == [path.stem for path in header_files]
    assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    assert len(names) == len(header_files)


def test_each_setting_of_the_preparation_has_its_own_signals(header_files, tmp_path, monkeypatch):
    denoised = stored(header_files, tmp_path / "store")
    raw = stored(header_files, tmp_path / "store", PreparationSettings(denoising=False))
    assert all(not np.array_equal(one.signal, other.signal) for one, other in zip(denoised, raw, strict=True))
    names = prepared_now(monkeypatch)
    assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    assert names == []


def test_an_unusable_recording_is_a_failure_in_its_place_until_it_is_mended(header_files, write_record, tmp_path):
    header_files[1].with_suffix(".mat").write_bytes(b"")
    items = stored(header_files, tmp_path / "store")
    assert [isinstance(item, Failure) for item in items] == [False, True, False, False]
    assert "A0002.mat" in items[1].reason
    write_record("A0002")
    assert_all_right(stored(header_files, tmp_path / "store"), header_files)


def test_a_store_of_nothing_is_empty(tmp_path):
    assert stored([], tmp_path / "store") == []


def test_real_recordings_of_every_source_are_stored_as_prepared(ecg_data, tmp_path):
    header_files = find_headers(ecg_data / "challenge")[::15] + find_headers(ecg_data / "quirks")
    assert_all_right(stored(header_files, tmp_path / "store"), header_files)


@pytest.mark.parametrize("name", ["x" * 300 + ".dat", "a\0b.dat", "..", "."])
def test_a_header_that_names_no_possible_file_is_a_failure(write_record, tmp_path, name):
    header_file = write_record("A0001")
    header_file.with_suffix(".mat").unlink()
    header_file.write_text(header_file.read_text().replace("A0001.mat", name))
    (item,) = stored([header_file], tmp_path / "store")
    assert isinstance(item, Failure)
    assert not item.reason.startswith("unforeseen")


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line | {"end": line["end"] - 1},
        lambda line: line | {"end": str(line["end"])},
        lambda line: line | {"warnings": None},
        lambda line: line | {"key": [line["key"]]},
        lambda line: {name: value for name, value in line.items() if name != "checksum"},
    ],
)
def test_an_index_of_other_numbers_or_types_is_damaged(write_record, tmp_path, change):
    files = [write_record(f"A000{i}", ecg(rate=50 + i)) for i in range(3)]
    before = [np.array(item.signal) for item in stored(files, tmp_path / "store")]
    index = tmp_path / "store/index.jsonl"
    lines = [json.loads(line) for line in index.read_text().splitlines()]
    index.write_text("".join(json.dumps(line) + "\n" for line in (*lines[:2], change(lines[2]))))
    for item, expected in zip(stored(files, tmp_path / "store"), before, strict=True):
        np.testing.assert_array_equal(item.signal, expected)


@pytest.mark.parametrize("change", [{"leads": 8}, {"key": None}, {"key": ...}])
def test_signals_of_another_version_of_the_program_stay_in_their_place(write_record, tmp_path, change):
    """A training may have them mapped: to cut the file would end it."""
    files = [write_record(f"A000{i}", ecg(rate=50 + i)) for i in range(3)]
    mapped = [item.signal for item in stored(files, tmp_path / "store")]
    before = [np.array(signal) for signal in mapped]
    index = tmp_path / "store/index.jsonl"
    lines = [json.loads(line) | change for line in index.read_text().splitlines()]
    other = [{name: value for name, value in line.items() if value is not ...} for line in lines]
    index.write_text("".join(json.dumps(line) + "\n" for line in other))
    for _ in range(2):
        again = stored(files, tmp_path / "store")
        for signal, item, expected in zip(mapped, again, before, strict=True):
            np.testing.assert_array_equal(signal, expected)
            np.testing.assert_array_equal(item.signal, expected)
    lines = [json.loads(line) for line in index.read_text().splitlines()]
    assert lines[:3] == other
    assert len(lines) == 6


def test_a_signal_that_changed_on_disk_is_prepared_anew(write_record, tmp_path, caplog):
    files = [write_record(f"A000{i}", ecg(rate=50 + i)) for i in range(3)]
    before = [np.array(item.signal) for item in stored(files, tmp_path / "store")]
    with (tmp_path / "store/signals.int16").open("r+b") as file:
        file.seek(100_000)  # in the second signal
        file.write(b"\x55" * 64)
    for _ in range(2):
        for item, expected in zip(stored(files, tmp_path / "store"), before, strict=True):
            np.testing.assert_array_equal(item.signal, expected)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ["1 prepared signals are damaged on disk: prepared anew"]


def test_a_name_that_is_not_utf_8_is_a_name(write_record, tmp_path):
    header_file = write_record()
    for suffix in (".hea", ".mat"):
        header_file.with_suffix(suffix).rename(tmp_path / os.fsdecode(b"caf\xe9" + suffix.encode()))
    (item,) = stored(find_headers(tmp_path), tmp_path / "store")
    assert os.fsencode(item.name) == b"caf\xe9"
    assert data_digest([item], np.zeros((1, 27), bool))
