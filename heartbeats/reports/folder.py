"""Make a folder of pages, one for each recording, and an index by diagnosis and by disagreement with the header."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from markupsafe import Markup
from tqdm import tqdm

from heartbeats.challenge.diagnoses import ABBREVIATIONS, CLASSES, NAMES, snomed_codes
from heartbeats.classification.ensemble import Classifier
from heartbeats.classification.model_folder import load_model
from heartbeats.common.console import print_line, printable
from heartbeats.common.files import write_text
from heartbeats.preparation.prepared import Failure, attempt, map_recordings
from heartbeats.reports.ecg_page import abbreviation, ecg_page, read
from heartbeats.reports.findings import Comparison, Reading
from heartbeats.reports.page import render

INDEX = "index.html"
HOME = f"../{INDEX}"
PAGES = "recordings"
OURS = 'name="generator" content="HeartBeats"'  # in every page, see page.html


@dataclass(frozen=True)
class IndexLine:
    """What the index shows of a recording."""

    patient: str
    heart_rate: str
    group: str  # the first code of the answer or, without a model, of the header; empty if none is one of the 27
    answered: str
    header: str
    comparison: Comparison | None  # with a model


def write_folder(header_files: Sequence[Path], folder: Path, model_directory: Path | None = None) -> tuple[int, int]:
    """Write a page for each recording, and the index. Return how many recordings were read, and how many were not.

    Pages of an earlier run are removed.

    Raises:
        OSError: the folder cannot be written, or it holds files of another program.
    """
    _clear(folder)
    results = map_recordings(partial(_draw, model_directory=model_directory), header_files)
    progress = tqdm(results, total=len(header_files), desc="drawing", unit="recording", disable=None)
    lines: list[tuple[Markup, IndexLine | Failure]] = []
    for (page, name), result in zip(_page_names(header_files), progress, strict=True):
        if isinstance(result, Failure):
            print_line(f"{name}: not read: {result.reason}")
        line, text = (result, ecg_page(result, home=HOME)) if isinstance(result, Failure) else result
        write_text(folder / page, text)
        lines.append((Markup('<a href="{}">{}</a>').format(page, name), line))
    write_text(folder / INDEX, index_page(lines))
    failed = sum(isinstance(line, Failure) for _, line in lines)
    return len(lines) - failed, failed


def _clear(folder: Path) -> None:
    """Remove the pages of an earlier run, and leave an empty index, so that an interrupted run can be repeated."""
    index = folder / INDEX
    ours = index.is_file() and OURS in index.read_text(encoding="utf-8", errors="replace")
    if folder.is_dir() and any(folder.iterdir()) and not ours:
        raise FileExistsError(f"{folder} is not empty and was not written by this command: name another folder")
    (folder / PAGES).mkdir(parents=True, exist_ok=True)
    write_text(index, index_page([]))
    for page in (folder / PAGES).glob("*.html"):
        page.unlink()


def _page_names(header_files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Yield each recording's page, which any file system can store, and its name, a path if several share the name."""
    count = Counter(path.stem for path in header_files)
    taken: set[str] = set()
    for path in header_files:
        page = stem = re.sub(r"[^A-Za-z0-9._-]|^[.-]", "_", path.stem)[:100]
        number = 1
        while page.lower() in taken:  # some file systems ignore case
            number += 1
            page = f"{stem}-{number}"
        taken.add(page.lower())
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
    codes, answer = snomed_codes(reading.recording.diagnoses), reading.answer
    listed = answer.answered if answer else [code for code in CLASSES if code in codes]
    answered, header = (_listed(map(abbreviation, some)) for some in (listed if answer else [], codes))
    group, comparison = listed[0] if listed else "", answer.comparison if answer else None
    return IndexLine(reading.patient, reading.rhythm.heart_rate, group, answered, header, comparison)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "–"


def index_page(lines: Sequence[tuple[Markup, IndexLine | Failure]]) -> str:
    """Return the index. Each line has a link to its page."""
    drawn = [(link, line) for link, line in lines if isinstance(line, IndexLine)]
    groups = {}
    for code in (*CLASSES, ""):
        title = f"{ABBREVIATIONS[code]}, {NAMES[code]}" if code else "None of the 27"
        rows = [(link, e.patient, e.heart_rate, e.answered, e.header) for link, e in drawn if e.group == code]
        if rows:
            groups[title] = (f"d{code}", rows)
    compared = [(link, line.comparison) for link, line in drawn if line.comparison]
    disagreeing = [
        (link, len(c["missed"]) + len(c["extra"]), *(_listed(c[title]) for title in ("missed", "extra", "agreed")))
        for link, c in compared
        if c["agreed"] or c["missed"]
    ]
    return render(
        "index.html",
        count=len(lines),
        groups=groups,
        compared=len(compared),
        disagreeing=sorted(disagreeing, key=lambda row: -row[1]),
        failures=[(link, printable(line.reason)) for link, line in lines if isinstance(line, Failure)],
    )
