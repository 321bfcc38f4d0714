"""Write a data set as a folder in the Challenge's format, and report what was not converted.

An adapter lists the recordings of its set, and :func:`write_folder` reads each one and writes

    NAME.mat, NAME.hea   a recording: MATLAB 4, int16, 1000 ADC units per mV; a header of 2020 without a date
    unmapped.csv         terms without a code, their number of recordings, and the reason
    problems.csv         recordings that were left out, or written with a warning, and the reason
    README.txt           where the recordings come from; written last, so a folder with it is complete
"""

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
from heartbeats.common.files import csv_text, make_empty_folder, write_text
from heartbeats.ecg.header import OLDEST
from heartbeats.ecg.recording import Recording, RecordingError
from heartbeats.ecg.writing import write_record

_README = """{title}, in the format of the PhysioNet/CinC Challenge 2020.

Source:   {page}
Licence:  {licence}
Made by:  HeartBeats, python -m heartbeats.datasets {key} SOURCE OUT{options}

The signals are the owner's, rounded to 1000 ADC units per mV. The labels (#Dx) are not: the owner's terms were mapped
to SNOMED CT codes by {key}.csv, a table of HeartBeats that the owner has not seen.

{summary}.
unmapped.csv lists the terms without a code, problems.csv the recordings that were left out or have a warning.
"""


UNKNOWN = "unknown"  # the reason of a term that is not in the set's table


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes:
        key: its name in the command, and the name of its table of terms.
        title, page, licence: as its owner states them.
        prefix, digits: of the new names. No source of the Challenge has such names.
        sexes: the set's words for ``"Male"`` and ``"Female"``.
    """

    key: str
    title: str
    page: str
    licence: str
    prefix: str
    digits: int
    sexes: Mapping[str, str]

    @cached_property
    def terms(self) -> dict[str, tuple[str, str]]:
        """The set's CSV table: for each term its SNOMED CT code (empty if no code means the same) and a note."""
        with Path(__file__).with_name(f"{self.key}.csv").open(encoding="utf-8", newline="") as file:
            return {row["term"]: (row["SNOMED CT code"], row["note"]) for row in csv.DictReader(file)}


class Published(NamedTuple):
    """A recording as its set publishes it; age and sex are the set's words, empty if unknown."""

    name: str
    signal: Recording
    terms: tuple[str, ...]
    age: str
    sex: str


class Problem(NamedTuple):
    """A recording that was left out or written with a warning; ``outcome`` is ``"left out"`` or ``"warned"``."""

    recording: str
    outcome: str
    reason: str


@dataclass
class Report:
    """The result of a conversion.

    Attributes:
        written, scored: number of recordings, and of recordings with a scored code.
        codes, unmapped: number of recordings for each code, and for each term without a code.
        reasons: why these terms have no code.
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
    data_set: DataSet,
    recordings: Iterable[tuple[str, Callable[[], Published]]],
    out: Path,
    report: Report,
    options: str = "",
) -> Report:
    """Write recordings and the report of them. A bad recording does not stop the conversion.

    Args:
        data_set: the set of the recordings.
        recordings: a name for messages, and a function that reads the recording and may raise RecordingError.
        out: a new or empty folder.
        report: with earlier warnings; it is completed and returned.
        options: options of the command, for README.txt.

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
    rows = [(term, count, report.reasons[term]) for term, count in report.unmapped.most_common()]
    write_text(out / "unmapped.csv", csv_text(("term", "count", "reason"), rows))
    write_text(out / "problems.csv", csv_text(Problem._fields, report.problems))
    text = _README.format(**dataclasses.asdict(data_set), options=options, summary=report.summary())
    write_text(out / "README.txt", text)
    return report


def _write(data_set: DataSet, label: str, published: Published, out: Path, report: Report) -> None:
    """Write a recording and count its terms."""
    if not re.fullmatch(r"[A-Za-z0-9_]+", published.name):
        raise RecordingError(f"'{published.name}' is not a record name: use letters, digits and underscores")
    name = data_set.prefix + published.name.zfill(data_set.digits)
    if (out / f"{name}.hea").exists():
        raise RecordingError("another recording has this name; only the first is converted")
    mapped = {term: data_set.terms.get(term, ("", UNKNOWN)) for term in published.terms}
    codes = tuple(dict.fromkeys(code for code, _ in mapped.values() if code))
    age, sex = _age(published.age), data_set.sexes.get(published.sex)
    write_record(out, dataclasses.replace(published.signal, name=name, age=age, sex=sex, diagnoses=codes))
    for word, known in ((published.age, not math.isnan(age)), (published.sex, sex)):
        if word and not known:
            report.warn(label, f"'{word}' is not an age or a sex of this set: NaN is written")
    for warning in published.signal.warnings:
        report.warn(label, warning)
    reasons = {term: note for term, (code, note) in mapped.items() if not code}
    report.unmapped.update(reasons.keys())
    report.reasons.update(reasons)
    report.written += 1
    report.codes.update(codes)
    report.scored += not set(CLASSES).isdisjoint(codes)


def _age(text: str) -> float:
    """Return the age in years from a text, or NaN."""
    try:
        age = float(text)
    except ValueError:
        return math.nan
    return age if 0 <= age <= OLDEST else math.nan
