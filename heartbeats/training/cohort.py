"""Which recordings train and which validate (paper, section 2.1)."""

from __future__ import annotations

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import label_matrix
from heartbeats.common.console import printable
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import CohortSettings, Settings
from heartbeats.ecg.header import Header, find_headers, source_of
from heartbeats.ecg.recording import RecordingError, read_header
from heartbeats.preparation.prepared import Failure, Prepared
from heartbeats.preparation.store import stored

__all__ = [
    "Cohort",
    "CohortError",
    "Particulars",
    "Selection",
    "build_cohort",
    "drawn",
    "select_recordings",
    "validates",
    "warned",
]

log = logging.getLogger(__name__)

NAMED = 10  # recordings in a line of the log


class CohortError(HeartBeatsError):
    """A folder of recordings does not make a cohort to train with."""


@dataclass(frozen=True)
class Particulars:
    """What a header says of a recording besides its diagnoses: Hz, s, years, sex; ``None`` where it does not."""

    sampling_rate: float | None
    seconds: float | None
    age: float | None
    sex: str | None

    @classmethod
    def of(cls, header: Header) -> Particulars:
        """The particulars of a header."""
        rate, samples = header.sampling_rate, header.samples
        seconds = samples / rate if samples is not None and rate else None
        return cls(rate, seconds, None if math.isnan(header.age) else header.age, header.sex)


@dataclass(frozen=True)
class Selection:
    """Recordings to train or validate with, by what their headers say.

    Attributes:
        header_files: of those that are selected.
        labels: as published, bool, shape (recordings, 27), columns as ``diagnoses.CLASSES``.
        particulars: of each recording.
        left_out: names of those that are not selected, by reason.
        unscored: diagnoses of those that have none that is scored, as written, with how many have them.
    """

    header_files: tuple[Path, ...]
    labels: npt.NDArray[np.bool_]
    particulars: tuple[Particulars, ...]
    left_out: dict[str, list[str]]
    unscored: Counter[str]


@dataclass(frozen=True)
class Cohort:
    """Recordings with at least one scored label.

    Attributes:
        recordings: prepared, in the order of their header files.
        labels: as published, bool, shape (recordings, 27), columns as ``diagnoses.CLASSES``.
        validation: bool, shape (recordings,): the paper's "offline test set"; the others train.
        particulars: of each recording.
        left_out: names of recordings that are not in the cohort, by reason.
    """

    recordings: tuple[Prepared, ...]
    labels: npt.NDArray[np.bool_]
    validation: npt.NDArray[np.bool_]
    particulars: tuple[Particulars, ...]
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def side(self, *, validating: bool) -> tuple[list[Prepared], npt.NDArray[np.bool_]]:
        """The recordings that train, or those that validate, and their labels, shape (recordings, 27)."""
        chosen = self.validation == validating
        return list(compress(self.recordings, chosen)), self.labels[chosen]

    @property
    def sources(self) -> npt.NDArray[np.str_]:
        """The Challenge database of each recording, shape (recordings,)."""
        return np.array([source_of(recording.name) for recording in self.recordings])


def build_cohort(data_directory: Path, store_directory: Path, settings: Settings) -> Cohort:
    """Find, select, prepare and split the recordings of a folder.

    Recordings that are left out or warned of are counted in the log, with the reason, and the first ten named;
    :func:`heartbeats.training.cohort_summary.describe_cohort` names all of them, in model.json.

    Raises:
        CohortError: no recording is left to train with.
        OSError: the data cannot be read, or the store cannot be written.
    """
    selection = select_recordings(find_headers(data_directory), settings.cohort)
    prepared = stored(selection.header_files, store_directory, settings.preparation)
    left_out = selection.left_out
    for recording in prepared:
        if isinstance(recording, Failure):
            left_out.setdefault("unusable", []).append(f"{recording.name} ({recording.reason})")
    kept = [not isinstance(recording, Failure) for recording in prepared]
    recordings = tuple(recording for recording in prepared if isinstance(recording, Prepared))
    for warning, names in warned(recordings).items():
        log.warning("%s (%d recordings): %s", printable(warning), len(names), _some(names))
    for reason, names in left_out.items():
        log.info("left out, %s (%d recordings): %s", reason, len(names), _some(names))
    if selection.unscored:
        counted = [f"{diagnosis} ({count})" for diagnosis, count in selection.unscored.most_common()]
        log.info("diagnoses of those without a scored label: %s", _some(counted))

    validation = np.array([validates(recording.digest, settings) for recording in recordings], np.bool_)
    if not recordings or validation.all():
        counts = {f"left out, {reason}": len(names) for reason, names in left_out.items()}
        counts |= {"to validate with": len(recordings), "to train with": 0}
        named = "; ".join(f"{reason}: {count}" for reason, count in counts.items())
        raise CohortError(f"{data_directory}: no recordings to train with ({named})")
    particulars = tuple(compress(selection.particulars, kept))
    cohort = Cohort(recordings, selection.labels[kept], validation, particulars, left_out)
    log.info("cohort: %d recordings to train with, %d to validate with", np.sum(~validation), np.sum(validation))
    return cohort


def select_recordings(header_files: Sequence[Path], settings: CohortSettings) -> Selection:
    """Select the recordings to train or validate with.

    Left out are the excluded sources, recordings without one of the 27 scored labels, and headers that cannot be read.
    """
    selected, diagnoses, particulars = [], [], []
    unscored: Counter[str] = Counter()
    left_out: dict[str, list[str]] = {}
    for path in header_files:
        source = source_of(path.stem)
        if source in settings.excluded_sources:
            left_out.setdefault(f"source {source}", []).append(path.stem)
            continue
        try:
            header = read_header(path)
        except RecordingError as error:
            left_out.setdefault("unusable", []).append(f"{path.stem} ({error})")
            continue
        if not label_matrix([header.diagnoses]).any():
            left_out.setdefault("no scored label", []).append(path.stem)
            unscored.update(header.diagnoses)
            continue
        selected.append(path)
        diagnoses.append(header.diagnoses)
        particulars.append(Particulars.of(header))
    return Selection(tuple(selected), label_matrix(diagnoses), tuple(particulars), left_out, unscored)


def drawn(digest: str, *, by: int | str) -> float:
    """The number from 0 to 1 that a recording draws: a rule of its own samples and the draw's name alone.

    It is the same whatever else is in the folder, and whatever the recording is called: two recordings of one signal
    (Q0048 and A0101, E07509 and E07510) draw the same. Draws of other names are independent.

    Args:
        digest: the recording's (:class:`heartbeats.ecg.recording.Recording`).
        by: the draw's name.
    """
    number = hashlib.sha256(f"{by} {digest}".encode()).digest()
    return int.from_bytes(number[:8]) / 2**64


def validates(digest: str, settings: Settings) -> bool:
    """Whether a recording of this digest validates; the paper drew its 20 % once, at random (section 2.1)."""
    return drawn(digest, by=settings.training.seed) < settings.cohort.validation_fraction


def warned(recordings: Iterable[Prepared]) -> dict[str, list[str]]:
    """Names of recordings by what had to be assumed or mended."""
    named: dict[str, list[str]] = {}
    for recording in recordings:
        for warning in recording.warnings:
            named.setdefault(warning, []).append(recording.name)
    return named


def _some(names: Sequence[str]) -> str:
    """The first of them, fit to be shown: a line of ten thousand is read by nobody."""
    more = len(names) - NAMED
    return ", ".join(map(printable, names[:NAMED])) + (f" and {more} more" if more > 0 else "")
