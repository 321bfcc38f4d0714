"""The pages that a newcomer reads do what they say: their commands, files, changes and examples are run in turn."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_unet import rhythm, write_mitdb_record

from heartbeats.experiments.mit_bih import DS1, DS2
from heartbeats.simulation import simulate_cohort

ROOT = Path(__file__).parents[1]
PAGES = ("quick-start.md", "paper.md", "data.md", "results.md", "changing.md")
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


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(page: str, clone: Path) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    if page == "results.md":
        text = with_data(clone, text)
    examples = []
    for language, content in BLOCK.findall(text):
        if language == "sh":
            run(["bash", "-euo", "pipefail", "-c", content], clone)
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


def with_data(clone: Path, text: str) -> str:
    """Make the folders that a page takes for granted, and the trainings that it asks for short."""
    if not (data := os.environ.get("ECG_DATA")):
        pytest.skip("ECG_DATA names no folder of real recordings")
    (clone / "ludb").symlink_to(Path(data, "ludb"))
    simulate_cohort(clone / "challenge", records=60, seed=3)
    (clone / "mitdb").mkdir()
    for i, name in enumerate(DS1[:6] + DS2[:3]):
        write_mitdb_record(clone / "mitdb", name, rhythm(20, (9,)), seed=i)
    experiment = clone / "heartbeats/experiments/pvc_unet.py"
    experiment.write_text(experiment.read_text().replace("WINDOWS = 1024", "WINDOWS = 64"))
    return text.replace("--seeds 3", "--seeds 1").replace("--epochs 20", "--epochs 1")


def run(command: list[str], folder: Path, stdin: str = "") -> None:
    """Run a command in a folder, where ``python`` is this one, and show what it said if it fails."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    environment |= {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = subprocess.run(
        command, cwd=folder, input=stdin, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_every_page_is_in_the_order_of_reading() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([\w-]+\.md)\)", index)
    assert tuple(linked[: len(PAGES)]) == PAGES
    assert set(linked) == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
