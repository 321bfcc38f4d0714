"""Files are written completely or not at all. Folders are locked. Code has a digest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from heartbeats.common.digest import code_digest
from heartbeats.common.files import InUseError, locked, remove_half_written, replace_file, write_text, write_to

ROOT = Path(__file__).parents[1]


def test_a_failed_write_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "before\n")
    write_text(path, "after: µV\n")

    def fails(temporary):
        temporary.write_text("hal")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, fails)
    assert path.read_bytes() == "after: µV\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_target_and_not_the_temporary_file(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_text(tmp_path / "absent/report.html", "")
    assert error.value.filename == str(tmp_path / "absent/report.html")


def test_a_folder_can_be_locked_by_one_process_at_a_time(tmp_path):
    with locked(tmp_path), pytest.raises(InUseError, match="in use by another process"), locked(tmp_path):
        pass
    with locked(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} <= {".lock"}


def test_only_half_written_files_are_removed(tmp_path):
    killed = "from pathlib import Path; import os; from heartbeats.common.files import replace_file; "
    killed += "replace_file(Path('model.json'), lambda temporary: (temporary.write_text('half'), os._exit(9)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", killed], cwd=tmp_path, env=environment, timeout=60, check=False)
    (left,) = tmp_path.iterdir()
    token = left.name.split(".")[-2]
    others = {".draft.tmp", f"notes.{token}.tmp", f".kept.{token}.txt", ".draft.12.tmp"}
    for name in others:
        (tmp_path / name).touch()
    folder = tmp_path / f".cache.{token}.tmp"
    folder.mkdir()
    remove_half_written(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*others, folder.name}
    remove_half_written(tmp_path / "absent")


def test_processes_with_the_same_number_do_not_share_a_temporary_file(tmp_path, monkeypatch):
    """In containers the first process is number 1, and names may agree in their first fifty letters."""
    monkeypatch.setattr("os.getpid", lambda: 1)
    one, other = (tmp_path / f"{'long' * 20}{i}.csv" for i in range(2))

    def slow(temporary: Path) -> None:
        write_text(other, "other")
        temporary.write_text("one")
        write_text(other, "other")

    replace_file(one, slow)
    assert (one.read_text(), other.read_text()) == ("one", "other")


def test_a_link_that_the_user_names_is_followed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/real.csv").write_text("before")
    (tmp_path / "link.csv").symlink_to("folder/real.csv")
    write_to(tmp_path / "link.csv", "after")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "folder/real.csv").read_text() == "after"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_to(tmp_path / "pipe", "through")
        assert os.read(reading, 100) == b"through\n"
    finally:
        os.close(reading)


def test_output_is_appended_to_the_file_behind_dev_stdout(tmp_path):
    """/dev/stdout leads to a file if stdout is redirected; that file is not replaced or cut."""
    code = "import sys, pathlib; from heartbeats.common.files import write_to; "
    code += "[write_to(pathlib.Path('/dev/stdout'), text) for text in sys.argv[1:]]"
    with (tmp_path / "log").open("w") as log:
        log.write("earlier\n")
        log.flush()
        subprocess.run([sys.executable, "-c", code, "one", "two\n"], cwd=ROOT, stdout=log, timeout=60, check=True)
    assert (tmp_path / "log").read_text() == "earlier\none\ntwo\n"


def test_a_regular_file_below_dev_is_replaced():
    path = Path(f"/dev/shm/heartbeats-{os.getpid()}.csv")
    try:
        for text in ("before", "after"):
            write_to(path, text)
        assert path.read_text() == "after"
    finally:
        path.unlink(missing_ok=True)


def test_the_digest_of_code_ignores_comments_docstrings_and_layout(monkeypatch, tmp_path):
    monkeypatch.setattr("heartbeats.common.digest.PACKAGE", tmp_path)
    (tmp_path / "room").mkdir()

    def digest(source: str) -> str:
        (tmp_path / "room" / "filter.py").write_text(source)
        code_digest.cache_clear()
        return code_digest("room")

    code = 'def level(x):\n    """Levels."""\n    return x + 8\n'
    same = '"""Of the filter."""\n\ndef level(\n    x,\n):\n    return (x + 8)  # octaves\n'
    assert digest(code) == digest(same)
    assert len({digest(code), digest(code.replace("8", "7")), digest(code.replace("level", "levels"))}) == 3
    assert digest('class A:\n    """Said."""\n') == digest('class A:\n    """Said otherwise."""\n')
    code_digest.cache_clear()
