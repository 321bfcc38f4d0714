"""The Challenge's diagnoses: SNOMED CT codes, pairs that are scored as one, reward weights, label matrices.

``dx_mapping_scored.csv`` and ``weights.csv`` are the organisers' tables of 2020. The repository's root has copies.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.common.errors import HeartBeatsError

WEIGHTS_FILE = Path(__file__).with_name("weights.csv")

BRADYCARDIA = "426627000"
SINUS_RHYTHM = "426783006"
PVC = ("427172004", "17338001")  # the two scored codes of premature ventricular beats
CPSC_PVC = "164884008"  # CPSC's own code, which is not scored

# dx_mapping_scored.csv, "Notes": each pair is scored as one diagnosis, under its first code.
EQUIVALENT = (("713427006", "59118001"), ("284470004", "63593006"), PVC)

with Path(__file__).with_name("dx_mapping_scored.csv").open(encoding="utf-8", newline="") as _file:
    _SCORED = list(csv.DictReader(_file))
# The 27 scored codes with their abbreviations, in the organisers' order: the order of the network's outputs.
ABBREVIATIONS = {row["SNOMED CT Code"]: row["Abbreviation"] for row in _SCORED}
CLASSES = tuple(ABBREVIATIONS)
# Full names with the usual capitals. The organisers' file has only small letters.
_CAPITALS = {"av": "AV", "pr": "PR", "qrs": "QRS", "qt": "QT", "qwave": "Q wave", "t": "T"}
NAMES = {row["SNOMED CT Code"]: " ".join(_CAPITALS.get(word, word) for word in row["Dx"].split()) for row in _SCORED}

# Words for codes in headers: the abbreviations, and the names of CPSC 2018's nine classes in early headers.
_WORDS = {abbreviation.lower(): code for code, abbreviation in ABBREVIATIONS.items()}
_WORDS |= {"normal": SINUS_RHYTHM, "i-avb": "270492004", "pvc": CPSC_PVC, "std": "429622005", "ste": "164931005"}


def snomed_codes(terms: Iterable[str]) -> tuple[str, ...]:
    """Replace known words in Dx entries by SNOMED CT codes. Other entries do not change."""
    return tuple(_WORDS.get(term.lower(), term) for term in terms)


@dataclass(frozen=True)
class RewardWeights:
    """The Challenge's reward matrix: ``weights[i, j]`` is the reward for predicting class j if class i is true.

    Attributes:
        names: one per class, as the organisers' scorers print it: a code, or ``a|b`` as in the file.
        classes: the codes of each class; equivalent codes form one class.
        weights: float64, shape (classes, classes).
    """

    names: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]
    weights: npt.NDArray[np.float64]


def read_weights(path: Path = WEIGHTS_FILE) -> RewardWeights:
    """Read a reward matrix of 2020 (one code per row) or 2021 (``a|b`` for :data:`EQUIVALENT` codes).

    Raises:
        HeartBeatsError: rows and columns differ, an entry is not a finite number, or two equivalent rows differ.
        OSError: the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
        headings = [_codes(heading) for heading in rows[0][1:]] if rows else []
        weights = np.array([row[1:] for row in rows[1:]], dtype=np.float64).reshape(len(headings), len(headings))
    except (ValueError, csv.Error) as error:  # UnicodeDecodeError is a ValueError
        raise HeartBeatsError(f"{path}: not a square table of numbers: {error}") from error
    if not headings or [_codes(row[0]) for row in rows[1:]] != headings:
        raise HeartBeatsError(
            f"{path}: the rows and columns of a reward matrix must have the same codes in the same order"
        )
    if not np.isfinite(weights).all():
        raise HeartBeatsError(f"{path}: a weight is not a finite number")
    pair_of: dict[tuple[str, ...], tuple[str, ...]] = {(code,): pair for pair in EQUIVALENT for code in pair}
    classes = [pair_of.get(codes, codes) for codes in headings]
    first = [classes.index(codes) for codes in classes]
    if not (np.array_equal(weights, weights[first]) and np.array_equal(weights, weights[:, first])):
        raise HeartBeatsError(f"{path}: codes that are scored as one diagnosis have different weights")
    kept = sorted(set(first))
    return RewardWeights(
        names=tuple("|".join(headings[i]) for i in kept),
        classes=tuple(classes[i] for i in kept),
        weights=weights[np.ix_(kept, kept)],
    )


def _codes(heading: str) -> tuple[str, ...]:
    return tuple(sorted(code.strip() for code in heading.split("|")))


@dataclass(frozen=True)
class Classes:
    """The classes of a model, in the order of its outputs.

    Attributes:
        abbreviations: for tables.
        groups: for each class, the code that output files name, and all codes that count as the same diagnosis.
    """

    abbreviations: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes that output files name."""
        return tuple(group[0] for group in self.groups)


SCORED = Classes(tuple(ABBREVIATIONS.values()), tuple((code,) for code in CLASSES))


def read_classes(path: Path) -> Classes:
    """Read your own classes: a CSV file with the columns ``code``, ``abbreviation`` and, if needed, ``equivalent``.

    ``equivalent`` has more codes of the class, separated by spaces. Codes are those of the headers' Dx lines.

    Raises:
        HeartBeatsError: the file cannot be read, a column is missing, or a code or an abbreviation is given twice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        groups = tuple((row["code"].strip(), *(row.get("equivalent") or "").split()) for row in rows)
        abbreviations = tuple(row["abbreviation"].strip() for row in rows)
    except (OSError, ValueError, KeyError, AttributeError, csv.Error) as error:
        raise HeartBeatsError(f"{path} is not a table of code,abbreviation,equivalent ({error!r})") from error
    each = [code for group in groups for code in group]
    if not rows or not all((*each, *abbreviations)):
        raise HeartBeatsError(f"{path} has no classes, or an empty code or abbreviation")
    for names in (each, abbreviations):
        if twice := [name for name in names if names.count(name) > 1]:
            raise HeartBeatsError(f"{path} has {twice[0]} twice")
    return Classes(abbreviations, groups)


def label_matrix(
    diagnoses: Sequence[Iterable[str]], classes: Sequence[tuple[str, ...]] = SCORED.groups
) -> npt.NDArray[np.bool_]:
    """Return labels, bool, shape (recordings, classes). A class is true if any of its codes is.

    Dx entries may be codes or words (:func:`snomed_codes`). Other entries are ignored.
    """
    column = {code: j for j, codes in enumerate(classes) for code in codes}
    labels = np.zeros((len(diagnoses), len(classes)), dtype=np.bool_)
    for i, terms in enumerate(diagnoses):
        labels[i, [column[code] for code in snomed_codes(terms) if code in column]] = True
    return labels
