"""Read PTB-XL (Wagner et al., Scientific Data 2020;7:154), versions 1.0.x, from PhysioNet.

``ptbxl_database.csv`` has a row per recording: ``scp_codes`` (SCP-ECG statements with likelihoods in percent, as a
Python dict), ``heart_axis``, age (300 means over 89) and sex (0 male, 1 female). ``records500`` and ``records100`` hold
the WFDB records at two sampling rates.

All statements count, also unlikely ones. A likelihood of 0 means unknown; statements on form and rhythm have 0. The
counts of ``dx_mapping_scored.csv`` suggest that the Challenge's own conversion used unlikely statements too.

No statement describes axis deviation. So the values of ``heart_axis`` are terms here, for example
``heart_axis=LAD``.
"""

import ast
import csv
from functools import partial
from pathlib import Path

from heartbeats.common.errors import HeartBeatsError
from heartbeats.datasets.writer import DataSet, Published, Report, write_folder
from heartbeats.ecg.recording import RecordingError, read_recording

PTB_XL = DataSet(
    key="ptbxl",
    title="PTB-XL, a large publicly available electrocardiography dataset",
    page="https://physionet.org/content/ptb-xl/",
    licence="Creative Commons Attribution 4.0, on that page; name its authors when you pass the recordings on",
    prefix="PTBXL",
    digits=5,
    sexes={"0": "Male", "1": "Female"},
)
DATABASE = "ptbxl_database.csv"
FILE_COLUMNS = {500: "filename_hr", 100: "filename_lr"}
OVER_89 = ("300", "300.0")

_COLUMNS = ("ecg_id", "age", "sex", "scp_codes", *FILE_COLUMNS.values())


def convert_ptbxl(source: Path, out: Path, *, rate: int = 500, likelihood: float = 0.0) -> Report:
    """Convert the recordings of ``ptbxl_database.csv`` to PTBXL00001, PTBXL00002, ... in ``out``.

    Args:
        source: the folder with ptbxl_database.csv and the records.
        out: a new or empty folder.
        rate: sampling rate in Hz, 500 or 100.
        likelihood: percent; less likely statements are omitted. Statements of 0 (unknown) stay.

    Raises:
        HeartBeatsError: the table is missing or lacks a column, or ``likelihood`` is not 0 to 100.
        OSError: ``out`` is not empty or cannot be written.
    """
    if not 0 <= likelihood <= 100:
        raise HeartBeatsError(f"--likelihood is {likelihood}: give 0 to 100 percent")
    rows = _read_rows(source / DATABASE)
    recordings = [
        (row["ecg_id"] or f"row {number}", partial(_read, source, row, FILE_COLUMNS[rate], likelihood))
        for number, row in enumerate(rows, start=1)
    ]
    return write_folder(PTB_XL, recordings, out, Report(), f" --rate {rate} --likelihood {likelihood:g}")


def parse_statements(text: str) -> dict[str, float]:
    """Return statements and their likelihoods in percent from a text such as ``{'NORM': 100.0, 'SR': 0.0}``.

    The text is read as a literal; no code in it runs.

    Raises:
        RecordingError: the text is something else.
    """
    try:
        statements = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise RecordingError(f"scp_codes '{text:.60}' are not a Python literal") from error
    if not isinstance(statements, dict) or not all(isinstance(key, str) for key in statements):
        raise RecordingError(f"scp_codes '{text:.60}' are not a dict of statements")
    # A bool is an int too. NaN fails both comparisons.
    if not all(type(value) in (int, float) and 0 <= value <= 100 for value in statements.values()):
        raise RecordingError(f"scp_codes '{text:.60}' have a likelihood that is not 0 to 100 percent")
    return statements


def _read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of the table; a missing field is empty."""
    if not path.is_file():
        raise HeartBeatsError(f"{path.parent} has no {DATABASE}: name the unpacked folder of PTB-XL")
    try:
        # The column of reports has several languages and may be damaged. It is not used.
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = list(csv.DictReader(file))
    except csv.Error as error:
        raise HeartBeatsError(f"{path} is not a CSV table: {error}") from error
    if not rows or not rows[0].keys() >= set(_COLUMNS):
        raise HeartBeatsError(f"{path} has no rows with the columns {', '.join(_COLUMNS)}")
    return [{column: (row.get(column) or "").strip() for column in (*_COLUMNS, "heart_axis")} for row in rows]


def _read(source: Path, row: dict[str, str], file_column: str, likelihood: float) -> Published:
    """Read the recording of a row."""
    if not (row["ecg_id"].isascii() and row["ecg_id"].isdigit()):
        raise RecordingError(f"ecg_id '{row['ecg_id']}' is not a number")
    if not row[file_column]:
        raise RecordingError(f"its row has no {file_column}")
    statements = parse_statements(row["scp_codes"])
    terms = [code for code, known in statements.items() if known == 0 or known >= likelihood]
    if row["heart_axis"]:
        terms.append(f"heart_axis={row['heart_axis']}")
    age = "" if row["age"] in OVER_89 else row["age"]
    sex = row["sex"].removesuffix(".0")
    return Published(row["ecg_id"], read_recording(source / f"{row[file_column]}.hea"), tuple(terms), age, sex)
