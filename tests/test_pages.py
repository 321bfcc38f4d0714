"""Pictures have descriptions, and one page can have several."""

import re
from xml.etree import ElementTree

from heartbeats.reports.page import INK, chart


def drawn(description: str) -> str:
    return str(chart([1, 2, 3], [1, 2, 4], description, [(2, "0.0001 < b")]))


def test_a_picture_is_one_svg_element_with_a_description_and_text_in_the_colour_of_the_page():
    svg = drawn('F of "AF" <27>')
    root = ElementTree.fromstring(svg)
    assert (root.tag, root.get("role")) == ("{http://www.w3.org/2000/svg}svg", "img")
    assert root.get("aria-label") == 'F of "AF" <27>'
    assert "3.4in" in root.get("style", "")
    assert "0.0001 < b" in [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "currentColor" in svg
    assert INK not in svg


def test_pictures_share_no_ids_and_are_the_same_every_time():
    first, second = (set(re.findall(r'\bid="([^"]+)"', drawn(name))) for name in ("one", "two"))
    assert first.isdisjoint(second)
    referred = set(re.findall(r'(?:url\(|href=")#([^")]+)', drawn("one")))
    assert referred
    assert referred <= first
    assert drawn("one") == drawn("one")
