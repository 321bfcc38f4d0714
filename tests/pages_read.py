"""Read a page and a drawn sheet for tests, and check what every page must have."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np

from heartbeats.reports.sheet import Sheet

SVG = "{http://www.w3.org/2000/svg}"
MILLIMETRES = 25.4 / 72  # of a unit of matplotlib's SVG


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


def written(value: float) -> str:
    """Return a number as pages write it."""
    return "–" if np.isnan(value) else f"{value:.3f}".replace("-", "−")


def lines(sheet: Sheet) -> dict[str, list[np.ndarray]]:
    """Return the lines of each named group of a sheet's SVG, their points in mm from left and top."""
    found: dict[str, list[np.ndarray]] = {}
    for group in ElementTree.fromstring(sheet.svg("an ECG")).iter(f"{SVG}g"):
        name = group.get("id", "").partition("-")[2]
        for path in group.findall(f"{SVG}path") if name.startswith(("grid", "calibration", "strip", "rhythm")) else ():
            moves = [np.array(part.split(), float).reshape(-1, 2) for part in path.get("d", "").split("M")[1:]]
            found.setdefault(name, []).extend(MILLIMETRES * points for points in moves)
    return found


def texts(sheet: Sheet) -> list[str]:
    """Return the texts of a sheet."""
    return [element.text or "" for element in ElementTree.fromstring(sheet.svg("an ECG")).iter(f"{SVG}text")]
