"""Results come in order, and a recording that crashes its process does not affect others."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ecg

from heartbeats.ecg.recording import RecordingError
from heartbeats.preparation import workers
from heartbeats.preparation.prepared import PreparedRecording, prepare_file
from heartbeats.preparation.workers import Failure, attempt, map_recordings

ROOT = Path(__file__).parents[1]


@pytest.fixture
def header_files(write_record) -> list[Path]:
    return [write_record(f"A{i:04d}", ecg(leads=2, seconds=2), leads=("I", "II")) for i in range(9)]


def test_results_come_in_order_in_several_chunks(header_files, monkeypatch):
    monkeypatch.setattr(workers, "CHUNK", 4)
    header_files[5].with_suffix(".mat").write_bytes(b"")
    results = list(map_recordings(prepare_file, header_files))
    assert [result.name for result in results] == [path.stem for path in header_files]
    assert [isinstance(result, Failure) for result in results] == [i == 5 for i in range(9)]
    assert list(map_recordings(prepare_file, [])) == []


def end_the_process(header_file: Path) -> PreparedRecording | Failure:
    """Act like a library that crashes on two recordings."""
    if header_file.stem in ("A0002", "A0005"):
        os._exit(11)
    time.sleep(0.1)  # the next chunk is under way
    return prepare_file(header_file)


def test_a_recording_that_ends_its_process_is_named_and_the_others_finish(header_files, monkeypatch):
    monkeypatch.setattr(workers, "CHUNK", 4)
    results = list(map_recordings(end_the_process, header_files))
    assert [result.name for result in results] == [path.stem for path in header_files]
    assert [result.name for result in results if isinstance(result, Failure)] == ["A0002", "A0005"]
    assert "crashed the process" in results[2].reason


def full_disk(header_file: Path) -> Failure:
    raise OSError(28, "No space left on device", str(header_file))


def keep_memory(path: Path) -> str:
    """Keep 400 MB after one recording, as after a recording of hours. joblib then replaces the worker."""
    time.sleep(0.1)  # others are waiting
    if path.name == "16":
        os.kept = np.ones(50_000_000)
        time.sleep(1)  # joblib looks at the memory once a second
    return path.name


def test_a_worker_that_keeps_much_memory_is_replaced_and_nothing_hangs():
    """joblib warns of it in a thread. As an error, the warning ended that thread, and results were never taken."""
    assert list(map_recordings(keep_memory, [Path(str(i)) for i in range(60)])) == [str(i) for i in range(60)]


def test_an_error_of_the_run_ends_the_run(header_files, monkeypatch):
    monkeypatch.setattr(workers, "CHUNK", 4)
    with pytest.raises(OSError, match="No space left on device"):
        list(map_recordings(full_disk, header_files))
    assert next(map_recordings(prepare_file, header_files)).name == "A0000"


def test_workers_end_with_a_process_that_is_killed(header_files):
    code = (
        "import os, signal, sys; from pathlib import Path; from heartbeats.preparation.prepared import prepare_file; "
        "from heartbeats.preparation.workers import map_recordings; "
        "list(map_recordings(prepare_file, map(Path, sys.argv[1:]))); print('read', flush=True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    # Workers that live on hold stdout, and this would not return.
    command = [sys.executable, "-c", code, *map(str, header_files)]
    killed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=120, check=False)
    assert (killed.stdout, killed.returncode) == (b"read\n", -signal.SIGKILL)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RecordingError("too short"), "too short"), (ZeroDivisionError("once"), "unforeseen ZeroDivisionError: once")],
)
def test_an_attempt_returns_the_reason(error, reason):
    def fail():
        raise error

    assert attempt("A0001", fail) == Failure("A0001", reason)
    assert attempt("A0001", lambda: 5) == 5
