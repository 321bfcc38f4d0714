"""Training one network (paper, section 2.4): epochs, schedule, checkpoints.

Every random choice of an epoch follows from the seed, the network's name and the epoch's number, so that a run that was
killed goes on from its last checkpoint to the very weights of an uninterrupted one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from heartbeats.files import replace_file, write_text
from heartbeats.preprocessing import SAMPLING_RATE, fixed_length
from heartbeats.read_ahead import Prepared
from heartbeats.se_resnet import SEResNet
from heartbeats.settings import Settings
from heartbeats.sign_loss import sign_loss

__all__ = ["EPOCH_LOG", "best_device", "save_tensors", "train_network"]

log = logging.getLogger(__name__)

EPOCH_LOG = "training.jsonl"


def best_device() -> torch.device:
    """The first CUDA device where there is one, the CPU otherwise."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


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
    ``directory/checkpoints/NAME.safetensors``. On a CUDA device convolutions run in bfloat16 (autocast).

    Args:
        name: distinguishes the networks of a model folder, in file names, logs and random numbers.
        labels: bool, shape (recordings, 27).

    Returns:
        The network on :func:`best_device`.
    """
    training = settings.training
    device = best_device()
    torch.manual_seed(_seed(training.seed, name, 0))
    network = SEResNet(settings.network).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=training.learning_rate)
    checkpoint = directory / "checkpoints" / f"{name}.safetensors"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    identity = _identity(name, recordings, labels, settings, seconds)
    done = _resume(checkpoint, identity, network, optimizer)
    epoch_log = directory / EPOCH_LOG
    _forget_after(epoch_log, name, done)

    batches = -(-len(recordings) // training.batch_size)
    with (
        logging_redirect_tqdm([logging.getLogger("heartbeats")]),
        tqdm(total=training.epochs * batches, initial=done * batches, unit="batch", disable=None) as bar,
    ):
        for epoch in range(done + 1, training.epochs + 1):
            bar.set_description(f"{name}, epoch {epoch}/{training.epochs}")
            started = time.monotonic()
            rate = training.learning_rate if epoch < training.reduced_from_epoch else training.reduced_learning_rate
            for group in optimizer.param_groups:
                group["lr"] = rate
            torch.manual_seed(_seed(training.seed, name, epoch))
            loss = _epoch(network, optimizer, recordings, labels, seconds, training.batch_size, bar)
            _save(checkpoint, identity, epoch, network, optimizer)
            took = time.monotonic() - started
            line = {
                "network": name,
                "epoch": epoch,
                "loss": loss,
                "learning_rate": rate,
                "recordings_per_second": len(recordings) / took,
                "seconds_left": (training.epochs - epoch) * took,
            }
            with epoch_log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            log.info(
                "%s, epoch %d/%d: loss %.5f, rate %g, %.1f recordings/s, %.0f s left",
                *(name, epoch, training.epochs, loss, rate, line["recordings_per_second"], line["seconds_left"]),
            )
    return network


def _epoch(
    network: SEResNet,
    optimizer: torch.optim.Adam,
    recordings: Sequence[Prepared],
    labels: npt.NDArray[np.bool_],
    seconds: float,
    batch_size: int,
    bar: tqdm[NoReturn],
) -> float:
    """One pass over the recordings in random order; returns the mean loss per recording."""
    network.train()
    device = next(network.parameters()).device
    total = torch.zeros((), dtype=torch.float64, device=device)
    order = torch.randperm(len(recordings)).numpy()
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        signals = fixed_length([recordings[i].signal for i in chosen], round(seconds * SAMPLING_RATE))
        x = torch.from_numpy(signals).to(device)
        y = torch.from_numpy(labels[chosen].astype(np.float32)).to(device)
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=device.type == "cuda"):
            logits = network(x)
        loss = sign_loss(logits.float(), y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach() * len(chosen)
        bar.update()
    return total.item() / len(order)


def _seed(seed: int, name: str, epoch: int) -> int:
    """A seed of its own for each epoch of each network; epoch 0 is the initialisation."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name} {epoch}".encode()).digest()[:8]) >> 1


def _identity(
    name: str, recordings: Sequence[Prepared], labels: npt.NDArray[np.bool_], settings: Settings, seconds: float
) -> str:
    """What a checkpoint must share with a run to be continued by it: data, labels and settings."""
    tables = [dataclasses.asdict(settings.network), dataclasses.asdict(settings.training), name, seconds]
    digest = hashlib.sha256(json.dumps(tables).encode())
    for recording in recordings:
        digest.update(f"{recording.name} {recording.digest}".encode())
    digest.update(np.packbits(labels).tobytes())
    return digest.hexdigest()


def _save(path: Path, identity: str, epoch: int, network: SEResNet, optimizer: torch.optim.Adam) -> None:
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{key}": value for key, value in moments.items()}
    save_tensors(path, tensors, {"identity": identity, "epoch": str(epoch)})


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """

    def write(temporary: Path) -> None:
        try:
            save_file(tensors, temporary, metadata)
        except SafetensorError as error:
            raise OSError(f"{path} cannot be written: {error}") from error

    replace_file(path, write)


def _resume(path: Path, identity: str, network: SEResNet, optimizer: torch.optim.Adam) -> int:
    """Load a checkpoint and return the number of epochs done; 0 where there is none to go on from."""
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        log.warning("%s is damaged (%s): training starts over", path, error)
        return 0
    if metadata.get("identity") != identity:
        log.warning("%s is of other data or settings: training starts over", path)
        return 0
    network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")})
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, i, moment = key.split(".")
            moments.setdefault(int(i), {})[moment] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    log.info("going on from %s, epoch %s", path, metadata["epoch"])
    return int(metadata["epoch"])


def _forget_after(epoch_log: Path, name: str, done: int) -> None:
    """Drop the lines that a network's epochs after ``done`` left behind: they are trained again."""
    if epoch_log.exists():
        lines = epoch_log.read_text(encoding="utf-8").splitlines(keepends=True)
        entries = [(line, json.loads(line)) for line in lines]
        write_text(epoch_log, "".join(x for x, e in entries if e["network"] != name or e["epoch"] <= done))
