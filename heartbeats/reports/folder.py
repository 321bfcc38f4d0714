"""A folder of pages, one per recording, with an index by diagnosis and by disagreement with the header."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from tqdm import tqdm

from heartbeats.challenge.diagnoses import ABBREVIATIONS, CLASSES, NAMES, snomed_codes
from heartbeats.classification.classifier import Classifier, load
from heartbeats.common.console import printable
from heartbeats.common.files import write_text
from heartbeats.preparation.prepared import Failure, attempt
from heartbeats.preparation.read_ahead import read_ahead
from heartbeats.reports.ecg_page import Reading, abbreviation, ecg_page, failure_page, patient, read, rhythm_in_words
from heartbeats.reports.findings import Comparison
from heartbeats.reports.page import render

__all__ = ["INDEX", "IndexLine", "index_page", "write_folder"]

INDEX = "index.html"
PAGES = "recordings"
HOME = f"../{INDEX}"
WAY_BACK = f'<a href="{HOME}">All recordings</a>'  # in every page of a folder


@dataclass(frozen=True)
class IndexLine:
    """A line of the index.

    Attributes:
        name: the recording's, fit to be shown.
        patient: age and sex.
        heart_rate: in words.
        group: the code that it is listed under: the most probable that is answered or, without an answer, the first
            of the header's that is scored; empty without either.
        answered: abbreviations of what is answered, the most probable first; ``None`` without an answer.
        header: the header's diagnoses.
        comparison: of the two.
    """

    name: str
    patient: str
    heart_rate: str
    group: str
    answered: tuple[str, ...] | None
    header: tuple[str, ...]
    comparison: Comparison | None

    @classmethod
    def of(cls, reading: Reading) -> IndexLine:
        """The line of what was read."""
        codes, found = snomed_codes(reading.recording.diagnoses), reading.answer
        listed = found.answered if found else [code for code in CLASSES if code in codes]
        return cls(
            name=reading.name,
            patient=patient(reading.recording),
            heart_rate=rhythm_in_words(reading.rhythm)[0],
            group=listed[0] if listed else "",
            answered=tuple(ABBREVIATIONS[code] for code in found.answered) if found else None,
            header=tuple(map(abbreviation, codes)),
            comparison=found.comparison if found else None,
        )


def write_folder(header_files: Sequence[Path], folder: Path, model_directory: Path | None = None) -> tuple[int, int]:
    """Write a page for every recording and the index; returns how many were read, and how many were not.

    Pages are named after the recordings, in letters that any file system takes. Those of an earlier run that the new
    index does not name are removed; a file that this program did not write never is.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / PAGES).mkdir(parents=True, exist_ok=True)
    lines: dict[str, IndexLine | Failure] = {}
    make = partial(_draw, model_directory=model_directory)
    places, earlier = _places(header_files), _earlier_pages(folder)
    drawn = tqdm(
        read_ahead(make, header_files, group=1), total=len(header_files), desc="drawing", unit="recording", disable=None
    )
    taken: set[str] = set()
    from_where: dict[str, str] = {}
    for header_file, made in zip(header_files, drawn, strict=True):
        page = f"{PAGES}/{_file_name(header_file.stem, taken)}"
        if header_file in places:
            from_where[page] = places[header_file]
        if isinstance(made, Failure):
            tqdm.write(f"{printable(made.name)}: not read: {printable(made.reason)}", file=sys.stderr)
            lines[page], text = made, failure_page(made.name, made.reason, home=HOME)
        else:
            lines[page], text = made
        write_text(folder / page, text)
    write_text(folder / INDEX, index_page(lines, from_where))
    _remove_others(earlier, taken)
    failed = sum(isinstance(line, Failure) for line in lines.values())
    return len(lines) - failed, failed


def _earlier_pages(folder: Path) -> set[Path]:
    """The pages that the index of an earlier run names."""
    index = folder / INDEX
    text = index.read_text(encoding="utf-8", errors="replace") if index.is_file() else ""
    return {folder / page for page in re.findall(rf'href="({PAGES}/[A-Za-z0-9._-]+\.html)"', text)}


def _remove_others(earlier: set[Path], taken: set[str]) -> None:
    """Remove earlier pages whose name was not taken again; what lacks the way back is no page of this program."""
    others = (path for path in earlier if path.stem.lower() not in taken and path.is_file())
    for path in others:
        if WAY_BACK in path.read_text(encoding="utf-8", errors="replace"):
            path.unlink()


@cache
def _model(directory: Path) -> Classifier:
    torch.set_num_threads(1)  # there is one process per core
    return load(directory, device=torch.device("cpu"))


def _draw(header_file: Path, *, model_directory: Path | None) -> tuple[IndexLine, str] | Failure:
    classifier = _model(model_directory) if model_directory else None

    def draw() -> tuple[IndexLine, str]:
        reading = read(header_file, classifier)
        return IndexLine.of(reading), ecg_page(reading, home=HOME)

    return attempt(header_file.stem, draw)


def _places(header_files: Sequence[Path]) -> dict[Path, str]:
    """For recordings that share a name: the path that tells them apart, from the parent of all recordings' folder."""
    count = Counter(path.stem for path in header_files)
    folders = {path: path.parent.resolve() for path in header_files}
    around = Path(os.path.commonpath(folders.values())).parent
    return {
        path: printable((folder / path.stem).relative_to(around).as_posix())
        for path, folder in folders.items()
        if count[path.stem] > 1
    }


def _file_name(name: str, taken: set[str]) -> str:
    """A page's file name: letters, digits, ``._-``, no longer than a file system takes, and no other page's."""
    stem = re.sub(r"[^A-Za-z0-9._-]|^[.-]", "_", name)[:100]
    candidate, count = stem, 1
    while candidate.lower() in taken:  # some file systems take no notice of case
        count += 1
        candidate = f"{stem}-{count}"
    taken.add(candidate.lower())
    return f"{candidate}.html"


def index_page(lines: Mapping[str, IndexLine | Failure], places: Mapping[str, str]) -> str:
    """The index, HTML.

    Args:
        lines: by the page that each leads to, relative to the index; those of one name keep their order.
        places: by page, the paths that tell recordings of one name apart.
    """
    read_pages = {page: line for page, line in lines.items() if isinstance(line, IndexLine)}
    groups = []
    for code in (*CLASSES, ""):
        rows = [(page, line) for page, line in read_pages.items() if line.group == code]
        if rows:
            title = f"{ABBREVIATIONS[code]}, {NAMES[code]}" if code else "None of the 27"
            rows.sort(key=lambda row: row[1].name)
            groups.append({"id": f"d{code}", "title": title, "rows": rows})
    compared = [(page, line, line.comparison) for page, line in read_pages.items() if line.comparison is not None]
    labelled = [row for row in compared if row[2].labelled]
    return render(
        "index.html",
        count=len(lines),
        places=places,
        groups=groups,
        answered=any(line.answered is not None for line in read_pages.values()),
        disagreeing=sorted(labelled, key=lambda row: row[2].disagreement, reverse=True),
        unlabelled=len(compared) - len(labelled),
        failures=[
            (page, printable(line.name), printable(line.reason))
            for page, line in lines.items()
            if isinstance(line, Failure)
        ],
    )
