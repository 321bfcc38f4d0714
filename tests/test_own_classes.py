"""A model learns one's own classes, from the weights of another model."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
from conftest import TINY

from heartbeats.challenge.diagnoses import read_classes
from heartbeats.challenge.outputs import read_output
from heartbeats.classification.folder import classify_folder
from heartbeats.classification.model_folder import load_model
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import ClassesSettings
from heartbeats.ecg.header import find_headers, parse_diagnoses, read_header_text
from heartbeats.reports.findings import read
from team_code import training_code

TABLE = "code,abbreviation,equivalent\n164889003,AF,\n59118001,RBBB,713427006 713426002\n"


@pytest.fixture(scope="module")
def own_model(simulated, classifier, tmp_path_factory):
    """A model of two classes, trained from the weights of the model of 27."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "classes.csv").write_text(TABLE)
    settings = dataclasses.replace(TINY, classes=ClassesSettings(str(folder / "classes.csv")))
    training_code(simulated, folder / "model", settings, start=classifier)
    return folder / "model"


def test_a_class_counts_all_its_codes(simulated, own_model):
    model = json.loads((own_model / "model.json").read_text())
    codes = [parse_diagnoses(read_header_text(path)) for path in find_headers(simulated) if path.stem[0] != "I"]
    counted = {"AF": sum("164889003" in each for each in codes)}
    counted["RBBB"] = sum(not {"59118001", "713427006", "713426002"}.isdisjoint(each) for each in codes)
    sides = [model["cohort"][side]["classes"] for side in ("training", "validation")]
    assert {name: sum(side[name] for side in sides) for name in counted} == counted
    assert model["validation_scores"].keys() == {"auroc", "f_measure"}
    assert model["relabelling"]["added"] == {}


def test_training_starts_from_the_other_models_weights(own_model, classifier, simulated, tmp_path):
    """With a learning rate of almost 0, all weights but the head's stay."""
    slow = dataclasses.replace(TINY.training, learning_rate=1e-12, reduced_learning_rate=1e-12, epochs=1)
    classes = ClassesSettings(str(own_model.parent / "classes.csv"))
    training_code(
        simulated, tmp_path / "model", dataclasses.replace(TINY, training=slow, classes=classes), start=classifier
    )
    for mine, theirs in zip(load_model(tmp_path / "model").members, classifier.members, strict=True):
        assert mine.network.head.out_features == 2
        for name, parameter in mine.network.named_parameters():
            if not name.startswith("head."):
                torch.testing.assert_close(parameter, dict(theirs.network.named_parameters())[name], atol=1e-6, rtol=0)


def test_the_driver_answers_with_the_own_classes(own_model, simulated, tmp_path):
    model = load_model(own_model)
    table = tmp_path / "table.csv"
    outcome = classify_folder(model, simulated, tmp_path / "out", table=table)
    assert outcome.failed == 0
    answer = read_output(tmp_path / "out/E00001.csv")
    assert answer.classes == ("164889003", "59118001")
    assert table.read_text().splitlines()[0] == (
        "name,version,reason,warnings,label_AF,label_RBBB,probability_AF,probability_RBBB"
    )
    prepared = [model.prepare(read(simulated / "E00001.hea").recording)]
    means = np.mean([member.inference.probabilities([prepared[0].signal])[0] for member in model.members], axis=0)
    np.testing.assert_allclose(answer.probabilities, means, atol=1e-6)


def test_reports_say_that_the_challenges_score_does_not_apply(own_model, simulated):
    report = re.sub(r"\s+", " ", (own_model / "report.html").read_text())
    assert "The classes are your own, so the Challenge’s score does not apply" in report
    assert "Mean f-measure by threshold" in report or "Mean F-measure by threshold" in report
    assert "driver.py gives this model's answers" in read(simulated / "E00001.hea", load_model(own_model)).refusal


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("code,name\n1,A\n", "not a table of code,abbreviation"),
        ("code,abbreviation\n", "no classes"),
        ("code,abbreviation\n1,A\n1,B\n", "has 1 twice"),
        ("code,abbreviation,equivalent\n1,A,2\n2,B,\n", "has 2 twice"),
        ("code,abbreviation\n1,A\n2,A\n", "has A twice"),
        ("code,abbreviation\n1,\n", "empty code or abbreviation"),
    ],
)
def test_a_wrong_table_of_classes_is_refused(tmp_path, text, said):
    (tmp_path / "classes.csv").write_text(text)
    with pytest.raises(HeartBeatsError, match=said):
        read_classes(tmp_path / "classes.csv")
