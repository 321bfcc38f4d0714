"""Odd output files score as by the organisers' scorer, or are refused if it takes all outputs as negative."""

import math
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_scoring import TABLES

from heartbeats.challenge.diagnoses import CLASSES, EQUIVALENT, RewardWeights
from heartbeats.challenge.outputs import OutputError, is_classified, read_output
from heartbeats.challenge.scoring import output_matrices, read_submission

FILES = 1000
CODES = [*CLASSES, *CLASSES, "164884008", "0", "", "x", " 59118001", "713427006\t"]
LABELS = ["0", "1", "True", "true", "T", "t", "1.0", " 1", "1\t", "", "yes", "-1", "nan", "TRUE", "\x1c1", "１"]
NUMBERS = (
    *("0.1", "0.9", "1", "-0.5", "+1", " 0.5 ", "\t1e-3", "1_000", ".5", "5.", "1e400", "1e308", "٣"),
    *("nan", "-nan", "inf", "-inf", "Infinity", "0.9\x0b", "\u20280.9", "0.7\x1c", "\x0c0.7"),
    *("", "NA", "high", "0_", "0x1", "1 2", "1\x1c2", "½", "--1"),
)
ODD_LINES = ["", "  ", "#comment", "  # comment, 2", "0,0,0", "\x0b", "\u2028", "x"]
# How to recognise each kind of oddity in a file's text. Each must occur in many files.
KINDS: dict[str, Callable[[str], object]] = {
    "byte order mark": lambda text: text.startswith("\ufeff"),
    "CRLF": lambda text: "\r\n" in text,
    "lone CR": re.compile(r"\r(?!\n)").search,
    "no newline at the end": lambda text: text[-1] not in "\r\n",
    "blank line": re.compile(r"\n\n|\r\r|\r\n\r\n").search,
    "last row twice": re.compile(r"[\r\n]([^\r\n]+)[\r\n]+\1[\r\n]*$").search,
    "comment after spaces": lambda text: "  # comment" in text,
    "empty field": lambda text: ",," in text,
    "unknown code": lambda text: "164884008" in text,
    "repeated code": lambda text: any(text.count(code) > 1 for code in CLASSES),
    "both codes of a pair": lambda text: any(first in text and second in text for first, second in EQUIVALENT),
    **{f"label {label!r}": re.compile(rf",{re.escape(label)},").search for label in LABELS},
    **{f"number {number!r}": re.compile(rf",{re.escape(number)},").search for number in NUMBERS},
}


def odd_file(rng: random.Random) -> str:
    """Return an output file with random faults."""
    count = rng.randint(1, 60)
    rows = [[rng.choice(values) for _ in range(count)] for values in (CODES, LABELS, NUMBERS)]
    if rng.random() < 0.2:  # a short or a long row
        row = rng.choice(rows)
        row.append("0") if rng.random() < 0.5 or len(row) == 1 else row.pop()
    lines = ["#A0001", *(",".join(row) for row in rows)]
    if rng.random() < 0.4:
        lines.insert(rng.randint(0, 4), rng.choice(ODD_LINES))
    if rng.random() < 0.1:
        lines.append(lines[-1])
    if rng.random() < 0.05:
        lines.pop(rng.randint(1, 3))
    text = rng.choice(["\n", "\n", "\r\n", "\r"]).join(lines) + rng.choice(["", "\n", "\n\n"])
    return "\ufeff" * (rng.random() < 0.05) + text


def organisers_reading(path: Path) -> tuple[list[str], list[int], list[float]] | None:
    """State the organisers' rules for a file again: codes, labels, numbers; None for "formatting errors"."""
    kept = []
    for line in path.read_text(encoding="utf-8").split("\n"):  # read_text makes "\n" of "\r" and "\r\n"
        fields = [field.strip() for field in line.split(",")]
        if fields != [""] and not fields[0].startswith("#"):
            kept.append(fields)
    if len(kept) < 3 or any(len(row) != len(kept[0]) for row in kept):
        return None
    codes = kept[0]
    for first, second in EQUIVALENT:
        codes = [first if code == second else code for code in codes]
    labels = [int(field in {"1", "True", "true", "T", "t"}) for field in kept[1]]
    numbers = []
    for field in kept[2]:
        try:
            numbers.append(float(field))
        except ValueError:
            numbers.append(0.0)
    return codes, labels, numbers


