"""Training is reproducible to the byte, also across an interruption."""

import dataclasses
import json
import zlib

import numpy as np
import pytest
import torch
from conftest import TINY

from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import AugmentationSettings
from heartbeats.preparation.prepared import PreparedRecording
from heartbeats.training import loop as training
from heartbeats.training.epoch_log import EPOCH_LOG
from heartbeats.training.loop import learning_rate, train_network, training_step

SETTINGS = dataclasses.replace(TINY, training=dataclasses.replace(TINY.training, epochs=4, batch_size=4))


def recordings(count: int = 10) -> list[PreparedRecording]:
    draws = np.random.default_rng(0)
    signals = [draws.integers(-1000, 1000, (8, 600 + 100 * i)).astype(np.int16) for i in range(count)]
    return [PreparedRecording(f"A{i}", x, False, str(i), (), zlib.crc32(x.tobytes())) for i, x in enumerate(signals)]


def labels(count: int = 10) -> np.ndarray:
    return np.random.default_rng(1).random((count, 27)) < 0.2


def train(directory, *, settings=SETTINGS, name="2s", labels=labels()):  # noqa: B008
    return train_network(name, recordings(len(labels)), labels, settings, seconds=2.0, directory=directory, epochs=[])


def same(one, other) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def with_seed(seed: int):
    return dataclasses.replace(SETTINGS, training=dataclasses.replace(SETTINGS.training, seed=seed))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("uninterrupted")
    return train(directory), directory


def test_two_runs_give_the_same_weights_to_the_bit(uninterrupted, tmp_path):
    torch.rand(17)
    assert same(train(tmp_path), uninterrupted[0])


