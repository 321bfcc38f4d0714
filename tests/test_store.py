"""Prepared signals are stored once, and whatever is damaged or changed is prepared anew."""

import json
import os
import resource
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ecg

from heartbeats.common.settings import PreparationSettings
from heartbeats.ecg.header import find_headers
from heartbeats.preparation import store
from heartbeats.preparation.prepared import PAPER_PREPARATION, Failure, prepare_file
from heartbeats.preparation.read_ahead import read_groups_ahead
from heartbeats.preparation.store import INDEX, SIGNALS, stored
from heartbeats.training.loop import data_digest


@pytest.fixture
def header_files(write_record) -> list[Path]:
    return [write_record(f"A000{i}", ecg(rate=60 + 10 * i, seconds=2 + i)) for i in range(1, 5)]


def prepared_now(monkeypatch) -> list[str]:
    """Names of the recordings that the store prepares from here on."""
    names: list[str] = []

    def counted(make, header_files, keys):
        paths = list(header_files)
        names.extend(path.stem for path in paths)
        return read_groups_ahead(make, paths, keys)

    monkeypatch.setattr(store, "read_groups_ahead", counted)
    return names


def lines_of(directory: Path) -> list[dict[str, Any]]:
    """What the lines of a store's index say."""
    return [json.loads(line.partition(" ")[2]) for line in (directory / INDEX).read_text().splitlines()]


def write_lines(directory: Path, lines: list[dict[str, Any]]) -> None:
    """Make an index of such lines, undamaged ones."""
    content = [json.dumps(line).encode() for line in lines]
    (directory / INDEX).write_bytes(b"".join(b"%08x %s\n" % (zlib.crc32(line), line) for line in content))


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
    assert (tmp_path / "store" / SIGNALS).stat().st_size == 8 * 2 * 500 * (3 + 4 + 5 + 6)


def test_a_second_run_prepares_nothing(header_files, tmp_path, monkeypatch):
    stored(header_files, tmp_path / "store")
    names = prepared_now(monkeypatch)
    assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    assert names == []


@pytest.mark.parametrize("written", [2, 4])
def test_an_interrupted_preparation_goes_on_where_it_stopped(header_files, tmp_path, monkeypatch, written):
    """What was written counts, whether or not the interrupted process came to know of it."""

    def interrupted(make, paths, keys):
        list(read_groups_ahead(make, list(paths)[:written], list(keys)[:written]))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store, "read_groups_ahead", interrupted)
        with pytest.raises(KeyboardInterrupt):
            stored(header_files, tmp_path / "store")
    names = prepared_now(monkeypatch)
    assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    assert names == [path.stem for path in header_files[written:]]


def test_signals_without_a_line_harm_none(header_files, tmp_path, monkeypatch):
    """A process that was killed leaves them among those of others, whole or in part."""

    def with_parts(make, paths, keys):
        for path, key in zip(paths, keys, strict=True):
            with (tmp_path / "store" / SIGNALS).open("ab") as signals:
                signals.write(b"\x55" * 33)
            yield from read_groups_ahead(make, [path], [key])

    with monkeypatch.context() as patched:
        patched.setattr(store, "read_groups_ahead", with_parts)
        assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    lines = lines_of(tmp_path / "store")
    write_lines(tmp_path / "store", [lines[0], *lines[2:]])
    names = prepared_now(monkeypatch)
    for _ in range(2):
        assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    assert names == [lines[1]["name"]]


def test_processes_that_store_side_by_side_leave_each_signal_its_place(write_record, tmp_path, monkeypatch):
    header_files = [write_record(f"A00{i:02d}", ecg(rate=50 + 2 * i, seconds=2 + i % 3)) for i in range(30)]
    with monkeypatch.context() as patched:
        patched.setattr(store, "read_groups_ahead", partial(read_groups_ahead, group=1))
        assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    lines = lines_of(tmp_path / "store")
    assert [line["start"] for line in lines] == [0, *(line["end"] for line in lines[:-1])]
    assert sorted(line["name"] for line in lines) == [path.stem for path in header_files]


