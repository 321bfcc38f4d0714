"""Reports: their figures are the scoring functions', their pages stand alone, the same folder gives the same again."""

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
from heartbeats.challenge.scoring import challenge_metric, confusion_matrix, read_submission
from heartbeats.reports.bootstrap import resampled
from heartbeats.reports.evaluation import evaluation
from heartbeats.reports.score_report import score_report

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def page() -> str:
    return score_report(submission(), Path("LABELS"), Path("OUTPUTS"))


# The page of scores


def test_the_tables_hold_the_figures_of_the_scoring(page):
    answers, tables = submission(), Page(page).tables
    scores, ends = answers.score(), resampled(answers)
    measures = {name: (value, interval) for name, value, interval in tables["60 recordings"][1:]}
    low, high = ends.measures["challenge_metric"]
    assert measures["Challenge score"] == (written(scores.challenge_metric), f"{written(low)} to {written(high)}")
    assert [value for value, _ in measures.values()] == [
        written(scores.measures()[name])
        for name in (
            *("challenge_metric", "auroc", "auprc", "accuracy"),
            *("f_measure", "f_beta_measure", "g_beta_measure"),
        )
    ]
    rows = {name: figures for name, *figures in tables["Measures per class with 95 % intervals"][1:]}
    assert set(rows) == set(NAMES)
    for j, name in enumerate(NAMES):
        support, *figures = rows[name]
        assert support == str(answers.labels[:, j].sum())
        for figure, values in zip(
            figures, (scores.auroc_classes, scores.auprc_classes, scores.f_measure_classes), strict=True
        ):
            assert figure.split("(")[0] == written(values[j])
    for name, count, figure in tables["Challenge score by source"][1:]:
        chosen = [n.startswith({"CPSC": "A", "Georgia": "E"}[name]) for n in answers.names]
        assert count == str(sum(chosen))
        value = challenge_metric(answers.labels[chosen], answers.binary[chosen], WEIGHTS)
        assert figure.split("(")[0] == written(value)


def test_classes_without_a_positive_recording_stand_last(page):
    rows = Page(page).tables["Measures per class with 95 % intervals"][1:]
    assert rows[-1][:4] == [NAMES[ABSENT], "0", "–", "–"]
    supports = [int(row[1]) for row in rows]
    assert supports == sorted(supports, reverse=True)


def test_the_matrices_are_the_rewards_and_the_confusion_they_apply_to(page):
    answers, tables = submission(), Page(page).tables
    rewards = tables["Reward of an answer (column) where a class (row) is true"]
    shares = tables["Mean share of an answer (column) in recordings with a class (row)"]
    assert rewards[0][1:] == shares[0][1:-1] == NAMES
    np.testing.assert_allclose([[float(x) for x in row[1:]] for row in rewards[1:]], WEIGHTS.weights, atol=0.0051)
    support = answers.labels.sum(axis=0)
    expected = confusion_matrix(answers.labels, answers.binary) / np.maximum(support, 1)[:, None]
    for j, (name, *cells, count) in enumerate(shares[1:]):
        assert (name, count) == (NAMES[j], str(support[j]))
        if j == ABSENT:
            assert cells == ["no recording"]
        else:
            np.testing.assert_allclose([float(x or 0) for x in cells], expected[j], atol=0.0051)


def test_calibration_counts_every_answer_once_and_gives_the_brier_score():
    answers = submission()
    found = evaluation(answers)["calibration"]
    assert sum(count for _, count, *_ in found["bins"]) == found["answers"] == answers.labels.size
    assert found["brier"] == written(np.mean((answers.scalar - answers.labels) ** 2))
    perfect = dataclasses.replace(answers, scalar=answers.labels * 1.0)
    assert evaluation(perfect)["calibration"]["brier"] == "0.000"


def test_recordings_without_probabilities_are_counted_and_said_and_not_calibrated():
    answers = submission()
    answers.incomplete[:7] = True
    page = score_report(answers, Path("L"), Path("O"))
    assert re.search(r"7 of 60 recordings\s+have a probability that is not a number", page)
    assert evaluation(answers)["calibration"]["answers"] == 53 * len(NAMES)
    answers.incomplete[:] = True
    assert "No recording was classified" in score_report(answers, Path("L"), Path("O"))
    assert "not a number" not in score_report(submission(), Path("L"), Path("O"))


