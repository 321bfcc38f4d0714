"""Files that are read are never run, and outputs stay in the output folder.

Models are safetensors and JSON, recordings and headers are parsed: no file that the entry reads can run code.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from heartbeats.classification.folder import Outcome, classify_folder
from helper_code import get_recording_id, load_header

ROOT = Path(__file__).parents[1]
ENTRY = sorted([*ROOT.glob("*.py"), *(ROOT / "heartbeats").rglob("*.py")])
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))

# Modules whose files run code when they are read, or that run code given as text.
RUNS_CODE = {
    *("cloudpickle", "code", "codeop", "dill", "imp", "marshal", "pickle", "pty", "runpy", "shelve", "_pickle"),
    *("importlib.import_module", "asyncio.create_subprocess_shell", "os.system", "pandas.read_pickle"),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "joblib.dump", "joblib.load"),
    *("torch.hub", "torch.jit.load", "torch.load", "torch.save", "yaml.full_load", "yaml.load", "yaml.unsafe_load"),
}
# Benchmarks kill trainings and start drivers; the entry starts no programs.
STARTS_PROGRAMS = {
    *("asyncio.create_subprocess_exec", "os.popen", "pexpect", "subprocess"),
    *(f"os.{name}" for name in dir(os) if name.startswith(("exec", "posix_spawn", "spawn"))),
}
RULES = "TID251,S102,S307,S602,S604"  # banned names, exec, eval, shells


def dangers(banned: set[str], *paths: Path, source: str = "") -> list[str]:
    """Return where files or a source text use banned names (also renamed), exec, eval, a shell or pickled arrays."""
    names = ", ".join(f'"{name}".msg = ""' for name in sorted(banned))
    config = f"lint.flake8-tidy-imports.banned-api = {{ {names} }}"
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--ignore-noqa", "--exit-zero"]
    command += ["--select", RULES, "--config", config, "--output-format", "json", *map(str, paths or "-")]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
    found = [f"{each['filename']}: {each['message']}" for each in json.loads(done.stdout)]
    texts = [source, *(path.read_text(encoding="utf-8") for path in paths)]
    return found + [match for text in texts for match in re.findall(r"__import__|allow_pickle=(?!False).*", text)]


def test_the_entry_runs_no_code_from_files_and_no_programs():
    assert dangers(RUNS_CODE | STARTS_PROGRAMS, *ENTRY) == []


def test_the_benchmarks_run_no_code_from_files_and_no_shell():
    assert dangers(RUNS_CODE, *BENCHMARKS) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from pickle import loads", 1),
        ("import torch as t\nt.load('model')", 1),
        ("from torch import load as safe", 1),
        ("import torch.jit\ntorch.jit.load('model')", 1),
        ("read = __import__('torch')", 1),
        ("import numpy as np\nnp.load('signals.npy', allow_pickle=trusted)", 1),
        ("import subprocess\nsubprocess.run('ls', shell=True)  # noqa", 2),
        ("import os\nstart = os.system", 1),
        ("eval('1')\nexec(header)", 2),
        ("network.eval()\n'eval(x), pickle, os.system'  # torch.load", 0),
        ("import numpy as np\nnp.load('signals.npy', allow_pickle=False)", 0),
        ("from safetensors.torch import load_file\nload_file('a')", 0),
    ],
)
def test_dangers_are_found(source, found):
    assert len(dangers(RUNS_CODE | STARTS_PROGRAMS, source=source)) == found


def test_a_model_folder_holds_no_pickle(model_directory):
    files = [path for path in model_directory.rglob("*") if path.is_file() and path.name != ".lock"]
    assert {path.suffix for path in files} == {".csv", ".html", ".json", ".jsonl", ".log", ".safetensors", ".txt"}
    # A pickle of protocol 2 or later begins with 0x80 and its protocol; torch.save's archive, with PK.
    starts = [path.read_bytes()[:2] for path in files if path.suffix != ".safetensors"]
    assert not [start for start in starts if start == b"PK" or start[:1] == b"\x80"]


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize(
    "record_name",
    ["../../escaped", "..", "../escaped.mat", "/escaped", "{tmp_path}/escaped", "a/../../escaped", "..\\escaped", "."],
)
def test_the_record_name_does_not_lead_out_of_the_output_folder(tmp_path, classifier, write_record, record_name):
    header_file = write_record(folder=tmp_path / "data", record_name=record_name.format(tmp_path=tmp_path))
    assert "/" not in get_recording_id(load_header(header_file))
    before = files_below(tmp_path)
    out = tmp_path / "some" / "where" / "out"
    assert classify_folder(classifier, tmp_path / "data", out) == Outcome(1, 0, 0)
    assert files_below(tmp_path) - before == {out / "A0001.csv"}
    assert (out / "A0001.csv").read_text().startswith("#A0001\n")


@pytest.mark.parametrize("name", ["a..", "-rf", "$(touch escaped)", "a;b", "a\\b", "%2e%2e%2fa"])
def test_the_header_file_s_name_does_not_lead_out_of_the_output_folder(tmp_path, classifier, write_record, name):
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
