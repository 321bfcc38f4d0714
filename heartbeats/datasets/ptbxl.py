"""PTB-XL (Wagner et al., Scientific Data 2020;7:154), as PhysioNet publishes it in versions 1.0.x.

``ptbxl_database.csv`` has one row per recording: ``scp_codes``, SCP-ECG statements with likelihoods in percent, written
as a Python dict; ``heart_axis``; age (300 where it is over 89) and sex (0 male, 1 female). ``records500`` and
``records100`` hold the WFDB records at two sampling rates.

Which statements count: all, whatever their likelihood. It is 0 where it is unknown, as for every statement on form and
rhythm, so that 0 cannot mean "absent"; and the Challenge's own conversion has taken the unlikely ones too, as far as
the counts of ``dx_mapping_scored.csv`` tell. ``least_likelihood`` leaves out those that are known to be less likely.

Axis deviations stand in ``heart_axis`` and not among the statements: its values are terms here, ``heart_axis=LAD``.
"""

from __future__ import annotations

import ast
import csv
import math
from functools import partial
from pathlib import Path

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
from heartbeats.ecg.recording import RecordingError, read_recording

__all__ = ["PTB_XL", "convert_ptbxl", "parse_statements"]

PTB_XL = DataSet(
    key="ptbxl",
    title="PTB-XL, a large publicly available electrocardiography dataset",
    page="https://physionet.org/content/ptb-xl/",
    licence="Creative Commons Attribution 4.0, on that page; name its authors when you pass the recordings on",
    mapping=Path(__file__).with_name("ptbxl.csv"),
)
DATABASE = "ptbxl_database.csv"
FILE_COLUMNS = {500: "filename_hr", 100: "filename_lr"}
OVER_89 = 300.0  # what stands for these ages

_SEXES = {"0": "Male", "1": "Female"}
_COLUMNS = ("ecg_id", "age", "sex", "scp_codes", *FILE_COLUMNS.values())

Row = dict[str, str | None]


def convert_ptbxl(source: Path, out: Path, *, sampling_rate: int = 500, least_likelihood: float = 0.0) -> Report:
    """Write the recordings of ``ptbxl_database.csv``, as PTBXL00001 and so on, into ``out``.

    Args:
        source: holds ptbxl_database.csv and the records.
        out: new or empty.
        sampling_rate: Hz, 500 or 100: which of the two records is taken.
        least_likelihood: percent; statements of a known likelihood below it are left out, those of 0 (unknown) never.

    Raises:
        DataSetError: there is no such table in ``source``, or it lacks a column; another rate, or a likelihood outside
            0 to 100.
        OSError: ``out`` is not empty or cannot be written.
    """
    if sampling_rate not in FILE_COLUMNS:
        raise DataSetError(f"PTB-XL has records at 500 and 100 Hz, not at {sampling_rate}")
    if not 0 <= least_likelihood <= 100:
        raise DataSetError(f"a likelihood is 0 to 100 percent, not {least_likelihood}")
    report = Report()
    file_column = FILE_COLUMNS[sampling_rate]
    recordings = []
    for number, row in enumerate(_rows(source), start=1):
        published = _field(row, "ecg_id") or f"row {number}"
        try:
            recordings.append(_listed(source, row, file_column, least_likelihood, report))
        except RecordingError as error:
            report.leave_out(published, error)
    options = f" --rate {sampling_rate} --likelihood {least_likelihood:g}"
    write_folder(PTB_XL, recordings, out, report, options)
    return report


def parse_statements(text: str) -> dict[str, float]:
    """The statements and likelihoods, in percent, of a ``scp_codes`` text such as ``{'NORM': 100.0, 'SR': 0.0}``.

    Nothing in the text is run: it is read as a literal.

    Raises:
        RecordingError: it is no such text.
    """
    try:
        statements = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise RecordingError(f"scp_codes '{text:.60}' are no Python literal") from error
    if not isinstance(statements, dict) or not all(isinstance(key, str) for key in statements):
        raise RecordingError(f"scp_codes '{text:.60}' are no dict of statements")
    # bool is an int, and NaN is neither above nor below a limit.
    if not all(type(value) in (int, float) and 0 <= value <= 100 for value in statements.values()):
        raise RecordingError(f"scp_codes '{text:.60}' have a likelihood that is not 0 to 100 percent")
    return statements


def _rows(source: Path) -> list[Row]:
    """The rows of the table."""
    path = source / DATABASE
    if not path.is_file():
        raise DataSetError(f"{source}: no {DATABASE} in it: name the folder of PTB-XL as it was unpacked")
    try:
        # The reports, which are not read, are in several languages and may be damaged.
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [column for column in _COLUMNS if column not in (reader.fieldnames or ())]:
                raise DataSetError(f"{path}: no column {missing[0]}")
            return list(reader)
    except csv.Error as error:
        raise DataSetError(f"{path}: no table in CSV: {error}") from error


def _listed(source: Path, row: Row, file_column: str, least_likelihood: float, report: Report) -> ListedRecording:
    """A row as a recording."""
    published = _field(row, "ecg_id")
    if not (published.isascii() and published.isdigit()):
        raise RecordingError(f"ecg_id '{published}' is no number")
    if not (file := _field(row, file_column)):
        raise RecordingError(f"its row has no {file_column}")
    statements = parse_statements(_field(row, "scp_codes"))
    terms = [code for code, likelihood in statements.items() if likelihood == 0 or likelihood >= least_likelihood]
    if axis := _field(row, "heart_axis"):
        terms.append(f"heart_axis={axis}")
    return ListedRecording(
        published,
        record_name("PTBXL", published.zfill(5)),
        tuple(terms),
        _age(_field(row, "age"), published, report),
        known_sex(_field(row, "sex").removesuffix(".0"), _SEXES, published, report),
        partial(read_recording, source / f"{file}.hea"),
    )


def _age(text: str, published: str, report: Report) -> float:
    """Age in years; over 89 is no number of years, and becomes NaN."""
    return math.nan if text in (f"{OVER_89:g}", f"{OVER_89}") else age_in_years(text, published, report)


def _field(row: Row, column: str) -> str:
    return (row.get(column) or "").strip()
