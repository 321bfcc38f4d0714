"""The same command keeps a finished model if its inputs have not changed."""

import dataclasses
import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY
from torch import nn
from torch.nn import functional

from heartbeats.challenge.outputs import read_output
from heartbeats.classification.folder import classify_folder
from heartbeats.classification.model_folder import load_model
from heartbeats.common.digest import code_digest
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import DecisionSettings, RelabellingSettings
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import read_recording
from heartbeats.networks import se_resnet
from heartbeats.preparation.prepared import prepare_file
from heartbeats.preparation.signals import fixed_length
from heartbeats.training import pipeline, relabelling
from heartbeats.training.cohort import build_cohort, validates
from heartbeats.training.loop import train_network
from heartbeats.training.pipeline import train_model
from heartbeats.training.validation_table import read_validation


@pytest.fixture
def finished(model_directory, tmp_path):
    """A finished model that a test may change."""
    return shutil.copytree(model_directory, tmp_path / "model")


def test_another_cache_folder_keeps_the_model(simulated, finished, monkeypatch):
    monkeypatch.setattr("heartbeats.training.pipeline.train_and_relabel", None)
    elsewhere = dataclasses.replace(TINY, cohort=dataclasses.replace(TINY.cohort, store="../elsewhere"))
    assert train_model(simulated, finished, elsewhere).threshold


@pytest.mark.parametrize("what", ["reward weights", "setting", "code"])
def test_another_decision_changes_the_model_and_keeps_the_networks(simulated, finished, tmp_path, monkeypatch, what):
    settings = TINY
    if what == "setting":
        settings = dataclasses.replace(TINY, decision=DecisionSettings(sinus_rhythm_fallback=False))
    elif what == "code":
        change_code(monkeypatch, "classification")
    else:
        (tmp_path / "weights.csv").write_text("other")
        monkeypatch.setattr(pipeline, "WEIGHTS_FILE", tmp_path / "weights.csv")
    before, weights, log = described(finished), digests(finished), (finished / "training.jsonl").read_text()
    monkeypatch.setattr(pipeline, "train_network", None)
    monkeypatch.setattr(pipeline, "train_and_relabel", None)
    train_model(simulated, finished, settings)
    after = described(finished)
    assert digests(finished) == weights
    assert (finished / "training.jsonl").read_text() == log
    assert after["networks"] == before["networks"]
    assert after["model"] != before["model"]
    train_model(simulated, finished, settings)
    assert described(finished) == after


def change_code(monkeypatch, room):
    """Give one room another digest."""
    monkeypatch.setattr(
        pipeline, "code_digest", lambda *rooms: code_digest(*rooms) + ("changed" if room in rooms else "")
    )


@pytest.mark.parametrize("what", ["setting", "networks", "training"])
def test_other_networks_are_trained(simulated, finished, monkeypatch, what):
    settings = TINY
    if what == "setting":
        settings = dataclasses.replace(TINY, relabelling=RelabellingSettings(probability=0.7))
    else:
        change_code(monkeypatch, what)
    monkeypatch.setattr(pipeline, "train_and_relabel", None)
    with pytest.raises(TypeError, match="NoneType"):  # it would train
        train_model(simulated, finished, settings)
    assert (finished / "model.json").exists()


def with_gelu(block):
    block.forward = lambda x: torch.relu(
        block.se(block.bn2(block.conv2(block.dropout(functional.gelu(block.bn1(block.conv1(x))))))) + block.skip(x)
    )


def with_kernel_of_9(block):
    channels = block.conv2.in_channels
    block.conv2 = nn.Conv1d(channels, channels, 9, padding=4, bias=False)


def with_dilation(block):
    channels = block.conv2.in_channels
    block.conv2 = nn.Conv1d(channels, channels, 7, padding=9, dilation=3, bias=False)


