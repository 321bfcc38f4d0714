"""Recordings come in order, a bounded number ahead, and none takes others with it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

from heartbeats.preparation.prepared import Failure, Prepared, prepare_file
from heartbeats.preparation.read_ahead import read_ahead

ROOT = Path(__file__).parents[1]


def ending_its_process(header_file: Path) -> Prepared | Failure:
    """As a fault in a library would."""
    if header_file.stem in ("A0002", "A0005"):
        os._exit(11)
    return prepare_file(header_file)


@pytest.fixture
def header_files(write_record) -> list[Path]:
    return [write_record(f"A000{i}", dx=str(i)) for i in range(8)]


@pytest.mark.parametrize(("group", "ahead"), [(1, 1), (3, 1), (3, 2), (8, 4)])
def test_recordings_come_in_order_as_prepared(header_files, monkeypatch, group, ahead):
    monkeypatch.setattr("heartbeats.preparation.read_ahead.AHEAD", ahead)
    for item, path in zip(read_ahead(prepare_file, header_files, group=group), header_files, strict=True):
        assert item.name == path.stem
        np.testing.assert_array_equal(item.signal, prepare_file(path).signal)


def test_no_more_than_the_bound_are_taken_ahead(header_files, monkeypatch):
    monkeypatch.setattr("heartbeats.preparation.read_ahead.cores", lambda: 1)
    monkeypatch.setattr("heartbeats.preparation.read_ahead.AHEAD", 2)
    taken = []

    def taking():
        for path in header_files:
            taken.append(path)
            yield path

    items = read_ahead(prepare_file, taking(), group=2)
    next(items)
    assert len(taken) == 4
    next(items)
    assert len(taken) == 4
    next(items)
    assert len(taken) == 6
    assert len(list(items)) == 5


def threads(header_file: Path) -> int:
    np.ones((2, 2)) @ np.ones((2, 2))
    return max(library["num_threads"] for library in threadpoolctl.threadpool_info())


def test_a_worker_uses_one_thread(header_files):
    assert set(read_ahead(threads, header_files, group=2)) == {1}


@pytest.mark.parametrize("group", [1, 4])
def test_a_recording_that_ends_its_process_fails_alone(header_files, group):
    items = list(read_ahead(ending_its_process, header_files, group=group))
    assert [item.name for item in items] == [path.stem for path in header_files]
    assert [item.name for item in items if isinstance(item, Failure)] == ["A0002", "A0005"]
    assert "ended the process" in items[2].reason


def spoiling_its_process(header_file: Path) -> Prepared | Failure:
    """As one that leaves something behind, which ends the process at the next recording."""
    if "SPOILED" in os.environ:
        os._exit(11)
    if header_file.stem == "A0002":
        os.environ["SPOILED"] = "1"
    return prepare_file(header_file)


def test_no_recording_is_blamed_for_what_an_earlier_one_left_in_the_process(header_files):
    items = list(read_ahead(spoiling_its_process, header_files, group=8))
    assert [type(item) for item in items] == [Prepared] * len(header_files)


def test_nothing_to_read_is_nothing(header_files):
    assert list(read_ahead(prepare_file, [])) == []


def test_workers_end_with_a_process_that_was_killed(header_files):
    """loky's own would wait for another ten minutes, and hold the pipes that they inherited."""
    code = (
        "import os, signal, sys; from pathlib import Path; from heartbeats.preparation.prepared import prepare_file; "
        "from heartbeats.preparation.read_ahead import read_ahead; "
        "list(read_ahead(prepare_file, map(Path, sys.argv[1:]))); print('read', flush=True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", code, *map(str, header_files)]
    # Whoever holds stdout keeps this from returning.
    killed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=120, check=False)
    assert killed.stdout == b"read\n"
    assert killed.returncode == -signal.SIGKILL
