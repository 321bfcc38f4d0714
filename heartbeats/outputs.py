"""The entry's answer for one recording, and the organisers' output file that holds it.

``NAME.csv`` has four lines: ``#NAME``, the codes, the labels, the probabilities, separated by commas. Labels are
written ``0`` and ``1``: a label ``1.0`` is 0 to the scorer of 2020 and 1 to that of 2021.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from heartbeats.files import write_text

__all__ = ["Diagnosis", "OutputError", "read_output", "unclassified", "write_output"]


class OutputError(Exception):
    """An output file is missing or is not in the organisers' form; the message names it."""


@dataclass(frozen=True)
class Diagnosis:
    """What is answered for a recording: per class a label, 0 or 1, and a probability (NaN: not classified)."""

    name: str
    classes: tuple[str, ...]
    labels: tuple[int, ...]
    probabilities: tuple[float, ...]


def unclassified(name: str, classes: Sequence[str]) -> Diagnosis:
    """The answer for a recording that could not be classified: all labels 0, all probabilities NaN."""
    return Diagnosis(name, tuple(classes), (0,) * len(classes), (math.nan,) * len(classes))


def write_output(path: Path, diagnosis: Diagnosis) -> None:
    """Write an output file, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    name = " ".join(diagnosis.name.splitlines())
    rows = [diagnosis.classes, [int(x) for x in diagnosis.labels], [float(x) for x in diagnosis.probabilities]]
    write_text(path, f"#{name}\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))


def read_output(path: Path) -> Diagnosis:
    """Read an output file as the organisers' scorer of 2020 does.

    A label counts as 1 if it reads ``1``, ``True``, ``true``, ``T`` or ``t``; a probability that is no number is NaN.

    Raises:
        OutputError: the file cannot be read, or its three rows differ in length.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error}") from error
    rows = [[entry.strip() for entry in line.split(",")] for line in lines if line.strip() and not line.startswith("#")]
    if len(rows) < 3 or not len(rows[0]) == len(rows[1]) == len(rows[2]):
        raise OutputError(f"{path}: needs three rows of equal length (codes, labels, probabilities) under '#NAME'")
    return Diagnosis(
        name=lines[0].removeprefix("#").strip() if lines[0].startswith("#") else path.stem,
        classes=tuple(rows[0]),
        labels=tuple(int(entry in _TRUE) for entry in rows[1]),
        probabilities=tuple(_probability(entry) for entry in rows[2]),
    )


_TRUE = frozenset(("1", "True", "true", "T", "t"))


def _probability(entry: str) -> float:
    try:
        return float(entry)
    except ValueError:
        return math.nan
