"""Without an extra's packages, a command says in one line what to install."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [
        ("distributed", ["driver.py", "{model}", "{data}", "{out}", "--scheduler", "local"], "cluster"),
        ("pyarrow", ["driver.py", "{model}", "{data}", "--table", "{out}.parquet"], "cluster"),
        ("ecgdatakit", ["-m", "heartbeats.convert", "a.xml", "{out}"], "formats"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(package, command, extra, simulated, model_directory, tmp_path):
    """A module of the same name stands before the package and cannot be imported."""
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError(name={package!r})")
    places = {"model": model_directory, "data": simulated, "out": tmp_path / "out"}
    done = subprocess.run(
        [sys.executable, *(word.format(**places) for word in command)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith(f"the package {package} is missing: in your clone of HeartBeats, run pip install '.[{extra}]'")
