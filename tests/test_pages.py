"""Pictures and templates: one page fetches nothing, escapes its values, and describes its pictures in words."""

import re
from xml.etree import ElementTree

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup
from matplotlib.figure import Figure

from heartbeats.reports.page import INK, drawing, picture, render


@drawing()
def drawn(description: str) -> str:
    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot([1, 2, 4], label="a < b")
    axes.legend()
    return str(picture(figure, description))


def test_a_picture_is_one_svg_element_with_a_description():
    svg = ElementTree.fromstring(drawn('F of "AF" <27>'))
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    assert (svg.get("role"), svg.get("aria-label")) == ("img", 'F of "AF" <27>')
    assert "4in" in svg.get("style", "")


def test_text_in_a_picture_is_text_in_the_colour_of_the_page():
    svg = drawn("a line")
    texts = [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "a < b" in texts
    assert "currentColor" in svg
    assert INK not in svg


def test_pictures_share_no_ids_and_refer_to_their_own():
    first, second = (set(re.findall(r'\bid="([^"]+)"', drawn(name))) for name in ("one", "two"))
    assert first.isdisjoint(second)
    referred = set(re.findall(r'(?:url\(|href=")#([^")]+)', drawn("one")))
    assert referred
    assert referred <= first


def test_a_picture_has_the_same_bytes_every_time():
    assert drawn("a line") == drawn("a line")


def test_a_page_escapes_all_values_except_pictures():
    page = render("failure.html", name="<script>", reason=Markup("<svg>"), home="")
    assert "&lt;script&gt; cannot be read" in page
    assert "<script>" not in page
    assert "<svg>" in page


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError, match="home"):
        render("failure.html", name="A0001", reason="no signal")
