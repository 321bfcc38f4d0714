"""The organisers' commands and calls."""

import dataclasses
import importlib
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from conftest import TINY, TINY_TOML, ecg

import helper_code
import team_code
from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.classification.folder import Outcome, classify_folder
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import InUseError, locked
from heartbeats.ecg.header import find_headers
from heartbeats.networks.inference import InferenceNetwork

ROOT = Path(__file__).parents[1]


def command(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", ROOT / script, *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def outputs(folder: Path) -> dict[str, list[list[str]]]:
    return {path.name: [line.split(",") for line in path.read_text().splitlines()] for path in sorted(folder.iterdir())}


def test_the_three_commands(simulated, tmp_path):
    config = tmp_path / "tiny.toml"
    config.write_text(TINY_TOML)
    trained = command("train_model.py", simulated, tmp_path / "model", "--config", config)
    assert trained.returncode == 0, trained.stderr
    assert "epoch 2/2: loss" in trained.stdout
    shown = [line[len("12:34:56 ") :] for line in trained.stdout.splitlines()]
    logged = (tmp_path / "model/training.log").read_text().splitlines()
    assert shown == [line[len("2020-12-31 12:34:56,789 ") :] for line in logged]

    driven = command("driver.py", tmp_path / "model", simulated, tmp_path / "out")
    assert driven.returncode == 0, driven.stderr
    *_, counts, seen = driven.stderr.splitlines()
    assert counts == "40 recordings classified, 0 not"
    assert seen == "38 of them trained the model or chose its threshold: do not quote a score on them"
    written = outputs(tmp_path / "out")
    assert list(written) == [f"{path.stem}.csv" for path in find_headers(simulated)]
    for name, rows in written.items():
        assert rows[0] == [f"#{name.removesuffix('.csv')}"]
        assert rows[1] == list(CLASSES)
        assert set(rows[2]) <= {"0", "1"}
        assert all(0 <= float(probability) <= 1 for probability in rows[3])

    printed = command("evaluate_model.py", simulated, tmp_path / "out")
    assert printed.returncode == 0, printed.stderr
    files = (tmp_path / "scores.csv", tmp_path / "class_scores.csv")
    assert command("evaluate_model.py", simulated, tmp_path / "out", *files).stdout == ""
    assert files[0].read_text() + "\n" == printed.stdout
    heading, figures = printed.stdout.splitlines()
    assert heading == "AUROC,AUPRC,Accuracy,F-measure,Fbeta-measure,Gbeta-measure,Challenge metric"
    assert len(figures.split(",")) == 7
    mixed = command("evaluate_model.py", simulated, tmp_path / "out", "--report", tmp_path / "report.html", files[0])
    assert (mixed.returncode, mixed.stdout) == (0, ""), mixed.stderr
    assert [line.split(",")[0] for line in files[1].read_text().splitlines()] == [
        "Classes", "AUROC", "AUPRC", "F-measure",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "arguments", "status", "said"),
    [
        ("train_model.py", ["absent", "{tmp}/m"], 1, "absent: no such folder"),
        ("train_model.py", ["{tmp}", "{tmp}/m"], 1, "no recordings (.hea) to train with"),
        ("train_model.py", ["{data}", "/proc/m"], 1, "/proc/m"),
        ("train_model.py", ["{tmp}", "{tmp}/m", "--config", "absent.toml"], 1, "absent.toml"),
        ("train_model.py", ["{tmp}"], 2, "usage"),
        ("train_model.py", ["{tmp}", "{data}"], 1, "no recordings (.hea) to train with"),
        ("driver.py", ["{tmp}", "{tmp}", "{tmp}/o"], 1, "model.json is missing"),
        ("driver.py", ["{model}", "absent", "{tmp}/o"], 1, "absent: no such folder"),
        ("driver.py", ["{model}", "{tmp}", "{tmp}/o"], 1, "no recordings (.hea) to classify"),
        ("driver.py", ["{data}", "{model}", "{tmp}/o"], 1, "model.json is missing"),
        ("driver.py", ["{model}", "{data}", "/proc/o"], 1, "/proc/o"),
        ("driver.py", ["{model}"], 1, "usage"),
        ("driver.py", ["--help"], 0, ""),
        ("evaluate_model.py", ["absent", "{tmp}"], 1, "absent: no such folder"),
        ("evaluate_model.py", ["{tmp}", "{tmp}"], 1, "no header files"),
        ("evaluate_model.py", ["{data}", "{tmp}"], 1, "40 of 40 output files are missing"),
        ("evaluate_model.py", ["{tmp}", "{data}"], 1, "no header files"),
        ("evaluate_model.py", [], 2, "usage"),
    ],
)
def test_wrong_arguments_end_with_the_reason(
    script, arguments, status, said, tmp_path, model_directory, simulated, monkeypatch, capsys
):
    places = {"tmp": tmp_path, "model": model_directory, "data": simulated}
    monkeypatch.setattr(sys, "argv", [script, *(argument.format(**places) for argument in arguments)])
    before = {place: sorted(place.rglob("*")) for place in places.values()}
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(script.removesuffix(".py")).main()
    code, told = ended.value.code, capsys.readouterr().err
    if isinstance(code, str):  # sys.exit(message) prints it and exits with 1
        code, told = 1, code
    assert code == status
    assert said in told
    assert {place: sorted(place.rglob("*")) for place in places.values()} == before, "something was written"


