"""Training one network (paper, section 2.4): epochs, schedule, and going on from a checkpoint.

Every random choice of an epoch follows from the seed, the network's name and the epoch's number, so that a run that was
killed goes on from its last checkpoint to the very weights of an uninterrupted one, on a CPU with as many threads. On a
GPU cuDNN is asked for algorithms that always add in the same order, which has not been put to the test.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from heartbeats.common import collective, ranks
from heartbeats.common.digest import code_digest
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import Settings, TrainingSettings
from heartbeats.networks.losses import LOSS_FUNCTIONS, Loss
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.preparation.prepared import Prepared
from heartbeats.preparation.preprocessing import SAMPLING_RATE
from heartbeats.training.checkpoints import CHECKPOINTS, resume, save_checkpoint
from heartbeats.training.data_parallel import data_parallel
from heartbeats.training.epoch_log import EpochLine, append_epoch, keep_epochs
from heartbeats.training.feed import Feed, make_feed

__all__ = [
    "TrainingError",
    "data_digest",
    "train_network",
    "training_step",
]

log = logging.getLogger(__name__)


class TrainingError(HeartBeatsError):
    """A training cannot go on; the message says of which network, and why."""


def train_network(
    name: str,
    recordings: Sequence[Prepared],
    labels: npt.NDArray[np.bool_],
    settings: Settings,
    *,
    seconds: float,
    directory: Path,
) -> SEResNet:
    """Train an SE-ResNet on recordings cut or zero-padded to ``seconds``, going on from its checkpoint if it has one.

    After each epoch a line goes to the log, the same as JSON to ``directory/training.jsonl``, and a checkpoint to
    ``directory/checkpoints/NAME.safetensors``. On a CUDA device that has it, convolutions and linear
    layers run in bfloat16 (autocast).

    Args:
        name: distinguishes the networks of a model folder, in file names, logs and random numbers.
        labels: bool, shape (recordings, 27).

    Returns:
        The network, on :func:`heartbeats.common.collective.device`; the same in every process.

    Raises:
        TrainingError: the loss is no number any more.
        OSError: the folder cannot be written, or processes find different checkpoints there.
    """
    training = settings.training
    device = collective.device()
    torch.manual_seed(_seed(training.seed, name, 0))
    network = SEResNet(settings.network).to(device)
    trained = data_parallel(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=training.learning_rate, fused=device.type == "cuda")
    checkpoint = directory / CHECKPOINTS / f"{name}.safetensors"
    identity = _identity(name, recordings, labels, settings, seconds)
    done = _epochs_done(checkpoint, identity, network, optimizer)
    if ranks.is_first():
        keep_epochs(directory, lambda line: line.network != name or line.epoch <= done)
    signals = [recording.signal for recording in recordings]
    feed = make_feed(signals, round(seconds * SAMPLING_RATE), device)
    truth = torch.from_numpy(labels.astype(np.float32)).to(device)

    batches = -(-len(recordings) // training.batch_size)
    total, hidden = training.epochs * batches, ranks.bar_disabled()
    with (
        logging_redirect_tqdm([logging.getLogger("heartbeats")]),
        torch.backends.cudnn.flags(enabled=True, deterministic=True),
        tqdm(total=total, initial=done * batches, unit="batch", disable=hidden) as bar,
    ):
        for epoch in range(done + 1, training.epochs + 1):
            bar.set_description(f"{name}, epoch {epoch}/{training.epochs}")
            started = time.monotonic()
            rate = training.learning_rate if epoch < training.reduced_from_epoch else training.reduced_learning_rate
            for group in optimizer.param_groups:
                group["lr"] = rate
            torch.manual_seed(_seed(training.seed, name, epoch))
            loss = _epoch(trained, optimizer, feed, truth, training, bar)
            took = time.monotonic() - started
            if not math.isfinite(loss):  # before it is saved: there is no going on from it
                raise TrainingError(f"{name}, epoch {epoch}: the loss is {loss}; lower training.learning_rate")
            if ranks.is_first():
                speed, left = len(recordings) / took, (training.epochs - epoch) * took
                line = EpochLine(name, epoch, loss, rate, took, speed, left)
                _report(directory, line, training.epochs)
                save_checkpoint(checkpoint, identity, epoch, network, optimizer)
    return network


def _epochs_done(checkpoint: Path, identity: str, network: SEResNet, optimizer: torch.optim.Adam) -> int:
    """Go on from a checkpoint if there is one: how many epochs are done, as many in every process.

    Raises:
        OSError: the folder cannot be made, or processes find different checkpoints.
    """
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    done = resume(checkpoint, identity, network, optimizer)
    if collective.summed([done])[0] != ranks.world_size() * done:
        raise OSError(f"{checkpoint}: not all processes see the same checkpoint; they must share the model folder")
    return done


def data_digest(recordings: Sequence[Prepared], labels: npt.NDArray[np.bool_]) -> str:
    """SHA-256 of names, prepared signals and labels, bool, shape (recordings, 27)."""
    digest = hashlib.sha256()
    for recording in recordings:
        digest.update(f"{recording.name} {recording.checksum}".encode("utf-8", "surrogateescape"))
    digest.update(np.packbits(labels).tobytes())
    return digest.hexdigest()


def _identity(
    name: str, recordings: Sequence[Prepared], labels: npt.NDArray[np.bool_], settings: Settings, seconds: float
) -> str:
    """SHA-256 of all that a network's weights follow from: signals, labels, settings and the code of the training."""
    tables = [dataclasses.asdict(settings.network), dataclasses.asdict(settings.training)]
    described = json.dumps(
        [*tables, name, seconds, data_digest(recordings, labels), code_digest("networks", "training")]
    )
    return hashlib.sha256(described.encode()).hexdigest()


