"""Writing a folder in the Challenge's format, and the report of what was not taken over.

An adapter lists the recordings of its set (:class:`ListedRecording`); :func:`write_folder` reads each and writes

    NAME.mat, NAME.hea   a recording: MATLAB 4, int16, 1000 ADC units per mV; the header in the dialect of 2020,
                         without a date: the sets publish none, or not for every recording
    unmapped.csv         the terms without a code, in how many recordings, and why
    problems.csv         the recordings that were left out, or taken over with a reservation, and why
    README.txt           where the recordings come from and what was done; last, so that a folder with it is complete
"""

from __future__ import annotations

import csv
import dataclasses
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import csv_text, write_text
from heartbeats.ecg.header import OLDEST
from heartbeats.ecg.recording import Recording, RecordingError
from heartbeats.ecg.writing import make_empty_folder, write_record

__all__ = [
    "Counterpart",
    "DataSet",
    "DataSetError",
    "ListedRecording",
    "Problem",
    "Report",
    "age_in_years",
    "known_sex",
    "read_mapping",
    "record_name",
    "write_folder",
]

_SCORED = frozenset(CLASSES)
_WFDB_NAME = re.compile(r"[A-Za-z0-9_]+")

_README = """{title}, in the format of the PhysioNet/CinC Challenge 2020.

Source:   {page}
Licence:  {licence}
Made by:  HeartBeats, python -m heartbeats.datasets {key} SOURCE OUT{options}

The signals are the source's, rounded to 1000 ADC units per mV. The labels (#Dx) are not: its owner wrote other terms,
which were mapped to SNOMED CT codes by {mapping}, a table of HeartBeats that its owner has not seen.

{summary}.
unmapped.csv lists the terms without a code, problems.csv the recordings that were left out or taken over with a
reservation.
"""


class DataSetError(HeartBeatsError):
    """A folder is not the data set that it was taken for, or the set is not as it is asked for."""


@dataclass(frozen=True)
class DataSet:
    """A data set: its ``key`` in the command, its owner's page and licence, and the table of its terms."""

    key: str
    title: str
    page: str
    licence: str
    mapping: Path


@dataclass(frozen=True)
class Counterpart:
    """What a term of a data set is in SNOMED CT: a code, empty where there is no honest one, and why."""

    code: str
    note: str


@dataclass(frozen=True)
class ListedRecording:
    """A recording as its data set lists it.

    Attributes:
        published: what the set calls it, for messages.
        name: what it is called in the Challenge's format (:func:`record_name`).
        terms: the set's own, of the recording.
        age: years, NaN where unknown.
        sex: ``"Male"``, ``"Female"`` or ``None``.
        read: gives the signal; raises :class:`heartbeats.ecg.recording.RecordingError`.
    """

    published: str
    name: str
    terms: tuple[str, ...]
    age: float
    sex: str | None
    read: Callable[[], Recording]


@dataclass(frozen=True)
class Problem:
    """What is wrong with a recording; ``outcome`` is ``"left out"`` or ``"warned"``."""

    recording: str
    outcome: str
    reason: str


@dataclass
class Report:
    """What became of a data set.

    Attributes:
        written: number of recordings.
        scored: how many of these have one of the 27 scored codes.
        codes, unmapped: in how many recordings a code was written, and a term had none.
        reasons: why, for the unmapped terms that are in the table; the others are unknown.
        problems: recording by recording; notes: on the set as a whole.
    """

    written: int = 0
    scored: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, recording: str, reason: object) -> None:
        """Name a recording that is not written."""
        self.problems.append(Problem(recording, "left out", str(reason)))

    def warn(self, recording: str, reason: str) -> None:
        """Name a reservation about a recording."""
        self.problems.append(Problem(recording, "warned", reason))

    def summary(self) -> str:
        """The counts, in words."""
        outcomes = Counter(problem.outcome for problem in self.problems)
        return (
            f"{self.written} recordings, {self.scored} of them with at least one of the 27 scored diagnoses; "
            f"{outcomes['left out']} left out, {outcomes['warned']} warnings"
        )