def test_the_loops_of_2020_and_2021_give_what_the_driver_gives(classifier, simulated, tmp_path):
    classify_folder(classifier, simulated, tmp_path / "driver")
    header_files, recording_files = helper_code.find_challenge_files(simulated)
    for header_file, recording_file in zip(header_files, recording_files, strict=True):
        header = helper_code.load_header(header_file)
        recording = helper_code.load_recording(recording_file)
        of_2021 = team_code.run_model(classifier, header, recording)
        as_lines, as_floats = header.splitlines(keepends=True), np.asarray(recording, dtype=np.float64)
        assert team_code.run_classifier(classifier, as_lines, as_floats) == of_2021
        name, classes, labels, probabilities = helper_code.load_outputs(
            tmp_path / "driver" / f"{Path(header_file).stem}.csv"
        )
        assert name == helper_code.get_recording_id(header)
        assert (list(classes), list(labels)) == of_2021[:2]
        np.testing.assert_allclose(probabilities, of_2021[2], atol=1e-6)


@pytest.mark.parametrize("leads", helper_code.lead_sets, ids=len)
def test_a_folder_and_a_single_call_agree_for_every_lead_set(model_directory, simulated, tmp_path, leads):
    model = team_code.load_model(model_directory, leads)
    (tmp_path / "data").mkdir()
    for header_file in find_headers(simulated)[:6]:
        for suffix in (".hea", ".mat"):
            shutil.copy(header_file.with_suffix(suffix), tmp_path / "data")
    classify_folder(model, tmp_path / "data", tmp_path / "out")
    for header_file in find_headers(tmp_path / "data"):
        header, recording = helper_code.load_header(header_file), helper_code.load_recording(header_file)
        classes, labels, probabilities = team_code.run_model(model, header, recording)
        _, *written = helper_code.load_outputs(tmp_path / "out" / f"{header_file.stem}.csv")
        assert (written[0], written[1]) == (tuple(classes), tuple(labels))
        np.testing.assert_allclose(written[2], probabilities, atol=1e-6)


@pytest.mark.parametrize("leads", [("I", "II"), ("I", "II", "V2"), ("I", "II", "III", "aVR", "aVL", "aVF")])
def test_a_model_loaded_for_a_lead_set_reads_only_those_leads(model_directory, simulated, leads):
    model = team_code.load_model(model_directory, leads)
    header_file = find_headers(simulated)[0]
    header, recording = helper_code.load_header(header_file), helper_code.load_recording(header_file)
    rows = [i for i, lead in enumerate(helper_code.get_leads(header)) if lead in leads]
    reduced_header = "\n".join(
        [header.splitlines()[0].replace(" 12 ", f" {len(leads)} ", 1)]
        + [header.splitlines()[1 + i] for i in rows]
        + header.splitlines()[13:]
    )
    assert team_code.run_model(model, header, recording) == team_code.run_model(
        team_code.load_model(model_directory), reduced_header, recording[rows]
    )


def test_run_classifier_answers_for_a_recording_it_cannot_classify(classifier, capsys):
    classes, labels, probabilities = team_code.run_classifier(classifier, "A0001 12 500 10\n", np.zeros((12, 10)))
    assert classes == list(CLASSES)
    assert labels == [0] * 27
    assert all(math.isnan(probability) for probability in probabilities)
    assert "A0001: not classified" in capsys.readouterr().err


