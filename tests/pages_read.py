"""Read a page and a drawn sheet for tests, and check what every page must have."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np

from heartbeats.reports.sheet import Sheet

SVG = "{http://www.w3.org/2000/svg}"
MILLIMETRES = 25.4 / 72  # of a unit of matplotlib's SVG


class Page(HTMLParser):
    """The parts of a page: tags with attributes, headings with level, tables as rows of cells by caption."""

    VOID = ("meta", "link", "br", "img", "input", "hr")
    TEXT = ("caption", "td", "th", "h1", "h2", "h3", "h4", "h5", "h6")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[int, str]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._text: str | None = None
        self.feed(page)
        assert self._open == []

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "table":
            self._rows: list[list[str]] = []
        elif tag == "tr":
            self._rows.append([])
        if tag in self.TEXT:
            self._text = ""

    def handle_data(self, data):
        if self._text is not None:
            self._text += data

    def handle_endtag(self, tag):
        assert self._open.pop() == tag
        if tag not in self.TEXT:
            return
        if tag == "caption":
            self.tables[self._text] = self._rows
        elif tag in ("td", "th"):
            self._rows[-1].append(self._text)
        else:
            self.headings.append((int(tag[1]), self._text))
        self._text = None


def assert_sound(page: str) -> None:
    """Check that a page is self-contained, has the disclaimer, and works with a screen reader and a keyboard."""
    read = Page(page)
    tags, attributes = [tag for tag, _ in read.elements], [attributes for _, attributes in read.elements]
    levels = [level for level, _ in read.headings]
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels))
    assert tags.count("caption") == tags.count("table")
    assert all(
        len(row) == len(rows[0]) for caption, rows in read.tables.items() if "threshold" not in caption for row in rows
    )
    for tag, has in read.elements:
        if tag == "th":
            assert has.get("scope")
        if tag == "svg":
            assert has["role"] == "img"
            assert re.search(r"\d", has["aria-label"]), "a description has figures"
        if has.get("class") == "wide":
            assert has["role"] == "region"
        if has.get("role") == "region":
            assert has["tabindex"] == "0"
            assert has["aria-label"]
    identifiers = [has["id"] for has in attributes if "id" in has]
    assert len(identifiers) == len(set(identifiers))
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(tags)
    assert not [name for has in attributes for name in has if name.startswith("on") or name == "src"]
    links = [value for has in attributes for name, value in has.items() if name.endswith("href")]
    assert not [link for link in links if ":" in link]
    assert {link[1:] for link in links if link.startswith("#")} <= set(identifiers)
    assert not re.findall(r"url\((?!#)|@import", page)
    assert "Not a medical device" in page


def written(value: float) -> str:
    """Return a number as pages write it."""
    return "–" if np.isnan(value) else f"{value:.3f}".replace("-", "−")


def lines(sheet: Sheet) -> dict[str, list[np.ndarray]]:
    """Return the lines of each named group of a sheet's SVG, their points in mm from left and top."""
    root = ElementTree.fromstring(sheet.svg("an ECG"))
    found: dict[str, list[np.ndarray]] = {}
    for group in root.iter(f"{SVG}g"):
        name = group.get("id", "").partition("-")[2]
        for path in group.findall(f"{SVG}path") if name.startswith(("grid", "calibration", "strip", "rhythm")) else ():
            moves = [np.array(part.split(), float).reshape(-1, 2) for part in path.get("d", "").split("M")[1:]]
            found.setdefault(name, []).extend(MILLIMETRES * points for points in moves)
    return found


def texts(sheet: Sheet) -> list[str]:
    """Return the texts of a sheet."""
    return [element.text or "" for element in ElementTree.fromstring(sheet.svg("an ECG")).iter(f"{SVG}text")]