def _report(directory: Path, line: EpochLine, epochs: int) -> None:
    """Write an epoch's line, before its checkpoint: one that a kill leaves without is dropped when training goes on."""
    append_epoch(directory, line)
    speed = f"{line.recordings_per_second:.1f} recordings/s, {line.seconds_left:.0f} s left for this network"
    counted = f"{line.network}, epoch {line.epoch}/{epochs}"
    log.info("%s: loss %.5f, rate %g, %s", counted, line.loss, line.learning_rate, speed)


def _epoch(
    network: nn.Module,
    optimizer: torch.optim.Adam,
    feed: Feed,
    labels: Tensor,
    settings: TrainingSettings,
    bar: tqdm[NoReturn],
) -> float:
    """One pass over the recordings in random order; returns the mean loss per recording.

    Of each batch a process takes every so many-th recording. All of them draw the same order, and dropout of their own.
    """
    network.train()
    device = labels.device
    order = torch.randperm(len(labels))
    rows, numbers = order.to(device), order.to(feed.index_device)
    if not ranks.is_first():
        torch.manual_seed(torch.initial_seed() + ranks.rank())
    total = torch.zeros((), dtype=torch.float64, device=device)
    loss = LOSS_FUNCTIONS[settings.loss]
    for start in range(0, len(order), settings.batch_size):
        count = min(settings.batch_size, len(order) - start)
        part = slice(start + ranks.rank(), start + count, ranks.world_size())
        total += count * training_step(network, optimizer, loss, feed.batch(numbers[part]), labels[rows[part]], count)
        bar.update()
    return float(collective.summed(total.item())) / len(order)


def training_step(
    network: nn.Module, optimizer: torch.optim.Adam, loss_function: Loss, x: Tensor, y: Tensor, batch_size: int
) -> Tensor:
    """One step on this process's part of a batch; returns the part's share of the batch's mean loss, a scalar.

    Args:
        x: signals in mV, shape (part, 8, samples).
        y: labels 0 or 1, float32, shape (part, 27).
        batch_size: recordings in the whole batch.
    """
    with torch.autocast("cuda", dtype=torch.bfloat16, enabled=x.is_cuda and _has_bfloat16()):
        logits = network(x)
    # The mean of no recording at all is NaN.
    loss = loss_function(logits.float(), y) * (len(x) / batch_size) if len(x) else logits.float().sum()
    optimizer.zero_grad()
    # DistributedDataParallel takes the mean of the processes' gradients: it is their sum that is the batch's.
    (loss * ranks.world_size()).backward()
    optimizer.step()
    return loss.detach()


@cache
def _has_bfloat16() -> bool:
    """Whether GPUs here multiply in bfloat16. Those before Ampere (the organisers' T4) emulate it, slowly."""
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _seed(seed: int, name: str, epoch: int) -> int:
    """A seed of its own for each epoch of each network; epoch 0 is the initialisation."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name} {epoch}".encode()).digest()[:8]) >> 1