def test_answers_that_are_no_probabilities_are_not_calibrated():
    answers = submission()
    answers.scalar[3, 5] = 17.0
    assert evaluation(answers)["calibration"] is None


@pytest.mark.parametrize("names", [("1", "2"), ("1|3", "2")])
def test_what_a_missing_probability_counts_is_said_as_the_scorer_takes_it(names):
    answers = submission()
    weights = dataclasses.replace(WEIGHTS, names=(*names, *WEIGHTS.names[2:]))
    incomplete = dataclasses.replace(answers, weights=weights, incomplete=np.arange(60) < 1)
    page = score_report(incomplete, Path("labels"), Path("outputs"))
    assert ("scorer of 2021" in page) == ("|" in names[0])
    assert ("scorer of 2020" in page) == ("|" not in names[0])


# What every report keeps


@pytest.fixture(params=["scores", "training"])
def any_page(request, page, model_directory) -> str:
    return page if request.param == "scores" else (model_directory / "report.html").read_text(encoding="utf-8")


def test_a_report_is_sound_and_its_contents_name_its_sections(any_page):
    assert_sound(any_page)
    read = Page(any_page)
    sections = {text for level, text in read.headings if level == 2}
    assert {"Measures", "Per class", "Per source", "Rewards and confusion", "Calibration"} <= sections
    linked = {attributes["href"] for tag, attributes in read.elements if tag == "a"}
    assert all(link.startswith("#") for link in linked)
    assert len(linked) == len(sections)
    assert read.tables


def test_what_a_page_is_told_is_escaped():
    page = score_report(submission(), Path("<script>alert(1)</script>"), Path('"><b>'))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page


def test_the_same_answers_give_the_same_bytes(page):
    assert score_report(submission(), Path("LABELS"), Path("OUTPUTS")) == page


# The shades of the heat maps, light and dark


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", [0, 1])
def test_numbers_stand_out_from_every_shade(theme):
    style = (ROOT / "heartbeats/reports/templates/report.css").read_text()
    values = [re.findall(rf"--{name}: (#\w{{6}})", style)[theme] for name in ("low", "high")]
    inks = dict(zip(("var(--low)", "var(--high)"), values, strict=True))
    shades = [re.findall(rf"--h{i}: (#\w{{6}})", style)[theme] for i in range(10)]
    for i, shade in enumerate(shades):
        ink = re.search(rf"\.h{i} {{ background: var\(--h{i}\); color: ([^;]+);", style)[1]
        dark, light = sorted(map(luminance, (shade, inks.get(ink, ink))))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, f"shade {i}"
    brightness = [luminance(shade) for shade in shades]
    assert brightness == sorted(brightness, reverse=theme == 0)


# evaluate_model.py --report


@pytest.fixture
def folders(tmp_path, write_record):
    """Labels and outputs of eight recordings, the last not classified."""
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


def test_the_report_is_written_besides_whatever_else_is_asked_for(folders, monkeypatch, capsys):
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
    assert re.search(r"1 of 8 recordings\s+have a probability that is not a number", page)


def test_a_submission_is_read_with_its_names_and_what_is_incomplete(folders):
    read = read_submission(folders / "labels", folders / "outputs")
    assert read.names == tuple(sorted(submission(8).names))
    assert [name for name, nan in zip(read.names, read.incomplete, strict=True) if nan] == [submission(8).names[-1]]


def test_without_a_report_nothing_that_draws_is_loaded(folders):
    code = (
        "import sys, evaluate_model; sys.argv = ['', *sys.argv[1:]]; evaluate_model.main();"
        "print(*{name.split('.')[0] for name in sys.modules} & {'jinja2', 'matplotlib', 'torch'}, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, folders / "labels", folders / "outputs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == "\n"
    loads = "import sys, driver, team_code; sys.exit(bool({'jinja2', 'matplotlib'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", loads], cwd=ROOT, check=True, timeout=120)
