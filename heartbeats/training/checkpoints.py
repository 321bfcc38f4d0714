"""Checkpoints of a training: weights, Adam's moments, and whose they are; a safetensors file per network."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from heartbeats.common.files import replace_file

__all__ = [
    "CHECKPOINTS",
    "has_checkpoints",
    "remove_checkpoints",
    "resume",
    "save_checkpoint",
    "save_tensors",
]

log = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"  # their folder in a model folder


def save_checkpoint(
    path: Path, identity: str, epoch: int, network: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write what a training of ``identity`` needs to go on after ``epoch``.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{key}": value for key, value in moments.items()}
    save_tensors(path, tensors, {"identity": identity, "epoch": str(epoch)})


def resume(path: Path, identity: str, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
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
        log.warning("%s is of other data, settings or code: training starts over", path)
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


def has_checkpoints(directory: Path) -> bool:
    """Whether a training into a model folder has begun and not ended."""
    return bool(_checkpoints(directory))


def remove_checkpoints(directory: Path) -> None:
    """Remove the checkpoints of a model folder, and their folder if it holds nothing else.

    Raises:
        OSError: a file cannot be removed.
    """
    folder = directory / CHECKPOINTS
    for checkpoint in _checkpoints(directory):
        checkpoint.unlink()
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()


def _checkpoints(directory: Path) -> list[Path]:
    """The files that :func:`heartbeats.training.loop.train_network` has written; others may have theirs beside them."""
    files = (directory / CHECKPOINTS).glob("*.safetensors")
    return [path for path in files if re.fullmatch(r"relabelling|[\d.e+-]+s", path.stem)]


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    replace_file(path, lambda temporary: temporary.write_bytes(save(tensors, metadata)))
