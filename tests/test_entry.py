"""A finished model is found by the same command as long as nothing that it follows from has changed."""

import dataclasses
import shutil

import pytest
from conftest import TINY

from heartbeats.entry import train_entry
from heartbeats.settings import RelabellingSettings
from heartbeats.training import TrainingError


@pytest.fixture
def finished(model_directory, tmp_path):
    """A finished model that a test may change."""
    return shutil.copytree(model_directory, tmp_path / "model")


def test_signals_stored_elsewhere_make_no_other_model(simulated, finished, monkeypatch):
    monkeypatch.setattr("heartbeats.entry.train_and_relabel", None)
    elsewhere = dataclasses.replace(TINY, cohort=dataclasses.replace(TINY.cohort, store="../elsewhere"))
    assert train_entry(simulated, finished, elsewhere).threshold


@pytest.mark.parametrize("what", ["WEIGHTS_FILE", "unet.WEIGHTS_FILE"])
def test_other_reward_weights_or_another_u_net_make_another_model(simulated, finished, tmp_path, monkeypatch, what):
    changed = tmp_path / "changed"
    changed.write_bytes(b"other")
    monkeypatch.setattr(f"heartbeats.entry.{what}", changed)
    monkeypatch.setattr("heartbeats.entry.train_and_relabel", None)
    with pytest.raises(TypeError, match="NoneType"):  # it would train
        train_entry(simulated, finished, TINY)


def test_files_that_are_not_the_training_s_stay_where_they_are(simulated, tmp_path):
    foreign = [tmp_path / "model" / name for name in ("checkpoints/mine.pt", ".draft.tmp", "thesis/.page.12.tmp")]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "model/.cache.12.tmp").mkdir()
    train_entry(simulated, tmp_path / "model", TINY)
    assert [path for path in foreign if not path.exists()] == []
    assert (tmp_path / "model/.cache.12.tmp").is_dir()
    assert not list((tmp_path / "model").rglob("checkpoints/*.safetensors"))


def test_a_training_that_diverges_in_its_last_step_is_none(simulated, tmp_path):
    """The loss is of before the step: what the networks answer tells."""
    one_step = dataclasses.replace(TINY.training, epochs=1, learning_rate=1e30, batch_size=64)
    settings = dataclasses.replace(TINY, training=one_step, relabelling=RelabellingSettings(enabled=False))
    with pytest.raises(TrainingError, match=r"no numbers: lower training.learning_rate"):
        train_entry(simulated, tmp_path / "model", settings)
    assert not (tmp_path / "model/model.json").exists()