def organisers_outputs(reading, weights: RewardWeights) -> tuple[list[bool], list[float]]:
    """State the merging of columns again: any label, and the mean of the numbers without NaN."""
    codes, labels, numbers = reading
    binary, scalar = [], []
    for name, codes_of_class in zip(weights.names, weights.classes, strict=True):
        columns = [i for i, code in enumerate(codes) if code in codes_of_class]
        binary.append(any(labels[i] for i in columns))
        values = [numbers[i] for i in columns if not math.isnan(numbers[i])]
        count = len(columns) if "|" in name else len(values)  # 2021: NaN counts as 0 in a class a|b
        mean = sum(values) / max(count, 1)
        scalar.append(0.0 if math.isnan(mean) else mean)  # inf - inf is NaN
    return binary, scalar


def test_odd_output_files_are_read_as_by_the_organisers(tmp_path: Path) -> None:
    path, refused = tmp_path / "A0001.csv", 0
    for seed in range(FILES):
        path.write_bytes(odd_file(random.Random(seed)).encode())
        expected = organisers_reading(path)
        if expected is None:
            refused += 1
            with pytest.raises(OutputError, match=r"A0001\.csv: needs three rows of equal length"):
                read_output(path)
            continue
        for weights in TABLES.values():
            binary, scalar = output_matrices([read_output(path)], weights)
            binary_expected, scalar_expected = organisers_outputs(expected, weights)
            assert binary[0].tolist() == binary_expected, seed
            np.testing.assert_allclose(scalar[0], scalar_expected, rtol=1e-12, atol=1e-12, err_msg=str(seed))
    assert FILES / 5 < refused < FILES / 2


def test_the_odd_files_have_each_oddity_many_times() -> None:
    texts = [odd_file(random.Random(seed)) for seed in range(FILES)]
    counts = {kind: sum(bool(has(text)) for text in texts) for kind, has in KINDS.items()}
    assert min(counts.values()) >= 20, counts


@pytest.mark.parametrize("odd", ["", "NA", "0_"])
def test_a_probability_that_is_not_a_number_is_0_in_the_mean_of_a_pair(tmp_path: Path, odd: str) -> None:
    """CRBBB and RBBB are scored as one. With 0.8 and a word the mean is 0.4, below the other recording's 0.5."""
    for name, dx, crbbb, rbbb in (("A0001", "59118001", odd, "0.8"), ("A0002", "426783006", "0.5", "0.5")):
        (tmp_path / f"{name}.hea").write_text(f"{name} 0 500 0\n#Dx: {dx}\n")
        others = [code for code in CLASSES if code not in ("713427006", "59118001")]
        rows = [["713427006", "59118001", *others], ["0"] * 27, [crbbb, rbbb, *["0.1"] * 25]]
        (tmp_path / f"{name}.csv").write_text(f"#{name}\n" + "".join(",".join(row) + "\n" for row in rows))
    scores = read_submission(tmp_path, tmp_path).score()
    assert (scores.auroc, scores.auprc) == (0.25, 0.5)  # the means with sinus rhythm, which has 0.5 and 0.5
    pair = scores.classes.index("713427006")
    assert (scores.auroc_classes[pair], scores.auprc_classes[pair]) == (0, 0.5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("#A0001\n", "has no rows"),
        ("#A0001\n1,2\n1,0\n", "has rows of 2, 2 fields"),
        ("#A0001\n1,2\n1,0\n0.9,0.1\n0\n", "has rows of 2, 2, 2, 1 fields"),
        ("\ufeff#A0001\n1,2\n1,0\n0.9,0.1\n", "has rows of 1, 2, 2, 2 fields after a byte order mark"),
        *((f"#A0001\n1{a},2\n1,0{b}\n0.{c}9,0.1\n", "not UTF-8") for a, b, c in ("\udcff  ", " \udcc3 ", "  \udc80")),
    ],
)
def test_the_message_says_what_is_wrong_with_the_rows(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "A0001.csv"
    path.write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(OutputError, match=rf"A0001\.csv: .*{reason}$"):
        read_output(path)


@pytest.mark.parametrize(("probabilities", "classified"), [("nan,nan", False), ("nan,0.1", True), ("nan,NA", True)])
def test_an_output_is_not_classified_if_all_probabilities_are_nan(tmp_path, probabilities, classified):
    """The name need not be UTF-8: the driver resumes recordings of any name."""
    path = tmp_path / "A0001.csv"
    path.write_bytes(b"#A\xff\n1,2\n0,0\n" + probabilities.encode() + b"\n")
    assert is_classified(path) is classified
    assert read_output(path).name == "A\udcff"
