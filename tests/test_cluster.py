"""A real cluster of two worker processes answers as the driver does, and loses nothing."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dask
import pytest
from conftest import ecg
from dask.distributed import Client, LocalCluster

from heartbeats.challenge.outputs import is_classified, read_output
from heartbeats.classification import cluster
from heartbeats.classification.folder import Outcome, classify_folder
from heartbeats.common.digest import PACKAGE
from heartbeats.common.errors import HeartBeatsError

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def workers() -> Iterator[LocalCluster]:
    """Two worker processes; a recording that ends two of them is given up."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as local,
    ):
        yield local


@pytest.fixture
def data(tmp_path, write_record):
    """Thirty recordings, and a damaged one."""
    for i in range(30):
        write_record(f"X{i:04}", ecg(seconds=2 + i % 3), folder=tmp_path / "data")
    (tmp_path / "data/X0030.hea").write_text("no header")
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(cluster, "BATCH_SIZE", 4)


def assert_same(folder, other):
    """The outputs in two folders are those of the same recordings and agree."""
    names = {path.name for path in folder.iterdir()}
    assert names == {path.name for path in other.iterdir()}
    for name in names:
        mine, others = read_output(folder / name), read_output(other / name)
        assert mine.labels == others.labels
        assert mine.probabilities == pytest.approx(others.probabilities, abs=1e-6, nan_ok=True)


def test_a_cluster_answers_as_the_driver_does(workers, classifier, data, tmp_path, capsys):

    def said():
        """What was printed of recordings; Dask may print of its own."""
        return sorted(line for line in capsys.readouterr().err.splitlines() if line.startswith("X"))

    assert classify_folder(classifier, data, tmp_path / "plain") == Outcome(30, 1, 0)
    plainly = said()
    scheduler = workers.scheduler_address
    assert classify_folder(classifier, data, tmp_path / "out", scheduler=scheduler) == Outcome(30, 1, 0)
    assert said() == plainly != []
    assert_same(tmp_path / "out", tmp_path / "plain")
    (tmp_path / "out/X0003.csv").unlink()
    resumed = classify_folder(classifier, data, tmp_path / "out", scheduler=scheduler, resume=True)
    assert resumed == Outcome(1, 1, 29)


def test_a_killed_worker_costs_nothing(workers, classifier, data, tmp_path):
    """It is killed when the first outputs are there."""
    out = tmp_path / "out"
    (victim, *_) = (worker.process.pid for worker in workers.workers.values())

    def kill():
        while not any(out.glob("*.csv")):
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert classify_folder(classifier, data, out, scheduler=workers.scheduler_address) == Outcome(30, 1, 0)
    killer.join()
    classify_folder(classifier, data, tmp_path / "plain")
    assert_same(out, tmp_path / "plain")


def test_a_recording_that_ends_workers_is_named(workers, classifier, data, tmp_path, monkeypatch, capsys):
    def fatal(header_files, job):
        from heartbeats.classification.cluster import classify_group  # noqa: PLC0415 - the worker's own

        if any(path.stem == "X0002" for path in header_files):
            os.kill(os.getpid(), signal.SIGKILL)
        return classify_group(header_files, job)

    monkeypatch.setattr(cluster, "classify_group", fatal)
    for path in data.glob("X00[1-3]*"):
        path.unlink()
    scheduler = workers.scheduler_address
    assert classify_folder(classifier, data, tmp_path / "out", scheduler=scheduler) == Outcome(9, 1, 0)
    assert "X0002: not classified: the worker that prepared it ended several times" in capsys.readouterr().err
    assert not is_classified(tmp_path / "out/X0002.csv")
    assert len([*(tmp_path / "out").iterdir()]) == 10


def test_a_missing_scheduler_gives_one_line(model_directory, data, tmp_path):
    code = "import driver; from heartbeats.classification import cluster; cluster.TIMEOUT = 1; driver.main()"
    command = [sys.executable, "-c", code, model_directory, data, tmp_path / "out", "--scheduler", "tcp://127.0.0.1:1"]
    driven = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert driven.returncode == 1
    (line,) = driven.stderr.splitlines()
    assert "tcp://127.0.0.1:1: no Dask scheduler answers there" in line


def test_a_worker_with_other_code_is_refused_by_name(classifier, data, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "heartbeats", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "heartbeats/ecg/header.py").open("a") as file:
        file.write("\nOTHER = True\n")
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as local:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", local.scheduler_address, "--name", "old"]
        with subprocess.Popen([*command, "--nthreads", "1", "--no-dashboard"], cwd=tmp_path, stderr=-3) as worker:
            try:
                with pytest.raises(
                    HeartBeatsError, match=r"worker old \(tcp://.* its code of HeartBeats, or its Python"
                ):
                    classify_folder(classifier, data, tmp_path / "out", scheduler=local.scheduler_address)
            finally:
                worker.terminate()


def test_a_worker_with_another_model_is_refused_by_name(workers, classifier, data, tmp_path):
    job = cluster.Job.of(classifier, tmp_path)
    with Client(workers) as client:
        refusal = client.submit(cluster.classify_group, [data / "X0000.hea"], replace(job, digest="0")).result()
    assert refusal.startswith("worker ")
    assert f"is refused: it has another model in {classifier.directory}" in refusal
