"""Read the Hefei Hi-tech Cup ECG Intelligent Competition, the paper's external set (section 2.1).

Each recording is a text file: a line ``I II V1 V2 V3 V4 V5 V6``, and 5,000 rows of these leads at 500 Hz, in units of
4.88 µV. One label file has a line per recording. Tabs separate its fields: ``1001.txt``, age, sex (MALE or FEMALE), and
one or more Chinese terms. Age and sex can be empty. The two rounds of the competition use different names of folders
and files. So all text files below SOURCE are searched. The lines of a file show if it is the label file.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import read_bytes
from heartbeats.datasets.writer import DataSet, Published, Report, write_folder
from heartbeats.ecg.recording import Recording, RecordingError
from heartbeats.preparation.leads import LEADS

HEFEI = DataSet(
    key="hefei",
    title="Hefei Hi-tech Cup ECG Intelligent Competition",
    page="https://tianchi.aliyun.com/competition/entrance/231754/information",
    licence="the competition's own terms, on that page; ask its owner before you pass the recordings on",
    prefix="HF",
    digits=1,
    sexes={"MALE": "Male", "FEMALE": "Female"},
)
SAMPLING_RATE = 500.0  # Hz
ROWS = 5000
MILLIVOLTS = 4.88e-3  # per unit

_LABEL_LINE = re.compile(rb"^[^\t\r\n]+\.txt\t", re.MULTILINE)


def convert_hefei(source: Path, out: Path) -> Report:
    """Convert the recordings that the label file lists to HF1001, HF1002, ... in ``out``. They keep eight leads.

    Raises:
        HeartBeatsError: there is not exactly one label file below ``source``.
        OSError: ``source`` is not a folder; ``out`` is not empty or cannot be written.
    """
    report = Report()
    files = _text_files(source)
    label_file, lines = _find_labels(source, files)
    by_name: dict[str, Path] = {}
    for path in files:
        if path != label_file and (first := by_name.setdefault(path.name, path)) != path:
            report.warn(path.name, f"two files have this name: {first} is converted, {path} is not")
    if others := sorted(by_name.keys() - {line[0] for line in lines}):
        report.warn(others[0], f"{len(others)} text files like this one are not in the label file: not converted")
    recordings = [
        (fields[0] or f"label line {number}", partial(_read, fields, by_name.get(fields[0])))
        for number, fields in enumerate(lines, start=1)
    ]
    return write_folder(HEFEI, recordings, out, report)


def _text_files(source: Path) -> list[Path]:
    """Return all text files below ``source``, without hidden ones (a Mac adds them to archives)."""
    if not source.is_dir():
        raise NotADirectoryError(f"{source}: no such folder")
    found = (path for path in source.rglob("*.txt") if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(source).parts))


def _find_labels(source: Path, files: list[Path]) -> tuple[Path, list[list[str]]]:
    """Return the label file and the fields of its lines."""
    found = [(path, lines) for path in files if (lines := _label_lines(path))]
    if not found:
        raise HeartBeatsError(
            f"{source}: no label file below it (lines of NAME.txt, age, sex, terms, separated by tabs)"
        )
    if len(found) > 1:
        names = " and ".join(str(path.relative_to(source)) for path, _lines in found[:2])
        raise HeartBeatsError(f"{source}: {names} are both label files: name the folder of one round")
    return found[0]


def _label_lines(path: Path) -> list[list[str]]:
    """Return the fields of a label file's lines. Other files, and lists without terms, give an empty list."""
    try:
        with path.open("rb") as file:
            if not _LABEL_LINE.search(file.read(4096)):
                return []
        content = read_bytes(path)
    except OSError:  # if it is a recording, the error comes when it is read
        return []
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030", "replace")  # the encoding of Chinese Windows
    lines = [[part.strip() for part in line.split("\t")] for line in text.split("\n") if line.strip()]
    return lines if any(any(line[3:]) for line in lines) else []


def _read(fields: list[str], path: Path | None) -> Published:
    """Read the recording of a label line."""
    terms = tuple(term for term in fields[3:] if term)
    if not terms:
        raise RecordingError("its line has no term after name, age and sex")
    if path is None:
        raise RecordingError("no such text file")
    return Published(fields[0].removesuffix(".txt"), _read_signal(path), terms, fields[1], fields[2].upper())


def _read_signal(path: Path) -> Recording:
    """Read a recording's text file, 8 leads × 5000 samples.

    Raises:
        RecordingError: the file cannot be read, has other leads or rows, or a value is not a number.
    """
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
    try:
        units = np.array(rows, dtype=np.float64).T
    except ValueError as error:
        raise RecordingError(f"a row has a value that is not a number, or too few values: {error}") from error
    return Recording(path.stem, units * MILLIVOLTS, SAMPLING_RATE, leads)
