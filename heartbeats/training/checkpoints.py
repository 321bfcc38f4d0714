"""Checkpoints of a training: the weights, Adam's moments, and an identity; one safetensors file per network."""

import logging
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from heartbeats.common.files import replace_file

log = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"  # the folder in a model folder


def save_checkpoint(path: Path, identity: str, epoch: int, network: nn.Module, optimizer: Optimizer) -> None:
    """Write all that a training needs to continue after ``epoch``.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{key}": value for key, value in moments.items()}
    content = save(tensors, {"identity": identity, "epoch": str(epoch)})
    replace_file(path, lambda temporary: temporary.write_bytes(content))


def load_checkpoint(path: Path, identity: str, network: nn.Module, optimizer: Optimizer) -> int:
    """Load a checkpoint into a network and its optimizer, and return the epoch that it was written after.

    Without a checkpoint of this identity, nothing is loaded and the epoch is 0.
    """
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        log.warning("%s is damaged (%s): training starts again", path, error)
        return 0
    if metadata.get("identity") != identity:
        log.warning("%s is of other data, settings or code: training starts again", path)
        return 0
    network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")})
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, i, moment = key.split(".")
            moments.setdefault(int(i), {})[moment] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    log.info("continuing from %s, epoch %s", path, metadata["epoch"])
    return int(metadata["epoch"])
