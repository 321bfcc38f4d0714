"""Measure the classification of an archive on a Dask cluster of this machine.

    python -m benchmarks.archive MODEL [--recordings 43101]

It simulates the recordings, then runs

- ``driver.py --scheduler local --table FILE.parquet``, and prints the memory of all its processes over time;
- two plain drivers side by side, each with half of the recordings, and compares the time and the answers;
- clusters of 1, 2 and 4 workers on a part of the recordings;
- the driver's own part for one answer: it takes answers from a worker's message, and writes the table.

The networks answer on CPUs.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from dask.distributed import LocalCluster
from distributed.protocol.serialize import deserialize, serialize
from pyarrow import parquet

from benchmarks.measuring import ROOT, arguments, machine
from heartbeats.challenge.diagnoses import ABBREVIATIONS, SCORED
from heartbeats.challenge.outputs import Prediction, read_output
from heartbeats.classification.folder import BATCH_SIZE
from heartbeats.classification.table import open_table
from heartbeats.ecg.header import find_headers
from heartbeats.simulation import simulate_cohort

os.environ["CUDA_VISIBLE_DEVICES"] = ""
EVERY = 0.5  # s, between two looks at the memory
POINTS = 10  # of the curve
MIB = 2**20


def main() -> None:
    options = arguments(__doc__, "model", recordings=43101)
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        simulate_cohort(folder / "data", records=options.recordings, seed=0)
        files = find_headers(folder / "data")
        halves = [link(files[i::2], folder / f"half{i}") for i in range(2)]
        table = folder / "table.parquet"
        seconds, memory = run([[options.model, folder / "data", "--table", table, "--scheduler", "local"]])
        print(f"--scheduler local --table: {len(files) / seconds:.0f} recordings/s")
        parts = np.array_split(memory, min(POINTS, len(memory)))
        print("memory of all processes over time, MiB:", *(round(max(part) / MIB) for part in parts))
        plain, _ = run([[options.model, half, half.with_name(f"out{i}")] for i, half in enumerate(halves)])
        print(f"two plain drivers side by side: {len(files) / plain:.0f} recordings/s")
        print(f"the cluster's share of their rate: {plain / seconds:.2f}")
        outputs = [path for i in range(2) for path in (folder / f"out{i}").iterdir()]
        print(f"largest difference of {len(outputs)} answers: {difference(table, outputs):.0e}")
        part = link(files[:: max(1, len(files) // 4000)], folder / "part")
        for workers in (1, 2, 4):
            with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
                # The first run loads the model.
                command = [options.model, part, "--table", table, "--scheduler", cluster.scheduler_address]
                seconds = min(run([command])[0] for _ in range(2))
            print(f"{workers} workers: {len(find_headers(part)) / seconds:.0f} recordings/s", flush=True)
        answers = [read_output(path) for path in outputs]
        print(f"the driver alone: {driver_rate(answers, folder):.0f} answers/s")
        size = sum(path.stat().st_size for path in (folder / "written.parquet").iterdir())
        print(f"the table: {size / len(answers):.0f} bytes for each")


def driver_rate(answers: list[Prediction], folder: Path) -> float:
    """Return how many answers a second the driver takes from messages and writes into a table."""
    messages = [serialize(answers[start : start + BATCH_SIZE]) for start in range(0, len(answers), BATCH_SIZE)]
    started = time.monotonic()
    with open_table(folder / "written.parquet", SCORED, resume=False) as table:
        for message in messages:
            for answer in deserialize(*message):
                table.add(answer)
    return len(answers) / (time.monotonic() - started)


def link(header_files: list[Path], folder: Path) -> Path:
    """Link recordings into a new folder and return it."""
    folder.mkdir()
    for header in header_files:
        for file in (header, header.with_suffix(".mat")):
            (folder / file.name).hardlink_to(file)
    return folder


def run(commands: list[list[object]]) -> tuple[float, list[int]]:
    """Run drivers side by side; return the seconds, and the memory in bytes of all their processes over time."""
    started, memory = time.monotonic(), []
    drivers = [
        psutil.Popen([sys.executable, ROOT / "driver.py", *map(str, command)], stderr=-3) for command in commands
    ]
    while any(driver.poll() is None for driver in drivers):
        time.sleep(EVERY)
        memory.append(sum(map(proportional_memory, drivers)))
    if any(driver.returncode for driver in drivers):
        raise subprocess.CalledProcessError(1, "driver.py")
    return time.monotonic() - started, memory


def proportional_memory(process: psutil.Popen) -> int:
    """Return the memory of a process and its children, in bytes; shared pages count in parts."""
    total = 0
    try:
        for each in (process, *process.children(recursive=True)):
            total += each.memory_full_info().pss
    except psutil.NoSuchProcess:
        pass
    return total


def difference(table: Path, outputs: list[Path]) -> float:
    """Return the largest difference of probabilities between a table and output files; the labels must be equal."""
    rows = {row["name"]: row for row in parquet.read_table(table).to_pylist()}
    if len(rows) != len(outputs):
        raise ValueError(f"{len(rows)} rows for {len(outputs)} output files")
    largest = 0.0
    for path in outputs:
        answer, row = read_output(path), rows[path.stem]
        names = [ABBREVIATIONS[code] for code in answer.classes]
        if not all(row[f"label_{name}"] == label for name, label in zip(names, answer.labels, strict=True)):
            raise ValueError(f"{path.stem}: other labels")
        probabilities = np.array([row[f"probability_{name}"] for name in names], dtype=float)
        largest = max(largest, np.abs(probabilities - answer.probabilities).max())
    return largest


if __name__ == "__main__":
    main()
