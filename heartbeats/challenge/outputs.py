"""The entry's answer for one recording, and the organisers' output file that holds it.

``NAME.csv`` has four lines: ``#NAME``, the codes, the labels, the probabilities, separated by commas. Labels are
written ``0`` and ``1``: a label ``1.0`` is 0 to the scorer of 2020 and 1 to that of 2021.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import read_bytes, write_text

__all__ = ["Diagnosis", "OutputError", "diagnoses_of", "is_classified", "read_output", "unclassified", "write_output"]


class OutputError(HeartBeatsError):
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


def diagnoses_of(
    names: Sequence[str], labels: npt.NDArray[np.bool_], probabilities: npt.NDArray[np.floating]
) -> list[Diagnosis]:
    """Labels and probabilities, shape (recordings, 27), as outputs; ``names`` are the recordings'."""
    return [
        Diagnosis(name, CLASSES, tuple(map(int, row)), tuple(p.tolist()))
        for name, row, p in zip(names, labels, probabilities, strict=True)
    ]


def write_output(path: Path, diagnosis: Diagnosis) -> None:
    """Write an output file, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    name = " ".join(diagnosis.name.splitlines())
    rows = [diagnosis.classes, [int(x) for x in diagnosis.labels], [float(x) for x in diagnosis.probabilities]]
    write_text(path, f"#{name}\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))


def read_output(path: Path | str) -> Diagnosis:
    """Read an output file as the organisers' scorer of 2020 does.

    A label counts as 1 if it reads ``1``, ``True``, ``true``, ``T`` or ``t``; a probability that is no number is NaN.

    Raises:
        OutputError: the file cannot be read, or its three rows differ in length.
    """
    try:
        lines = read_bytes(path).decode("utf-8", "surrogateescape").splitlines()
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error}") from error
    rows = [line for line in lines if line and not line.isspace() and not line.startswith("#")]
    if len(rows) < 3 or not rows[0].count(",") == rows[1].count(",") == rows[2].count(","):
        raise OutputError(f"{path}: needs three rows of equal length (codes, labels, probabilities) under '#NAME'")
    name = lines[0].removeprefix("#").strip() if lines[0].startswith("#") else Path(path).stem
    return Diagnosis(name, _codes(rows[0]), _labels(rows[1]), _probabilities(rows[2]))


def is_classified(path: Path) -> bool:
    """Whether there is an output file of a recording that could be classified."""
    try:
        return not all(map(math.isnan, read_output(path).probabilities))
    except OutputError:
        return False


# Thousands of output files share their codes, and most share their labels with some other.
@lru_cache(4096)
def _codes(row: str) -> tuple[str, ...]:
    return tuple(entry.strip() for entry in row.split(","))


@lru_cache(4096)
def _labels(row: str) -> tuple[int, ...]:
    return tuple(int(entry.strip() in _TRUE) for entry in row.split(","))


_TRUE = frozenset(("1", "True", "true", "T", "t"))


def _probabilities(row: str) -> tuple[float, ...]:
    entries = row.split(",")
    try:
        return tuple(map(float, entries))
    except ValueError:
        return tuple(map(_probability, entries))


def _probability(entry: str) -> float:
    try:
        return float(entry)
    except ValueError:
        return math.nan