def test_run_classifier_prints_warnings(classifier, capsys):
    team_code.run_classifier(classifier, "E00001 1 500 5000\nE00001.mat 16 4880/mV 16 0 0 0 0 V1\n", ecg(leads=1))
    told = capsys.readouterr().err
    assert "E00001: leads missing, taken as 0 mV: I, II, V2" in told
    assert "E00001: the stated gain of 4880" in told


def test_each_recording_gets_an_output_and_faults_are_named(classifier, write_record, tmp_path, capsys):
    data = tmp_path / "data"
    write_record("A0001", folder=data)
    write_record("A0002", folder=data).with_suffix(".mat").write_bytes(b"damaged")
    write_record("A0003", folder=data, sampling_rate=20)
    write_record("A0004", ecg(leads=2), folder=data, leads=("I", "V1"))
    (data / "A0005.hea").write_text("")
    write_record("A0001", folder=data / "again")
    assert classify_folder(classifier, data, tmp_path / "out") == Outcome(2, 4, 0)
    written = outputs(tmp_path / "out")
    assert list(written) == [f"A000{i}.csv" for i in range(1, 6)]
    for name in ("A0002.csv", "A0003.csv", "A0005.csv"):
        assert set(written[name][2]) == {"0"}
        assert set(written[name][3]) == {"nan"}
    said = capsys.readouterr().err
    for fault in (
        "A0002.mat cannot be read",
        "A0003: not classified: sampling rate",
        "A0004: leads missing, taken as 0 mV: II, V2, V3",
    ):
        assert fault in said
    assert "A0005: not classified" in said
    assert "has the same name" in said


def test_the_same_command_does_not_change_a_finished_model(simulated, model_directory, tmp_path, caplog):
    shutil.copytree(model_directory, tmp_path / "model")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "model").glob("*.*") if path.suffix != ".log"}
    team_code.training_code(simulated, tmp_path / "model", TINY)
    assert "already" in caplog.text
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_second_training_into_one_folder_is_refused(simulated, tmp_path):
    with locked(tmp_path), pytest.raises(InUseError, match="in use by another process"):
        team_code.training_code(simulated, tmp_path, TINY)


