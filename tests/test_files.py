"""Whole files or none."""

import pytest

from heartbeats.files import InUseError, locked, replace_file, write_text


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "before\n")
    write_text(path, "after: µV\n")
    assert path.read_bytes() == "after: µV\n".encode()
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_a_writer_that_fails_half_way_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "before")

    def fails(temporary):
        temporary.write_text("hal")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, fails)
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_what_cannot_be_written_is_named_as_it_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_text(tmp_path / "absent/report.html", "")
    assert error.value.filename == str(tmp_path / "absent/report.html")


def test_a_locked_folder_is_refused_until_it_is_let_go(tmp_path):
    with locked(tmp_path), pytest.raises(InUseError, match="in use by another process"), locked(tmp_path):
        pass
    with locked(tmp_path):
        assert list(tmp_path.iterdir()) == []
