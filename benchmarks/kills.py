"""train_model.py killed with SIGKILL at random moments and started again by the same command: does anything change?

    python -m benchmarks.kills [--runs 20] [--seed 0]

Trains a small entry on simulated recordings without interruption, then --runs times with kills: each start is killed
after a random share of the time that the whole took, until one start ends by itself. Afterwards the weights must be
byte-identical to the uninterrupted ones, the threshold, scores and epoch lines the same, and nothing half-written left.
Prints the runs survived and the kills; the exit status is 1 if one was not.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from heartbeats.simulation import simulate_cohort

TRAIN = Path(__file__).parents[1] / "train_model.py"
CONFIG = """
[network]
width = 4
blocks = [1, 1]
reduction = 2
[training]
seconds = [10.0, 5.0]
epochs = 12
[relabelling]
seconds = 5.0
probability = 0.2
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draws = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        (work / "config.toml").write_text(CONFIG)
        simulate_cohort(work / "data", records=60, seed=arguments.seed)
        started = time.monotonic()
        train(work, "uninterrupted", None)
        whole = time.monotonic() - started
        expected = results(work / "uninterrupted")
        survived = kills = 0
        for run in range(arguments.runs):
            while not train(work, f"run{run}", draws.uniform(0.02, 1.0) * whole):
                kills += 1
            same = results(work / f"run{run}") == expected
            survived += same
            print(f"run {run}: {'the same' if same else 'NOT THE SAME'} after {kills} kills in all", flush=True)
    print(f"{platform.machine()}: {survived} of {arguments.runs} runs survived, {kills} kills, {whole:.1f} s without")
    sys.exit(0 if survived == arguments.runs else 1)


def train(work: Path, model: str, kill_after: float | None) -> bool:
    """Start a training; whether it ended by itself, with success, before ``kill_after`` seconds."""
    command = [sys.executable, str(TRAIN), str(work / "data"), str(work / model), "--config", str(work / "config.toml")]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # so small a network only waits for more
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=one_thread)
    try:
        _, told = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    if process.returncode:
        raise RuntimeError(f"{model}: train_model.py ended with {process.returncode}: {told}")
    return True


def results(model: Path) -> dict[str, object]:
    """All that must not depend on interruptions: weights, decisions, epoch lines, and what lies in the folder."""
    found: dict[str, object] = {path.name: path.read_bytes() for path in model.glob("*.safetensors")}
    described = json.loads((model / "model.json").read_text())
    found |= {key: described[key] for key in ("threshold", "validation_scores", "relabelling", "cohort", "members")}
    lines = [json.loads(line) for line in (model / "training.jsonl").read_text().splitlines()]
    found["epochs"] = [(line["network"], line["epoch"], line["loss"]) for line in lines]
    found["files"] = sorted(str(path.relative_to(model)) for path in model.rglob("*"))
    return found


if __name__ == "__main__":
    main()
