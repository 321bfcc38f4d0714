"""Measure the time of evaluate_model.py, compared with only reading the same files.

    python -m benchmarks.scoring_speed [--recordings 43101] [--repeats 8]

The script writes the labels and outputs: headers with one or two diagnoses, frequent and rare ones, and outputs that
are right in 80 %. Both programs are timed as whole commands, with the start of Python.
"""

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measuring import ROOT, arguments, machine, median, times
from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.challenge.outputs import predictions, write_output
from heartbeats.ecg.header import STANDARD_LEADS

READING = """
import os, sys
for folder in sys.argv[1:]:
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            file.read()
"""


def main() -> None:
    options = arguments(__doc__, recordings=43_101, repeats=8)
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        labels, outputs = Path(temporary, "labels"), Path(temporary, "outputs")
        write_pairs(labels, outputs, options.recordings)
        run = partial(subprocess.run, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        scored, read = times(
            options.repeats,
            partial(run, [sys.executable, "evaluate_model.py", labels, outputs]),
            partial(run, [sys.executable, "-c", READING, labels, outputs]),
        )
    print(f"{options.recordings} recordings: scored in {np.median(scored):.2f} s, read in {np.median(read):.2f} s")
    print(f"scoring over reading: {median(scored / read)} times the time")


def write_pairs(labels: Path, outputs: Path, count: int) -> None:
    """Write headers, and as many output files."""
    rng = np.random.default_rng(0)
    labels.mkdir()
    outputs.mkdir()
    share = 1 / np.arange(2, 2 + len(CLASSES))
    for i in range(count):
        name = f"E{i:05d}"
        true = rng.choice(len(CLASSES), size=rng.integers(1, 3), replace=False, p=share / share.sum())
        leads = "".join(f"{name}.mat 16+24 1000/mV 16 0 -8 0 0 {lead}\n" for lead in STANDARD_LEADS)
        codes = ",".join(CLASSES[j] for j in true)
        notes = f"#Age: {rng.integers(18, 90)}\n#Sex: Male\n#Dx: {codes}\n#Rx: Unknown\n#Hx: Unknown\n#Sx: Unknown\n"
        (labels / f"{name}.hea").write_text(f"{name} 12 500 5000 12-May-2020 12:33:59\n{leads}{notes}")
        positive = np.isin(np.arange(len(CLASSES)), true if rng.random() < 0.8 else rng.choice(len(CLASSES)))
        probabilities = np.clip(rng.normal(np.where(positive, 0.7, 0.1), 0.1), 0, 1)
        write_output(outputs / f"{name}.csv", predictions([name], positive[None], probabilities[None])[0])


if __name__ == "__main__":
    main()
