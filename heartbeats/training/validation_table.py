"""The table ``validation.csv`` beside a model: labels and probabilities of its validation recordings.

A row has: name, source, the bradycardia rule's answer, the U-Net's answer (empty if it was not asked), the 27 published
labels, the ensemble's 27 probabilities.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heartbeats.challenge.diagnoses import ABBREVIATIONS
from heartbeats.classification.decision import Evidence, Floats, Labels
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import csv_text, write_text
from heartbeats.ecg.header import source_of

VALIDATION_FILE = "validation.csv"
HEADING = [
    *("name", "source", "bradycardia_rule", "pvc_unet"),
    *(f"{kind}_{abbreviation}" for kind in ("label", "probability") for abbreviation in ABBREVIATIONS.values()),
]
REMEDY = "delete model.json beside it and train again"
FIRST_LABEL, FIRST_PROBABILITY = 4, 4 + len(ABBREVIATIONS)


class ValidationError(HeartBeatsError):
    """A table of validation recordings is damaged; the message names the file."""


@dataclass(frozen=True)
class Validation:
    """The validation recordings: names, published labels and probabilities, shape (recordings, 27), and evidence."""

    names: tuple[str, ...]
    labels: Labels
    probabilities: Floats
    evidence: Evidence


def write_validation(path: Path, validation: Validation) -> None:
    """Write the table; the probabilities keep all digits.

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
    """Read the table.

    Raises:
        ValidationError: the file is damaged or another table.
        OSError: the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = list(csv.reader(file))
    except csv.Error as error:
        raise ValidationError(f"{path} is damaged ({error}): {REMEDY}") from error
    if not rows or rows[0] != HEADING or any(len(row) != len(HEADING) for row in rows):
        raise ValidationError(f"{path} is damaged or another table: {REMEDY}")
    try:
        table = np.array(rows[1:], dtype=object).reshape(-1, len(HEADING))
        rule = table[:, 2].astype(np.int64).astype(np.bool_)
        pvc = None if "" in table[:, 3] or not len(table) else table[:, 3].astype(np.int64).astype(np.bool_)
        labels = table[:, FIRST_LABEL:FIRST_PROBABILITY].astype(np.int64).astype(np.bool_)
        probabilities = table[:, FIRST_PROBABILITY:].astype(np.float64)
    except (ValueError, OverflowError) as error:
        raise ValidationError(f"{path} is damaged ({error}): {REMEDY}") from error
    return Validation(tuple(table[:, 0]), labels, probabilities, Evidence(rule, pvc))
