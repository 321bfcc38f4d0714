"""Pages: one file that fetches nothing, escapes what it is given, and has pictures that say what they show."""

import re
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from jinja2 import UndefinedError
from markupsafe import Markup
from matplotlib.figure import Figure

from heartbeats.reports.page import INK, STYLE, picture, render


def drawn(description: str) -> str:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4, 3), layout="constrained")
        axes = figure.subplots()
        axes.plot([1, 2, 4], label="a < b")
        axes.legend()
    return str(picture(figure, description))


def test_a_picture_is_one_svg_element_with_its_description():
    svg = ElementTree.fromstring(drawn('F of "AF" <27>'))
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert (svg.get("role"), svg.get("aria-label")) == ("img", 'F of "AF" <27>')
    assert (svg.get("width"), svg.get("height")) == (None, None)
    assert "4in" in svg.get("style", "")


def test_text_in_a_picture_is_text_in_the_colour_of_the_page():
    svg = drawn("a line")
    texts = [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "a < b" in texts
    assert "currentColor" in svg
    assert INK not in svg


def test_pictures_of_one_page_share_no_identifiers():
    first, second = (set(re.findall(r'\bid="([^"]+)"', drawn(name))) for name in ("one", "two"))
    assert first
    assert first.isdisjoint(second)


def test_what_a_picture_refers_to_is_in_it():
    svg = drawn("a line")
    referred = re.findall(r'(?:url\(|href=")#([^")]+)', svg)
    assert referred
    assert set(referred) <= set(re.findall(r'\bid="([^"]+)"', svg))


def test_a_picture_is_the_same_every_time():
    assert drawn("a line") == drawn("a line")


def test_values_are_escaped_but_for_pictures():
    page = render("failure.html", name="<script>", reason=Markup("<svg>"), home="")
    assert "&lt;script&gt; cannot be read" in page
    assert "<script>" not in page
    assert "<svg>" in page


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError, match="home"):
        render("failure.html", name="A0001", reason="no signal")
