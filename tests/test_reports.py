"""Score reports: the figures are those of the scoring functions, the intervals have known properties."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pages_made import ABSENT, NAMES, WEIGHTS, submission
from pages_read import Page, assert_sound, written

import evaluate_model
from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.challenge.outputs import Prediction, unclassified, write_output
from heartbeats.challenge.scoring import challenge_metric, confusion_matrix
from heartbeats.reports import score_report as reports
from heartbeats.reports.score_report import LEAST, evaluation, score_report

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def page() -> str:
    return score_report(submission(), Path("LABELS"), Path("OUTPUTS"))


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(reports, "DRAWS", 100)


# The page of scores


def test_the_tables_have_the_figures_of_the_scoring_functions(page):
    answers, tables = submission(), Page(page).tables
    scores = answers.score()
    names = ("challenge_metric", "auroc", "auprc", "accuracy", "f_measure", "f_beta_measure", "g_beta_measure")
    assert [row[1] for row in tables["60 recordings"][1:]] == [written(scores.measures()[name]) for name in names]
    rows = {name: figures for name, *figures in tables["Measures per class with 95 % intervals"][1:]}
    assert set(rows) == set(NAMES)
    for j, name in enumerate(NAMES):
        support, *figures = rows[name]
        assert support == str(answers.labels[:, j].sum())
        measures = (scores.auroc_classes, scores.auprc_classes, scores.f_measure_classes)
        assert [figure.split(" ")[0] for figure in figures] == [written(values[j]) for values in measures]
    for name, count, figure in tables["Challenge score by source"][1:]:
        chosen = [n.startswith({"cpsc": "A", "georgia": "E"}[name]) for n in answers.names]
        assert count == str(sum(chosen))
        value = challenge_metric(answers.labels[chosen], answers.binary[chosen], WEIGHTS)
        assert figure.split(" ")[0] == written(value)


def test_the_most_frequent_class_is_first_and_an_absent_class_last(page):
    rows = Page(page).tables["Measures per class with 95 % intervals"][1:]
    assert rows[-1][:4] == [NAMES[ABSENT], "0", "–", "–"]
    supports = [int(row[1]) for row in rows]
    assert supports == sorted(supports, reverse=True)


def test_the_matrices_are_rewards_and_confusion(page):
    answers, tables = submission(), Page(page).tables
    rewards = tables["Reward of an answer (column) if a class (row) is true"]
    shares = tables["Mean share of an answer (column) in recordings with a class (row)"]
    assert rewards[0][1:] == shares[0][1:] == NAMES
    support = answers.labels.sum(axis=0)
    confusion = confusion_matrix(answers.labels, answers.binary) / np.maximum(support, 1)[:, None]
    for table, expected in ((rewards, WEIGHTS.weights), (shares, confusion)):
        np.testing.assert_allclose([[float(x or 0) for x in row[1:]] for row in table[1:]], expected, atol=0.0051)


def test_calibration_counts_every_answer_once():
    answers = submission()
    found = evaluation(answers)["calibration"]
    assert sum(count for _, count, *_ in found["bins"]) == found["answers"] == answers.labels.size
    assert found["brier"] == pytest.approx(np.mean((answers.scalar - answers.labels) ** 2))
    perfect = dataclasses.replace(answers, scalar=answers.labels * 1.0)
    assert evaluation(perfect)["calibration"]["brier"] == 0


def test_unclassified_recordings_are_counted_and_not_calibrated():
    answers = submission()
    answers.incomplete[:7] = True
    page = score_report(answers, Path("L"), Path("O"))
    assert re.search(r"7 of 60 recordings have a probability\s+“nan”", page)
    assert evaluation(answers)["calibration"]["answers"] == 53 * len(NAMES)
    answers.incomplete[:] = True
    assert "no recording was classified" in score_report(answers, Path("L"), Path("O"))


def test_numbers_outside_0_to_1_are_not_calibrated():
    answers = submission()
    answers.scalar[3, 5] = 17.0
    assert evaluation(answers)["calibration"] is None


# Intervals


def ends(text: str) -> tuple[float, float]:
    low, high = text.replace("−", "-").split(" to ")
    return float(low), float(high)


def test_intervals_contain_the_measure_and_become_narrower_with_more_recordings():
    widths = []
    for count in (60, 2000):
        answers = submission(count)
        low, high = ends(evaluation(answers)["measures"][0][2])
        assert low < answers.score().challenge_metric < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


def test_perfect_answers_have_an_interval_of_width_0():
    answers = submission()
    shown = evaluation(dataclasses.replace(answers, binary=answers.labels, scalar=answers.labels * 1.0))
    assert {interval for title, _, interval in shown["measures"]} == {"1.000 to 1.000"}
    assert {pair for _, _, pair in shown["sources"]} == {("1.000", "1.000 to 1.000")}


def test_a_class_without_positive_recordings_has_no_interval():
    shown = evaluation(submission())
    intervals = {name: [interval for _, interval in pairs] for name, _, *pairs in shown["classes"]}
    assert intervals.pop(NAMES[ABSENT]) == ["", "", ""]
    assert all(all(texts) for texts in intervals.values())


@pytest.mark.parametrize("positive", [LEAST - 1, LEAST])
def test_a_class_of_fewer_than_5_recordings_has_no_interval(positive):
    answers = submission()
    answers.labels[:, 0] = np.arange(60) < positive
    shown = evaluation(answers)
    intervals = {name: [interval for _, interval in pairs] for name, _, *pairs in shown["classes"]}
    assert all(map(bool, intervals[NAMES[1]]))
    assert all(map(bool, intervals[NAMES[0]])) == any(map(bool, intervals[NAMES[0]])) == (positive >= LEAST)
    for title, _, interval in shown["measures"]:
        over_classes = not title.startswith(("Challenge score", "Accuracy"))
        assert bool(interval) == (positive >= LEAST or not over_classes)


def test_fewer_than_5_recordings_have_no_intervals():
    shown = evaluation(submission(LEAST - 1))
    assert not any(interval for _, _, interval in shown["measures"])
    assert not any(interval for _, _, (_, interval) in shown["sources"])


# Every report


@pytest.fixture(params=["scores", "training"])
def any_page(request, page, model_directory) -> str:
    return page if request.param == "scores" else (model_directory / "report.html").read_text(encoding="utf-8")


def test_the_table_of_contents_links_to_all_sections(any_page):
    assert_sound(any_page)
    read = Page(any_page)
    sections = {text for level, text in read.headings if level == 2}
    assert {"Measures", "Per class", "Per source", "Rewards and confusion", "Calibration"} <= sections
    linked = {attributes["href"] for tag, attributes in read.elements if tag == "a"}
    assert all(link.startswith("#") for link in linked)
    assert len(linked) == len(sections)
    assert read.tables


def test_names_of_folders_are_escaped():
    page = score_report(submission(), Path("<script>alert(1)</script>"), Path('"><b>'))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page


def test_the_same_answers_give_the_same_page():
    first, second = (score_report(submission(), Path("LABELS"), Path("OUTPUTS")) for _ in range(2))
    assert first == second


# evaluate_model.py --report


@pytest.fixture
def folders(tmp_path, write_record):
    """Write labels and outputs of eight recordings; the last one was not classified."""
    answers = submission(8)
    (tmp_path / "outputs").mkdir()
    codes = tuple(codes[0] for codes in WEIGHTS.classes)
    for name, true, binary, scalar in zip(answers.names, answers.labels, answers.binary, answers.scalar, strict=True):
        write_record(name, folder=tmp_path / "labels", dx=",".join(codes[j] for j in np.flatnonzero(true)))
        diagnosis = Prediction(name, codes, tuple(map(int, binary)), tuple(scalar.tolist()))
        write_output(tmp_path / "outputs" / f"{name}.csv", diagnosis)
    write_output(tmp_path / "outputs" / f"{name}.csv", unclassified(name, CLASSES))
    return tmp_path


def evaluated(monkeypatch, folders: Path, *arguments: object) -> None:
    command = ["evaluate_model.py", folders / "labels", folders / "outputs", *arguments]
    monkeypatch.setattr(sys, "argv", [str(argument) for argument in command])
    evaluate_model.main()


def test_the_report_is_written_with_any_other_output(folders, monkeypatch, capsys):
    evaluated(monkeypatch, folders, "--report", folders / "report.html")
    printed = capsys.readouterr().out
    files = [folders / "scores.csv", folders / "class_scores.csv"]
    evaluated(monkeypatch, folders, *files, "--report", folders / "again.html")
    assert files[0].read_text() + "\n" == printed
    assert files[1].exists()
    page = (folders / "report.html").read_text(encoding="utf-8")
    assert (folders / "again.html").read_text(encoding="utf-8") == page
    measures = {row[0]: row[1] for row in Page(page).tables["8 recordings"][1:]}
    assert measures["Challenge score"].replace("−", "-") == printed.splitlines()[1].rsplit(",", 1)[1]
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
