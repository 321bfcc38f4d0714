"""What a training found on its validation recordings, as a table beside the model: its report follows from it.

``validation.csv`` has a row per recording: name, source, what the bradycardia rule says, what the U-Net says (empty
where it is not asked), the 27 published labels, the ensemble's 27 probabilities.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import ABBREVIATIONS
from heartbeats.classification.classifier import Evidence
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import csv_text, write_text
from heartbeats.ecg.header import source_of

__all__ = ["VALIDATION_FILE", "Validation", "ValidationError", "read_validation", "write_validation"]

VALIDATION_FILE = "validation.csv"
HEADING = [
    *("name", "source", "bradycardia_rule", "pvc_unet"),
    *(f"{kind}_{abbreviation}" for kind in ("label", "probability") for abbreviation in ABBREVIATIONS.values()),
]
AGAIN = "it is made by training; delete model.json beside it to train again"
FIRST_LABEL, FIRST_PROBABILITY = 4, 4 + len(ABBREVIATIONS)


class ValidationError(HeartBeatsError):
    """A table of validation recordings is damaged; the message names the file."""


@dataclass(frozen=True)
class Validation:
    """The validation recordings' names, labels and probabilities, shape (recordings, 27), and what else speaks."""

    names: tuple[str, ...]
    labels: npt.NDArray[np.bool_]
    probabilities: npt.NDArray[np.float64]
    evidence: Evidence


def write_validation(path: Path, validation: Validation) -> None:
    """Write the table, whole or not at all, with probabilities that are read back to the last digit.

    Raises:
        OSError: the file cannot be written.
    """
    rows = []
    pvc = validation.evidence.pvc
    for i, name in enumerate(validation.names):
        answers = [int(validation.evidence.bradycardia[i]), "" if pvc is None else int(pvc[i])]
        labels, probabilities = validation.labels[i].astype(int).tolist(), validation.probabilities[i].tolist()
        rows.append([name, source_of(name), *answers, *labels, *probabilities])
    write_text(path, csv_text(HEADING, rows))


def read_validation(path: Path) -> Validation:
    """Read a table that :func:`write_validation` wrote.

    Raises:
        ValidationError: the file is damaged or not such a table.
        OSError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = list(csv.reader(file))
    except csv.Error as error:
        raise ValidationError(f"{path} is damaged ({error}): {AGAIN}") from error
    if not rows or rows[0] != HEADING or any(len(row) != len(HEADING) for row in rows):
        raise ValidationError(f"{path} is not a table of validation recordings, or is damaged: {AGAIN}")
    table = np.array(rows[1:], dtype=object).reshape(-1, len(HEADING))
    try:
        answers = table[:, 2].astype(np.int64).astype(np.bool_)
        pvc = None if "" in table[:, 3] or not len(table) else table[:, 3].astype(np.int64).astype(np.bool_)
        labels = table[:, FIRST_LABEL:FIRST_PROBABILITY].astype(np.int64).astype(np.bool_)
        probabilities = table[:, FIRST_PROBABILITY:].astype(np.float64)
    except (ValueError, OverflowError) as error:
        raise ValidationError(f"{path} holds what is no number ({error}): {AGAIN}") from error
    return Validation(tuple(table[:, 0]), labels, probabilities, Evidence(answers, pvc))
