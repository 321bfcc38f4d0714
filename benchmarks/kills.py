"""Kill trainings at random moments and start them again with the same command: does the model change?

    python -m benchmarks.kills [--runs 20] [--seed 0]

First, a small entry is trained on simulated recordings without a kill. Then each run trains it again. It is killed
(SIGKILL) after a random share of that time and started again, until it ends by itself. Weights must be byte-identical.
Threshold, scores and epochs must be the same. No half-written file may be left. Otherwise the exit status is 1.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import ROOT, arguments, machine
from heartbeats.simulation import simulate_cohort

CONFIG = """
network = { width = 4, blocks = [1, 1], reduction = 2 }
training = { seconds = [10.0, 5.0], epochs = 12 }
relabelling = { seconds = 5.0, probability = 0.2 }
"""


def main() -> None:
    options = arguments(__doc__, runs=20, seed=0)
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        work, same, kills = Path(temporary), 0, 0
        (work / "config.toml").write_text(CONFIG)
        simulate_cohort(work / "data", records=60, seed=options.seed)
        started = time.monotonic()
        train(work, "uninterrupted", None)
        whole = time.monotonic() - started
        for run in range(options.runs):
            while not train(work, f"run{run}", random.uniform(0.02, 1.0) * whole):
                kills += 1
            is_same = results(work / f"run{run}") == results(work / "uninterrupted")
            same += is_same
            print(f"run {run}: {'the same' if is_same else 'DIFFERENT'}, {kills} kills so far", flush=True)
    print(f"{machine()}: {same} of {options.runs} runs the same, {kills} kills, {whole:.1f} s without a kill")
    sys.exit(0 if same == options.runs else 1)


def train(work: Path, model: str, kill_after: float | None) -> bool:
    """Start a training. Return whether it ended by itself within ``kill_after`` seconds."""
    command = [sys.executable, f"{ROOT}/train_model.py", "data", model, "--config", "config.toml"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    try:
        subprocess.run(command, cwd=work, env=environment, check=True, capture_output=True, timeout=kill_after)
    except subprocess.TimeoutExpired:
        return False
    except subprocess.CalledProcessError as error:
        sys.exit(f"{model}: train_model.py failed: {error.stderr.decode()}")
    return True


def results(model: Path) -> dict[str, object]:
    """Return what kills must not change: weights, model.json, epochs and file names."""
    found = {
        str(path.relative_to(model)): path.suffix == ".safetensors" and path.read_bytes() for path in model.rglob("*")
    }
    described = json.loads((model / "model.json").read_text())
    epochs = [(line["network"], line["epoch"], line["loss"]) for line in described["training"]["epochs"]]
    return {**found, **described, "training": epochs}


if __name__ == "__main__":
    main()
