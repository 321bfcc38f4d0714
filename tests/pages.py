"""Helpers for tests of pages: make recordings and answers, read pages and sheets, and check all pages."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
from conftest import TWELVE, ecg
from matplotlib.figure import Figure

from heartbeats.challenge.diagnoses import ABBREVIATIONS, read_weights
from heartbeats.challenge.scoring import Submission
from heartbeats.ecg.recording import Recording
from heartbeats.reports.description import describe
from heartbeats.reports.findings import Reading, rhythm
from heartbeats.reports.page import picture

WEIGHTS = read_weights()
NAMES = ["|".join(ABBREVIATIONS[code] for code in codes) for codes in WEIGHTS.classes]
ABSENT = 4  # a class that no recording has
SVG = "{http://www.w3.org/2000/svg}"
MILLIMETRES = 25.4 / 72  # of a unit of matplotlib's SVG


def recording(
    signal: np.ndarray | None = None, leads: tuple[str, ...] = TWELVE, sampling_rate: float = 500
) -> Recording:
    """Return a recording of a signal in mV, by default of a crude ECG."""
    return Recording("A0001", ecg(leads=len(leads)) / 1000 if signal is None else signal, sampling_rate, leads)


def reading(shown: Recording, **more) -> Reading:
    return Reading(shown, rhythm(shown), describe(shown), **more)


def spikes(times: list[float], *, sampling_rate: float = 500) -> np.ndarray:
    """Return 10 s of twelve leads of 0 mV with spikes of 1 mV."""
    lead = np.zeros(round(10 * sampling_rate))
    lead[[round(t * sampling_rate) for t in times]] = 1.0
    return np.tile(lead, (12, 1))


def submission(recordings: int = 60) -> Submission:
    """Return random answers with ties, of recordings of two sources; one class is never true."""
    rng = np.random.default_rng(0)
    labels = rng.random((recordings, len(WEIGHTS.classes))) < 0.2
    labels[:, ABSENT] = False
    scalar = np.clip((rng.integers(0, 20, labels.shape) / 20 + 0.3 * labels) / 1.3, 0, 1)
    names = tuple(f"E{i:05d}" if i % 3 else f"A{i:04d}" for i in range(recordings))
    return Submission(names, labels, scalar > 0.6, scalar, np.zeros(recordings, dtype=np.bool_), WEIGHTS)


def written(value: float) -> str:
    """Return a number as pages write it."""
    return "–" if np.isnan(value) else f"{value:.3f}".replace("-", "−")


class Page:
    """The parts of a page, which is well-formed XML: elements, headings with level, tables as rows by caption."""

    def __init__(self, page: str) -> None:
        root = ElementTree.fromstring(page)
        self.elements = [(element.tag.removeprefix(SVG), element.attrib) for element in root.iter()]
        self.headings = [(int(e.tag[1]), text(e)) for e in root.iter() if re.fullmatch(r"h\d", e.tag)]
        self.tables = {
            text(table.find("caption")): [[text(cell) for cell in row] for row in table.iter("tr")]
            for table in root.iter("table")
        }


def text(element: ElementTree.Element) -> str:
    return "".join(element.itertext()).strip()


def assert_sound(page: str) -> None:
    """Check that a page is self-contained, has the disclaimer, and works with a screen reader and a keyboard."""
    read = Page(page)
    levels = [level for level, _ in read.headings]
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels))
    for tag, has in read.elements:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "base"}
        assert not [name for name in has if name.startswith("on") or name == "src"]
        if tag == "th":
            assert has.get("scope")
        if tag == "svg":
            assert has["role"] == "img"
            assert re.search(r"\d", has["aria-label"]), "a description has figures"
        if has.get("role") == "region":
            assert has["tabindex"] == "0"
            assert has["aria-label"]
    assert sum(tag == "table" for tag, _ in read.elements) == len(read.tables)
    identifiers = [has["id"] for _, has in read.elements if "id" in has]
    assert len(identifiers) == len(set(identifiers))
    links = [value for _, has in read.elements for name, value in has.items() if name.endswith("href")]
    assert not [link for link in links if ":" in link]
    assert {link[1:] for link in links if link.startswith("#")} <= set(identifiers)
    assert not re.findall(r"url\((?!#)|@import", page)
    assert "Not a medical device" in page


def lines(sheet: Figure) -> dict[str, list[np.ndarray]]:
    """Return the lines of each named group of a sheet, their points in mm from left and top."""
    found: dict[str, list[np.ndarray]] = {}
    for group in ElementTree.fromstring(picture(sheet, "an ECG")).iter(f"{SVG}g"):
        name = group.get("id", "").partition("-")[2]
        for path in group.findall(f"{SVG}path") if name.startswith(("grid", "calibration", "strip")) else ():
            moves = [re.findall(r"[-\d.]+", part) for part in path.get("d", "").split("M")[1:]]
            found.setdefault(name, []).extend(MILLIMETRES * np.array(p, float).reshape(-1, 2) for p in moves)
    return found


def texts(sheet: Figure) -> list[str]:
    """Return the texts of a sheet."""
    return [element.text or "" for element in ElementTree.fromstring(picture(sheet, "an ECG")).iter(f"{SVG}text")]
