"""Select recordings and split them into training and validation (paper, section 2.1)."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import PVC, SCORED, Classes, label_matrix, read_classes
from heartbeats.common.console import printable
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import CohortSettings, Settings
from heartbeats.ecg.header import Header, find_headers, source_of
from heartbeats.ecg.recording import RecordingError, read_header
from heartbeats.preparation.prepared import PreparedRecording, prepare_files
from heartbeats.preparation.workers import Failure
from heartbeats.training.groups import Group, read_groups

log = logging.getLogger(__name__)

NAMED = 10  # recordings, at most, in a line of the log


@dataclass(frozen=True)
class Selection:
    """Recordings whose headers have at least one scored label.

    Attributes:
        header_files: one per recording.
        labels: as published, bool, shape (recordings, classes).
        headers: one per recording.
        left_out: the names of the other recordings by reason.
        unscored: counts of the diagnoses in recordings without a scored label.
    """

    header_files: tuple[Path, ...]
    labels: npt.NDArray[np.bool_]
    headers: tuple[Header, ...]
    left_out: dict[str, list[str]]
    unscored: Counter[str]


@dataclass(frozen=True)
class Cohort:
    """Prepared recordings with at least one scored label.

    Attributes:
        recordings: in the order of their header files.
        labels: as published, bool, shape (recordings, classes).
        validation: bool, shape (recordings,): the paper's "offline test set".
        headers: one per recording.
        left_out: the names of recordings outside the cohort, by reason.
        classes: the Challenge's, or the user's own.
    """

    recordings: tuple[PreparedRecording, ...]
    labels: npt.NDArray[np.bool_]
    validation: npt.NDArray[np.bool_]
    headers: tuple[Header, ...]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    classes: Classes = SCORED

    def side(self, *, validating: bool) -> tuple[list[PreparedRecording], npt.NDArray[np.bool_]]:
        """Return the validation or the training recordings, and their labels, shape (recordings, classes)."""
        chosen = self.validation == validating
        return list(compress(self.recordings, chosen)), self.labels[chosen]

    @property
    def sources(self) -> npt.NDArray[np.str_]:
        """The Challenge database of each recording, shape (recordings,)."""
        return np.array([source_of(recording.name) for recording in self.recordings])


def build_cohort(data_directory: Path, cache: Path, settings: Settings) -> Cohort:
    """Find, select, prepare and split the recordings of a folder.

    The log counts excluded recordings and warnings by reason and names the first ten.

    Raises:
        HeartBeatsError: there are no recordings to train with.
        HeartBeatsError, HeartBeatsError: the table of patients or that of classes cannot be read.
        OSError: the data cannot be read, or the cache cannot be written.
    """
    groups = cohort_groups(data_directory, settings.cohort)
    own = settings.classes.file
    classes = read_classes(data_directory / own) if own else SCORED
    selection = select_recordings(find_headers(data_directory), settings.cohort, groups, classes)
    prepared = prepare_files(selection.header_files, cache, settings.preparation)
    recordings = tuple(recording for recording in prepared if isinstance(recording, PreparedRecording))
    for failure in prepared:
        if isinstance(failure, Failure):
            selection.left_out.setdefault("unusable", []).append(f"{failure.name} ({failure.reason})")
    _log_selection(selection, recordings)
    if groups and (strangers := [recording.name for recording in recordings if recording.name not in groups]):
        log.warning(
            "not in %s, each taken as a patient (%d): %s", settings.cohort.groups, len(strangers), _first(strangers)
        )
    validation = np.array([validates(each.name, each.digest, settings, groups) for each in recordings], np.bool_)
    if validation.all():
        counts = {f"left out, {reason}": len(names) for reason, names in selection.left_out.items()}
        counts |= {"to validate with": len(recordings), "to train with": 0}
        named = "; ".join(f"{reason}: {count}" for reason, count in counts.items())
        raise HeartBeatsError(f"{data_directory}: no recordings to train with ({named})")
    log.info("cohort: %d recordings to train with, %d to validate with", np.sum(~validation), np.sum(validation))
    kept = [isinstance(recording, PreparedRecording) for recording in prepared]
    headers = tuple(compress(selection.headers, kept))
    return Cohort(recordings, selection.labels[kept], validation, headers, selection.left_out, classes)


def cohort_groups(data_directory: Path, settings: CohortSettings) -> dict[str, Group]:
    """Return the patients and folds of the settings' table, or nothing if they name none.

    Raises:
        HeartBeatsError: the table cannot be read.
    """
    return read_groups(data_directory / settings.groups) if settings.groups else {}


def select_recordings(
    header_files: Sequence[Path],
    settings: CohortSettings,
    groups: Mapping[str, Group] | None = None,
    classes: Classes = SCORED,
) -> Selection:
    """Select recordings by their headers.

    It leaves out excluded sources, test folds, and headers that cannot be read. As in the paper, it leaves out
    recordings without one of the Challenge's classes. With the user's own classes, recordings of none of them stay.
    """
    groups = groups or {}
    selected, headers = [], []
    unscored: Counter[str] = Counter()
    left_out: dict[str, list[str]] = {}
    for path in header_files:
        source = source_of(path.stem)
        if source in settings.excluded_sources:
            left_out.setdefault(f"source {source}", []).append(path.stem)
            continue
        if path.stem in groups and groups[path.stem].fold in settings.test_folds:
            left_out.setdefault("test fold", []).append(path.stem)
            continue
        try:
            header = read_header(path)
        except RecordingError as error:
            left_out.setdefault("unusable", []).append(f"{path.stem} ({error})")
            continue
        if classes == SCORED and not labels_of([header], settings).any():
            left_out.setdefault("no scored label", []).append(path.stem)
            unscored.update(header.diagnoses)
            continue
        selected.append(path)
        headers.append(header)
    labels = labels_of(headers, settings, classes)
    return Selection(tuple(selected), labels, tuple(headers), left_out, unscored)


def labels_of(headers: Sequence[Header], settings: CohortSettings, classes: Classes = SCORED) -> npt.NDArray[np.bool_]:
    """Return the labels of headers, bool, shape (recordings, classes)."""
    labels = label_matrix([header.diagnoses for header in headers], classes.groups)
    if settings.also_pvc and PVC[0] in classes.codes:
        also = [not set(header.diagnoses).isdisjoint(settings.also_pvc) for header in headers]
        labels[also, classes.codes.index(PVC[0])] = True
    return labels


def validates(name: str, digest: str, settings: Settings, groups: Mapping[str, Group]) -> bool:
    """Return whether a recording is for validation. The paper drew its 20 % once, at random (section 2.1)."""
    group = groups.get(name)
    if group and settings.cohort.validation_folds:
        return group.fold in settings.cohort.validation_folds
    return draw(group.patient if group else digest, seed=settings.cohort.seed) < settings.cohort.validation_fraction


def draw(digest: str, *, seed: int | str) -> float:
    """Return a number in [0, 1) that depends only on the recording's digest and the seed.

    Two recordings with the same samples (Q0048 and A0101, E07509 and E07510) get the same number.
    """
    number = hashlib.sha256(f"{seed} {digest}".encode()).digest()
    return int.from_bytes(number[:8]) / 2**64


def warnings_by_text(recordings: Iterable[PreparedRecording]) -> dict[str, list[str]]:
    """Return the names of recordings by warning."""
    named: dict[str, list[str]] = {}
    for recording in recordings:
        for warning in recording.warnings:
            named.setdefault(warning, []).append(recording.name)
    return named


def _log_selection(selection: Selection, recordings: Sequence[PreparedRecording]) -> None:
    for warning, names in warnings_by_text(recordings).items():
        log.warning("%s (%d recordings): %s", printable(warning), len(names), _first(names))
    for reason, names in selection.left_out.items():
        log.info("left out, %s (%d recordings): %s", reason, len(names), _first(names))
    if selection.unscored:
        counted = [f"{diagnosis} ({count})" for diagnosis, count in selection.unscored.most_common()]
        log.info("diagnoses of those without a scored label: %s", _first(counted))


def _first(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(map(printable, names[:NAMED])) + (f" and {more} more" if more > 0 else "")
