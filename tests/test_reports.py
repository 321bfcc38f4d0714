"""Reports: their figures are the scoring functions', their pages stand alone, the same folder gives the same again."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, ecg

import evaluate_model
from heartbeats import entry
from heartbeats.classifier import Evidence
from heartbeats.cohort import build_cohort, describe_cohort
from heartbeats.diagnoses import ABBREVIATIONS, BRADYCARDIA, CLASSES, SINUS_RHYTHM, read_weights
from heartbeats.entry import train_entry
from heartbeats.outputs import Diagnosis, unclassified, write_output
from heartbeats.pages import training_report
from heartbeats.pages.bootstrap import DRAWS, LEAST, challenge_interval, draws, measures_by_draw, resampled
from heartbeats.pages.evaluation import evaluation
from heartbeats.pages.score_report import score_report
from heartbeats.scoring import Submission, challenge_metric, confusion_matrix, read_submission
from heartbeats.validation import (
    VALIDATION_FILE,
    Validation,
    ValidationError,
    read_validation,
    write_validation,
)

ROOT = Path(__file__).parents[1]
WEIGHTS = read_weights()
NAMES = ["|".join(ABBREVIATIONS[code] for code in codes) for codes in WEIGHTS.classes]
ABSENT = 4  # a class that no recording has


def submission(recordings: int = 60, *, seed: int = 0, levels: int = 20) -> Submission:
    """Random answers with ties, of recordings of two sources; one class is never true."""
    rng = np.random.default_rng(seed)
    labels = rng.random((recordings, len(WEIGHTS.classes))) < 0.2
    labels[:, ABSENT] = False
    scalar = np.clip((rng.integers(0, levels, labels.shape) / levels + 0.3 * labels) / 1.3, 0, 1)
    names = tuple(f"E{i:05d}" if i % 3 else f"A{i:04d}" for i in range(recordings))
    return Submission(names, labels, scalar > 0.6, scalar, np.zeros(recordings, dtype=np.bool_), WEIGHTS)


class Page(HTMLParser):
    """A page's tables by caption (rows of cells), headings (level, text), and attributes by tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.headings: list[tuple[int, str]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._text: str | None = None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self._rows: list[list[str]] = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th", "caption", "h1", "h2", "h3"):
            self._text = ""

    def handle_data(self, data):
        if self._text is not None:
            self._text += data

    def handle_endtag(self, tag):
        if tag == "caption":
            self.tables[self._text] = self._rows
        elif tag in ("td", "th"):
            self._rows[-1].append(self._text)
        elif tag in ("h1", "h2", "h3"):
            self.headings.append((int(tag[1]), self._text))
        else:
            return
        self._text = None


def written(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}".replace("-", "−")


@pytest.fixture(scope="module")
def page() -> str:
    return score_report(submission(), Path("LABELS"), Path("OUTPUTS"))


# The bootstrap


