"""The report of a training says what the model folder holds, and is made again from it."""

from __future__ import annotations

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
from heartbeats.training.cohort_summary import describe_cohort
from pages_read import Page, written

from heartbeats.challenge.diagnoses import BRADYCARDIA, CLASSES, SINUS_RHYTHM
from heartbeats.classification.decision import Evidence
from heartbeats.reports.training_report import training_report
from heartbeats.training import pipeline as entry
from heartbeats.training.cohort import build_cohort
from heartbeats.training.pipeline import train_model
from heartbeats.training.validation_table import (
    VALIDATION_FILE,
    Validation,
    ValidationError,
    read_validation,
    write_validation,
)


@pytest.fixture
def copied(model_directory: Path, tmp_path: Path) -> Path:
    """A copy of the model folder, which a test may change."""
    return Path(shutil.copytree(model_directory, tmp_path / "model"))


@contextmanager
def model_file(folder: Path) -> Iterator[dict[str, Any]]:
    """What model.json holds, which is written again with what is changed."""
    model = json.loads((folder / "model.json").read_text())
    yield model
    (folder / "model.json").write_text(json.dumps(model))


def test_the_report_says_what_the_model_file_says(model_directory):
    model = json.loads((model_directory / "model.json").read_text())
    page = (model_directory / "report.html").read_text(encoding="utf-8")
    tables = Page(page).tables
    count = sum(model["cohort"]["validation"]["sources"].values())
    measures = [row[1] for row in tables[f"{count:,} recordings"][1:]]
    names = ("challenge_metric", "auroc", "auprc", "accuracy", "f_measure", "f_beta_measure", "g_beta_measure")
    assert measures == [written(model["validation_scores"][name]) for name in names]
    assert tables["Challenge score after each step of the decision"][-1][1] == measures[0]
    sources = {row[0]: row[1:3] for row in tables["Recordings by source"][1:]}
    assert sum(int(training) for training, _ in sources.values()) == sum(
        model["cohort"]["training"]["sources"].values()
    )
    assert sum(int(validation) for _, validation in sources.values()) == count
    added = {name: int(number) for name, number in tables["Labels added to training recordings"][1:]}
    assert added == model["relabelling"]["added"]
    assert f"<strong>{model['threshold']:.2f}</strong>" in page
    assert "optimistic" in page
    assert page.count("Learning curve of network") == 3
    used = dict(tables["Versions and hardware"][1:])
    assert used["torch"] == model["versions"]["torch"]
    changed = {name: paper for name, _, paper in tables["Settings, and the paper's where another was chosen"][1:]}
    assert (changed["network.width"], changed["training.batch_size"]) == ("64", "")


def test_the_report_is_made_again_by_the_same_call(simulated, copied):
    before = {path.name: path.read_bytes() for path in copied.iterdir() if path.is_file()}
    (copied / "report.html").unlink()
    train_model(simulated, copied, TINY)
    assert {path.name: path.read_bytes() for path in copied.iterdir() if path.is_file()} == before


