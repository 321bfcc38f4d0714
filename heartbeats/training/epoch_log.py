"""The log of a training's epochs, ``training.jsonl`` in the model folder: a line of JSON per epoch."""

import dataclasses
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from heartbeats.common.files import write_text

EPOCH_LOG = "training.jsonl"


@dataclass(frozen=True)
class EpochLine:
    """An epoch of a network; ``seconds`` is the time that it took, ``seconds_left`` that of the epochs to come."""

    network: str
    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    recordings_per_second: float
    seconds_left: float


def append_epoch(directory: Path, line: EpochLine) -> None:
    """Append an epoch to the log.

    Raises:
        OSError: the log cannot be written.
    """
    with (directory / EPOCH_LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(line)) + "\n")


def read_epochs(directory: Path) -> list[EpochLine]:
    """Return the epochs of a model folder's log. Lines that a kill cut short are skipped.

    Raises:
        OSError: the log cannot be read.
    """
    path, lines = directory / EPOCH_LOG, []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        with suppress(ValueError, TypeError):
            lines.append(EpochLine(**json.loads(text)))
    return lines


def keep_epochs(directory: Path, wanted: Callable[[EpochLine], bool]) -> None:
    """Remove all other epochs from the log.

    Raises:
        OSError: the log cannot be read or written.
    """
    if (directory / EPOCH_LOG).exists():
        kept = [json.dumps(dataclasses.asdict(line)) + "\n" for line in read_epochs(directory) if wanted(line)]
        write_text(directory / EPOCH_LOG, "".join(kept))
