"""How long evaluate_model.py takes, against one process that merely opens and reads the same files.

    python -m benchmarks.scoring_speed [--sizes 1000 4000 16000 43101] [--repeats 5]

The label and output files are made here: headers of simulated recordings with the Challenge's shares of diagnoses, and
answers of which four in five are right. Both are timed as whole commands, the interpreter's start included, in turn.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.measuring import curve, interleaved, machine, ratio
from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.challenge.outputs import Prediction, write_output
from heartbeats.ecg.header import STANDARD_LEADS

ROOT = Path(__file__).parents[1]
READING = """
import os, sys
for folder in sys.argv[1:]:
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            file.read()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000, 16_000, 43_101])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    scoring, reading = [], []
    with tempfile.TemporaryDirectory() as temporary:
        for size in options.sizes:
            labels, outputs = Path(temporary, f"labels{size}"), Path(temporary, f"outputs{size}")
            write_pairs(labels, outputs, size)
            evaluate, read = (
                [sys.executable, *arguments, str(labels), str(outputs)]
                for arguments in (["evaluate_model.py"], ["-c", READING])
            )
            seconds(read)  # the files are in the system's cache from here on
            pairs = interleaved(options.repeats, partial(seconds, evaluate), partial(seconds, read))
            evaluated, bare = zip(*pairs, strict=True)
            print(f"{size} recordings: scored in {np.median(evaluated):.2f} s, read in {np.median(bare):.2f} s")
            print(f"    scoring over reading: {ratio(evaluated, bare)}")
            scoring.append(float(np.median(evaluated)))
            reading.append(float(np.median(bare)))
    lines = {"evaluate_model.py": scoring, "opening and reading the files": reading}
    curve(ROOT / "benchmarks/scoring_speed.svg", options.sizes, lines, xlabel="recordings", ylabel="seconds")


def write_pairs(labels: Path, outputs: Path, size: int) -> None:
    """Write ``size`` headers of one or two diagnoses each, and as many output files."""
    rng = np.random.default_rng(0)
    labels.mkdir()
    outputs.mkdir()
    share = 1 / np.arange(2, 2 + len(CLASSES))
    for i in tqdm(range(size), desc="writing", disable=None):
        name = f"E{i:05d}"
        true = rng.choice(len(CLASSES), size=rng.integers(1, 3), replace=False, p=share / share.sum())
        leads = "".join(
            f"{name}.mat 16+24 1000/mV 16 0 {rng.integers(-99, 99)} 0 0 {lead}\n" for lead in STANDARD_LEADS
        )
        codes = ",".join(CLASSES[j] for j in true)
        notes = f"#Age: {rng.integers(18, 90)}\n#Sex: Male\n#Dx: {codes}\n#Rx: Unknown\n#Hx: Unknown\n#Sx: Unknown\n"
        (labels / f"{name}.hea").write_text(f"{name} 12 500 5000 12-May-2020 12:33:59\n{leads}{notes}")
        answered = true if rng.random() < 0.8 else rng.choice(len(CLASSES), size=1)
        positive = np.isin(np.arange(len(CLASSES)), answered)
        probabilities = np.clip(rng.normal(np.where(positive, 0.7, 0.1), 0.1), 0, 1)
        answer = Prediction(name, CLASSES, tuple(positive.astype(int).tolist()), tuple(probabilities.tolist()))
        write_output(outputs / f"{name}.csv", answer)


def seconds(command: list[str]) -> float:
    """What a command takes."""
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
