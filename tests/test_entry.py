"""A finished model is found by the same command as long as nothing that it follows from has changed."""

import dataclasses
import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY

from heartbeats.common.settings import DecisionSettings, RelabellingSettings
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import read_recording
from heartbeats.training import pipeline as entry
from heartbeats.training import relabelling
from heartbeats.training.cohort import build_cohort, validates
from heartbeats.training.epoch_log import EpochLine, append_epoch, read_epochs
from heartbeats.training.loop import TrainingError, train_network
from heartbeats.training.pipeline import train_entry
from heartbeats.training.validation_table import read_validation


@pytest.fixture
def finished(model_directory, tmp_path):
    """A finished model that a test may change."""
    return shutil.copytree(model_directory, tmp_path / "model")


def test_signals_stored_elsewhere_make_no_other_model(simulated, finished, monkeypatch):
    monkeypatch.setattr("heartbeats.training.pipeline.train_and_relabel", None)
    elsewhere = dataclasses.replace(TINY, cohort=dataclasses.replace(TINY.cohort, store="../elsewhere"))
    assert train_entry(simulated, finished, elsewhere).threshold


@pytest.mark.parametrize("what", ["reward weights", "U-Net", "setting", "code"])
def test_another_decision_keeps_the_networks_and_makes_another_model(simulated, finished, tmp_path, monkeypatch, what):
    settings = TINY
    if what == "setting":
        settings = dataclasses.replace(TINY, decision=DecisionSettings(sinus_rhythm_fallback=False))
    elif what == "code":
        monkeypatch.setattr(entry, "DECIDING", entry.DECIDING[1:])
    else:
        changed = tmp_path / "changed"
        changed.write_bytes(b"other")
        of_entry = {"reward weights": "WEIGHTS_FILE", "U-Net": "unet.WEIGHTS_FILE"}[what]
        monkeypatch.setattr(f"heartbeats.training.pipeline.{of_entry}", changed)
    before, weights, log = described(finished), digests(finished), (finished / "training.jsonl").read_text()
    (finished / "report.html").unlink()
    monkeypatch.setattr(entry, "train_network", None)
    monkeypatch.setattr(entry, "train_and_relabel", None)
    train_entry(simulated, finished, settings)
    after = described(finished)
    assert digests(finished) == weights
    assert (finished / "training.jsonl").read_text() == log
    assert (finished / "report.html").exists()
    different = {key for key in before if before[key] != after[key]}
    assert different == {"identity"} | ({"settings", "threshold_search"} if what == "setting" else set()) | (
        {key for key in ("threshold", "validation_scores") if before[key] != after[key]}
    )
    train_entry(simulated, finished, settings)
    assert described(finished) == after


@pytest.mark.parametrize("what", ["setting", "code"])
def test_other_networks_are_trained(simulated, finished, monkeypatch, what):
    settings = TINY
    if what == "setting":
        settings = dataclasses.replace(TINY, relabelling=RelabellingSettings(probability=0.7))
    else:
        monkeypatch.setattr(entry, "NETWORKS", entry.NETWORKS[1:])
    monkeypatch.setattr(entry, "train_and_relabel", None)
    with pytest.raises(TypeError, match="NoneType"):  # it would train
        train_entry(simulated, finished, settings)
    assert (finished / "model.json").exists()


def described(model_directory: Path) -> dict[str, Any]:
    return json.loads((model_directory / "model.json").read_text())


def digests(model_directory: Path) -> dict[str, str]:
    return {p.name: sha256(p.read_bytes()).hexdigest() for p in model_directory.glob("*.safetensors")}


def test_files_that_are_not_the_training_s_stay_where_they_are(simulated, tmp_path):
    foreign = [tmp_path / "model" / name for name in (
        "checkpoints/mine.pt", "checkpoints/best.safetensors", "se_resnet_backup.safetensors", ".draft.tmp",
        "thesis/.page.0123456789abcdef.tmp",
    )]  # fmt: skip
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "model/.cache.0123456789abcdef.tmp").mkdir()
    train_entry(simulated, tmp_path / "model", TINY)
    assert [path for path in foreign if not path.exists()] == []
    assert (tmp_path / "model/.cache.0123456789abcdef.tmp").is_dir()
    assert [path.name for path in (tmp_path / "model").rglob("checkpoints/*.safetensors")] == ["best.safetensors"]


def test_a_training_that_diverges_in_its_last_step_is_none(simulated, tmp_path):
    """The loss is of before the step: what the networks answer tells."""
    one_step = dataclasses.replace(TINY.training, epochs=1, learning_rate=1e30, batch_size=64)
    settings = dataclasses.replace(TINY, training=one_step, relabelling=RelabellingSettings(enabled=False))
    with pytest.raises(TrainingError, match=r"no numbers: lower training.learning_rate"):
        train_entry(simulated, tmp_path / "model", settings)
    assert not (tmp_path / "model/model.json").exists()


