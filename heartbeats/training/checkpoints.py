"""Checkpoints of a training: weights, Adam's moments, epochs and an identity; one safetensors file per network."""

import dataclasses
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from heartbeats.common.files import replace_file
from heartbeats.training.epoch_log import Epoch

log = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"  # a folder in the model folder


def save_checkpoint(
    path: Path, identity: str, epochs: Sequence[Epoch], network: nn.Module, optimizer: Optimizer
) -> None:
    """Write what a training needs to continue after the last of ``epochs``.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{key}": value for key, value in moments.items()}
    described = json.dumps([dataclasses.asdict(epoch) for epoch in epochs])
    content = save(tensors, {"identity": identity, "epochs": described})
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda temporary: temporary.write_bytes(content))


def load_checkpoint(path: Path, identity: str, network: nn.Module, optimizer: Optimizer) -> list[Epoch]:
    """Load a checkpoint into a network and its optimizer, and return the finished epochs.

    Without a checkpoint of this identity, nothing is loaded and the list is empty.
    """
    if not path.exists():
        return []
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        log.warning("%s is damaged (%s): training starts again", path, error)
        return []
    if metadata.get("identity") != identity:
        log.warning("%s belongs to other data, settings or code: training starts again", path)
        return []
    network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")})
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, i, moment = key.split(".")
            moments.setdefault(int(i), {})[moment] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    epochs = [Epoch(**epoch) for epoch in json.loads(metadata["epochs"])]
    log.info("continuing from %s, epoch %s", path, len(epochs))
    return epochs