def test_the_driver_resumes_with_the_remaining_recordings(classifier, write_record, tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    for i in range(4):
        write_record(f"A000{i}", folder=data)
    signal = (data / "A0002.mat").rename(tmp_path / "late.mat")
    assert classify_folder(classifier, data, out) == Outcome(3, 1, 0)
    done = {path: path.read_text() + "\n" for path in out.iterdir()}  # the same answers, and told from new ones
    for path, text in done.items():
        path.write_text(text)
    (out / "A0003.csv").write_text("of another program")
    assert classify_folder(classifier, data, out, resume=True) == Outcome(1, 1, 2)
    signal.rename(data / "A0002.mat")
    assert classify_folder(classifier, data, out, resume=True) == Outcome(1, 0, 3)
    assert classify_folder(classifier, data, out, resume=True) == Outcome(0, 0, 4)
    assert {i: (out / f"A000{i}.csv").read_text() == done[out / f"A000{i}.csv"] for i in range(4)} == {
        0: True, 1: True, 2: False, 3: False,
    }  # fmt: skip
    assert classify_folder(classifier, data, out) == Outcome(4, 0, 0)
    assert (out / "A0000.csv").read_text() != done[out / "A0000.csv"]


def test_a_failure_of_the_networks_does_not_stop_others(classifier, write_record, tmp_path, monkeypatch, capsys):
    for i in range(5):
        write_record(f"A000{i}", ecg(seconds=2 + i), folder=tmp_path / "data")

    def breaking(inference, signals):
        if any(signal.shape[1] == 4 * 500 for signal in signals):
            raise RuntimeError("out of memory")
        return probabilities(inference, signals)

    probabilities = InferenceNetwork.probabilities
    monkeypatch.setattr(InferenceNetwork, "probabilities", breaking)
    assert classify_folder(classifier, tmp_path / "data", tmp_path / "out") == Outcome(4, 1, 0)
    assert "A0002: not classified: the networks failed: out of memory" in capsys.readouterr().err
    assert [name for name, rows in outputs(tmp_path / "out").items() if "nan" in rows[3]] == ["A0002.csv"]


def test_real_recordings_of_every_source_are_classified(classifier, ecg_data, tmp_path, capsys):
    """Also LUDB with lower-case leads and its own gains, and the first published headers."""
    for folder, count in (("ludb", 200), ("quirks", 8)):
        assert classify_folder(classifier, ecg_data / folder, tmp_path / folder) == Outcome(count, 0, 0)
        assert len(outputs(tmp_path / folder)) == count
    assert "lead" not in capsys.readouterr().err


def test_early_headers_are_classified_as_the_corrected_ones(classifier, ecg_data):
    quirks = {path.stem: path for path in find_headers(ecg_data / "quirks")}
    corrected = {path.stem: path for path in find_headers(ecg_data / "challenge") if path.stem in quirks}
    assert corrected
    for name, path in corrected.items():
        answers = [
            team_code.run_model(classifier, helper_code.load_header(p), helper_code.load_recording(p))
            for p in (path, quirks[name])
        ]
        assert answers[0] == answers[1]


def test_a_new_model_replaces_all_files_of_the_old_one(simulated, model_directory, tmp_path):
    shutil.copytree(model_directory, tmp_path / "model")
    (tmp_path / "model/.model.json.0123456789abcdef.tmp").write_text("half")
    shorter = dataclasses.replace(TINY, training=dataclasses.replace(TINY.training, seconds=(3.0,)))
    team_code.training_code(simulated, tmp_path / "model", shorter)
    left = {path.name for path in (tmp_path / "model").iterdir()}
    assert left == {
        *(".lock", "model.json", "prepared", "report.html", "se_resnet_3s.safetensors", "seen.txt"),
        *("training.jsonl", "training.log", "validation.csv"),
    }
    lines = (tmp_path / "model/training.jsonl").read_text().splitlines()
    assert [json.loads(line)["network"] for line in lines] == ["relabelling"] * 2 + ["3s"] * 2


def test_the_log_says_why_a_training_ended(simulated, tmp_path):
    diverging = dataclasses.replace(TINY, training=dataclasses.replace(TINY.training, learning_rate=1e30))
    with pytest.raises(HeartBeatsError):
        team_code.training_code(simulated, tmp_path / "model", diverging)
    last = (tmp_path / "model/training.log").read_text().splitlines()[-1]
    assert last.endswith("lower training.learning_rate")


def test_the_log_has_the_traceback_of_a_fault(simulated, tmp_path, monkeypatch):
    def faulty(*_):
        raise ZeroDivisionError("for once")

    monkeypatch.setattr("heartbeats.training.pipeline.train_and_relabel", faulty)
    with pytest.raises(ZeroDivisionError):
        team_code.training_code(simulated, tmp_path / "model", TINY)
    logged = (tmp_path / "model/training.log").read_text()
    assert "Traceback" in logged
    assert logged.endswith("ZeroDivisionError: for once\n")


def test_run_classifier_returns_no_labels_if_the_program_fails(classifier, monkeypatch, capsys):
    def faulty(*_):
        raise ZeroDivisionError("for once")

    header = "A0001 1 500 5000\nA0001.mat 16 1000/mV 16 0 0 0 0 I\n"
    monkeypatch.setattr("heartbeats.classification.run.recording_from_samples", faulty)
    assert set(team_code.run_classifier(classifier, header, ecg(leads=1))[1]) == {0}
    assert "A0001: not classified: unforeseen ZeroDivisionError: for once" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(InferenceNetwork, "probabilities", mock.Mock(side_effect=RuntimeError("no kernel")))
    assert set(team_code.run_classifier(classifier, header, ecg(leads=1))[1]) == {0}
    assert "A0001: not classified: the networks failed: no kernel" in capsys.readouterr().err


def test_the_training_log_escapes_a_name_that_is_not_utf_8(simulated, tmp_path):
    shutil.copytree(simulated, tmp_path / "data")
    (tmp_path / "data" / os.fsdecode(b"caf\xe9.hea")).write_text("")
    team_code.training_code(tmp_path / "data", tmp_path / "model", TINY)
    assert "caf\\udce9" in (tmp_path / "model/training.log").read_text()