def test_an_interrupted_run_with_averaging_and_augmentation_resumes_to_the_same_weights(tmp_path, monkeypatch):
    changed = dataclasses.replace(
        SETTINGS,
        training=dataclasses.replace(SETTINGS.training, averaging=0.9, schedule="one-cycle", weight_decay=0.1),
        augmentation=AugmentationSettings(gain=0.2, lead_dropout=0.5, time_shift=0.2, noise=0.01),
    )
    whole = train(tmp_path / "whole", settings=changed)
    assert not same(whole, train(tmp_path / "last", settings=with_averaging(changed, 0.0)))
    calls = []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return training_step(*arguments)

    monkeypatch.setattr(training, "training_step", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", settings=changed)
    assert same(train(tmp_path / "stopped", settings=changed), whole)


def with_averaging(settings, decay: float):
    return dataclasses.replace(settings, training=dataclasses.replace(settings.training, averaging=decay))


def test_averaged_weights_follow_the_last_ones(tmp_path):
    """With a small decay, the average is nearly the last weights."""
    last = train(tmp_path / "last").state_dict()
    average = train(tmp_path / "average", settings=with_averaging(SETTINGS, 1e-6)).state_dict()
    for key, value in last.items():
        if key.endswith("num_batches_tracked"):
            continue
        torch.testing.assert_close(average[key], value, rtol=1e-3, atol=1e-4)


def test_one_cycle_rises_for_30_percent_and_falls_to_0():
    one = dataclasses.replace(SETTINGS.training, epochs=10, schedule="one-cycle", learning_rate=2.0)
    rates = [learning_rate(one, done) for done in (0, 1.5, 3, 6.5, 10)]
    assert rates == pytest.approx([0, 1, 2, 1, 0])


@pytest.mark.parametrize("stopped_in", [1, 5, 12])
def test_an_interrupted_run_resumes_to_the_same_weights_and_log(uninterrupted, tmp_path, monkeypatch, stopped_in):
    """The training stops in the first, second or last of four epochs of three steps."""
    calls = []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) == stopped_in:
            raise KeyboardInterrupt
        return training_step(*arguments)

    monkeypatch.setattr(training, "training_step", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    monkeypatch.setattr(training, "training_step", training_step)
    assert same(train(tmp_path), uninterrupted[0])
    lines = [json.loads(line) for line in (tmp_path / EPOCH_LOG).read_text().splitlines()]
    whole = [json.loads(line) for line in (uninterrupted[1] / EPOCH_LOG).read_text().splitlines()]
    for key in ("network", "epoch", "loss", "learning_rate"):
        assert [line[key] for line in lines] == [line[key] for line in whole]


def test_a_finished_network_is_not_trained_again(uninterrupted, monkeypatch):
    monkeypatch.setattr(training, "_train_epoch", lambda *_: pytest.fail("trained again"))
    assert same(train(uninterrupted[1]), uninterrupted[0])


@pytest.mark.parametrize(
    "change",
    [{"settings": with_seed(1)}, {"labels": ~labels()}, {"labels": labels(9)}],
    ids=["settings", "labels", "recordings"],
)
def test_a_checkpoint_of_other_data_or_settings_is_ignored(tmp_path, change, caplog):
    train(tmp_path)
    changed = train(tmp_path, **change)
    assert "belongs to other data, settings or code" in caplog.text
    assert same(changed, train(tmp_path / "fresh", **change))


def test_a_truncated_checkpoint_is_ignored(uninterrupted, tmp_path, caplog):
    train(tmp_path)
    checkpoint = tmp_path / "checkpoints/2s.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    assert same(train(tmp_path), uninterrupted[0])
    assert "damaged" in caplog.text


def test_the_learning_rate_drops_at_its_epoch(uninterrupted):
    lines = [json.loads(line) for line in (uninterrupted[1] / EPOCH_LOG).read_text().splitlines()]
    assert [line["learning_rate"] for line in lines] == [1e-3, 1e-4, 1e-4, 1e-4]
    assert all(line["recordings_per_second"] > 0 for line in lines)
    assert lines[-1]["seconds_left"] == 0


def test_a_checkpoint_of_other_signals_is_ignored(tmp_path, caplog):
    def with_checksum(value):
        changed = recordings()
        changed[3] = dataclasses.replace(changed[3], checksum=value)
        return train_network("2s", changed, labels(), SETTINGS, seconds=2.0, directory=tmp_path, epochs=[])

    with_checksum(5)
    with_checksum(9)
    assert "belongs to other data, settings or code" in caplog.text


def test_the_loss_of_an_epoch_is_its_mean_over_the_recordings(tmp_path):
    """Ten recordings give three batches of three and one of one. The weights do not change."""
    still = dataclasses.replace(
        SETTINGS,
        training=dataclasses.replace(SETTINGS.training, epochs=1, batch_size=3, learning_rate=1e-30),
        network=dataclasses.replace(SETTINGS.network, dropout=0.0),
    )
    seen = []

    def loss(logits, y):
        each = torch.nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none").mean(dim=1)
        seen.extend(each.tolist())
        return each.mean()

    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(training.LOSSES, "sign", loss)
        train(tmp_path, settings=still)
    (line,) = (tmp_path / EPOCH_LOG).read_text().splitlines()
    assert len(seen) == 10
    assert json.loads(line)["loss"] == pytest.approx(np.mean(seen), rel=1e-5)


def test_training_reduces_the_loss(tmp_path):
    longer = dataclasses.replace(SETTINGS.training, epochs=40, reduced_from_epoch=41)
    train(tmp_path, settings=dataclasses.replace(SETTINGS, training=longer))
    losses = [json.loads(line)["loss"] for line in (tmp_path / EPOCH_LOG).read_text().splitlines()]
    assert losses[-1] < 0.6 * losses[0]


def test_a_nan_loss_stops_the_training(tmp_path, monkeypatch):
    monkeypatch.setitem(training.LOSSES, "sign", lambda logits, _: logits.mean() * float("nan"))
    with pytest.raises(HeartBeatsError, match=r"2s, epoch 1: the loss is nan; lower training.learning_rate"):
        train(tmp_path)
    assert not list((tmp_path / "checkpoints").glob("*"))
    assert not (tmp_path / EPOCH_LOG).exists()
