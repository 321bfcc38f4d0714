"""A room imports only from rooms before it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "heartbeats"

ROOMS = (
    "common", "ecg", "challenge", "preparation", "networks", "pvc_unet", "pretrained", "classification", "training",
    "reports", "simulation", "datasets", "experiments", "show", "convert",
)  # fmt: skip
LAZY = {("classification", "pvc_unet")}


def imported(path: Path) -> set[str]:
    """The rooms that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names |= {module.split(".")[1] for module in modules if module.startswith("heartbeats.")}
    return names


def test_every_room_has_its_place():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert rooms - {"__init__", "__pycache__"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_rooms_before_it(room):
    place = PACKAGE / f"{room}.py"
    files = [place] if place.exists() else sorted((PACKAGE / room).glob("*.py"))
    for path in files:
        assert imported(path) - {room} <= set(ROOMS[: ROOMS.index(room)]), path
