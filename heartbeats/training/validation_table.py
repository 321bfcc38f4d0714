"""The table ``validation.csv`` beside a model: labels and probabilities of its validation recordings.

A row has: name, source, the bradycardia rule's answer, the U-Net's answer (empty if it is not used), the published
labels, the ensemble's probabilities.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heartbeats.challenge.diagnoses import SCORED
from heartbeats.classification.decision import Evidence, Floats, Labels
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import csv_text, write_text
from heartbeats.ecg.header import source_of

VALIDATION_FILE = "validation.csv"
FACTS = ("name", "source", "bradycardia_rule", "pvc_unet")
REMEDY = "delete model.json beside it and train again"


@dataclass(frozen=True)
class Validation:
    """The validation recordings: names, labels and probabilities, shape (recordings, classes), and evidence."""

    names: tuple[str, ...]
    labels: Labels
    probabilities: Floats
    evidence: Evidence


def _heading(abbreviations: Sequence[str]) -> list[str]:
    return [*FACTS, *(f"{kind}_{name}" for kind in ("label", "probability") for name in abbreviations)]


def write_validation(path: Path, validation: Validation, abbreviations: Sequence[str] = SCORED.abbreviations) -> None:
    """Write the table, with all digits of the probabilities.

    Raises:
        OSError: the file cannot be written.
    """
    rows = []
    pvc = validation.evidence.pvc
    for i, name in enumerate(validation.names):
        answers = [int(validation.evidence.bradycardia[i]), "" if pvc is None else int(pvc[i])]
        labels, probabilities = validation.labels[i].astype(int).tolist(), validation.probabilities[i].tolist()
        rows.append([name, source_of(name), *answers, *labels, *probabilities])
    write_text(path, csv_text(_heading(abbreviations), rows))


def read_validation(path: Path, abbreviations: Sequence[str] = SCORED.abbreviations) -> Validation:
    """Read the table of a model with these classes.

    Raises:
        HeartBeatsError: the file is damaged or another table.
        OSError: the file cannot be read.
    """
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.reader(file))
    try:
        if rows[0] != (heading := _heading(abbreviations)):
            raise HeartBeatsError(f"{path} is another table: {REMEDY}")
        table = np.array(rows[1:], dtype=object).reshape(-1, len(heading))
        numbers = np.where(table[:, 2:] == "", "0", table[:, 2:]).astype(np.float64)
    except (ValueError, IndexError) as error:
        raise HeartBeatsError(f"{path} is damaged ({error}): {REMEDY}") from error
    pvc = None if "" in table[:, 3] or not len(table) else numbers[:, 1] == 1
    labels, probabilities = np.split(numbers[:, 2:], 2, axis=1)
    return Validation(tuple(table[:, 0]), labels == 1, probabilities, Evidence(numbers[:, 0] == 1, pvc))
