"""The docs do what they say: of every page the commands, files, changes and examples are run in turn."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from annotated_beats import rhythm, write_mitdb_record
from published_sets import GOOD, signal_text, write_hefei, write_ptbxl

from heartbeats.pvc_unet.data import DS1, DS2
from heartbeats.simulation import simulate_cohort

ROOT = Path(__file__).parents[1]
PAGES = ("quick-start.md", "paper.md", "data.md", "results.md", "changing.md", "pieces.md")
OTHERS = ("bad-input.md", "external-sets.md", "pvc-unet.md", "scaling.md", "dependencies.md")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# In the place of configs/quick.toml, and of the width of the pages' own settings: what is tested is that they run.
TINY = """
[network]
width = 4
blocks = [1, 1]
reduction = 2
[training]
seconds = [2.0, 1.0]
epochs = 1
[relabelling]
seconds = 1.0
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What of the repository the commands need, small, and changed by nobody else."""
    for name in ("heartbeats", "benchmarks", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.svg"))
    for path in (*ROOT.glob("*.py"), *ROOT.glob("*.csv")):
        shutil.copy(path, tmp_path)
    (tmp_path / "configs/quick.toml").write_text(TINY)
    return tmp_path


@pytest.mark.parametrize("page", PAGES + OTHERS)
def test_a_page_does_what_it_says(page: str, clone: Path, request: pytest.FixtureRequest) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    give(page, clone, request)
    examples = []
    for language, content in BLOCK.findall(text):
        if language == "sh":
            run(["bash", "-euo", "pipefail", "-c", shorter(content)], clone)
        elif language == "toml":
            smaller = re.sub("epochs = .*", "", content).replace("[training]", "[training]\nepochs = 1")
            smaller = smaller.replace("width = 16", "width = 4\nblocks = [1, 1]\nreduction = 2")
            name = re.match(r"# (\S+\.toml)\n", content)
            assert name, "a settings file begins with its name"
            (clone / name[1]).write_text(smaller)
        elif language == "diff":
            run(["git", "apply", "-"], clone, content)
        else:
            assert language == "pycon"
            examples.append(content)
    if examples:
        (clone / "examples.txt").write_text("\n".join(examples))
        run([sys.executable, "-W", "error", "-m", "doctest", "examples.txt"], clone)


def give(page: str, clone: Path, request: pytest.FixtureRequest) -> None:
    """Make what a page takes for granted: folders of recordings, and a short training of the U-Net."""
    if page in ("results.md", "external-sets.md"):
        data: Path = request.getfixturevalue("ecg_data")
        (clone / "ludb").symlink_to(data / "ludb")
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
        training.write_text(
            training.read_text().replace("WINDOWS = 1024", "WINDOWS = 64").replace("EPOCHS = 20", "EPOCHS = 1")
        )
    if page == "scaling.md":
        for seed, part in enumerate(("a", "b")):
            simulate_cohort(clone / "archive" / part, records=4, seed=seed)


def shorter(commands: str) -> str:
    """Commands with fewer and smaller trainings."""
    commands = commands.replace("--seeds 3", "--seeds 1")
    return commands.replace(
        "train_model.py challenge model", "train_model.py challenge model --config configs/quick.toml"
    )


def run(command: list[str], folder: Path, stdin: str = "") -> None:
    """Run a command in a folder, where ``python`` is this one, and show what it said if it fails."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    environment |= {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    with socket.create_server(("localhost", 0)) as free:
        endpoint = f"localhost:{free.getsockname()[1]}"
    environment |= {"MACHINES": "1", "PROCESSES": "2", "ENDPOINT": endpoint}  # of the page on scaling
    done = subprocess.run(
        command, cwd=folder, input=stdin, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_every_page_is_in_the_order_of_reading() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([\w-]+\.md)\)", index)
    assert tuple(linked) == PAGES + OTHERS
    assert set(linked) == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}


@pytest.mark.parametrize("page", PAGES + OTHERS)
def test_a_page_has_no_command_that_is_not_run(page: str) -> None:
    text = BLOCK.sub("", (ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert "```" not in text
    indented = re.findall(r"^\n    (\S.*)$", text, re.MULTILINE)
    assert indented == (["make demo"] if page == "quick-start.md" else [])  # its commands follow, one by one
