"""Several processes of torchrun train like one process, and resume after a restart."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from heartbeats.classification.model_folder import load_model
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
# The first start's second process ends at its 18th step.
ENDING = """
import os, sys
import heartbeats.training.loop as place
original, calls = place.training_step, []
def ending(*arguments):
    result = original(*arguments)
    calls.append(result)
    if (os.environ["RANK"], os.environ["TORCHELASTIC_RESTART_COUNT"], len(calls)) == ("1", "0", 18):
        os._exit(9)
    return result
place.training_step = ending
import train_model
train_model.main()
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
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def losses(model: Path) -> list[tuple[str, int, float]]:
    lines = (model / "training.jsonl").read_text().splitlines()
    return [(line["network"], line["epoch"], line["loss"]) for line in map(json.loads, lines)]


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "settings.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def by_two(simulated, config) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A model folder that two processes trained, and what they printed."""
    return config.parent / "model", torchrun("train_model.py", simulated, config.parent / "model", "--config", config)


def test_two_processes_train_one_model(by_two):
    model, done = by_two
    assert done.returncode == 0, done.stderr
    assert "FutureWarning" not in done.stderr
    assert done.stdout.count("model written to") == 1, "only the first reports"
    assert done.stdout.count("report written to") == 1
    assert [line[:2] for line in losses(model)] == [(n, e) for n in ("relabelling", "2s") for e in (1, 2, 3)]
    assert losses(model)[2][2] < losses(model)[0][2]
    assert load_model(model).members
    count = int(re.search(r"(\d+) recordings to train with", done.stdout)[1])
    assert count % 7 == 1, "the case of a batch smaller than the number of processes is not tested"


def test_a_training_resumes_when_torchrun_restarts_a_process(by_two, config, simulated, tmp_path):
    script = tmp_path / "ending.py"
    # The relabelling network's three epochs take 12 steps; the 18th is in the second epoch of the other.
    script.write_text(ENDING)
    done = torchrun(script, simulated, tmp_path / "m", "--config", config, restarts=1)
    assert done.returncode == 0, done.stderr
    assert "continuing from" in done.stdout
    assert [line[:2] for line in losses(tmp_path / "m")] == [line[:2] for line in losses(by_two[0])]
    assert [x[2] for x in losses(tmp_path / "m")] == pytest.approx([x[2] for x in losses(by_two[0])], abs=1e-5)
    described = [json.loads((folder / "model.json").read_text()) for folder in (tmp_path / "m", by_two[0])]
    assert described[0]["threshold"] == described[1]["threshold"]


def test_processes_that_see_different_recordings_train_nothing(config, simulated, tmp_path):
    script = tmp_path / "differing.py"
    script.write_text(DIFFERING)
    done = torchrun(script, simulated, tmp_path / "m", "--config", config)
    assert done.returncode
    assert "the processes see different recordings" in done.stderr
    assert not (tmp_path / "m/model.json").exists()
    assert not (tmp_path / "m/training.jsonl").exists()


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.setenv("RANK", "3")  # of some other launcher
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert (parallel.rank(), parallel.world_size(), parallel.is_first()) == (0, 1, True)
    assert parallel.broadcast("value") == "value"
    assert parallel.sum_over_processes(2.5) == 2.5
    network = object()
    assert parallel.data_parallel(network) is network
