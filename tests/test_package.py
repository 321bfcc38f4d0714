"""The package can be installed, imports fast, and contains the organisers' tables."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the content of the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, names):
        if name.startswith("heartbeats/") or name in ("pyproject.toml", "README.md", "LICENSE"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        source,
    ]
    subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "installed")
    return folder / "installed"


def python(code: str, folder: Path) -> str:
    """Run code in another folder, with the installed package."""
    command = [sys.executable, "-W", "error", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {code}"]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_wheel_holds_all_files_of_the_package(installed):
    files = {path.relative_to(ROOT) for path in (ROOT / "heartbeats").rglob("*") if path.is_file()}
    files = {path for path in files if "__pycache__" not in path.parts}
    assert files - {path.relative_to(installed) for path in installed.rglob("*")} == set()


def test_the_installed_package_works_in_any_folder(installed, model_directory, simulated):
    header_file = min(simulated.glob("*.hea"))
    code = (
        "from heartbeats import Recording, load_model, read_recording; import heartbeats; print(heartbeats.__file__); "
        f"model = load_model({str(model_directory)!r}); recording = read_recording({str(header_file)!r}); "
        "assert isinstance(recording, Recording); (answer,) = model.classify([model.prepare(recording)]); "
        "print(len(answer.classes), len(answer.probabilities))"
    )
    printed = python(code, installed).split("\n")
    assert printed[0].startswith(str(installed))
    assert printed[1] == "27 27"


def test_importing_the_package_loads_neither_torch_nor_numpy(installed):
    loaded = python("import heartbeats; print(*sorted(sys.modules))", installed).split()
    assert not {"torch", "numpy", "scipy", "pandas", "matplotlib"} & set(loaded)


def test_the_root_scripts_are_short():
    assert [path.name for path in ROOT.glob("*.py") if len(path.read_text().splitlines()) > 40] == ["helper_code.py"]
