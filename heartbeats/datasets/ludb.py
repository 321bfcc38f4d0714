"""LUDB, the Lobachevsky University Database (Kalyakulina et al., IEEE Access 2020;8:186181), as PhysioNet publishes it.

``RECORDS`` lists 200 WFDB records, 12 leads of 10 s at 500 Hz, each lead with a gain and a baseline of its own. The
diagnoses are words in the header's comments after ``#<diagnoses>:``, one per line, with a full stop at the end. The
marks of P, QRS and T, for which the set was made, are not taken over.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from heartbeats.common.files import read_bytes
from heartbeats.datasets.challenge_format import (
    DataSet,
    DataSetError,
    ListedRecording,
    Report,
    record_name,
    write_folder,
)
from heartbeats.ecg.header import parse_header, read_header_text
from heartbeats.ecg.recording import RecordingError, read_recording

__all__ = ["LUDB", "convert_ludb", "diagnoses_in_words"]

LUDB = DataSet(
    key="ludb",
    title="Lobachevsky University Electrocardiography Database",
    page="https://physionet.org/content/ludb/",
    licence="Open Data Commons Attribution License 1.0, on that page; name its authors when you pass the recordings on",
    mapping=Path(__file__).with_name("ludb.csv"),
)
_HEADING = "#<diagnoses>:"


def convert_ludb(source: Path, out: Path) -> Report:
    """Write the records that ``source``/RECORDS lists, as LUDB001 and so on, into ``out``.

    Raises:
        DataSetError: there is no RECORDS, or it lists no record with diagnoses in LUDB's form.
        OSError: RECORDS cannot be read; ``out`` is not empty or cannot be written.
    """
    report = Report()
    records = source / "RECORDS"
    if not records.is_file():
        raise DataSetError(f"{source}: no RECORDS in it: name the folder of LUDB as it was unpacked")
    recordings = []
    for record in read_bytes(records).decode("utf-8", "replace").split():
        try:
            recordings.append(_listed(source, record))
        except RecordingError as error:
            report.leave_out(record, error)
    if not recordings:
        raise DataSetError(f"{source}: RECORDS lists no record with a line '{_HEADING}' in its header, as LUDB's have")
    write_folder(LUDB, recordings, out, report)
    return report


def diagnoses_in_words(text: str) -> tuple[str, ...]:
    """The terms of an LUDB header's text, without the full stops.

    Raises:
        RecordingError: it has no line ``#<diagnoses>:``.
    """
    lines = [line.strip() for line in text.split("\n")]
    if _HEADING not in lines:
        raise RecordingError(f"its header has no line '{_HEADING}'")
    comments = (line for line in lines[lines.index(_HEADING) + 1 :] if line.startswith("#"))
    return tuple(term for line in comments if (term := line.removeprefix("#").strip().removesuffix(".").rstrip()))


def _listed(source: Path, record: str) -> ListedRecording:
    """A line of RECORDS as a recording."""
    path = source / f"{record}.hea"
    name = record_name("LUDB", path.stem.zfill(3))
    try:
        text = read_header_text(path)
    except OSError as error:
        raise RecordingError(f"{path.name} cannot be read: {error.strerror}") from error
    header = parse_header(text)
    return ListedRecording(
        record, name, diagnoses_in_words(text), header.age, header.sex, partial(read_recording, path)
    )
