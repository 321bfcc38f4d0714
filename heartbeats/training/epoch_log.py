"""The log of epochs, ``training.jsonl`` in the model folder: a line of JSON per epoch."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from heartbeats.common.files import write_text

EPOCH_LOG = "training.jsonl"


@dataclass(frozen=True)
class Epoch:
    """An epoch of a network; ``seconds`` is its duration, ``seconds_left`` that of the remaining epochs."""

    network: str
    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    recordings_per_second: float
    seconds_left: float


def write_epochs(directory: Path, epochs: Sequence[Epoch]) -> None:
    """Write the log of a model folder.

    Raises:
        OSError: the log cannot be written.
    """
    write_text(directory / EPOCH_LOG, "".join(json.dumps(dataclasses.asdict(epoch)) + "\n" for epoch in epochs))
