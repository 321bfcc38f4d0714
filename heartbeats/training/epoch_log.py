"""What is known of a training's epochs, one line of JSON for each: ``training.jsonl`` in the model folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from heartbeats.common.files import write_text

__all__ = ["EPOCH_LOG", "EpochLine", "append_epoch", "keep_epochs", "read_epochs"]

EPOCH_LOG = "training.jsonl"


@dataclass(frozen=True)
class EpochLine:
    """What the log says of an epoch; seconds are of that epoch, and those that the network's other epochs will take."""

    network: str
    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    recordings_per_second: float
    seconds_left: float


def append_epoch(directory: Path, line: EpochLine) -> None:
    """Write an epoch's line.

    Raises:
        OSError: the log cannot be written.
    """
    with (directory / EPOCH_LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(line)) + "\n")


def read_epochs(directory: Path) -> list[EpochLine]:
    """The lines of a model folder's log, without what a kill has cut short or a disk damaged; none without a log.

    Raises:
        OSError: the log cannot be read.
    """
    lines: list[EpochLine] = []
    if not (directory / EPOCH_LOG).exists():
        return lines
    for text in (directory / EPOCH_LOG).read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError, TypeError):
            lines.append(EpochLine(**json.loads(text)))
    return lines


def keep_epochs(directory: Path, wanted: Callable[[EpochLine], bool]) -> None:
    """Drop the lines of all epochs but the wanted ones, where there is a log.

    Raises:
        OSError: the log cannot be read or written.
    """
    if (directory / EPOCH_LOG).exists():
        kept = [json.dumps(dataclasses.asdict(line)) + "\n" for line in read_epochs(directory) if wanted(line)]
        write_text(directory / EPOCH_LOG, "".join(kept))
