"""Train one network (paper, section 2.4): epochs, learning rates, checkpoints.

The random numbers of an epoch depend only on the seed, the network's name and the epoch's number. So a resumed training
gives the same weights as an uninterrupted one, on a CPU with the same number of threads.
"""

import dataclasses
import hashlib
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from heartbeats.common.digest import code_digest
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import Settings, TrainingSettings
from heartbeats.networks.losses import LOSSES, Loss
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.preparation.prepared import PreparedRecording
from heartbeats.preparation.signals import SAMPLING_RATE
from heartbeats.training import parallel
from heartbeats.training.augmentation import augment
from heartbeats.training.batches import Batches
from heartbeats.training.checkpoints import CHECKPOINTS, load_checkpoint, save_checkpoint
from heartbeats.training.epoch_log import Epoch, write_epochs

log = logging.getLogger(__name__)

RISE = 0.3  # of a training, in one cycle


def train_network(
    name: str,
    recordings: Sequence[PreparedRecording],
    labels: npt.NDArray[np.bool_],
    settings: Settings,
    *,
    seconds: float,
    directory: Path,
    epochs: list[Epoch],
    start: Mapping[str, Tensor] | None = None,
) -> SEResNet:
    """Train an SE-ResNet on the first ``seconds`` of recordings, or continue from its checkpoint in ``directory``.

    Args:
        name: the network's name in checkpoints and logs; random numbers depend on it.
        labels: bool, shape (recordings, 27), or with another number of classes.
        epochs: those of earlier networks. This network's are appended, and all are written to ``training.jsonl``.
        start: weights by name, instead of random ones; those that are missing are random.

    Raises:
        HeartBeatsError: the loss is not finite.
        OSError: the folder cannot be written, or the processes see different checkpoints.
    """
    training, device = settings.training, parallel.device()
    torch.manual_seed(_seed(training.seed, name, 0))
    network = SEResNet(settings.network, labels.shape[1]).to(device)
    network.load_state_dict(start or {}, strict=False)
    optimizer, average = _optimizer(network, training), _moving_average(network, training.averaging)
    kept = nn.ModuleList([network, average] if average else [network])
    checkpoint = directory / CHECKPOINTS / f"{name}.safetensors"
    identity = _identity(name, recordings, labels, settings, seconds, start or {})
    done = _resume(checkpoint, identity, kept, optimizer)
    batches = Batches(recordings, round(seconds * SAMPLING_RATE), device)
    trained, truth = parallel.data_parallel(network), torch.from_numpy(labels.astype(np.float32)).to(device)
    for number in range(len(done) + 1, training.epochs + 1):
        done.append(_train_epoch(name, number, trained, average, optimizer, batches, truth, settings))
        if parallel.is_first():
            save_checkpoint(checkpoint, identity, done, kept, optimizer)
            _log_epoch(done[-1], training.epochs)
            write_epochs(directory, [*epochs, *done])
    epochs += done
    if average:
        network.load_state_dict(average.module.state_dict())
    return network


def _optimizer(network: nn.Module, training: TrainingSettings) -> torch.optim.Optimizer:
    """Return Adam with decoupled weight decay; with a decay of 0, the paper's Adam. Each step sets the rate."""
    on_gpu = next(network.parameters()).is_cuda
    return torch.optim.AdamW(network.parameters(), weight_decay=training.weight_decay, fused=on_gpu)


def _resume(checkpoint: Path, identity: str, kept: nn.Module, optimizer: torch.optim.Optimizer) -> list[Epoch]:
    """Load a checkpoint, if there is one, and return the finished epochs."""
    done = load_checkpoint(checkpoint, identity, kept, optimizer)
    if len(done) != parallel.broadcast(len(done)):
        raise OSError(f"{checkpoint}: the processes see different checkpoints; they must share the model folder")
    return done


def _moving_average(network: nn.Module, decay: float) -> AveragedModel | None:
    """Return a moving average of a network's weights, or ``None`` if ``decay`` is 0."""
    averaging = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=averaging, use_buffers=True) if decay else None


