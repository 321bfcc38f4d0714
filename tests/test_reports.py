"""Score reports show the figures of the scoring functions. Their intervals have known properties."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pages import ABSENT, NAMES, WEIGHTS, Page, assert_sound, submission, written

import evaluate_model
from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.challenge.outputs import Prediction, unclassified, write_output
from heartbeats.challenge.scoring import challenge_metric, confusion_matrix
from heartbeats.reports import score_report as reports
from heartbeats.reports.score_report import LEAST, evaluation, score_report
from heartbeats.reports.training_report import training_report

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(reports, "DRAWS", 100)


def test_the_tables_have_the_figures_of_the_scoring_functions():
    answers = submission()
    tables, scores = Page(score_report(answers, Path("LABELS"), Path("OUTPUTS"))).tables, answers.score()
    assert [row[1] for row in tables["60 recordings"][1:]] == [written(value) for value in scores.measures().values()]
    rows = tables["Measures per class with 95 % intervals"][1:]
    assert {row[0] for row in rows} == set(NAMES)
    supports = [int(row[1]) for row in rows]
    assert supports == sorted(supports, reverse=True)
    assert rows[-1][:4] == [NAMES[ABSENT], "0", "–", "–"]
    for name, support, *figures in rows:
        j = NAMES.index(name)
        assert support == str(answers.labels[:, j].sum())
        measures = (scores.auroc_classes, scores.auprc_classes, scores.f_measure_classes)
        assert [figure.split(" ")[0] for figure in figures] == [written(values[j]) for values in measures]
    for source, count, figure in tables["Challenge score by source"][1:]:
        chosen = [n.startswith({"cpsc": "A", "georgia": "E"}[source]) for n in answers.names]
        assert count == str(sum(chosen))
        value = challenge_metric(answers.labels[chosen], answers.binary[chosen], WEIGHTS)
        assert figure.split(" ")[0] == written(value)
    table = tables["Mean share of an answer (column) in recordings with a class (row)"]
    assert table[0][1:] == NAMES
    expected = confusion_matrix(answers.labels, answers.binary) / np.maximum(answers.labels.sum(axis=0), 1)[:, None]
    np.testing.assert_allclose([[float(x or 0) for x in row[1:]] for row in table[1:]], expected, atol=0.0051)


def test_calibration_counts_every_answer_once():
    answers = submission()
    found = evaluation(answers)["calibration"]
    assert found["answers"] == answers.labels.size
    assert found["brier"] == pytest.approx(np.mean((answers.scalar - answers.labels) ** 2))
    assert (found["mean"], found["rate"]) == pytest.approx((answers.scalar.mean(), answers.labels.mean()))
    perfect = evaluation(dataclasses.replace(answers, scalar=answers.labels * 1.0))["calibration"]
    assert perfect["brier"] == 0
    assert "0.00: 0.00, 1.00: 1.00." in perfect["chart"]


def test_unclassified_recordings_are_counted_and_not_calibrated():
    answers = submission()
    answers.incomplete[:7] = True
    page = score_report(answers, Path("L"), Path("O"))
    assert re.search(r"7 of 60 recordings have a probability\s+“nan”", page)
    assert evaluation(answers)["calibration"]["answers"] == 53 * len(NAMES)
    answers.incomplete[:] = True
    assert "no recording was classified" in score_report(answers, Path("L"), Path("O"))
    answers.incomplete[:] = False
    answers.scalar[3, 5] = 17.0
    assert evaluation(answers)["calibration"] is None, "a number above 1 is not a probability"


def test_intervals_contain_the_measure_and_become_narrower_with_more_recordings():
    widths = []
    for count in (60, 2000):
        answers = submission(count)
        low, high = map(float, evaluation(answers)["measures"][-1][2].replace("−", "-").split(" to "))
        assert low < answers.score().challenge_metric < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


@pytest.mark.parametrize("positive", [0, LEAST - 1, LEAST])
def test_a_class_of_fewer_than_5_recordings_has_no_interval(positive):
    answers = submission()
    answers.labels[:, 0] = np.arange(60) < positive
    shown = evaluation(answers)
    intervals = {name: [bool(interval) for _, interval in pairs] for name, _, *pairs in shown["classes"]}
    assert intervals[NAMES[1]] == [True] * 3
    assert intervals[NAMES[0]] == [positive >= LEAST] * 3
    for title, _, interval in shown["measures"]:  # a mean over classes counts the classes that have a measure
        assert bool(interval) == (positive != LEAST - 1 or title in ("Challenge metric", "Accuracy"))


def test_fewer_than_5_recordings_have_no_intervals():
    shown = evaluation(submission(LEAST - 1))
    assert not any(interval for _, _, interval in shown["measures"])
    assert not any(interval for _, _, (_, interval) in shown["sources"])


@pytest.mark.parametrize("kind", ["scores", "training"])
def test_the_table_of_contents_links_to_all_sections(kind, model_directory):
    folders = Path("<script>alert(1)</script>"), Path('"><b>')
    page = score_report(submission(), *folders) if kind == "scores" else training_report(model_directory)
    assert_sound(page)
    assert "<b>" not in page
    read = Page(page)
    sections = {text for level, text in read.headings if level == 2}
    assert {"Measures", "Per class", "Per source", "Confusion", "Calibration"} <= sections
    assert len({attributes["href"] for tag, attributes in read.elements if tag == "a"}) == len(sections)


@pytest.fixture
def folders(tmp_path, write_record):
    """Write labels and outputs of eight recordings; the last one was not classified."""
    answers = submission(8)
    (tmp_path / "outputs").mkdir()
    codes = tuple(codes[0] for codes in WEIGHTS.classes)
    for name, true, binary, scalar in zip(answers.names, answers.labels, answers.binary, answers.scalar, strict=True):
        write_record(name, folder=tmp_path / "labels", dx=",".join(codes[j] for j in np.flatnonzero(true)))
        prediction = Prediction(name, codes, tuple(map(int, binary)), tuple(scalar.tolist()))
        write_output(tmp_path / "outputs" / f"{name}.csv", prediction)
    write_output(tmp_path / "outputs" / f"{name}.csv", unclassified(name, CLASSES))
    return tmp_path


def test_the_report_is_written_with_any_other_output(folders, monkeypatch, capsys):
    outputs = (["--report", folders / "1.html"], [folders / "s.csv", folders / "c.csv", "--report", folders / "2.html"])
    for more in outputs:
        command = ["evaluate_model.py", folders / "labels", folders / "outputs", *more]
        monkeypatch.setattr(sys, "argv", [str(argument) for argument in command])
        evaluate_model.main()
    scores = capsys.readouterr().out
    assert (folders / "s.csv").read_text() + "\n" == scores
    assert (folders / "c.csv").exists()
    page = (folders / "1.html").read_text(encoding="utf-8")
    assert (folders / "2.html").read_text(encoding="utf-8") == page
    measures = {row[0]: row[1] for row in Page(page).tables["8 recordings"][1:]}
    assert measures["Challenge metric"].replace("−", "-") == scores.splitlines()[1].rsplit(",", 1)[1]
    assert re.search(r"1 of 8 recordings have a probability\s+“nan”", page)


def test_scoring_without_a_report_loads_no_drawing_library(folders):
    code = (
        "import sys, evaluate_model; sys.argv = ['', *sys.argv[1:]]; evaluate_model.main();"
        "print(*{name.split('.')[0] for name in sys.modules} & {'jinja2', 'matplotlib', 'torch'}, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, folders / "labels", folders / "outputs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == "\n"
    loads = "import sys, driver, team_code; sys.exit(bool({'jinja2', 'matplotlib'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", loads], cwd=ROOT, check=True, timeout=120)