def test_a_report_that_fails_fails_no_training_and_is_told(simulated, copied, caplog):
    (copied / "report.html").unlink()
    table = (copied / VALIDATION_FILE).read_text()
    (copied / VALIDATION_FILE).write_text(table[: len(table) // 2])
    assert train_model(simulated, copied, TINY).threshold
    assert "report.html could not be made; the model is complete" in caplog.text
    assert "validation.csv is not a table of validation recordings, or is damaged" in caplog.text
    assert not (copied / "report.html").exists()
    assert not list(copied.rglob("*.tmp"))


@pytest.mark.parametrize("what", ["networks", "decision"])
def test_another_model_leaves_no_earlier_report_beside_it(simulated, copied, monkeypatch, what):
    """Killed while the new model is written, it leaves no report that is of neither; networks that are its own stay."""
    other = dataclasses.replace(TINY, decision=dataclasses.replace(TINY.decision, bradycardia_rule=False))
    if what == "networks":
        other = dataclasses.replace(TINY, training=dataclasses.replace(TINY.training, learning_rate=1e-4))
    with monkeypatch.context() as killed:
        killed.setattr(entry, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train_model(simulated, copied, other)
    assert not (copied / "report.html").exists()
    assert (copied / "model.json").exists() == (what == "decision")
    if what == "decision":
        monkeypatch.setattr(entry, "train_network", None)
    assert train_model(simulated, copied, other).settings == other
    assert (copied / "report.html").exists()


def test_a_training_without_validation_recordings_says_so(write_record, tmp_path):
    for i in range(4):
        write_record(f"A000{i}", ecg(rate=60), folder=tmp_path / "data", comments="")
    train_model(tmp_path / "data", tmp_path / "model", TINY)
    page = (tmp_path / "model/report.html").read_text(encoding="utf-8")
    assert "No recordings were left to validate with" in page
    assert "threshold is the paper's" in " ".join(page.split())
    assert "Measures" not in {text for _, text in Page(page).headings}
    assert Page(page).tables["Recordings by source"][1][1:] == ["4", "0", "500 Hz", "10 s", "unknown", "unknown"]


def test_a_search_that_told_no_threshold_is_not_called_one(copied):
    assert "searched on the same validation recordings" in training_report(copied)
    with model_file(copied) as model:
        model["threshold_search"]["challenge_scores"] = [None] * 99
    page = training_report(copied)
    assert "searched on the same validation recordings" not in page
    assert "split by signal, not by patient" in page


def test_names_that_are_left_out_are_folded_counted_and_escaped(copied):
    with model_file(copied) as model:
        model["cohort"]["left_out"] = {"unusable": ["<script>"], "source incart": [f"I{i:04d}" for i in range(1234)]}
    page = training_report(copied)
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<summary>source incart: 1,234 recordings</summary>" in page
    assert "and 1,034 more" in page
    assert "I0199" in page
    assert "I0200" not in page


def test_a_training_that_diverged_has_a_report_too(copied):
    with model_file(copied) as model:
        for line in model["training"]["epochs"]:
            line["loss"] = math.nan
    validation = read_validation(copied / VALIDATION_FILE)
    validation.probabilities[:] = np.nan
    write_validation(copied / VALIDATION_FILE, validation)
    page = training_report(copied)
    assert "loss nan at first" in page
    assert "No recording was classified" in page


@pytest.mark.parametrize(("many", "note"), [(999, "1 above 10 not shown"), (1, "")])
def test_one_long_recording_among_many_does_not_squeeze_the_rest(copied, many, note):
    with model_file(copied) as model:
        source, facts = model["cohort"]["particulars"].popitem()
        model["cohort"]["particulars"] = {source: facts | {"seconds": {"10": many, "1800": 1}}}
    assert f"Lengths<span>{note}</span>" in training_report(copied)


def handmade() -> Validation:
    """Four recordings: a right and a wrong answer of Brady where the rule is false, nothing, and a sure one."""
    labels, probabilities = np.zeros((4, 27), dtype=np.bool_), np.full((4, 27), 0.1)
    brady, sinus = CLASSES.index(BRADYCARDIA), CLASSES.index(SINUS_RHYTHM)
    labels[0, brady] = labels[1, sinus] = labels[2, sinus] = labels[3, 0] = True
    probabilities[[0, 1], brady] = 0.8
    probabilities[3, 0] = 0.9
    return Validation(("A0001", "A0002", "E00003", "E,4"), labels, probabilities, Evidence(np.zeros(4, dtype=np.bool_)))


def test_what_the_rule_took_back_and_the_fallback_gave_is_counted(copied):
    write_validation(copied / VALIDATION_FILE, handmade())
    with model_file(copied) as model:
        model["threshold"] = 0.5
    page = training_report(copied)
    said = " ".join(page.split())
    assert "answered Brady 2 times. The bradycardia rule took back 2 of these answers, 1 of them rightly" in said
    assert "3 recordings were left without a class and were given sinus rhythm, 2 of them rightly" in said
    assert len(Page(page).tables["Challenge score after each step of the decision"][1:]) == 3
    with model_file(copied) as model:
        model["settings"]["decision"] |= {"bradycardia_rule": False, "sinus_rhythm_fallback": False}
    page = training_report(copied)
    assert "The bradycardia rule is off." in page
    assert "The sinus rhythm fallback is off." in page
    assert len(Page(page).tables["Challenge score after each step of the decision"][1:]) == 1


@pytest.mark.parametrize("pvc", [None, np.array([True, False, True, False])])
def test_validation_recordings_are_read_as_they_were_written(tmp_path, pvc):
    validation = dataclasses.replace(handmade(), evidence=Evidence(np.array([True, False, False, True]), pvc))
    validation.probabilities[:] = np.random.default_rng(0).random((4, 27))
    write_validation(tmp_path / "v.csv", validation)
    read = read_validation(tmp_path / "v.csv")
    assert read.names == validation.names
    np.testing.assert_array_equal(read.labels, validation.labels)
    np.testing.assert_array_equal(read.probabilities, validation.probabilities)
    np.testing.assert_array_equal(read.evidence.bradycardia, validation.evidence.bradycardia)
    np.testing.assert_array_equal(read.evidence.pvc, pvc)


@pytest.mark.parametrize(
    "change", [lambda t: "", lambda t: t[:-40], lambda t: t.replace(",0,", ",x,"), lambda t: t[9:]]
)
def test_a_damaged_table_of_validation_recordings_is_refused(tmp_path, change):
    write_validation(tmp_path / "v.csv", handmade())
    (tmp_path / "v.csv").write_text(change((tmp_path / "v.csv").read_text()))
    with pytest.raises(ValidationError, match=r"v\.csv"):
        read_validation(tmp_path / "v.csv")


# The cohort in counts


def test_a_cohort_is_described_by_what_its_headers_say(write_record, tmp_path):
    data = tmp_path / "data"
    write_record("E00001", folder=data, comments="#Age: 61\n#Sex: Female\n", dx="426177001,164889003")
    write_record("E00002", ecg(seconds=7.4), folder=data, comments="#Age: NaN\n#Sex: Unknown\n")
    write_record("A0001", ecg(sampling_rate=250, rate=70), folder=data, sampling_rate=250)
    write_record("I0001", folder=data)
    described = describe_cohort(build_cohort(data, tmp_path / "store", TINY))
    assert described["particulars"]["georgia"] == {
        "sampling_rates": {"500": 2},
        "seconds": {"7": 1, "10": 1},
        "ages": {"61": 1, "unknown": 1},
        "sexes": {"Female": 1, "unknown": 1},
    }
    assert described["particulars"]["cpsc"]["sampling_rates"] == {"250": 1}
    both = [described[part]["labels"].get("georgia", {}) for part in ("training", "validation")]
    counts = {name: sum(part.get(name, 0) for part in both) for name in ("SB", "AF", "NSR", "LAD")}
    assert counts == {"SB": 1, "AF": 1, "NSR": 1, "LAD": 0}
    assert described["left_out"] == {"source incart": ["I0001"]}
    for part in ("training", "validation"):
        for name, count in described[part]["classes"].items():
            assert count == sum(labels[name] for labels in described[part]["labels"].values())
