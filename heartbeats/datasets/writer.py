"""Write a data set as a folder in the Challenge's format, with a report of everything that was not converted.

An adapter lists the recordings of its set, and :func:`write_folder` reads each one and writes

    NAME.mat, NAME.hea   a recording: MATLAB 4, int16, 1000 ADC units per mV; a header of 2020 without a date
    unmapped.csv         terms without a code, in how many recordings they are, and the reason
    problems.csv         recordings that were left out, or written with a warning, and the reason
    README.txt           where the recordings come from; it is written last, so a folder with it is complete
"""

from __future__ import annotations

import csv
import dataclasses
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import csv_text, write_text
from heartbeats.ecg.header import OLDEST
from heartbeats.ecg.recording import Recording, RecordingError
from heartbeats.ecg.writing import make_empty_folder, write_record

_README = """{title}, in the format of the PhysioNet/CinC Challenge 2020.

Source:   {page}
Licence:  {licence}
Made by:  HeartBeats, python -m heartbeats.datasets {key} SOURCE OUT{options}

The signals are the owner's, rounded to 1000 ADC units per mV. The labels (#Dx) are not: the owner's terms were mapped
to SNOMED CT codes by {key}.csv, a table of HeartBeats that the owner has not seen.

{summary}.
unmapped.csv lists the terms without a code, problems.csv the recordings that were left out or have a warning.
"""


class DataSetError(HeartBeatsError):
    """A folder is not the data set that the user named, or an option does not fit the set."""


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes:
        key: its name in the command and of its table of terms.
        title, page, licence: what its owner states.
        prefix, digits: a recording's name here is the prefix and its name in the set, with at least so many digits. No
            source of the Challenge has such names.
        sexes: the set's words for ``"Male"`` and ``"Female"``.
    """

    key: str
    title: str
    page: str
    licence: str
    prefix: str
    digits: int
    sexes: Mapping[str, str]

    def record_name(self, published: str) -> str:
        """Return the name of a recording in the Challenge's format.

        Raises:
            RecordingError: the name in the set has other characters than letters, digits and underscores.
        """
        if not re.fullmatch(r"[A-Za-z0-9_]+", published):
            raise RecordingError(f"'{published}' is not a record name: use letters, digits and underscores")
        return self.prefix + published.zfill(self.digits)

    @cached_property
    def terms(self) -> dict[str, Counterpart]:
        """The table of terms: a CSV with the columns term, SNOMED CT code, note."""
        with Path(__file__).with_name(f"{self.key}.csv").open(encoding="utf-8", newline="") as file:
            return {row["term"]: Counterpart(row["SNOMED CT code"], row["note"]) for row in csv.DictReader(file)}


class Counterpart(NamedTuple):
    """The SNOMED CT code of a term, empty if no code says the same, and a note."""

    code: str
    note: str


class Published(NamedTuple):
    """A recording as its set publishes it; age and sex are the set's words, empty if unknown."""

    name: str
    signal: Recording
    terms: tuple[str, ...]
    age: str
    sex: str


Reader = Callable[[], Published]


class Problem(NamedTuple):
    """A recording that was left out or written with a warning; ``outcome`` is ``"left out"`` or ``"warned"``."""

    recording: str
    outcome: str
    reason: str


@dataclass
class Report:
    """The result of a conversion.

    Attributes:
        written, scored: number of recordings, and of those with at least one of the 27 scored codes.
        codes, unmapped: number of recordings with each code, and with each term that has no code.
        reasons: why these terms have no code; a term that is not in the table has no reason.
        problems: recordings left out or warned about.
    """

    written: int = 0
    scored: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def warn(self, recording: str, reason: str) -> None:
        """Add a warning about a recording."""
        self.problems.append(Problem(recording, "warned", reason))

    def summary(self) -> str:
        """Return the counts in words."""
        outcomes = Counter(problem.outcome for problem in self.problems)
        return (
            f"{self.written} recordings, {self.scored} of them with at least one of the 27 scored diagnoses; "
            f"{outcomes['left out']} left out, {outcomes['warned']} warnings"
        )


def write_folder(
    data_set: DataSet, recordings: Iterable[tuple[str, Reader]], out: Path, report: Report, options: str = ""
) -> Report:
    """Write recordings, complete the report and write it. A bad recording never stops the conversion.

    Args:
        data_set: the set of the recordings.
        recordings: for each, its name in messages and a function that reads it and may raise RecordingError.
        out: a new or empty folder.
        report: earlier warnings.
        options: of the command, for README.txt.

    Raises:
        FileExistsError: ``out`` is a file or not empty; it stays as it is.
        OSError: ``out`` cannot be written, or the disk is full. All files there are complete.
    """
    make_empty_folder(out)
    for label, read in tqdm(recordings, desc="converting", unit="recording", disable=None):
        try:
            _write(data_set, label, read(), out, report)
        except RecordingError as error:
            report.problems.append(Problem(label, "left out", str(error)))
    rows = [(term, count, report.reasons.get(term, "unknown")) for term, count in report.unmapped.most_common()]
    write_text(out / "unmapped.csv", csv_text(("term", "count", "reason"), rows))
    write_text(out / "problems.csv", csv_text(Problem._fields, report.problems))
    text = _README.format(**dataclasses.asdict(data_set), options=options, summary=report.summary())
    write_text(out / "README.txt", text)
    return report


def _write(data_set: DataSet, label: str, published: Published, out: Path, report: Report) -> None:
    """Write a recording and count its terms."""
    name = data_set.record_name(published.name)
    if (out / f"{name}.hea").exists():
        raise RecordingError("another recording has this name: the first is converted")
    codes_of = {term: data_set.terms[term].code if term in data_set.terms else "" for term in published.terms}
    codes = tuple(dict.fromkeys(filter(None, codes_of.values())))
    age, sex = _age(published.age), data_set.sexes.get(published.sex)
    write_record(out, dataclasses.replace(published.signal, name=name, age=age, sex=sex, diagnoses=codes))
    if published.age and math.isnan(age):
        report.warn(label, f"'{published.age}' is not an age: NaN is written")
    if published.sex and not sex:
        report.warn(label, f"'{published.sex}' is not one of the set's words for a sex: NaN is written")
    for warning in published.signal.warnings:
        report.warn(label, warning)
    unmapped = [term for term, code in codes_of.items() if not code]
    report.unmapped.update(unmapped)
    report.reasons.update({term: data_set.terms[term].note for term in unmapped if term in data_set.terms})
    report.written += 1
    report.codes.update(codes)
    report.scored += not set(CLASSES).isdisjoint(codes)


def _age(text: str) -> float:
    """Return the age in years that a text states, or NaN."""
    try:
        age = float(text)
    except ValueError:
        return math.nan
    return age if 0 <= age <= OLDEST else math.nan