def test_a_full_disk_is_told_with_the_file_that_it_had_no_room_for(header_files, tmp_path):
    stored(header_files[:1], tmp_path / "store")
    (tmp_path / "store" / INDEX).unlink()
    (tmp_path / "store" / INDEX).symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: '.*/prepared.index'"):
        store._prepare_into(tmp_path / "store", PAPER_PREPARATION, header_files[1:2], ["key"])


def test_a_disk_that_has_no_room_even_to_end_a_line_is_told_with_the_file(header_files, tmp_path):
    stored(header_files, tmp_path / "store")
    size = (tmp_path / "store" / INDEX).stat().st_size - 1
    os.truncate(tmp_path / "store" / INDEX, size)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: '.*/prepared.index'"):
            stored(header_files, tmp_path / "store")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_all_right(stored(header_files, tmp_path / "store"), header_files)


def test_added_and_changed_recordings_are_prepared_and_no_others(header_files, write_record, tmp_path, monkeypatch):
    stored(header_files[:3], tmp_path / "store")
    header_files[0].write_text(header_files[0].read_text().replace("#Age: 60", "#Age: 61"))
    write_record("A0002", ecg(rate=100, seconds=7))
    names = prepared_now(monkeypatch)
    assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    assert names == ["A0001", "A0002", "A0004"]


@pytest.mark.parametrize(
    ("damage", "prepared"),
    [
        (lambda index, signals: os.truncate(signals, 8 * 2 * 500 * 3 + 100), 3),
        (lambda index, signals: os.truncate(index, index.stat().st_size - 5), 1),
        (lambda index, signals: os.truncate(index, index.stat().st_size - 1), 0),
        (lambda index, signals: signals.unlink(), 4),
        (lambda index, signals: index.unlink(), 4),
        (lambda index, signals: index.write_text("not an index\n"), 4),
        (lambda index, signals: index.write_text("[" * 200_000 + "\n"), 4),
        (lambda index, signals: index.write_text("\n\n" + index.read_text()), 0),
        (
            lambda index, signals: index.write_text(
                index.read_text().replace('"bradycardia": ', '"bradycardia":  ', 1)
            ),
            1,
        ),
        (lambda index, signals: index.write_bytes(index.read_bytes() + b"\0" * 100), 0),
    ],
    ids=[
        "cut signals",
        "cut index",
        "no newline",
        "no signals",
        "no index",
        "garbage",
        "nested",
        "blank",
        "one changed",
        "zeros",
    ],
)
def test_what_is_damaged_is_prepared_anew(header_files, tmp_path, monkeypatch, damage, prepared):
    stored(header_files, tmp_path / "store")
    damage(tmp_path / "store" / INDEX, tmp_path / "store" / SIGNALS)
    names = prepared_now(monkeypatch)
    for _ in range(2):
        assert_all_right(stored(header_files, tmp_path / "store"), header_files)
    assert len(names) == prepared


def test_whoever_has_signals_mapped_keeps_them_when_the_index_is_damaged(header_files, tmp_path):
    """To cut the file would end a training that reads it."""
    mapped = stored(header_files, tmp_path / "store")
    (tmp_path / "store" / INDEX).write_text("not an index\n")
    for _ in range(2):
        assert_all_right(stored(header_files, tmp_path / "store"), header_files)
        assert_all_right(mapped, header_files)


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


@pytest.mark.parametrize("change", [{"leads": 8}, {"key": ...}, {"checksum": ...}])
def test_lines_of_another_version_of_the_program_are_passed_over(header_files, tmp_path, change):
    mapped = stored(header_files, tmp_path / "store")
    other = [
        {name: value for name, value in (line | change).items() if value is not ...}
        for line in lines_of(tmp_path / "store")
    ]
    write_lines(tmp_path / "store", other)
    for _ in range(2):
        assert_all_right(stored(header_files, tmp_path / "store"), header_files)
        assert_all_right(mapped, header_files)
    lines = lines_of(tmp_path / "store")
    assert lines[:4] == other
    assert len(lines) == 8


def test_a_signal_that_changed_on_disk_is_prepared_anew(write_record, tmp_path, caplog):
    files = [write_record(f"A000{i}", ecg(rate=50 + i)) for i in range(3)]
    before = [np.array(item.signal) for item in stored(files, tmp_path / "store")]
    with (tmp_path / "store" / SIGNALS).open("r+b") as file:
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
