"""Make a folder with a page for each recording. Its index sorts by diagnosis and by disagreement with the header."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from markupsafe import Markup
from tqdm import tqdm

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.classification.ensemble import Classifier
from heartbeats.classification.model_folder import load_model
from heartbeats.common.console import print_line, printable
from heartbeats.common.files import write_text
from heartbeats.preparation.workers import Failure, attempt, map_recordings
from heartbeats.reports.ecg_page import ecg_page
from heartbeats.reports.findings import Comparison, Reading, read
from heartbeats.reports.page import abbreviation, diagnosis, render

INDEX = "index.html"
HOME = f"../{INDEX}"
PAGES = "recordings"
OURS = 'name="generator" content="HeartBeats"'  # in every page, see page.html


@dataclass(frozen=True)
class IndexLine:
    """A recording's line in the index."""

    group: str  # the first scored code of the answer or, without a model, of the header; empty if none
    cells: tuple[str, ...]  # patient, heart rate, answer, header
    comparison: Comparison | None  # with a model


def write_folder(header_files: Sequence[Path], folder: Path, model_directory: Path | None) -> tuple[int, int]:
    """Write a page for each recording, and the index. Return how many recordings were read and how many were not.

    Pages of an earlier run are removed.

    Raises:
        OSError: the folder cannot be written, or it holds files of another program.
    """
    _clear(folder)
    results = map_recordings(partial(_draw, model_directory=model_directory), header_files)
    progress = tqdm(results, total=len(header_files), desc="drawing", unit="recording", disable=None)
    lines: list[tuple[Markup, IndexLine]] = []
    failures: list[tuple[str, str]] = []
    for (page, name), result in zip(_page_names(header_files), progress, strict=True):
        if isinstance(result, Failure):
            print_line(f"{name}: not read: {result.reason}")
            failures.append((name, printable(result.reason)))
        else:
            line, text = result
            write_text(folder / page, text)
            lines.append((Markup('<a href="{}">{}</a>').format(page, name), line))
    write_text(folder / INDEX, index_page(lines, failures))
    return len(lines), len(failures)


def _clear(folder: Path) -> None:
    """Remove the pages of an earlier run. The empty index marks the folder as ours, even after an interruption."""
    index = folder / INDEX
    ours = index.is_file() and OURS in index.read_text(encoding="utf-8", errors="replace")
    if folder.is_dir() and any(folder.iterdir()) and not ours:
        raise FileExistsError(f"{folder} is not empty and was not written by this command: name another folder")
    (folder / PAGES).mkdir(parents=True, exist_ok=True)
    write_text(index, index_page([], []))
    for page in (folder / PAGES).glob("*.html"):
        page.unlink()


def _page_names(header_files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Yield each page's file name, valid on any file system, and the name to show: the path if names repeat."""
    count = Counter(path.stem for path in header_files)
    taken: Counter[str] = Counter()
    for path in header_files:
        page = re.sub(r"[^A-Za-z0-9._-]|^[.-]", "_", path.stem)[:100]
        taken[page.lower()] += 1  # some file systems ignore case
        number = taken[page.lower()]
        page += f"~{number}" if number > 1 else ""
        yield f"{PAGES}/{page}.html", printable(path.stem if count[path.stem] == 1 else str(path.with_suffix("")))


@cache
def _model(directory: Path) -> Classifier:
    torch.set_num_threads(1)  # there is one process per core
    return load_model(directory, device=torch.device("cpu"))


def _draw(header_file: Path, *, model_directory: Path | None) -> tuple[IndexLine, str] | Failure:
    """Return a recording's line in the index and its page; a worker process runs this."""

    def draw() -> tuple[IndexLine, str]:
        reading = read(header_file, _model(model_directory) if model_directory else None)
        return _index_line(reading), ecg_page(reading, home=HOME)

    return attempt(header_file.stem, draw)


def _index_line(reading: Reading) -> IndexLine:
    answer, codes = reading.answer, reading.diagnoses
    listed = answer.positive if answer else [code for code in CLASSES if code in codes]
    answered, header = (_listed(map(abbreviation, some)) for some in (listed if answer else [], codes))
    cells = (reading.patient, reading.rhythm.heart_rate, answered, header)
    return IndexLine([*listed, ""][0], cells, answer.comparison if answer else None)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "–"


def index_page(lines: Sequence[tuple[Markup, IndexLine]], failures: Sequence[tuple[str, str]]) -> str:
    """Return the index page. ``lines`` hold a link for each recording; ``failures`` are names and reasons."""
    groups = {code: [(link, *line.cells) for link, line in lines if line.group == code] for code in (*CLASSES, "")}
    compared = [(link, line.comparison) for link, line in lines if line.comparison]
    disagreeing = [
        (link, len(c["missed"] + c["extra"]), *(_listed(c[title]) for title in ("missed", "extra", "agreed")))
        for link, c in compared
        if c["agreed"] or c["missed"]
    ]
    return render(
        "index.html",
        count=len(lines) + len(failures),
        groups=[(f"d{code}", diagnosis(code) or "None of the 27", rows) for code, rows in groups.items() if rows],
        compared=len(compared),
        disagreeing=sorted(disagreeing, key=lambda row: -row[1]),
        failures=failures,
    )
