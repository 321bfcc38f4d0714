"""Read LUDB, the Lobachevsky University Database (Kalyakulina et al., IEEE Access 2020;8:186181), from PhysioNet.

``RECORDS`` lists 200 WFDB records: 12 leads, 10 s, 500 Hz, with a gain and a baseline per lead. The diagnoses are words
in the header's comments after ``#<diagnoses>:``, one per line. The marks of P, QRS and T are not converted.
"""

import math
from functools import partial
from pathlib import Path

from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import read_bytes
from heartbeats.datasets.writer import DataSet, Published, Report, write_folder
from heartbeats.ecg.header import parse_header, read_header_text
from heartbeats.ecg.recording import RecordingError, read_recording

LUDB = DataSet(
    key="ludb",
    title="Lobachevsky University Electrocardiography Database",
    page="https://physionet.org/content/ludb/",
    licence="Open Data Commons Attribution License 1.0, on that page; name its authors when you pass the recordings on",
    prefix="LUDB",
    digits=3,
    sexes={"Male": "Male", "Female": "Female"},
)
_HEADING = "#<diagnoses>:"


def convert_ludb(source: Path, out: Path) -> Report:
    """Convert the records that ``source``/RECORDS lists to LUDB001, LUDB002, ... in ``out``.

    Raises:
        HeartBeatsError: RECORDS is missing, or all records that it lists are missing.
        OSError: RECORDS cannot be read; ``out`` is not empty or cannot be written.
    """
    if not (source / "RECORDS").is_file():
        raise HeartBeatsError(f"{source} has no file RECORDS: name the unpacked folder of LUDB")
    records = read_bytes(source / "RECORDS").decode("utf-8", "replace").split()
    recordings = [(record, partial(_read, source / f"{record}.hea")) for record in records]
    if not any((source / f"{record}.hea").is_file() for record in records):
        raise HeartBeatsError(f"{source}: none of the records in RECORDS is there: name the unpacked folder of LUDB")
    return write_folder(LUDB, recordings, out, Report())


def diagnoses_in_words(text: str) -> tuple[str, ...]:
    """Return the terms of an LUDB header, without their full stops.

    Raises:
        RecordingError: the header has no line ``#<diagnoses>:``.
    """
    lines = [line.strip() for line in text.split("\n")]
    if _HEADING not in lines:
        raise RecordingError(f"its header has no line '{_HEADING}'")
    comments = (line for line in lines[lines.index(_HEADING) + 1 :] if line.startswith("#"))
    return tuple(term for line in comments if (term := line.removeprefix("#").strip().removesuffix(".").rstrip()))


def _read(path: Path) -> Published:
    try:
        text = read_header_text(path)
    except OSError as error:
        raise RecordingError(f"{path.name} cannot be read: {error.strerror}") from error
    header = parse_header(text)
    age = "" if math.isnan(header.age) else str(header.age)
    return Published(path.stem, read_recording(path), diagnoses_in_words(text), age, header.sex or "")