@pytest.mark.parametrize("levels", [2, 5, 10**9])
@pytest.mark.parametrize("recordings", [1, 2, 60])
def test_with_weights_of_1_every_measure_is_that_of_the_scoring(recordings, levels):
    answers = submission(recordings, levels=levels)
    scores = answers.score()
    by_draw = measures_by_draw(answers, iter([np.ones((2, recordings))]))
    assert set(by_draw) == {field.name for field in dataclasses.fields(scores)} - {"classes"}
    for name, values in by_draw.items():
        for value in values:
            np.testing.assert_allclose(value, getattr(scores, name), rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("seed", range(3))
def test_a_recording_drawn_n_times_counts_as_n_recordings(seed):
    answers = submission(seed=seed)
    times = np.random.default_rng(seed).integers(0, 4, 60)
    rows = np.repeat(np.arange(60), times)
    repeated = dataclasses.replace(
        answers, labels=answers.labels[rows], binary=answers.binary[rows], scalar=answers.scalar[rows]
    )
    for name, values in measures_by_draw(answers, iter([times[None].astype(float)])).items():
        np.testing.assert_allclose(values[0], getattr(repeated.score(), name), rtol=0, atol=1e-12, err_msg=name)


def test_as_many_recordings_are_drawn_as_there_are_and_the_same_every_time():
    first, second = (np.concatenate(list(draws(30))) for _ in range(2))
    assert first.shape == (DRAWS, 30)
    np.testing.assert_array_equal(first, second)
    assert set(first.sum(axis=1)) == {30}
    assert len(np.unique(first, axis=0)) > DRAWS / 2


def test_intervals_hold_the_measure_and_narrow_with_more_recordings():
    few, many = submission(60), submission(2000)
    widths = []
    for answers in (few, many):
        low, high = resampled(answers).measures["challenge_metric"]
        assert low < answers.score().challenge_metric < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


def test_what_is_undefined_has_no_interval():
    ends = resampled(submission())
    assert np.isnan(ends.auroc_classes[:, ABSENT]).all()
    assert np.isfinite(np.delete(ends.auroc_classes, ABSENT, axis=1)).all()
    nobody = submission(0)
    assert all(np.isnan(ends).all() for ends in resampled(nobody).measures.values())


@pytest.mark.parametrize("positive", [LEAST - 1, LEAST])
def test_a_handful_of_recordings_has_no_interval(positive):
    """A class of few positives: drawing the same few again and again says little of others, and flatters AUPRC."""
    answers = submission()
    labels = answers.labels.copy()
    labels[:, 0] = np.arange(len(labels)) < positive
    ends = resampled(dataclasses.replace(answers, labels=labels))
    for of_class in (ends.auroc_classes, ends.auprc_classes, ends.f_measure_classes):
        assert np.isfinite(of_class[:, 0]).all() == (positive >= LEAST)
        assert np.isfinite(of_class[:, 1]).all()
    for name, of_mean in ends.measures.items():
        over_classes = name not in ("accuracy", "challenge_metric")
        assert np.isfinite(of_mean).all() == (positive >= LEAST or not over_classes), name


def test_the_score_of_a_handful_of_recordings_has_no_interval():
    few = submission(LEAST - 1)
    assert all(np.isnan(ends).all() for ends in resampled(few).measures.values())
    assert np.isnan(challenge_interval(few, np.ones(LEAST - 1, dtype=np.bool_))).all()
    shown = evaluation(few)
    assert shown["score"][1] == ""
    assert all(pair[1] == "" for _, _, pair in shown["sources"])


@pytest.mark.parametrize("names", [("1", "2"), ("1|3", "2")])
def test_what_a_missing_probability_counts_is_said_as_the_scorer_takes_it(names):
    answers = submission()
    weights = dataclasses.replace(WEIGHTS, names=(*names, *WEIGHTS.names[2:]))
    incomplete = dataclasses.replace(answers, weights=weights, incomplete=np.arange(60) < 1)
    page = score_report(incomplete, Path("labels"), Path("outputs"))
    assert ("scorer of 2021" in page) == ("|" in names[0])
    assert ("scorer of 2020" in page) == ("|" not in names[0])


def test_the_interval_of_a_source_is_of_its_recordings_alone():
    answers = submission()
    chosen = np.array([name.startswith("A") for name in answers.names])
    own = dataclasses.replace(answers, labels=answers.labels[chosen], binary=answers.binary[chosen])
    expected = challenge_interval(own, np.ones(chosen.sum(), dtype=np.bool_))
    np.testing.assert_array_equal(challenge_interval(answers, chosen), expected)
    assert expected[0] < challenge_metric(own.labels, own.binary, WEIGHTS) < expected[1]


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


def test_the_confusion_times_the_rewards_is_what_the_challenge_score_counts():
    answers = submission()
    correct, observed = (
        np.sum(WEIGHTS.weights * confusion_matrix(answers.labels, x)) for x in (answers.labels, answers.binary)
    )
    sinus = np.zeros_like(answers.labels)
    sinus[:, NAMES.index("NSR")] = True
    inactive = np.sum(WEIGHTS.weights * confusion_matrix(answers.labels, sinus))
    assert answers.score().challenge_metric == pytest.approx((observed - inactive) / (correct - inactive), abs=1e-12)


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


# What every report keeps


@pytest.fixture(params=["scores", "training"])
def any_page(request, page, model_directory) -> str:
    return page if request.param == "scores" else (model_directory / "report.html").read_text(encoding="utf-8")


def test_a_page_fetches_nothing_and_runs_nothing(any_page):
    elements = Page(any_page).elements
    assert not {tag for tag, _ in elements} & {"script", "link", "iframe", "object", "embed", "base"}
    for _, attributes in elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert not re.findall(r"url\((?!['\"]?#)|@import", any_page)


def test_a_page_can_be_read_by_ear_and_by_keyboard(any_page):
    read = Page(any_page)
    levels = [level for level, _ in read.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels))
    tags = [tag for tag, _ in read.elements]
    assert tags.count("caption") == tags.count("table") > 0
    assert all(attributes.get("scope") for tag, attributes in read.elements if tag == "th")
    for tag, attributes in read.elements:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert re.search(r"\d", attributes["aria-label"]), "a picture says its finding"
        if attributes.get("class") == "wide":
            assert (attributes["role"], attributes["tabindex"]) == ("region", "0")
            assert attributes["aria-label"]
    identifiers = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    linked = {attributes["href"] for tag, attributes in read.elements if tag == "a"}
    assert linked <= {f"#{identifier}" for identifier in identifiers}
    sections = {text for level, text in read.headings if level == 2}
    assert {"Measures", "Per class", "Per source", "Rewards and confusion", "Calibration"} <= sections
    assert len(linked) == len(sections)


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
    style = (ROOT / "heartbeats/pages/templates/report.css").read_text()
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
        diagnosis = Diagnosis(name, codes, tuple(map(int, binary)), tuple(scalar.tolist()))
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