@pytest.mark.parametrize("change", [with_gelu, with_kernel_of_9, with_dilation])
def test_a_changed_network_uses_its_own_forward_everywhere(simulated, tmp_path, monkeypatch, change):
    class Changed(se_resnet.SEBlock):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            change(self)

    monkeypatch.setattr(se_resnet, "SEBlock", Changed)
    one_member = dataclasses.replace(TINY.training, seconds=(12.0,))
    settings = dataclasses.replace(TINY, training=one_member, relabelling=RelabellingSettings(enabled=False))
    train_model(simulated, tmp_path / "model", settings)
    model = load_model(tmp_path / "model")
    classify_folder(model, simulated, tmp_path / "out")
    (member,) = model.members
    for header_file in find_headers(simulated)[:8]:
        x = torch.from_numpy(fixed_length([prepare_file(header_file).signal], 6000))
        with torch.inference_mode():
            expected = torch.sigmoid(member.network.eval()(x))[0]
        written = read_output(tmp_path / "out" / f"{header_file.stem}.csv").probabilities
        torch.testing.assert_close(torch.tensor(written), expected, atol=1e-6, rtol=0)


def described(model_directory: Path) -> dict[str, Any]:
    return json.loads((model_directory / "model.json").read_text())


def digests(model_directory: Path) -> dict[str, str]:
    return {p.name: sha256(p.read_bytes()).hexdigest() for p in model_directory.glob("*.safetensors")}


def test_divergence_in_the_last_step_is_an_error(simulated, tmp_path):
    """The loss is from before the step, so only the probabilities show the fault."""
    one_step = dataclasses.replace(TINY.training, epochs=1, learning_rate=1e30, batch_size=64)
    settings = dataclasses.replace(TINY, training=one_step, relabelling=RelabellingSettings(enabled=False))
    with pytest.raises(HeartBeatsError, match=r"not finite: lower training.learning_rate"):
        train_model(simulated, tmp_path / "model", settings)
    assert not (tmp_path / "model/model.json").exists()


def test_networks_do_not_train_on_validation_recordings(simulated, tmp_path, monkeypatch):
    given = {}

    def training(name, recordings, labels, settings, **options):
        given[name] = {recording.digest for recording in recordings}
        return train_network(name, recordings, labels, settings, **options)

    monkeypatch.setattr(pipeline, "train_network", training)
    monkeypatch.setattr(relabelling, "train_network", training)
    train_model(simulated, tmp_path / "model", TINY)
    digests = {path.stem: read_recording(path).digest for path in find_headers(simulated)}
    names = read_validation(tmp_path / "model/validation.csv").names
    assert names
    assert all(validates(name, digests[name], TINY, {}) for name in names)
    assert set(given) == {"relabelling", "4s", "2s"}
    for learned in given.values():
        assert len(learned) > len(names)
        assert not any(validates("", digest, TINY, {}) for digest in learned)


def test_another_split_or_rule_changes_the_model(simulated, finished, monkeypatch):
    """Both depend on the whole recording; the networks read only 30 s."""
    monkeypatch.setattr(pipeline, "train_network", None)
    monkeypatch.setattr(pipeline, "train_and_relabel", None)
    before = described(finished)

    def changed(**values):
        def other_cohort(*arguments):
            cohort = build_cohort(*arguments)
            first = dataclasses.replace(cohort.recordings[0], bradycardia=not cohort.recordings[0].bradycardia)
            each = {"validation": ~cohort.validation, "recordings": (first, *cohort.recordings[1:])}
            return dataclasses.replace(cohort, **{key: each[key] for key in values})

        return other_cohort

    monkeypatch.setattr(pipeline, "build_cohort", changed(recordings=True))
    train_model(simulated, finished, TINY)
    assert described(finished)["networks"] == before["networks"]
    assert described(finished)["model"] != before["model"]
    monkeypatch.setattr(pipeline, "build_cohort", changed(validation=True))
    with pytest.raises(TypeError, match="NoneType"):  # it would train
        train_model(simulated, finished, TINY)
