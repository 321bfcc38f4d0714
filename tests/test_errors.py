"""An error that the user can correct is one line; a fault of the program keeps its traceback."""

import importlib
import pkgutil
import sys

import pytest

import heartbeats
from heartbeats.challenge.scoring import Submission
from heartbeats.common.errors import HeartBeatsError, one_line_errors


@pytest.mark.parametrize(
    ("raised", "line"),
    [
        (HeartBeatsError("model.json is missing"), "driver.py: model.json is missing"),
        (FileNotFoundError(2, "No such file", "DATA"), "driver.py: [Errno 2] No such file: 'DATA'"),
        (HeartBeatsError("line one\nline two, \x1b[2J"), r"driver.py: line one\nline two, \x1b[2J"),
        (KeyboardInterrupt(), "driver.py: interrupted; --resume goes on"),
    ],
)
def test_an_error_that_the_user_can_correct_is_one_line(raised, line):
    with pytest.raises(SystemExit) as ended, one_line_errors("driver.py", interrupted="interrupted; --resume goes on"):
        raise raised
    assert ended.value.code == line


def test_all_errors_of_the_package_are_shown_as_one_line():
    names = [module.name for module in pkgutil.walk_packages(heartbeats.__path__, "heartbeats.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    found = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    errors = {each for each in found if issubclass(each, Exception) and each.__module__.startswith("heartbeats")}
    assert len(errors) > 5
    assert [error for error in errors if not issubclass(error, (HeartBeatsError, OSError))] == []


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    def fault(submission):
        raise ValueError("a fault")

    monkeypatch.setattr(Submission, "score", fault)
    monkeypatch.setattr("evaluate_model.read_submission", lambda labels, outputs: object.__new__(Submission))
    monkeypatch.setattr(sys, "argv", ["evaluate_model.py", "LABELS", "OUTPUTS"])
    with pytest.raises(ValueError, match="a fault"):
        importlib.import_module("evaluate_model").main()


@pytest.mark.parametrize(
    ("module", "work", "arguments"),
    [
        ("show", "find_headers", ["."]),
        ("simulation.__main__", "simulate_cohort", ["OUT"]),
        ("datasets.__main__", "convert_ludb", ["ludb", ".", "OUT"]),
        ("pvc_unet.__main__", "read_all", [".", "OUT"]),
    ],
)
def test_ctrl_c_ends_a_command_with_one_line(module, work, arguments, monkeypatch, tmp_path):
    def interrupt(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    command = importlib.import_module(f"heartbeats.{module}")
    monkeypatch.setattr(command, work, interrupt)
    with pytest.raises(SystemExit, match=": interrupted"):
        command.main(arguments)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("show", [""]),
        ("show", ["data", "-o", ""]),
        ("simulation.__main__", [""]),
        ("datasets.__main__", ["ludb", "", "OUT"]),
        ("experiments.table1", ["", "OUT"]),
        ("pvc_unet.__main__", ["MITDB", ""]),
    ],
)
def test_an_empty_argument_is_not_a_path(module, arguments, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        importlib.import_module(f"heartbeats.{module}").main(arguments)
    assert "an empty path; is a shell variable not set?" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
