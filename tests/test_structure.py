"""Data go one way: a module of the package imports only from modules before it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from heartbeats.classifier import ANSWERING
from heartbeats.entry import DECIDING, NETWORKS
from heartbeats.store import PREPARING
from heartbeats.training import TRAINING

PACKAGE = Path(__file__).parents[1] / "heartbeats"

ORDER = (
    "files", "errors", "ranks", "header", "settings", "matlab_file", "calibration", "recording", "record_writer",
    "diagnoses", "outputs", "scoring", "preprocessing", "heart_rate", "prepared", "read_ahead", "store", "cohort",
    "cohort_summary", "se_resnet", "inference", "beat_shapes", "unet", "feed", "collective", "data_parallel",
    "sign_loss", "checkpoints", "epoch_log", "training", "relabelling", "classifier", "validation", "pages", "entry",
    "driving", "datasets", "experiments", "simulation", "show",
)  # fmt: skip


# Settings have their values in the digests, and how files are replaced and errors told changes no result.
NO_RESULT = {"settings", "files", "errors"}
WITH_PROCESSES = {*NO_RESULT, "ranks", "collective"}  # nor does what processes tell one another


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "heartbeats":
            names |= {alias.name for alias in node.names if not alias.name.startswith("__")}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("heartbeats."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("heartbeats.")}
    return names


def test_every_module_has_its_place():
    modules = {path.stem for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert modules - {"__init__", "__pycache__"} == set(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_from_modules_before_it(module):
    place = PACKAGE / f"{module}.py"
    files = [place] if place.exists() else sorted((PACKAGE / module).glob("*.py"))
    for path in files:
        assert imported(path) - {module} <= set(ORDER[: ORDER.index(module)]), path


def names_at(path: Path) -> Iterator[tuple[Path, str]]:
    """The names that a module imports from others of the package, each with the module's file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("heartbeats."):
            place = PACKAGE.parent / node.module.replace(".", "/")
            if place.with_suffix(".py").exists():
                yield from ((place.with_suffix(".py"), alias.name) for alias in node.names)


def test_what_other_modules_import_is_listed_as_public():
    def listed(path: Path) -> set[str]:
        (names,) = re.findall(r"^__all__ = (\[.*?\])", path.read_text(), re.MULTILINE | re.DOTALL)
        return set(ast.literal_eval(names))

    root = PACKAGE.parent
    users = [*PACKAGE.rglob("*.py"), *root.glob("*.py"), *(root / "benchmarks").glob("*.py")]
    used = {(place, name) for path in users for place, name in names_at(path)}
    assert [(place.name, name) for place, name in sorted(used) if name not in listed(place)] == []


def imported_by(module: str) -> set[str]:
    """A module and all that it imports, and they import; packages are left out."""
    found, left = set(), {module}
    while left:
        found.add(name := left.pop())
        left |= {other for other in imported(PACKAGE / f"{name}.py") if (PACKAGE / f"{other}.py").exists()} - found
    return found


@pytest.mark.parametrize(
    ("module", "digested", "others"),
    [
        ("prepared", PREPARING, NO_RESULT),
        (
            "classifier",
            set(ANSWERING),
            {"scoring", "outputs", "store", "read_ahead", "checkpoints", "ranks", *NO_RESULT},
        ),
        # What preparation and selection make of recordings is in the digest as signals and labels.
        ("training", TRAINING, {*PREPARING, "diagnoses", "epoch_log", *WITH_PROCESSES}),
        ("relabelling", {*NETWORKS} - {"entry", "cohort"}, {*PREPARING, "epoch_log", *WITH_PROCESSES}),
        (
            "entry",
            {*NETWORKS, *DECIDING},
            {*PREPARING, "store", "read_ahead", "outputs", "epoch_log", *WITH_PROCESSES},
        ),
    ],
)
def test_what_is_kept_carries_the_digest_of_all_code_that_made_it(module, digested, others):
    assert imported_by(module) - set(digested) == set(others) - set(digested)
    assert set(digested) <= imported_by(module)
