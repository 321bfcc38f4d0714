"""Several processes of torchrun do what one does, and what one of them leaves when it ends is done after a restart."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from heartbeats.training import parallel

ROOT = Path(__file__).parents[1]
# Batches of 7 leave 4 and 3 recordings to two processes, and the last of 22 recordings one and none. Dropout is each
# process's own.
CONFIG = """
[network]
width = 4
blocks = [1, 1]
reduction = 2
dropout = 0.0
[training]
seconds = [2.0]
epochs = 3
batch_size = 7
[cohort]
validation_fraction = 0.4
[relabelling]
seconds = 2.0
"""
# The first start's second process ends after so many calls of a function.
ENDING = """
import os, sys
import {module} as place
original, calls = place.{function}, []
def ending(*arguments):
    if os.environ["RANK"] == "1":
        with open("{calls}", "a") as file:
            print(os.environ["TORCHELASTIC_RESTART_COUNT"], *arguments[:1], file=file)
    result = original(*arguments)
    calls.append(result)
    if (os.environ["RANK"], os.environ["TORCHELASTIC_RESTART_COUNT"], len(calls)) == ("1", "0", {after}):
        {how}
    return result
place.{function} = ending
import {script}
{script}.main()
"""

DIFFERING = """
import os, sys
import heartbeats.training.cohort as place
original = place.find_headers
place.find_headers = lambda folder: original(folder)[int(os.environ["RANK"]) :]
import train_model
train_model.main()
"""


def torchrun(*arguments: object, restarts: int = 0) -> subprocess.CompletedProcess[str]:
    options = ("--standalone", "--nproc-per-node=2", f"--max-restarts={restarts}")
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", *options, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def losses(model: Path) -> list[tuple[str, int, float]]:
    lines = (model / "training.jsonl").read_text().splitlines()
    return [(line["network"], line["epoch"], line["loss"]) for line in map(json.loads, lines)]


@pytest.fixture(scope="module")
def by_one(simulated, tmp_path_factory) -> Path:
    """A model folder that one process trained, its settings beside it."""
    folder = tmp_path_factory.mktemp("one")
    (folder / "settings.toml").write_text(CONFIG)
    command = [sys.executable, "train_model.py", simulated, folder / "model", "--config", folder / "settings.toml"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder / "model"


def assert_same_training(model: Path, other: Path) -> None:
    assert [line[:2] for line in losses(model)] == [line[:2] for line in losses(other)]
    assert [line[2] for line in losses(model)] == pytest.approx([line[2] for line in losses(other)], abs=1e-5)
    one, two = (json.loads((folder / "model.json").read_text()) for folder in (model, other))
    assert one["threshold"] == two["threshold"]
    assert one["validation_scores"] == pytest.approx(two["validation_scores"], abs=1e-6)


def test_two_processes_train_as_one(by_one, simulated, tmp_path):
    done = torchrun("train_model.py", simulated, tmp_path / "m", "--config", by_one.parent / "settings.toml")
    assert done.returncode == 0, done.stderr
    assert "FutureWarning" not in done.stderr
    assert_same_training(tmp_path / "m", by_one)
    assert done.stdout.count("model written to") == 1, "only the first reports"
    assert done.stdout.count("report written to") == 1
    training = [line for line in done.stdout.splitlines() if "recordings to train with" in line]
    count = int(re.search(r"(\d+) recordings to train with", training[0])[1])
    assert count % 7 == 1, "the case that a process has no part of a batch is not tested"


@pytest.mark.parametrize("how", ["os._exit(9)", "raise MemoryError('a fault of one process')"])
def test_a_training_one_of_whose_processes_ends_goes_on_after_a_restart(by_one, simulated, tmp_path, how):
    """Killed, or by an exception: the other process, which waits for it, keeps it from nothing."""
    script = tmp_path / "ending.py"
    place = {"module": "heartbeats.training.loop", "function": "training_step", "script": "train_model"}
    # The relabelling network's three epochs take 12 steps; the 18th is in the second epoch of the other.
    script.write_text(ENDING.format(**place, calls=os.devnull, after=18, how=how))
    config = by_one.parent / "settings.toml"
    done = torchrun(script, simulated, tmp_path / "m", "--config", config, restarts=1)
    assert done.returncode == 0, done.stderr
    assert "going on from" in done.stdout
    assert_same_training(tmp_path / "m", by_one)


def test_processes_that_see_different_recordings_train_nothing(by_one, simulated, tmp_path):
    script = tmp_path / "differing.py"
    script.write_text(DIFFERING)
    done = torchrun(script, simulated, tmp_path / "m", "--config", by_one.parent / "settings.toml")
    assert done.returncode
    assert "the processes see different recordings" in done.stderr
    assert not (tmp_path / "m/model.json").exists()
    assert not (tmp_path / "m/training.jsonl").exists()


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.setenv("RANK", "3")  # of some other launcher
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert (parallel.rank(), parallel.world_size(), parallel.is_first()) == (0, 1, True)
    assert parallel.broadcast("value") == "value"
    assert parallel.total(2.5) == 2.5
    network = object()
    assert parallel.data_parallel(network) is network
