"""A GPU failure stops the driver. A closed log does not."""

import math
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ecg

from heartbeats.challenge.outputs import read_output
from heartbeats.classification.folder import Outcome, classify_folder
from heartbeats.ecg import writing
from heartbeats.ecg.recording import read_recording
from heartbeats.networks.inference import InferenceNetwork

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("fault", [torch.AcceleratorError, torch.OutOfMemoryError])
def test_a_gpu_failure_stops_the_driver(classifier, write_record, tmp_path, monkeypatch, fault):
    for i in range(3):
        write_record(f"A000{i}", ecg(seconds=2), folder=tmp_path / "data")

    def failing(*_arguments, **_options):
        raise fault("unspecified launch failure")

    monkeypatch.setattr(InferenceNetwork, "probabilities", failing)
    with pytest.raises(
        OSError, match=r"the GPU failed \(unspecified launch failure\): run the driver again with --resume"
    ):
        classify_folder(classifier, tmp_path / "data", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    monkeypatch.undo()
    assert classify_folder(classifier, tmp_path / "data", tmp_path / "out", resume=True) == Outcome(3, 0, 0)


def test_a_batch_too_large_for_the_gpu_is_classified_one_by_one(classifier, write_record, tmp_path, monkeypatch):
    for i in range(3):
        write_record(f"A000{i}", ecg(seconds=2), folder=tmp_path / "data")

    held = []

    def small(inference, signals):
        if len(signals) > 1:
            batch = torch.zeros(len(signals))
            held.append(weakref.ref(batch))
            raise torch.OutOfMemoryError("CUDA out of memory")
        assert held[0]() is None, "the batch is still in memory"
        return probabilities(inference, signals)

    probabilities = InferenceNetwork.probabilities
    monkeypatch.setattr(InferenceNetwork, "probabilities", small)
    assert classify_folder(classifier, tmp_path / "data", tmp_path / "out") == Outcome(3, 0, 0)


def test_the_driver_continues_if_stderr_is_closed(classifier, write_record, tmp_path, monkeypatch):
    write_record("A0001", ecg(seconds=2), folder=tmp_path / "data")
    (tmp_path / "data/A0002.hea").write_text("no header")

    def closed(*_arguments, **_options):
        raise BrokenPipeError

    monkeypatch.setattr("heartbeats.common.console.tqdm.write", closed)
    assert classify_folder(classifier, tmp_path / "data", tmp_path / "out") == Outcome(1, 1, 0)
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize(
    ("rates", "said", "status"),
    [
        ((500, 500), ("1 recordings classified, 1 not", "0 recordings classified, 1 not, 1 skipped"), 0),
        ((2400,), ("0 recordings classified, 1 not", "0 recordings classified, 1 not"), 1),
    ],
)
def test_unclassified_recordings_are_counted_in_each_run(model_directory, write_record, tmp_path, rates, said, status):
    """The cases: two recordings with one name, and a refused sampling rate."""
    for i, rate in enumerate(rates):
        write_record("A0001", ecg(seconds=2), sampling_rate=rate, folder=tmp_path / f"data/{i}")
    for line, options in zip(said, ([], ["--resume"]), strict=True):
        command = [sys.executable, ROOT / "driver.py", model_directory, tmp_path / "data", tmp_path / "out", *options]
        driven = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert driven.stderr.splitlines()[-1] == line
        assert driven.returncode == status


def test_recordings_that_made_the_model_are_counted(simulated, classifier, tmp_path):
    """They are known by their samples under another name, and by name, age, sex and labels at another rate."""
    known = read_recording(simulated / "E00001.hea")
    forms = {
        "renamed": replace(known, name="X1", age=1),
        "resampled": replace(known, signal=known.signal[:, ::2], sampling_rate=known.sampling_rate / 2),
        "another patient": replace(known, signal=known.signal[:, 1:], age=known.age + 1),
    }
    seen = {}
    for form, recording in forms.items():
        (tmp_path / form).mkdir()
        writing.write_record(tmp_path / form, recording)
        seen[form] = classify_folder(classifier, tmp_path / form, tmp_path / "out").seen
    assert seen == {"renamed": 1, "resampled": 1, "another patient": 0}


def test_nan_probabilities_are_not_classified(classifier, write_record, tmp_path, monkeypatch, capsys):
    for i in range(3):
        write_record(f"A000{i}", ecg(seconds=2 + i), folder=tmp_path / "data")

    def answers(inference, signals):
        p = probabilities(inference, signals)
        p[[signal.shape[1] == 1500 for signal in signals]] = math.nan
        return p

    probabilities = InferenceNetwork.probabilities
    monkeypatch.setattr(InferenceNetwork, "probabilities", answers)
    assert classify_folder(classifier, tmp_path / "data", tmp_path / "out") == Outcome(2, 1, 0)
    assert "A0001: not classified: the networks failed: their probabilities are not finite" in capsys.readouterr().err
    output = read_output(tmp_path / "out/A0001.csv")
    assert not any(output.labels)
    assert all(map(math.isnan, output.probabilities))
