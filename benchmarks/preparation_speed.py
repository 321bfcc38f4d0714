"""Measure the speed of preparation, and whether memory grows with the number of recordings.

    python -m benchmarks.preparation_speed [--recordings 1000] [--repeats 16]

- One core: preparing in this process, compared with reading and the wavelet transform of eight leads and back
  (PyWavelets). Reading is ``read_recording``, or ``scipy.io.loadmat`` for the libraries alone.
- Two cores, compared with one: workers return recordings to this process, as in the driver, or write them to a cache.
- Memory: the peak of ``prepare_files`` and of its largest worker, for so many recordings and for four times as many.

The recordings are simulated, with the lengths of the Challenge's sources: most 10 s, up to 115 s.
"""

import os
import subprocess
import sys
import tempfile
import warnings
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pywt
import scipy.io
from threadpoolctl import threadpool_limits

from benchmarks.measuring import ROOT, arguments, machine, median, times
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import read_recording
from heartbeats.preparation.prepared import prepare_file, prepare_files
from heartbeats.preparation.workers import map_recordings
from heartbeats.simulation import simulate_cohort

TIMED = 512  # recordings in one measurement
PEAK_MEMORY = """
import resource, sys
from pathlib import Path
from joblib.externals.loky import get_reusable_executor
from heartbeats.ecg.header import find_headers
from heartbeats.preparation.prepared import prepare_files
prepared = prepare_files(find_headers(sys.argv[1])[: int(sys.argv[2])], Path(sys.argv[3]))
get_reusable_executor(reuse=True).shutdown()  # only children that have ended are counted
print(*(resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
"""


def main() -> None:
    options = arguments(__doc__, recordings=1000, repeats=16)
    print(machine())
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # the workers inherit this
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary, "data")
        simulate_cohort(data, records=4 * options.recordings, seed=0)
        os.sync()  # otherwise the disk is busy with them
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Level value of 8 is too high")
            measure_speed(find_headers(data)[:TIMED], options.repeats)
        for count in (options.recordings, 4 * options.recordings):
            command = [sys.executable, "-c", PEAK_MEMORY, str(data), str(count), f"{temporary}/cache{count}"]
            whole, worker = subprocess.check_output(command, cwd=ROOT, text=True).split()
            print(f"{count} recordings: peak memory {whole} MiB, of the largest worker {worker} MiB")


def measure_speed(header_files: Sequence[Path], repeats: int) -> None:
    """Print the ratios of one core over the bare work and of two cores over one."""

    def writing() -> None:
        with tempfile.TemporaryDirectory() as cache:  # removing it takes 1 % of the time and keeps the disk idle
            prepare_files(header_files, Path(cache))

    alone, bare, one, two, written = times(
        repeats,
        lambda: deque(map(read_and_transform, header_files), maxlen=0),  # a deque of length 0 keeps no result
        lambda: deque(map(bare_work, header_files), maxlen=0),
        lambda: deque(map(prepare_file, header_files), maxlen=0),
        lambda: deque(map_recordings(prepare_file, header_files), maxlen=0),
        writing,
    )
    each = (1000 * np.median([alone, bare, one, two, written], axis=1) / len(header_files)).round(2)
    print("ms per recording: reading and transform, bare work, one core, two cores, writing:", *each)
    print(f"one core over reading and transform: {median(one / alone)} times the time")
    print(f"one core over the libraries' bare work: {median(one / bare)} times the time")
    print(f"two cores over one: {median(one / two)} times faster, writing into a cache {median(one / written)}")


def read_and_transform(header_file: Path) -> None:
    """Read a recording, and transform eight leads and back, at most 15,000 samples (the networks' longest input)."""
    transform(read_recording(header_file).signal)


def bare_work(header_file: Path) -> None:
    """Do the same with the libraries alone."""
    header_file.read_bytes()
    transform(scipy.io.loadmat(header_file.with_suffix(".mat"))["val"].astype(np.float64))


def transform(signal: npt.NDArray[np.float64]) -> None:
    coefficients = pywt.wavedec(signal[:8, :15_000], "bior2.6", mode="symmetric", level=8)
    pywt.waverec(coefficients, "bior2.6", mode="symmetric")


if __name__ == "__main__":
    main()
