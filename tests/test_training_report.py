"""The training report agrees with the model folder, and can be written again from it."""

import dataclasses
import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TINY, ecg
from pages import Page, written

from heartbeats.challenge.diagnoses import BRADYCARDIA, CLASSES, SINUS_RHYTHM
from heartbeats.classification.decision import Evidence
from heartbeats.common.errors import HeartBeatsError
from heartbeats.reports.training_report import training_report, write_training_report
from heartbeats.training.pipeline import train_model
from heartbeats.training.validation_table import (
    VALIDATION_FILE,
    Validation,
    read_validation,
    write_validation,
)
from team_code import training_code


@pytest.fixture
def copied(model_directory: Path, tmp_path: Path) -> Path:
    """Return a copy of the model folder with its report; a test may change it."""
    folder = Path(shutil.copytree(model_directory, tmp_path / "model"))
    write_training_report(folder)
    return folder


@contextmanager
def model_file(folder: Path) -> Iterator[dict[str, Any]]:
    """Change model.json: the ``with`` block changes the dictionary, which is then written."""
    model = json.loads((folder / "model.json").read_text())
    yield model
    (folder / "model.json").write_text(json.dumps(model))


def test_the_report_agrees_with_the_model_file(model_directory):
    model = json.loads((model_directory / "model.json").read_text())
    page = training_report(model_directory)
    tables = Page(page).tables
    training, validation = (model["cohort"][part]["sources"] for part in ("training", "validation"))
    measures = [row[1] for row in tables[f"{sum(validation.values()):,} recordings"][1:]]
    assert measures == [written(value) for value in model["validation_scores"].values()]
    assert tables["Challenge score after each step of the decision"][-1][1] == measures[-1]
    sources = {row[0]: [int(n) for n in row[1:3]] for row in tables["Recordings by source"][1:]}
    assert sources == {source: [training[source], validation.get(source, 0)] for source in training}
    added = {name: int(number) for name, number in tables["Labels added to training recordings"][1:]}
    assert added == model["relabelling"]["added"]
    assert f"<strong>{model['threshold']:.2f}</strong>" in page
    assert "optimistic" in page
    assert page.count("in the first epoch") == 3
    assert dict(tables["Versions and hardware"][1:])["torch"] == model["versions"]["torch"]
    changed = {name: paper for name, _, paper in tables["Settings, and the paper’s where they differ"][1:]}
    assert (changed["network.width"], changed["training.batch_size"]) == ("64", "")


def test_a_missing_report_is_written_again(copied):
    before = (copied / "report.html").read_bytes()
    (copied / "report.html").unlink()
    write_training_report(copied)
    assert (copied / "report.html").read_bytes() == before
    (copied / "report.html").write_text("mine")
    write_training_report(copied)
    assert (copied / "report.html").read_text() == "mine"


def test_a_failed_report_is_logged_and_does_not_stop_the_training(simulated, copied, caplog):
    (copied / "report.html").unlink()
    table = (copied / VALIDATION_FILE).read_text()
    (copied / VALIDATION_FILE).write_text(table[: len(table) // 2])
    training_code(simulated, copied, TINY)
    assert "the report could not be made" in caplog.text
    assert "validation.csv is damaged" in caplog.text
    assert not (copied / "report.html").exists()


def test_a_training_without_validation_recordings_has_a_report(write_record, tmp_path):
    for i in range(4):
        write_record(f"A000{i}", ecg(rate=60), folder=tmp_path / "data", comments="")
    train_model(tmp_path / "data", tmp_path / "model", TINY)
    page = training_report(tmp_path / "model")
    assert "There were too few recordings to keep some for validation." in page
    assert "is the paper’s\nthreshold" in page
    assert "Measures" not in {text for _, text in Page(page).headings}
    row = Page(page).tables["Recordings by source"][1]
    assert row[1:] == ["4", "0", "500 Hz (4)", "10 s (10 to 10)", "unknown", "unknown"]


def test_excluded_recordings_are_counted_and_the_first_200_are_named(copied):
    with model_file(copied) as model:
        model["cohort"]["left_out"] = {"unusable": ["<b>"], "source incart": [f"I{i:04d}" for i in range(1234)]}
    page = training_report(copied)
    assert "&lt;b&gt;" in page
    assert "<summary>source incart: 1,234 recordings</summary>" in page
    assert "I0199, … All names are in model.json" in page


def test_a_training_that_diverged_has_a_report_with_the_threshold_of_the_paper(copied):
    assert "The threshold was chosen on the validation recordings" in training_report(copied)
    with model_file(copied) as model:
        model["threshold_search"]["challenge_scores"] = [None] * 99
        for line in model["training"]["epochs"]:
            line["loss"] = math.nan
    validation = read_validation(copied / VALIDATION_FILE)
    validation.probabilities[:] = np.nan
    write_validation(copied / VALIDATION_FILE, validation)
    page = training_report(copied)
    assert "loss nan in the first epoch" in page
    assert "no recording was classified" in page
    assert "The threshold was chosen on the validation recordings" not in page


def handmade() -> Validation:
    """Return four recordings: Brady true and false, both without slow beats; no answer; a sure answer."""
    labels, probabilities = np.zeros((4, 27), dtype=np.bool_), np.full((4, 27), 0.1)
    brady, sinus = CLASSES.index(BRADYCARDIA), CLASSES.index(SINUS_RHYTHM)
    labels[0, brady] = labels[1, sinus] = labels[2, sinus] = labels[3, 0] = True
    probabilities[[0, 1], brady] = 0.8
    probabilities[3, 0] = 0.9
    return Validation(("A0001", "A0002", "E00003", "E,4"), labels, probabilities, Evidence(np.zeros(4, dtype=np.bool_)))


def test_each_step_of_the_decision_is_scored(copied):
    write_validation(copied / VALIDATION_FILE, handmade())
    for rule, fallback in ((True, True), (False, False)):
        with model_file(copied) as model:
            model["threshold"] = 0.5
            model["settings"]["decision"] |= {"bradycardia_rule": rule, "sinus_rhythm_fallback": fallback}
        steps = Page(training_report(copied)).tables["Challenge score after each step of the decision"]
        scores = [score for _, score in steps[1:]]
        assert len(set(scores)) == (3 if rule else 1)


@pytest.mark.parametrize("pvc", [None, np.array([True, False, True, False])])
def test_a_validation_table_can_be_read_back(tmp_path, pvc):
    validation = dataclasses.replace(handmade(), evidence=Evidence(np.array([True, False, False, True]), pvc))
    validation.probabilities[:] = np.random.default_rng(0).random((4, 27))
    write_validation(tmp_path / "v.csv", validation)
    read = read_validation(tmp_path / "v.csv")
    np.testing.assert_equal(dataclasses.asdict(read), dataclasses.asdict(validation))


@pytest.mark.parametrize(
    "change", [lambda t: "", lambda t: t[:-40], lambda t: t.replace(",0,", ",x,"), lambda t: t[9:]]
)
def test_a_damaged_validation_table_is_refused(tmp_path, change):
    write_validation(tmp_path / "v.csv", handmade())
    (tmp_path / "v.csv").write_text(change((tmp_path / "v.csv").read_text()))
    with pytest.raises(HeartBeatsError, match=r"v\.csv"):
        read_validation(tmp_path / "v.csv")
