"""The docs name only files, sections and tests that exist."""

import re
from pathlib import Path

import pytest
from test_bad_input import CASES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TABLE = (ROOT / "docs/bad-input.md").read_text(encoding="utf-8")
ROWS = [line for line in TABLE.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| fault"))]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split(" | ")[0].strip("| "))
def test_each_row_of_bad_input_names_tests_that_exist(row):
    tests = row.split(" | ")[2]
    cases, functions = re.findall(r"\*([^*]+)\*", tests), re.findall(r"`(test_\w+\.py)::(test_\w+)`", tests)
    assert cases or functions
    assert set(cases) <= set(CASES)
    for file, function in functions:
        assert f"def {function}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_each_case_of_bad_input_is_in_the_table():
    assert [case for case in CASES if f"*{case}*" not in TABLE] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_sections(page):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, section = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if section:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert section in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