# The page of a training


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


def test_the_report_is_made_again_by_the_same_call(simulated, model_directory, tmp_path):
    shutil.copytree(model_directory, tmp_path / "model")
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir() if path.is_file()}
    (tmp_path / "model/report.html").unlink()
    train_entry(simulated, tmp_path / "model", TINY)
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir() if path.is_file()} == before


def test_a_report_that_fails_fails_no_training_and_is_told(simulated, model_directory, tmp_path, monkeypatch, caplog):
    shutil.copytree(model_directory, tmp_path / "model")
    (tmp_path / "model/report.html").unlink()
    table = (tmp_path / "model" / VALIDATION_FILE).read_text()
    (tmp_path / "model" / VALIDATION_FILE).write_text(table[: len(table) // 2])
    assert train_entry(simulated, tmp_path / "model", TINY).threshold
    assert "report.html could not be made; the model is complete" in caplog.text
    assert "validation.csv is not a table of validation recordings, or is damaged" in caplog.text
    assert not (tmp_path / "model/report.html").exists()
    assert not list((tmp_path / "model").rglob("*.tmp"))


def test_another_training_leaves_no_earlier_report_beside_its_model(simulated, model_directory, tmp_path, monkeypatch):
    """Killed while the new model is written, it leaves no report that is of neither."""
    shutil.copytree(model_directory, tmp_path / "model")
    monkeypatch.setattr(entry, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    longer = dataclasses.replace(TINY, decision=dataclasses.replace(TINY.decision, bradycardia_rule=False))
    with pytest.raises(KeyboardInterrupt):
        train_entry(simulated, tmp_path / "model", longer)
    assert not (tmp_path / "model/report.html").exists()
    assert not (tmp_path / "model/model.json").exists()


def test_a_training_without_validation_recordings_says_so(write_record, tmp_path):
    for i in range(4):
        write_record(f"A000{i}", ecg(rate=60), folder=tmp_path / "data", comments="")
    train_entry(tmp_path / "data", tmp_path / "model", TINY)
    page = (tmp_path / "model/report.html").read_text(encoding="utf-8")
    assert "No recordings were left to validate with" in page
    assert "threshold is the paper's" in " ".join(page.split())
    assert "Measures" not in {text for _, text in Page(page).headings}
    assert Page(page).tables["Recordings by source"][1][1:] == ["4", "0", "500 Hz", "10 s", "unknown", "unknown"]


def test_a_search_that_told_no_threshold_is_not_called_one(model_directory, tmp_path):
    shutil.copytree(model_directory, tmp_path / "model")
    path = tmp_path / "model/model.json"
    model = json.loads(path.read_text())
    assert "searched on the same validation recordings" in training_report.training_report(tmp_path / "model")
    model["threshold_search"]["challenge_scores"] = [None] * 99
    path.write_text(json.dumps(model))
    page = training_report.training_report(tmp_path / "model")
    assert "searched on the same validation recordings" not in page
    assert "split by signal, not by patient" in page


def test_names_that_are_left_out_are_folded_counted_and_escaped(model_directory, tmp_path):
    shutil.copytree(model_directory, tmp_path / "model")
    path = tmp_path / "model/model.json"
    model = json.loads(path.read_text())
    model["cohort"]["left_out"] = {"unusable": ["<script>"], "source incart": [f"I{i:04d}" for i in range(1234)]}
    path.write_text(json.dumps(model))
    page = training_report.training_report(tmp_path / "model")
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<summary>source incart: 1,234 recordings</summary>" in page
    assert f"and {1234 - training_report.NAMED:,} more" in page
    assert "I0199" in page
    assert "I0200" not in page


def test_a_training_that_diverged_has_a_report_too(model_directory, tmp_path):
    shutil.copytree(model_directory, tmp_path / "model")
    log = tmp_path / "model/training.jsonl"
    log.write_text(re.sub(r'"loss": [\d.e-]+', '"loss": NaN', log.read_text()))
    validation = read_validation(tmp_path / "model" / VALIDATION_FILE)
    validation.probabilities[:] = np.nan
    write_validation(tmp_path / "model" / VALIDATION_FILE, validation)
    page = training_report.training_report(tmp_path / "model")
    assert "loss nan at first" in page
    assert "No recording was classified" in page


def test_one_long_recording_among_many_does_not_squeeze_the_rest():
    drawn, alone = (
        training_report._histogram({"particulars": {"x": {"seconds": counts}}}, "seconds", 5, label="s", what="lengths")
        for counts in ({"10": 999, "1800": 1}, {"10": 1, "1800": 1})
    )
    assert drawn["note"] == "1 above 10 not shown"
    assert alone["note"] == ""


def handmade() -> Validation:
    """Four recordings: a right and a wrong answer of Brady where the rule is false, nothing, and a sure one."""
    labels, probabilities = np.zeros((4, 27), dtype=np.bool_), np.full((4, 27), 0.1)
    brady, sinus = CLASSES.index(BRADYCARDIA), CLASSES.index(SINUS_RHYTHM)
    labels[0, brady] = labels[1, sinus] = labels[2, sinus] = labels[3, 0] = True
    probabilities[[0, 1], brady] = 0.8
    probabilities[3, 0] = 0.9
    return Validation(("A0001", "A0002", "E00003", "E,4"), labels, probabilities, Evidence(np.zeros(4, dtype=np.bool_)))


def test_what_the_rule_took_back_and_the_fallback_gave_is_counted():
    found = training_report._steps(handmade(), 0.5, TINY.decision)
    assert (found["answered"], found["taken"], found["taken_rightly"]) == (2, 2, 1)
    assert (found["given"], found["given_rightly"]) == (3, 2)
    assert len(found["scores"]) == 3
    off = dataclasses.replace(TINY.decision, bradycardia_rule=False, sinus_rhythm_fallback=False)
    found = training_report._steps(handmade(), 0.5, off)
    assert (found["taken"], found["given"], len(found["scores"])) == (0, 0, 1)


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