def data_digest(recordings: Sequence[PreparedRecording], labels: npt.NDArray[np.bool_]) -> str:
    """Return the SHA-256 of names, prepared signals and labels, bool, shape (recordings, classes)."""
    digest = hashlib.sha256(np.packbits(labels).tobytes())
    for recording in recordings:
        digest.update(f"{recording.name} {recording.checksum}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of weights by name, or nothing if there are none."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
    return hashlib.sha256(save_tensors(tensors)).hexdigest() if tensors else ""


def _identity(
    name: str,
    recordings: Sequence[PreparedRecording],
    labels: npt.NDArray[np.bool_],
    settings: Settings,
    seconds: float,
    start: Mapping[str, Tensor],
) -> str:
    """Return the SHA-256 of all that determines a network's weights: signals, labels, settings, start and code."""
    tables = [dataclasses.asdict(each) for each in (settings.network, settings.training, settings.augmentation)]
    code = code_digest("networks", "training")
    described = json.dumps([*tables, name, seconds, data_digest(recordings, labels), weights_digest(start), code])
    return hashlib.sha256(described.encode()).hexdigest()


def _train_epoch(
    name: str,
    epoch: int,
    network: nn.Module,
    average: AveragedModel | None,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    labels: Tensor,
    settings: Settings,
) -> Epoch:
    """Train on all recordings once, in random order.

    All processes draw the same order. Each batch is filled up, so that all processes get equal parts.
    """
    started, count, world, training = time.monotonic(), len(labels), parallel.world_size(), settings.training
    torch.manual_seed(_seed(training.seed, name, epoch))
    order = torch.randperm(count)
    if not parallel.is_first():
        torch.manual_seed(torch.initial_seed() + parallel.rank())  # different dropout and augmentation in each process
    network.train()
    losses = torch.zeros((), dtype=torch.float64, device=labels.device)
    steps = torch.split(order, training.batch_size)
    for step, chosen in enumerate(_bar(steps, f"{name}, epoch {epoch}/{training.epochs}")):
        for group in optimizer.param_groups:
            group["lr"] = rate = learning_rate(training, epoch - 1 + step / len(steps))
        filled = torch.cat([chosen, order[: -len(chosen) % world]])[parallel.rank() :: world]
        truth = labels[filled.to(labels.device)]
        x = augment(batches.batch(filled), settings.augmentation)
        losses += len(chosen) / world * training_step(network, optimizer, LOSSES[training.loss], x, truth)
        if average:
            average.update_parameters(network)
    loss, took = parallel.sum_over_processes(losses.item()) / count, time.monotonic() - started
    if not math.isfinite(loss):
        raise HeartBeatsError(f"{name}, epoch {epoch}: the loss is {loss}; lower training.learning_rate")
    return Epoch(name, epoch, loss, rate, took, count / took, (training.epochs - epoch) * took)


def learning_rate(settings: TrainingSettings, done: float) -> float:
    """Return the learning rate after ``done`` epochs, which may be a fraction.

    One cycle (Smith and Topin 2018) is a linear rise over the first 30 %, then half a cosine down to 0.
    """
    if settings.schedule == "steps":
        reduced = done + 1 >= settings.reduced_from_epoch
        return settings.reduced_learning_rate if reduced else settings.learning_rate
    share = done / settings.epochs
    fraction = share / RISE if share < RISE else (1 + math.cos(math.pi * (share - RISE) / (1 - RISE))) / 2
    return settings.learning_rate * fraction


def _bar(batches: Sequence[Tensor], description: str) -> Iterator[Tensor]:
    """Show a progress bar in the first process, on a terminal only."""
    with logging_redirect_tqdm([logging.getLogger("heartbeats")]):
        yield from tqdm(batches, desc=description, unit="batch", disable=None if parallel.is_first() else True)


def training_step(
    network: nn.Module, optimizer: torch.optim.Optimizer, loss_function: Loss, x: Tensor, y: Tensor
) -> Tensor:
    """Train one step and return the mean loss, a scalar. It computes in bfloat16 if the device has it.

    Args:
        network: maps signals to logits.
        optimizer: of its parameters.
        loss_function: maps logits and labels to a scalar.
        x: signals in mV, shape (batch, 8, samples).
        y: labels 0 or 1, float32, shape (batch, 27).
    """
    with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=has_bfloat16(x.device.type)):
        logits = network(x)
    loss = loss_function(logits.float(), y)
    optimizer.zero_grad()
    with torch.backends.cudnn.flags(enabled=True, deterministic=True):
        loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()


@cache
def has_bfloat16(device: str) -> bool:
    """Return whether a device multiplies in bfloat16. Older ones, such as the T4, emulate it slowly."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def _log_epoch(epoch: Epoch, epochs: int) -> None:
    speed = f"{epoch.recordings_per_second:.1f} recordings/s, {epoch.seconds_left:.0f} s left for this network"
    counted = f"{epoch.network}, epoch {epoch.epoch}/{epochs}"
    log.info("%s: loss %.5f, rate %g, %s", counted, epoch.loss, epoch.learning_rate, speed)


def _seed(seed: int, name: str, epoch: int) -> int:
    """Return the seed of a network's epoch; epoch 0 is the initialisation."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name} {epoch}".encode()).digest()[:8]) >> 1
