"""What the docs name is there."""

import re
from pathlib import Path

import pytest
from test_bad_input import CASES

ROOT = Path(__file__).parents[1]
ROWS = [
    line.split(" | ")
    for line in (ROOT / "docs/bad-input.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| fault"))
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip("| "))
def test_every_bad_input_names_tests_that_exist(row):
    _fault, _happens, tests = row
    cases, functions = re.findall(r"\*([^*]+)\*", tests), re.findall(r"`(test_\w+\.py)::(test_\w+)`", tests)
    assert cases or functions
    assert [case for case in cases if case not in CASES] == []
    for file, function in functions:
        assert f"def {function}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_every_case_is_in_the_table():
    named = " ".join(row[2] for row in ROWS)
    assert [case for case in CASES if f"*{case}*" not in named] == []
