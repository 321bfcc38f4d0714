"""The docs are right: the commands, settings, changes and examples of each page run in order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from annotated_beats import rhythm, write_mitdb_record
from conftest import ecg
from hospital_files import EIGHT, dicom, muse
from published_sets import GOOD, signal_text, write_hefei, write_ptbxl

from heartbeats import load_model
from heartbeats.pvc_unet.data import DS1, DS2
from heartbeats.simulation import simulate_cohort

ROOT = Path(__file__).parents[1]
README = "README.md"
PAGES = ("quick-start.md", "paper.md", "data.md", "results.md", "changing.md", "pieces.md")
OTHERS = (
    "questions.md",
    "recipes.md",
    "model-card.md",
    "pvc-unet.md",
    "bad-input.md",
    "external-sets.md",
    "scaling.md",
    "dependencies.md",
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Replaces configs/quick.toml, and makes the pages' own settings smaller. The test is that they run.
NETWORK = "width = 4\nblocks = [1, 1]\nreduction = 2\n"
TINY = f"[network]\n{NETWORK}[training]\nseconds = [2.0, 1.0]\nepochs = 1\n[relabelling]\nseconds = 1.0\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of all files that the commands need. A page may change it."""
    for name in ("heartbeats", "benchmarks", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.svg"))
    for path in (*ROOT.glob("*.py"), *ROOT.glob("*.csv")):
        shutil.copy(path, tmp_path)
    (tmp_path / "configs/quick.toml").write_text(TINY)
    return tmp_path


@pytest.mark.parametrize("page", [README, *PAGES, *OTHERS])
def test_the_commands_of_a_page_work(page: str, clone: Path, request: pytest.FixtureRequest) -> None:
    make_inputs(page, clone, request)
    text, examples = (ROOT / ("" if page == README else "docs") / page).read_text(encoding="utf-8"), []
    assert "```" not in BLOCK.sub("", text)
    for language, content in BLOCK.findall(text):
        if language == "sh":
            run(["bash", "-euo", "pipefail", "-c", shorter(content)], clone)
        elif language == "toml":
            smaller = re.sub("epochs = .*", "", content).replace("[training]", "[training]\nepochs = 1")
            name = re.match(r"# (\S+\.toml)\n", content)
            assert name, "a settings file begins with its name"
            (clone / name[1]).write_text(smaller.replace("width = 16\n", NETWORK))
        elif language == "diff":
            run(["git", "apply", "-"], clone, content)
        elif language == "python":
            assert len(run([sys.executable, "-W", "error", "-c", content], clone).splitlines()) == 27  # classes
        elif language != "mermaid":
            assert language == "pycon"
            examples.append(content)
    if page == "recipes.md":
        check_onnx(clone)
    if examples:
        (clone / "examples.txt").write_text("\n".join(examples))
        run([sys.executable, "-W", "error", "-m", "doctest", "examples.txt"], clone)


def check_onnx(clone: Path) -> None:
    """The exported network gives the logits of the model's first network."""
    signal = np.random.default_rng(0).normal(scale=0.3, size=(2, 8, 5000)).astype(np.float32)
    (exported,) = onnxruntime.InferenceSession(clone / "try/network.onnx").run(None, {"signal": signal})
    logits = load_model("pretrained").members[0].network(torch.from_numpy(signal))
    np.testing.assert_allclose(exported, logits.detach().numpy(), atol=1e-4)


def make_inputs(page: str, clone: Path, request: pytest.FixtureRequest) -> None:
    """Make what a page needs: folders of recordings, and a short training of the U-Net."""
    if page in ("results.md", "external-sets.md"):
        data: Path = request.getfixturevalue("ecg_data")
        (clone / "ludb/data").mkdir(parents=True)
        names = [f"data/{number}" for number in range(1, 21)]
        (clone / "ludb/RECORDS").write_text("\n".join(names))
        for file in (path for name in names for path in (data / "ludb").glob(f"{name}.*")):
            (clone / "ludb" / file.relative_to(data / "ludb")).symlink_to(file)
    if page == "external-sets.md":
        write_hefei(clone / "hefei", [GOOD], {"1001.txt": signal_text()})
        write_ptbxl(clone / "ptb-xl", {})
    if page in ("results.md", "pvc-unet.md", "scaling.md"):
        simulate_cohort(clone / "challenge", records=60, seed=3)
    if page == "results.md":
        (clone / "mitdb").mkdir()
        for i, name in enumerate(DS1[:6] + DS2[:3]):
            write_mitdb_record(clone / "mitdb", name, rhythm(20, (9,)), seed=i)
        training = clone / "heartbeats/pvc_unet/training.py"
        text = training.read_text().replace("WINDOWS = 1024", "WINDOWS = 64").replace("EPOCHS = 20", "EPOCHS = 1")
        training.write_text(text)
    if page == "recipes.md":
        (clone / "hospital").mkdir()
        for name, write in (("a.xml", muse), ("b.dcm", dicom)):
            write(clone / "hospital" / name, ecg(leads=8), EIGHT, 500)
    if page == "scaling.md":
        for seed, part in enumerate(("a", "b")):
            simulate_cohort(clone / "archive" / part, records=4, seed=seed)


def shorter(commands: str) -> str:
    """Return commands with fewer and smaller trainings."""
    commands = re.sub("^pip install .*", "", commands, flags=re.MULTILINE)  # needs the network
    commands = re.sub(r"train_model\.py (DATA MODEL|challenge model)", r"\g<0> --config configs/quick.toml", commands)
    return commands.replace("--seeds 3", "--seeds 1")


def run(command: list[str], folder: Path, stdin: str = "") -> str:
    """Run a command in a folder, where ``python`` is this Python, and return what it prints."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GIT_CEILING_DIRECTORIES": str(folder.parent), "MACHINES": "1", "PROCESSES": "2", "ENDPOINT": "localhost:0",
    }  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, input=stdin, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_each_page_is_in_the_order_of_reading() -> None:
    linked = re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs/README.md").read_text(encoding="utf-8"))
    assert tuple(linked) == PAGES + OTHERS
    assert set(linked) == {path.name for path in (ROOT / "docs").glob("*.md")} - {README}
