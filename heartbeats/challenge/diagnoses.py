"""The Challenge's diagnoses: SNOMED CT codes, pairs that are scored as one, reward weights, label matrices.

``dx_mapping_scored.csv`` and ``weights.csv`` in the repository's root are the organisers' figures of 2020.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.common.errors import HeartBeatsError

__all__ = [
    "ABBREVIATIONS",
    "BRADYCARDIA",
    "CLASSES",
    "CPSC_PVC",
    "EQUIVALENT",
    "NAMES",
    "PVC",
    "SINUS_RHYTHM",
    "WEIGHTS_FILE",
    "RewardWeights",
    "WeightsError",
    "label_matrix",
    "read_weights",
    "snomed_codes",
]

_ROOT = Path(__file__).parent
WEIGHTS_FILE = _ROOT / "weights.csv"

BRADYCARDIA = "426627000"
SINUS_RHYTHM = "426783006"
PVC = ("427172004", "17338001")  # the two scored codes of premature ventricular beats
CPSC_PVC = "164884008"  # CPSC's own, which is not scored

# dx_mapping_scored.csv, "Notes": each pair is scored as one diagnosis, under its first code.
EQUIVALENT = (("713427006", "59118001"), ("284470004", "63593006"), PVC)


def _read_scored_diagnoses(column: str) -> dict[str, str]:
    with (_ROOT / "dx_mapping_scored.csv").open(encoding="utf-8", newline="") as file:
        return {row["SNOMED CT Code"]: row[column] for row in csv.DictReader(file)}


# The 27 scored codes with their abbreviations, in the organisers' order: the order of the network's outputs.
ABBREVIATIONS = _read_scored_diagnoses("Abbreviation")
# Their names as the field writes them; the organisers' file has small letters only.
_CAPITALS = {"av": "AV", "pr": "PR", "qrs": "QRS", "qt": "QT", "qwave": "Q wave", "t": "T"}
NAMES = {
    code: " ".join(_CAPITALS.get(word, word) for word in name.split())
    for code, name in _read_scored_diagnoses("Dx").items()
}
CLASSES = tuple(ABBREVIATIONS)

# What the first headers wrote in words (CPSC 2018's nine classes); three of these were never scored in 2020.
_WORDS = {
    "normal": SINUS_RHYTHM,
    "i-avb": "270492004",
    "pvc": CPSC_PVC,
    "std": "429622005",
    "ste": "164931005",
}
_WORDS = {abbreviation.lower(): code for code, abbreviation in ABBREVIATIONS.items()} | _WORDS


def snomed_codes(terms: Iterable[str]) -> tuple[str, ...]:
    """Dx entries as SNOMED CT codes: codes stay, known words become codes, unknown terms stay as written."""
    return tuple(_WORDS.get(term.lower(), term) for term in terms)


@dataclass(frozen=True)
class RewardWeights:
    """The Challenge's reward matrix: ``weights[i, j]`` rewards answering class j where class i is true.

    Attributes:
        names: one per class, as the organisers' scorers print it: a code, or ``a|b`` where the file's heading says so.
        classes: the codes of each class; equivalent codes share one.
        weights: float64, shape (classes, classes).
    """

    names: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]
    weights: npt.NDArray[np.float64]


class WeightsError(HeartBeatsError, ValueError):
    """A file of weights is no reward matrix; the message names it."""


def read_weights(path: Path = WEIGHTS_FILE) -> RewardWeights:
    """Read a reward matrix in the form of 2020 (one code per row, :data:`EQUIVALENT` pairs apart) or 2021 (``a|b``).

    Raises:
        WeightsError: rows and columns differ, an entry is no number, or two equivalent rows differ.
        OSError: the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise WeightsError(f"{path}: not a table of numbers: {error}") from error
    headings = [_heading(text) for text in rows[0][1:]] if rows else []
    if not headings or [_heading(row[0]) for row in rows[1:]] != headings:
        raise WeightsError(
            f"{path}: the rows and columns of a reward matrix must have the same codes in the same order"
        )
    try:
        weights = np.array([row[1:] for row in rows[1:]], dtype=np.float64).reshape(len(headings), len(headings))
    except ValueError as error:
        raise WeightsError(f"{path}: not a square table of numbers: {error}") from error

    if not np.isfinite(weights).all():
        raise WeightsError(f"{path}: holds a weight that is no number")
    pair_of: dict[tuple[str, ...], tuple[str, ...]] = {(code,): pair for pair in EQUIVALENT for code in pair}
    classes = [pair_of.get(codes, codes) for codes in headings]
    first = [classes.index(codes) for codes in classes]
    if not (np.array_equal(weights, weights[first]) and np.array_equal(weights, weights[:, first])):
        raise WeightsError(f"{path}: codes that are scored as one diagnosis have different weights")
    kept = sorted(set(first))
    return RewardWeights(
        names=tuple("|".join(headings[i]) for i in kept),
        classes=tuple(classes[i] for i in kept),
        weights=weights[np.ix_(kept, kept)],
    )


def _heading(text: str) -> tuple[str, ...]:
    return tuple(sorted(code.strip() for code in text.split("|")))


_EACH_CODE = tuple((code,) for code in CLASSES)


def label_matrix(
    diagnoses: Sequence[Iterable[str]], classes: Sequence[tuple[str, ...]] = _EACH_CODE
) -> npt.NDArray[np.bool_]:
    """Which of ``classes`` each recording has, shape (recordings, classes); a class is any of its codes.

    Dx entries are taken as codes or words (:func:`snomed_codes`); those of no class are passed over.
    """
    column = {code: j for j, codes in enumerate(classes) for code in codes}
    labels = np.zeros((len(diagnoses), len(classes)), dtype=np.bool_)
    for i, terms in enumerate(diagnoses):
        for code in snomed_codes(terms):
            if code in column:
                labels[i, column[code]] = True
    return labels
