"""The prediction for one recording, and the organisers' output file that holds it.

``NAME.csv`` has four lines: ``#NAME``, the codes, the labels, the probabilities, separated by commas. Labels are
written ``0`` or ``1``. The scorer of 2020 reads ``1.0`` as 0, that of 2021 as 1.
"""

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


class OutputError(HeartBeatsError):
    """An output file is missing or is not in the organisers' form; the message names it."""


@dataclass(frozen=True)
class Prediction:
    """The label (0 or 1) and probability of each class; NaN if the recording cannot be classified.

    Attributes:
        warnings: what was assumed or repaired, as text; not in the output file.
        seen: whether the recording trained the model or chose its threshold; not in the output file.
        embedding: the vectors before the networks' heads, one after the other, if they are asked for.
    """

    name: str
    classes: tuple[str, ...]
    labels: tuple[int, ...]
    probabilities: tuple[float, ...]
    warnings: tuple[str, ...] = ()
    seen: bool = False
    embedding: tuple[float, ...] = ()


def unclassified(name: str, classes: Sequence[str]) -> Prediction:
    """Return the prediction for a recording that cannot be classified: all labels 0, all probabilities NaN."""
    return Prediction(name, tuple(classes), (0,) * len(classes), (math.nan,) * len(classes))


def predictions(
    names: Sequence[str],
    labels: npt.NDArray[np.bool_],
    probabilities: npt.NDArray[np.floating],
    codes: tuple[str, ...] = CLASSES,
) -> list[Prediction]:
    """Return one prediction per recording from labels and probabilities, each of shape (recordings, classes)."""
    return [
        Prediction(name, codes, tuple(map(int, row)), tuple(p.tolist()))
        for name, row, p in zip(names, labels, probabilities, strict=True)
    ]


def write_output(path: Path, prediction: Prediction) -> None:
    """Write an output file atomically.

    Raises:
        OSError: the file cannot be written.
    """
    name = " ".join(prediction.name.splitlines())
    rows = [prediction.classes, map(int, prediction.labels), map(float, prediction.probabilities)]
    write_text(path, f"#{name}\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))


def read_output(path: Path | str) -> Prediction:
    """Read an output file as the organisers' scorer of 2020 does.

    A label counts as 1 if it reads ``1``, ``True``, ``true``, ``T`` or ``t``. A probability that is not a number is 0.
    That scorer takes all outputs of a malformed file as negative; here the file is refused. The name need not be UTF-8.

    Raises:
        OutputError: the file cannot be read, or lacks three rows of equal length, or a row is not UTF-8.
    """
    try:
        text = read_bytes(path).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error}") from error
    # Not str.splitlines: it also splits at other characters.
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    rows = [line for line in lines if line and not line.startswith("#")]
    _check_rows(path, text, rows)
    name = lines[0].removeprefix("#").strip() if lines[0].startswith("#") else Path(path).stem
    return Prediction(name, _codes(rows[0]), _labels(rows[1]), _probabilities(rows[2].split(",")))


def _check_rows(path: Path | str, text: str, rows: list[str]) -> None:
    """Raise an OutputError if the organisers' scorer ignores the whole file, or ends with a traceback."""
    if len(rows) < 3 or len({row.count(",") for row in rows}) > 1:
        found = f"rows of {', '.join(str(row.count(',') + 1) for row in rows[:5])} fields" if rows else "no rows"
        mark = " after a byte order mark" if text.startswith("\ufeff") else ""
        raise OutputError(
            f"{path}: needs three rows of equal length (codes, labels, probabilities) under '#NAME', has {found}{mark}"
        )
    try:
        "".join(rows).encode()
    except UnicodeEncodeError as error:
        raise OutputError(f"{path}: codes, labels or probabilities are not UTF-8") from error


def is_classified(path: Path) -> bool:
    """Return whether an output file exists and holds a probability that is not NaN."""
    try:
        return not all(map(math.isnan, read_output(path).probabilities))
    except OutputError:
        return False


# Thousands of output files have the same codes, and many the same labels.
@lru_cache(4096)
def _codes(row: str) -> tuple[str, ...]:
    return tuple(code.strip() for code in row.split(","))


@lru_cache(4096)
def _labels(row: str) -> tuple[int, ...]:
    return tuple(int(label.strip() in {"1", "True", "true", "T", "t"}) for label in row.split(","))


def is_number(x: object) -> bool:
    """Return whether ``float`` accepts ``x`` (NaN and infinity included)."""
    try:
        float(x)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def _probabilities(entries: list[str]) -> tuple[float, ...]:
    try:
        return tuple(map(float, entries))
    except ValueError:
        return tuple(float(entry) if is_number(entry) else 0.0 for entry in map(str.strip, entries))