def read_mapping(path: Path) -> dict[str, Counterpart]:
    """Read a table of terms: a CSV with the columns term, SNOMED CT code, note.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return {row["term"]: Counterpart(row["SNOMED CT code"], row["note"]) for row in csv.DictReader(file)}


def record_name(prefix: str, published: str) -> str:
    """The name of a recording here: a prefix that no source of the Challenge has, and its name in its own set.

    Raises:
        RecordingError: the published name has other characters than WFDB's letters, digits and underscores.
    """
    if not _WFDB_NAME.fullmatch(published):
        raise RecordingError(f"'{published}' is no name of a recording: letters, digits and underscores are")
    return prefix + published


def age_in_years(text: str, recording: str, report: Report) -> float:
    """The age that a set's text states; NaN where it is empty or, with a warning, no age."""
    if not text:
        return math.nan
    try:
        age = float(text)
    except ValueError:
        age = math.nan
    if 0 <= age <= OLDEST:
        return age
    report.warn(recording, f"'{text}' is no age: NaN written")
    return math.nan


def known_sex(text: str, sexes: Mapping[str, str], recording: str, report: Report) -> str | None:
    """The sex that a set's word stands for; ``None`` where it is empty or, with a warning, another word."""
    if text and text not in sexes:
        report.warn(recording, f"'{text}' is none of the set's words for a sex: NaN written")
    return sexes.get(text)


def write_folder(
    data_set: DataSet, recordings: Sequence[ListedRecording], out: Path, report: Report, options: str = ""
) -> None:
    """Write the recordings and the report; what is wrong with one of them is added to ``report``.

    Args:
        data_set: the set that the recordings are of.
        recordings: in the order in which they are written; of two with one name the first is.
        out: new or empty.
        report: what listing them found wrong already.
        options: of the command, for README.txt.

    Raises:
        FileExistsError: ``out`` is a file or holds something already, which is left as it is.
        OSError: ``out`` cannot be written, or the disk is full. What is there is whole.
    """
    mapping = read_mapping(data_set.mapping)
    make_empty_folder(out)
    taken: set[str] = set()
    for listed in tqdm(recordings, desc="converting", unit="recording", disable=None):
        if listed.name in taken:
            report.leave_out(listed.published, "listed before: the first counts")
            continue
        taken.add(listed.name)
        _write_listed(out, listed, mapping, report)
    rows = [(term, count, report.reasons.get(term, "unknown")) for term, count in report.unmapped.most_common()]
    write_text(out / "unmapped.csv", csv_text(("term", "count", "reason"), rows))
    problems = map(dataclasses.astuple, report.problems)
    write_text(out / "problems.csv", csv_text(("recording", "outcome", "reason"), problems))
    described = dataclasses.asdict(data_set) | {"mapping": data_set.mapping.name}
    write_text(out / "README.txt", _README.format(**described, options=options, summary=report.summary()))


def _write_listed(out: Path, listed: ListedRecording, mapping: Mapping[str, Counterpart], report: Report) -> None:
    """Write a recording and count its terms, or say why not."""
    counterparts = {term: mapping.get(term) for term in listed.terms}
    codes = tuple(dict.fromkeys(found.code for found in counterparts.values() if found and found.code))
    try:
        recording = listed.read()
        described = dataclasses.replace(recording, name=listed.name, age=listed.age, sex=listed.sex, diagnoses=codes)
        write_record(out, described)
    except RecordingError as error:
        report.leave_out(listed.published, error)
        return
    for warning in recording.warnings:
        report.warn(listed.published, warning)
    for term, found in counterparts.items():
        if found is None or not found.code:
            report.unmapped[term] += 1
        if found is not None and not found.code:
            report.reasons[term] = found.note
    report.written += 1
    report.codes.update(codes)
    report.scored += not _SCORED.isdisjoint(codes)
