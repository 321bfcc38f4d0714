"""Nothing read is run, and nothing is written outside the output folder.

Models are safetensors and JSON, recordings and headers are parsed: no file that the entry reads can run code. Syntax
trees are searched, not the text, so that neither an alias hides a call nor a comment looks like one.
"""

from __future__ import annotations

import ast
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from heartbeats.classification.folder import Outcome, classify_folder
from helper_code import get_recording_id, load_header

ROOT = Path(__file__).parents[1]
ENTRY = sorted([*ROOT.glob("*.py"), *(ROOT / "heartbeats").rglob("*.py")])
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))

# Modules whose files run code when they are read, or that run code given as text.
MODULES = {"cloudpickle", "code", "codeop", "dill", "imp", "marshal", "pickle", "pty", "runpy", "shelve", "_pickle"}
# Benchmarks kill trainings and start drivers; the entry starts no programs.
PROGRAMS = {
    *("asyncio.create_subprocess_exec", "os.popen", "pexpect", "subprocess"),
    *(f"os.{name}" for name in dir(os) if name.startswith(("exec", "posix_spawn", "spawn"))),
}
NAMES = {
    *("builtins.compile", "builtins.eval", "builtins.exec", "builtins.__import__", "importlib.import_module"),
    *("asyncio.create_subprocess_shell", "os.system", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("joblib.dump", "joblib.load", "pandas.read_pickle", "torch.hub", "torch.jit.load", "torch.load", "torch.save"),
    *("yaml.full_load", "yaml.load", "yaml.unsafe_load"),
}
# Arguments that may only be given as False.
ARGUMENTS = {"allow_pickle", "shell"}


def dangers(source: str, *, forbidden: set[str]) -> Iterator[str]:
    """What in a program is not allowed, each with its line."""
    tree = ast.parse(source)
    aliases = {name: f"builtins.{name}" for name in ("__import__", "compile", "eval", "exec")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module:
            aliases |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    for node in ast.walk(tree):
        for name in named(node, aliases):
            if any(name == bad or name.startswith(f"{bad}.") for bad in forbidden):
                yield f"line {node.lineno}: {name}"
        if isinstance(node, ast.keyword) and node.arg in ARGUMENTS and ast.unparse(node.value) != "False":
            yield f"line {node.value.lineno}: {node.arg}={ast.unparse(node.value)}"


def named(node: ast.AST, aliases: dict[str, str]) -> list[str]:
    """The full names that a node imports or mentions: ``n.load`` is ``numpy.load``; a variable has none."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Name):
        return [aliases[node.id]] if node.id in aliases else []
    if isinstance(node, ast.Attribute):
        return [f"{base}.{node.attr}" for base in named(node.value, aliases)]
    return []


@pytest.mark.parametrize("path", ENTRY, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_entry_runs_nothing_that_it_reads_and_starts_no_programs(path):
    assert list(dangers(path.read_text(encoding="utf-8"), forbidden=MODULES | NAMES | PROGRAMS)) == []


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_the_benchmarks_run_nothing_that_they_read_and_use_no_shell(path):
    assert list(dangers(path.read_text(encoding="utf-8"), forbidden=MODULES | NAMES)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import torch as t\nt.load('model')",
        "from torch import load as safe\nsafe('model')",
        "import torch.jit\ntorch.jit.load('model')",
        "read = __import__('torch')",
        "import numpy as np\nnp.load('signals.npy', allow_pickle=True)",
        "import numpy as np\nnp.load('signals.npy', allow_pickle=trusted)",
        "from subprocess import run",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import os\nstart = os.system",
        "from os import execvp",
        "import yaml\nyaml.load(text)",
        "import joblib\njoblib.load('model')",
        "eval('1')",
        "def f():\n    exec(header)",
    ],
)
def test_a_danger_is_found(source):
    assert list(dangers(source, forbidden=MODULES | NAMES | PROGRAMS))


@pytest.mark.parametrize(
    "source",
    [
        "network.eval()",
        "for code in codes:\n    code.strip()",
        "import re\nre.compile('a')",
        "'''eval(x), pickle, os.system'''  # torch.load",
        "import numpy as np\nnp.load('signals.npy', allow_pickle=False)",
        "from safetensors.torch import load_file\nload_file('a')",
        "from joblib.externals.loky import get_reusable_executor",
    ],
)
def test_what_only_looks_like_a_danger_is_not(source):
    assert list(dangers(source, forbidden=MODULES | NAMES | PROGRAMS)) == []


def test_a_model_folder_holds_no_pickle(model_directory):
    files = [path for path in model_directory.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".csv", ".html", ".index", ".int16", ".json", ".jsonl", ".safetensors"}
    # A pickle of protocol 2 or later begins with 0x80 and its protocol; torch.save's archive, with PK.
    starts = [path.read_bytes()[:2] for path in files if path.suffix != ".int16"]
    assert not [start for start in starts if start == b"PK" or start[:1] == b"\x80"]


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize(
    "record_name",
    ["../../escaped", "..", "../escaped.mat", "/escaped", "{tmp_path}/escaped", "a/../../escaped", "..\\escaped", "."],
)
def test_outputs_stay_in_the_output_folder_whatever_the_record_name(tmp_path, classifier, write_record, record_name):
    write_record(folder=tmp_path / "data", record_name=record_name.format(tmp_path=tmp_path))
    before = files_below(tmp_path)
    out = tmp_path / "some" / "where" / "out"
    assert classify_folder(classifier, tmp_path / "data", out) == Outcome(1, 0, 0)
    assert files_below(tmp_path) - before == {out / "A0001.csv"}
    assert (out / "A0001.csv").read_text().startswith("#A0001\n")


@pytest.mark.parametrize("name", ["a..", "-rf", "$(touch escaped)", "a;b", "a\\b", "%2e%2e%2fa"])
def test_outputs_stay_in_the_output_folder_whatever_the_header_files_name(tmp_path, classifier, write_record, name):
    header_file = write_record(folder=tmp_path / "data")
    shutil.move(header_file.with_suffix(".mat"), tmp_path / "data" / f"{name}.mat")
    shutil.move(header_file, tmp_path / "data" / f"{name}.hea")
    before = files_below(tmp_path)
    classify_folder(classifier, tmp_path / "data", tmp_path / "out")
    assert files_below(tmp_path) - before == {tmp_path / "out" / f"{name}.csv"}


def test_an_output_replaces_a_link_and_does_not_follow_it(tmp_path, classifier, write_record):
    write_record(folder=tmp_path / "data")
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "A0001.csv").symlink_to(tmp_path / "elsewhere")
    assert classify_folder(classifier, tmp_path / "data", tmp_path / "out") == Outcome(1, 0, 0)
    assert (tmp_path / "elsewhere").read_text() == "kept"
    assert not (tmp_path / "out" / "A0001.csv").is_symlink()


@pytest.mark.parametrize("record_name", ["../../escaped", "/escaped", "a/../../escaped"])
def test_the_helper_gives_the_organisers_loop_no_path(write_record, record_name):
    assert "/" not in get_recording_id(load_header(write_record(record_name=record_name)))