def test_no_network_is_trained_on_a_recording_that_validates(simulated, tmp_path, monkeypatch):
    given = {}

    def training(name, recordings, labels, settings, **options):
        given[name] = {recording.digest for recording in recordings}
        return train_network(name, recordings, labels, settings, **options)

    monkeypatch.setattr(entry, "train_network", training)
    monkeypatch.setattr(relabelling, "train_network", training)
    train_entry(simulated, tmp_path / "model", TINY)
    digests = {path.stem: read_recording(path).digest for path in find_headers(simulated)}
    names = read_validation(tmp_path / "model/validation.csv").names
    assert names
    assert all(validates(digests[name], TINY) for name in names)
    assert set(given) == {"relabelling", "4s", "2s"}
    for learned in given.values():
        assert len(learned) > len(names)
        assert not any(validates(digest, TINY) for digest in learned)


def test_a_training_that_diverges_with_nobody_to_validate_is_none(simulated, tmp_path):
    settings = dataclasses.replace(
        TINY,
        cohort=dataclasses.replace(TINY.cohort, validation_fraction=1e-300),
        training=dataclasses.replace(TINY.training, epochs=1, learning_rate=1e30, batch_size=64),
        relabelling=RelabellingSettings(enabled=False),
    )
    with pytest.raises(TrainingError, match=r"no numbers: lower training.learning_rate"):
        train_entry(simulated, tmp_path / "model", settings)
    assert not (tmp_path / "model/model.json").exists()


def test_reward_weights_are_read_before_anything_is_trained(simulated, tmp_path, monkeypatch):
    def garbled():
        raise ValueError("weights.csv: not a square table of numbers")

    monkeypatch.setattr(entry, "read_weights", garbled)
    with pytest.raises(ValueError, match=r"weights\.csv"):
        train_entry(simulated, tmp_path / "model", TINY)
    assert not (tmp_path / "model").exists()


def test_other_sides_and_other_answers_of_the_rule_are_another_model(simulated, finished, monkeypatch):
    """Both follow from all samples of a recording; of its signal the networks have 30 s."""
    monkeypatch.setattr(entry, "train_network", None)
    monkeypatch.setattr(entry, "train_and_relabel", None)
    before = described(finished)

    def changed(**values):
        def other_cohort(*arguments):
            cohort = build_cohort(*arguments)
            first = dataclasses.replace(cohort.recordings[0], bradycardia=not cohort.recordings[0].bradycardia)
            each = {"validation": ~cohort.validation, "recordings": (first, *cohort.recordings[1:])}
            return dataclasses.replace(cohort, **{key: each[key] for key in values})

        return other_cohort

    monkeypatch.setattr(entry, "build_cohort", changed(recordings=True))
    train_entry(simulated, finished, TINY)
    assert described(finished)["networks"] == before["networks"]
    assert described(finished)["identity"] != before["identity"]
    monkeypatch.setattr(entry, "build_cohort", changed(validation=True))
    with pytest.raises(TypeError, match="NoneType"):  # it would train
        train_entry(simulated, finished, TINY)


def test_the_report_is_of_the_model_s_own_epochs_whatever_was_broken_off_since(simulated, finished, monkeypatch):
    before = (finished / "report.html").read_text()
    others = dataclasses.replace(TINY, training=dataclasses.replace(TINY.training, learning_rate=1e-5, epochs=9))
    steps = iter(range(10))

    def broken_off(directory, line):
        append_epoch(directory, line)
        if next(steps) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("heartbeats.training.loop.append_epoch", broken_off)
    with pytest.raises(KeyboardInterrupt):
        train_entry(simulated, finished, others)
    (finished / "report.html").unlink()
    train_entry(simulated, finished, TINY)
    assert (finished / "report.html").read_text() == before


def test_epochs_of_another_training_into_the_folder_are_not_this_one_s(simulated, tmp_path):
    model = tmp_path / "model"
    (model / "checkpoints").mkdir(parents=True)
    for network in ("relabelling", "30s"):
        (model / f"checkpoints/{network}.safetensors").touch()
        append_epoch(model, EpochLine(network, 1, 0.5, 1e-3, 5000.0, 10.0, 0.0))
    settings = dataclasses.replace(TINY, relabelling=RelabellingSettings(enabled=False))
    train_entry(simulated, model, settings)
    lines = read_epochs(model)
    assert {line.network for line in lines} == {f"{seconds:g}s" for seconds in settings.training.seconds}
    assert described(model)["training"]["seconds"] == pytest.approx(sum(line.seconds for line in lines), abs=0.1)
