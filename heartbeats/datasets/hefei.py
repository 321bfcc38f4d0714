"""The Hefei Hi-tech Cup ECG Intelligent Competition's recordings: the paper's external set (section 2.1).

As published: one text file per recording, ``I II V1 V2 V3 V4 V5 V6`` and 5,000 rows of these leads at 500 Hz, in units
of 4.88 µV; and a label file, one line per recording, its fields separated by tabs: ``1001.txt``, age, sex (MALE or
FEMALE), and one or more Chinese terms. Age and sex may be empty. The two rounds of the competition named folders and
files differently: the text files are found anywhere below SOURCE, and the label file by its lines.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from heartbeats.common.files import read_bytes
from heartbeats.datasets.challenge_format import (
    DataSet,
    DataSetError,
    ListedRecording,
    Report,
    age_in_years,
    known_sex,
    record_name,
    write_folder,
)
from heartbeats.ecg.recording import Recording, RecordingError

__all__ = ["HEFEI", "LEADS", "convert_hefei"]

HEFEI = DataSet(
    key="hefei",
    title="Hefei Hi-tech Cup ECG Intelligent Competition",
    page="https://tianchi.aliyun.com/competition/entrance/231754/information",
    licence="the competition's own terms, on that page; ask its owner before you pass the recordings on",
    mapping=Path(__file__).with_name("hefei.csv"),
)
LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
SAMPLING_RATE = 500.0  # Hz
ROWS = 5000
MILLIVOLTS = 4.88e-3  # per unit

_SEXES = {"MALE": "Male", "FEMALE": "Female"}
_LABEL_LINE = re.compile(rb"^[^\t\r\n]+\.txt\t", re.MULTILINE)


def convert_hefei(source: Path, out: Path) -> Report:
    """Write the recordings that the label file of ``source`` lists, as HF1001 and so on, into ``out``.

    The eight leads stay eight: the entry reads no others.

    Raises:
        DataSetError: there is not exactly one label file below ``source``.
        OSError: ``source`` is no folder; ``out`` is not empty or cannot be written.
    """
    report = Report()
    files = _text_files(source)
    label_file, lines = _labels(source, files)
    files.remove(label_file)
    write_folder(HEFEI, _listed(lines, _by_name(files, report), report), out, report)
    return report


def _read_text_signal(path: Path | None) -> Recording:
    """A recording's text file, 8 leads × 5000 samples in mV.

    Raises:
        RecordingError: there is no such file, it cannot be read, its leads or rows are not those, or it holds text
            that is no number.
    """
    if path is None:
        raise RecordingError("no such text file")
    try:
        lines = read_bytes(path).decode("utf-8-sig", "replace").split("\n")
    except OSError as error:
        raise RecordingError(f"cannot be read: {error.strerror}") from error
    rows = [row for line in lines if (row := line.split())]
    leads = tuple(rows.pop(0)) if rows else ()
    if sorted(leads) != sorted(LEADS):
        raise RecordingError(f"the first row is not the leads {' '.join(LEADS)}")
    if len(rows) != ROWS:
        raise RecordingError(f"{len(rows)} rows of samples instead of {ROWS}")
    if uneven := next((i for i, row in enumerate(rows, start=2) if len(row) != len(leads)), None):
        raise RecordingError(f"row {uneven} has {len(rows[uneven - 2])} values instead of {len(leads)}")
    try:
        units = np.array(rows, dtype=np.float64).T
    except ValueError as error:
        raise RecordingError(f"a value is no number: {error}") from error
    return Recording(path.stem, units * MILLIVOLTS, SAMPLING_RATE, leads)


def _text_files(source: Path) -> list[Path]:
    """All text files below ``source`` but hidden ones, such as archives from a Mac hold beside each file."""
    if not source.is_dir():
        raise NotADirectoryError(f"{source}: no such folder")
    found = (path for path in source.rglob("*.txt") if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(source).parts))


def _labels(source: Path, files: list[Path]) -> tuple[Path, list[list[str]]]:
    """The label file and its lines' fields. A list without terms, as of the competition's test, is no label file."""
    found = [(path, lines) for path in files if (lines := _label_lines(path))]
    if not found:
        raise DataSetError(f"{source}: no label file (lines of NAME.txt, age, sex, terms, separated by tabs) below it")
    if len(found) > 1:
        names = " and ".join(str(path.relative_to(source)) for path, _lines in found[:2])
        raise DataSetError(f"{source}: {names} are both label files: name the folder of one round")
    return found[0]


def _label_lines(path: Path) -> list[list[str]]:
    """The lines of a label file, in fields; none of a file that is no label file."""
    try:
        with path.open("rb") as file:
            if not _LABEL_LINE.search(file.read(4096)):
                return []
        text = _decoded(read_bytes(path))
    except OSError:  # if it is a recording, it is named when it is read
        return []
    lines = [[part.strip() for part in line.split("\t")] for line in text.split("\n") if line.strip()]
    return lines if any(any(line[3:]) for line in lines) else []


def _decoded(content: bytes) -> str:
    """Text in UTF-8 or, as Chinese Windows saves it, in GB 18030; terms with damaged bytes become unknown ones."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", "replace")


def _by_name(files: list[Path], report: Report) -> dict[str, Path]:
    """The text files by name, of two with one name the first by path."""
    found: dict[str, Path] = {}
    for path in files:
        if (first := found.setdefault(path.name, path)) != path:
            report.warn(path.name, f"there are two of this name: {first} is taken, {path} is not")
    return found


def _listed(lines: list[list[str]], files: dict[str, Path], report: Report) -> list[ListedRecording]:
    """The recordings that the label file lists; what is wrong with a line is reported."""
    recordings = []
    for number, (published, *fields) in enumerate(lines, start=1):
        terms = tuple(term for term in fields[2:] if term)
        if not terms:
            report.leave_out(published or f"label line {number}", "its line has no term after name, age and sex")
            continue
        try:
            name = record_name("HF", published.removesuffix(".txt"))
        except RecordingError as error:
            report.leave_out(published or f"label line {number}", error)
            continue
        age = age_in_years(fields[0], published, report)
        sex = known_sex(fields[1].upper(), _SEXES, published, report)
        recordings.append(
            ListedRecording(published, name, terms, age, sex, partial(_read_text_signal, files.get(published)))
        )
    listed = {line[0] for line in lines}
    if others := [name for name in files if name not in listed]:
        report.notes.append(f"{len(others)} text files have no line in the label file, e.g. {others[0]}: not taken")
    return recordings
