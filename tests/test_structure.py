"""Data go one way: a module of the package imports only from modules before it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "heartbeats"

ORDER = (
    "settings", "files", "ranks", "header", "matlab_file", "recording", "diagnoses", "outputs", "scoring",
    "preprocessing", "heart_rate", "prepared", "read_ahead", "store", "cohort", "se_resnet", "inference", "unet",
    "feed", "collective", "data_parallel", "sign_loss", "training", "relabelling", "classifier", "validation",
    "pages", "entry", "datasets", "experiments", "simulation", "show",
)  # fmt: skip


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
