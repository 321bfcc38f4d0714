"""Odd output files score as by the organisers' scorer, or are refused if it takes all outputs as negative."""

import math
import random
from pathlib import Path

import numpy as np
import pytest
from test_scoring import TABLES

from heartbeats.challenge.diagnoses import CLASSES, EQUIVALENT, RewardWeights
from heartbeats.challenge.outputs import OutputError, read_output
from heartbeats.challenge.scoring import output_matrices, read_submission

FILES = 600
CODES = [*CLASSES, *CLASSES, "164884008", "0", "", "x", " 59118001", "713427006 "]
LABELS = ["0", "1", "True", "true", "T", "t", "1.0", " 1", "", "yes", "-1", "nan", "TRUE"]
NUMBERS = [
    *(
        "0.1",
        "0.9",
        "1",
        "-0.5",
        "+0.25",
        " 0.5 ",
        "\t1e-3",
        "1_0",
        ".5",
        "5.",
        "nan",
        "-nan",
        "inf",
        "-inf",
        "Infinity",
    ),
    *("", "NA", "high", "0,5"[:1], "1e400", "0x1", "1 2", "½", "٣", "--1"),
]
ODD_LINES = ["", "  ", "#comment", " # comment, 2", "0,0,0", "\x0b", "\u2028", "x"]


def odd_file(rng: random.Random) -> bytes:
    """Return an output file with random faults."""
    count = rng.randint(1, 30)
    rows = [[rng.choice(values) for _ in range(count)] for values in (CODES, LABELS, NUMBERS)]
    if rng.random() < 0.2:  # a short or a long row
        row = rng.choice(rows)
        row.append("0") if rng.random() < 0.5 or len(row) == 1 else row.pop()
    lines = ["#A0001", *(",".join(row) for row in rows)]
    if rng.random() < 0.3:
        lines.insert(rng.randint(0, 4), rng.choice(ODD_LINES))
    if rng.random() < 0.1:
        lines.append(lines[-1])
    if rng.random() < 0.05:
        lines.pop(rng.randint(1, 3))
    text = rng.choice(["\n", "\n", "\r\n", "\r"]).join(lines) + rng.choice(["", "\n", "\n\n"])
    text = text.replace("0.9", rng.choice(["0.9", "0.9\x0b", "0.9\x1c", "\u20280.9"]))
    return ("\ufeff" * (rng.random() < 0.05) + text).encode()


def organisers_reading(path: Path) -> tuple[list[str], list[int], list[float]] | None:
    """State the organisers' rules for a file again: codes, labels, numbers; None for "formatting errors"."""
    with path.open(encoding="utf-8") as file:
        lines = [line for line in file if line.strip() and not line.strip().startswith("#")]
    kept = [[field.strip() for field in line.split(",")] for line in lines]
    if len(kept) < 3 or any(len(row) != len(kept[0]) for row in kept):
        return None
    first_of_pair = {second: first for first, second in EQUIVALENT}
    codes = [first_of_pair.get(code, code) for code in kept[0]]
    labels = [1 if field in ("1", "True", "true", "T", "t") else 0 for field in kept[1]]

    def number(field: str) -> float:
        try:
            return float(field)
        except ValueError:
            return 0.0

    return codes, labels, [number(field) for field in kept[2]]


def organisers_outputs(reading, weights: RewardWeights) -> tuple[list[bool], list[float]]:
    """State the organisers' merging of columns again: any label, and the mean of the numbers without NaN."""
    codes, labels, numbers = reading
    binary, scalar = [], []
    for name, codes_of_class in zip(weights.names, weights.classes, strict=True):
        columns = [i for i, code in enumerate(codes) if code in codes_of_class]
        binary.append(any(labels[i] for i in columns))
        values = [numbers[i] for i in columns if not math.isnan(numbers[i])]
        count = len(columns) if "|" in name else len(values)  # 2021: NaN counts as 0 in a class a|b
        mean = math.fsum(values) / count if values and np.isfinite(values).all() else sum(values) / max(count, 1)
        scalar.append(0.0 if math.isnan(mean) else mean)
    return binary, scalar


def test_odd_output_files_are_read_as_by_the_organisers(tmp_path: Path) -> None:
    path, refused = tmp_path / "A0001.csv", 0
    for seed in range(FILES):
        path.write_bytes(odd_file(random.Random(seed)))
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
    assert 100 < refused < FILES - 300


@pytest.mark.parametrize("odd", ["", "NA", "0,4"[:1] + "_"])
def test_a_probability_that_is_not_a_number_is_0_in_the_mean_of_a_pair(tmp_path: Path, odd: str) -> None:
    """CRBBB and RBBB are scored as one. With 0.8 and a word the mean is 0.4, below the other recording's 0.5."""
    for name, dx, crbbb, rbbb in (("A0001", "59118001", odd, "0.8"), ("A0002", "426783006", "0.5", "0.5")):
        (tmp_path / f"{name}.hea").write_text(f"{name} 0 500 0\n#Dx: {dx}\n")
        others = [code for code in CLASSES if code not in ("713427006", "59118001")]
        rows = [["713427006", "59118001", *others], ["0"] * 27, [crbbb, rbbb, *["0.1"] * 25]]
        (tmp_path / f"{name}.csv").write_text(f"#{name}\n" + "".join(",".join(row) + "\n" for row in rows))
    scores = read_submission(tmp_path, tmp_path).score()
    assert (scores.auroc, scores.auprc) == (0.25, 0.5)
    assert scores.classes.index("713427006") == int(np.nanargmin(scores.auroc_classes))
