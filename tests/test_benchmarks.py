"""The benchmarks run with tiny networks and few recordings, and compute the right figures."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_TOML

from benchmarks.measuring import median, times

ROOT = Path(__file__).parents[1]


def test_a_median_has_the_interval_of_the_median():
    assert median(np.array([2.0, 2.0, 2.0])) == "2.00 (2.00 to 2.00, n = 3)"
    assert median(np.array([1.0, 2.0, 3.0])) == "2.00 (1.00 to 3.00, n = 3)"


def test_works_take_turns_after_a_warm_up():
    calls = []
    assert times(2, lambda: calls.append("a"), lambda: calls.append("b")).shape == (2, 2)
    assert calls == ["a", "b"] * 3


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("preparation_speed --recordings 4 --repeats 1", "two cores over one"),
        ("classification_speed --config tiny.toml --recordings 2 --repeats 1", "driver's share"),
        ("scoring_speed --recordings 20 --repeats 1", "scoring over reading"),
        ("training_speed --config tiny.toml --recordings 4 --epochs 2", "of the matrix rate"),
    ],
)
def test_a_benchmark_prints_its_figure(command, printed, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY_TOML)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *f"benchmarks.{command}".split()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout
