"""A table of all answers, with a row per recording: ``FILE.csv``, or ``FILE.parquet``.

A row has the columns ``name``, ``version`` (of this package), ``reason`` (why the recording is not classified) and
``warnings``, and for each class ``label_AF`` and ``probability_AF``, with the class's abbreviation. If a recording is
not classified, these are empty.

Rows are written in parts, so a killed run keeps them. A Parquet file cannot grow, so ``FILE.parquet`` is a folder with
a file per part. Pandas, PyArrow and Spark read such a folder as one table.

A table of embeddings is always Parquet. Its columns are ``name``, ``version``, ``reason`` and ``embedding``, a list.
"""

import csv
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from heartbeats import __version__
from heartbeats.challenge.diagnoses import Classes
from heartbeats.challenge.outputs import Prediction
from heartbeats.common.console import printable
from heartbeats.common.errors import HeartBeatsError, needs_extra
from heartbeats.common.files import csv_text, locked, remove_half_written, replace_file, write_text
from heartbeats.preparation.workers import Failure

PART = 2048  # rows
TEXT, LABEL, NUMBER, NUMBERS = "string", "int8", "float", "numbers"  # kinds of columns

Row = dict[str, Any]


class CsvTable:
    """Rows in a CSV file."""

    def __init__(self, path: Path, columns: dict[str, str]) -> None:
        self.path, self.columns = path, [*columns]

    def start(self, *, resume: bool) -> list[str]:
        """Keep the rows of classified recordings to resume, or none. Return their names."""
        kept: list[Row] = []
        if resume and self.path.exists():
            text = self.path.read_text(encoding="utf-8", errors="surrogateescape")
            rows = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))  # a kill leaves half a line
            if rows.fieldnames not in (None, self.columns):
                raise HeartBeatsError(f"{self.path} is another table: name a new file")
            kept = [row for row in rows if not row["reason"]]
        write_text(self.path, csv_text(self.columns, [[*row.values()] for row in kept]))
        return [row["name"] for row in kept]

    def write(self, rows: list[Row]) -> None:
        """Add rows."""
        cells = [[row.get(name) for name in self.columns] for row in rows]
        _, _, lines = csv_text(self.columns, cells).partition("\n")
        with self.path.open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(lines)


class ParquetTable:
    """Rows in a folder of Parquet files."""

    def __init__(self, path: Path, columns: dict[str, str]) -> None:
        with needs_extra("cluster"):
            import pyarrow  # noqa: PLC0415
            import pyarrow.compute  # noqa: PLC0415
            import pyarrow.parquet  # noqa: PLC0415
        self.path, self.arrow = path, pyarrow
        types = {TEXT: pyarrow.string(), LABEL: pyarrow.int8(), NUMBER: pyarrow.float32()}
        types[NUMBERS] = pyarrow.list_(pyarrow.float32())
        self.schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])

    def start(self, *, resume: bool) -> list[str]:
        """Keep the rows of classified recordings to resume, or none. Return their names."""
        remove_half_written(self.path)
        names: list[str] = []
        self.part = 0
        for path in sorted(self.path.glob("part-*.parquet")):
            if not resume:
                path.unlink()
                continue
            self.part = int(path.stem.removeprefix("part-"))
            rows = self._read(path)
            kept = rows.filter(self.arrow.compute.is_null(rows["reason"]))
            if len(kept) < len(rows):
                self._write(path, kept)
            names += kept["name"].to_pylist()
        return names

    def write(self, rows: list[Row]) -> None:
        """Add rows, as the next part."""
        self.part += 1
        self._write(self.path / f"part-{self.part:06}.parquet", self.arrow.Table.from_pylist(rows, self.schema))

    def _read(self, path: Path) -> Any:
        try:
            rows = self.arrow.parquet.read_table(path)
        except (OSError, self.arrow.ArrowException) as error:
            raise HeartBeatsError(f"{path} cannot be read ({error}): name a new table") from error
        if not rows.schema.equals(self.schema):
            raise HeartBeatsError(f"{path} is a part of another table: name a new table")
        return rows

    def _write(self, path: Path, rows: Any) -> None:
        replace_file(path, partial(self.arrow.parquet.write_table, rows))


class Table:
    """A table that grows.

    Attributes:
        classified: the names of the classified recordings that it has, as printable text.
    """

    def __init__(self, path: Path, classes: Classes, *, resume: bool, embeddings: bool = False) -> None:
        kinds: dict[str, type[CsvTable | ParquetTable]] = {".parquet": ParquetTable}
        columns = {"name": TEXT, "version": TEXT, "reason": TEXT, "embedding": NUMBERS}
        if not embeddings:
            kinds[".csv"] = CsvTable
            columns = {"name": TEXT, "version": TEXT, "reason": TEXT, "warnings": TEXT}
            columns |= {f"label_{name}": LABEL for name in classes.abbreviations}
            columns |= {f"probability_{name}": NUMBER for name in classes.abbreviations}
        if path.suffix not in kinds:
            raise HeartBeatsError(f"{path}: the suffix must be {' or '.join(kinds)}")
        self.classes = classes
        self.file = kinds[path.suffix](path, columns)
        self.classified = set(self.file.start(resume=resume))
        self.rows: list[Row] = []

    def add(self, answer: Prediction | Failure) -> None:
        """Add a row, unless the table has it."""
        name = printable(answer.name)
        if name in self.classified:
            return
        self.rows.append({"name": name, "version": __version__} | self._columns(answer))
        if len(self.rows) == PART:
            self.flush()

    def _columns(self, answer: Prediction | Failure) -> Row:
        if isinstance(answer, Failure):
            return {"reason": printable(answer.reason)}
        row: Row = {"warnings": printable("; ".join(answer.warnings)), "embedding": answer.embedding}
        for name, label, p in zip(self.classes.abbreviations, answer.labels, answer.probabilities, strict=True):
            row |= {f"label_{name}": label, f"probability_{name}": p}
        return row

    def flush(self) -> None:
        """Write the rows that are not written yet."""
        rows, self.rows = self.rows, []  # a part is written once, also if the disk is full
        if rows:
            self.file.write(rows)


@contextmanager
def open_table(path: Path, classes: Classes, *, resume: bool, embeddings: bool = False) -> Iterator[Table]:
    """Open a table for adding rows. At the end, also after an error, all rows are written.

    Args:
        path: the table.
        classes: of the answers.
        resume: keep the rows of classified recordings.
        embeddings: whether it is a table of embeddings.

    Raises:
        HeartBeatsError: the table is damaged, of an unknown kind or in use, or pyarrow is missing.
        OSError: the table cannot be written.
    """
    with ExitStack() as stack:
        if path.suffix == ".parquet":
            path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(path))  # two drivers would replace each other's parts
        table = Table(path, classes, resume=resume, embeddings=embeddings)
        stack.callback(table.flush)
        yield table
