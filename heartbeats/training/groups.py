"""Patients and folds of recordings: no patient is on both sides of the split."""

import csv
from pathlib import Path
from typing import NamedTuple

from heartbeats.common.errors import HeartBeatsError


class Group(NamedTuple):
    """The patient of a recording, and its fold if the table has folds."""

    patient: str
    fold: int | None


def read_groups(path: Path) -> dict[str, Group]:
    """Read a CSV file with the columns ``recording``, ``patient`` and, if there are folds, ``fold``.

    Raises:
        HeartBeatsError: the file cannot be read, or lacks a column or a value.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file)) or [{}]
        return {row["recording"]: Group(row["patient"], int(row["fold"]) if "fold" in row else None) for row in rows}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise HeartBeatsError(f"{path}: not a table of recording, patient and fold: {error!r}") from error
