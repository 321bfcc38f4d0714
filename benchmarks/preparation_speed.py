"""How fast recordings are prepared and stored: on two cores against one, against the bare work, and in what memory.

    python -m benchmarks.preparation_speed [--sizes 1000 4000 16000 43101] [--repeats 5] [--data FOLDER]

The recordings are simulated, of the lengths of the Challenge's sources (two thirds 10 s, up to 60 s), into a temporary
folder or, to be used again, into FOLDER: 43,101 take some minutes and 7 GB. Two cores are timed against one by whole
stores of 2000 recordings, each in processes of its own.

Bare work is reading the two files of each recording (``scipy.io.loadmat``) and the wavelet transform of its eight leads
and back (PyWavelets); what else a recording needs is printed in parts. It and stores, with the bradycardia rule and
without, are timed in turn, 500 recordings at a time, on one core to which all processes are bound, each with one
thread, and after all have done their work once: memory that is new to a process takes time. Memory is that of all
processes, what they share counted once.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pywt
import scipy.io
import threadpoolctl
from joblib.externals.loky import get_reusable_executor

from benchmarks.measuring import curve, interleaved, machine, ratio, watch
from benchmarks.without_rule import groups_without_rule
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import read_recording
from heartbeats.preparation import store
from heartbeats.preparation.bradycardia import recording_has_bradycardia
from heartbeats.preparation.prepared import prepare_files
from heartbeats.preparation.leads import LEADS
from heartbeats.preparation.prepared import prepare, prepare_file
from heartbeats.simulation import simulate_cohort

ROOT = Path(__file__).parents[1]
TIMED, IN_TURN = 2000, 500  # recordings
STORING = """
import os, sys, time
from pathlib import Path
os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: int(sys.argv[4])]))
from heartbeats.ecg.header import find_headers
from heartbeats.preparation.prepared import prepare_file
from heartbeats.preparation.prepared import map_recordings
from heartbeats.preparation.prepared import prepare_files
files = find_headers(Path(sys.argv[1]))[: int(sys.argv[3])]
list(map_recordings(prepare_file, files[:64]))  # the workers are up, all of them
started = time.perf_counter()
prepared = prepare_files(files, Path(sys.argv[2]))
print(time.perf_counter() - started)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000, 16_000, 43_101])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        data = options.data or Path(temporary, "data")
        started = time.perf_counter()
        with suppress(FileExistsError):
            simulate_cohort(data, records=max(options.sizes), seed=0)
            print(f"simulated {max(options.sizes)} recordings in {time.perf_counter() - started:.0f} s")
            os.sync()  # or the disk would still be busy with them
        measure_cores(data, Path(temporary), options.repeats)
        measure_shares(data, Path(temporary), options.repeats * TIMED // IN_TURN)
        measure_memory(data, Path(temporary), options.sizes)


def measure_cores(data: Path, scratch: Path, repeats: int) -> None:
    """Two cores against one."""

    def storing(cores: int) -> float:
        command = [sys.executable, "-c", STORING, str(data), str(scratch / "store"), str(TIMED), str(cores)]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        shutil.rmtree(scratch / "store")  # or the disk would be busy with it during the next measurement
        return float(done.stdout)

    one, two = zip(*interleaved(repeats, partial(storing, 1), partial(storing, 2)), strict=True)
    print(f"storing {TIMED} recordings: one core {np.median(one):.2f} s, two cores {np.median(two):.2f} s")
    print(f"    two cores over one: {ratio(one, two)} times faster")


def measure_shares(data: Path, scratch: Path, repeats: int) -> None:
    """One core against the bare work."""
    files = find_headers(data)[:IN_TURN]

    def storing() -> float:
        started = time.perf_counter()
        prepare_files(files, scratch / "store")
        seconds = time.perf_counter() - started
        shutil.rmtree(scratch / "store")
        return seconds

    def storing_without_rule() -> float:
        with mock.patch.object(store, "read_groups_ahead", groups_without_rule):
            return storing()

    gc.freeze()  # as the workers do: whatever this program imports would slow the bare work
    works = partial(total, bare, files), partial(total, without_rule, files), storing_without_rule, storing
    with on_one_core():
        interleaved(1, *works)
        measured = interleaved(repeats, *works)
        get_reusable_executor().shutdown()  # its processes are bound to that core
    alone, preparing, *both = (np.array(column) for column in zip(*measured, strict=True))
    print(f"bare reading and wavelet transform on one core: {1000 * np.median(alone) / IN_TURN:.2f} ms a recording")
    print("    share of the bare rate:")
    print(f"        reading and preparing: {ratio(alone, preparing)}")
    print(f"        and storing: {ratio(alone, both[0])}")
    print(f"        and the R peaks of the bradycardia rule: {ratio(alone, both[1])}")
    recordings = [read_recording(file) for file in files[:200]]
    parts: dict[str, tuple[Callable[[Any], object], list[Any]]] = {
        "all of a recording": (prepare_file, files[:200]),
        "reading, gains, digest": (read_recording, files[:200]),
        "leads, 500 Hz, denoising": (prepare, recordings),
        "R peaks and rule": (recording_has_bradycardia, recordings),
    }
    for name, (work, items) in parts.items():
        with on_one_core():
            best = min(total(work, items) for _ in range(3))
        print(f"    {name}: {1000 * best / len(items):.2f} ms")


def bare(header_file: Path) -> None:
    """What cannot be left out, by the libraries: both files read, the transform of eight leads and back."""
    header_file.read_bytes()
    samples = scipy.io.loadmat(header_file.with_suffix(".mat"))["val"][: len(LEADS), :15_000]
    with warnings.catch_warnings(action="ignore"):  # that a signal is short
        coefficients = pywt.wavedec(samples.astype(np.float64), "bior2.6", level=8, axis=-1)
    pywt.waverec(coefficients, "bior2.6", axis=-1)


def without_rule(header_file: Path) -> None:
    """Reading and preparing without the bradycardia rule."""
    prepare(read_recording(header_file))


@contextmanager
def on_one_core() -> Iterator[None]:
    """This process, and those that it starts, on one core and with one thread."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        with threadpoolctl.threadpool_limits(1):
            yield
    finally:
        os.sched_setaffinity(0, cores)


def total(work: Callable[[Any], object], items: list[Any]) -> float:
    """Seconds that the work on all of the items takes."""
    started = time.perf_counter()
    for item in items:
        work(item)
    return time.perf_counter() - started


def measure_memory(data: Path, scratch: Path, sizes: list[int]) -> None:
    """Peak memory and rate over the number of recordings, and the size of the store."""
    memory, rates = [], []
    for size in sizes:
        directory = scratch / f"store-of-{size}"
        cores = len(os.sched_getaffinity(0))
        command = [sys.executable, "-c", STORING, str(data), str(directory), str(size), str(cores)]
        peak, seconds = watch(command, ROOT)
        signals = (directory / store.SIGNALS).stat().st_size
        stored_bytes = sum(path.stat().st_size for path in directory.iterdir())
        memory.append(peak / 2**20)
        rates.append(size / seconds)
        print(
            f"{size} recordings: {rates[-1]:.0f} a second, start included; peak memory {memory[-1]:.0f} MiB; store "
            f"{stored_bytes / 1e6:.0f} MB, {stored_bytes / signals:.3f} times the int16 bytes of its signals"
        )
        shutil.rmtree(directory)
    folder = ROOT / "benchmarks"
    for name, line, ylabel in (("memory", memory, "peak memory in MiB"), ("rate", rates, "recordings a second")):
        curve(
            folder / f"preparation_{name}.svg", sizes, {"prepared and stored": line}, xlabel="recordings", ylabel=ylabel
        )


if __name__ == "__main__":
    main()
