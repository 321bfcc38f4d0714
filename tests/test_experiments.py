"""Table 1 and the ablations: trainings, thresholds, scores, intervals and bad arguments."""

import csv
import dataclasses
import itertools
import json
import re
from functools import partial

import numpy as np
import pytest
from conftest import TINY_TOML

from heartbeats.challenge.diagnoses import CLASSES, SINUS_RHYTHM
from heartbeats.classification.decision import Evidence
from heartbeats.common.bootstrap import bootstrap_interval
from heartbeats.common.settings import DecisionSettings
from heartbeats.experiments import ablations, table1, trainings
from heartbeats.experiments.table1 import ROWS
from heartbeats.experiments.trainings import (
    AS_PAPER,
    FULL,
    TEST,
    UNSEEN,
    Answers,
    Scored,
    answers_by_set,
    estimate,
    folds,
)
from heartbeats.training.cohort import draw
from team_code import load_model

SNR, AF = CLASSES.index(SINUS_RHYTHM), CLASSES.index("164889003")


@pytest.fixture(autouse=True, scope="module")
def fewer_draws():
    """Draw 100 times in every bootstrap: 1000 draws take half of the time of these tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainings, "bootstrap_interval", partial(bootstrap_interval, draws=100))
        yield


@pytest.fixture(scope="module")
def made(simulated, tmp_path_factory):
    """Table 1 with two seeds and Georgia left out: its folder and its arguments."""
    out = tmp_path_factory.mktemp("table1")
    (out / "tiny.toml").write_text(TINY_TOML)
    arguments = [str(simulated), str(out / "OUT"), "--config", str(out / "tiny.toml"), "--seeds", "2"]
    arguments += ["--leave-out", "georgia", "--set", 'training.loss="bce"', "--external", str(simulated)]
    table1.main(arguments)
    return out / "OUT", arguments


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def model(folder):
    return json.loads((folder / "model.json").read_text())


def test_every_model_is_scored_on_every_set_at_both_thresholds(made, simulated):
    written = {(row["model"], row["set"], row["threshold"]): row for row in rows(made[0] / "table1.csv")}
    names = [row.name.format(4, 2) for row in ROWS]
    both = itertools.product(names, (TEST, FULL), (AS_PAPER, UNSEEN))
    externals = itertools.product(names, ("georgia, left out", simulated.name), (UNSEEN,))
    assert set(written) == {*both, *externals}
    for row in written.values():
        low, mean, high = (float(row[name]) for name in ("low", "challenge score", "high"))
        assert low <= mean <= high <= 1
    assert written["4 s + 2 s + rule", TEST, AS_PAPER]["paper"] == "0.683"
    text = (made[0] / "table1.md").read_text()
    assert f"table1 {simulated.name} OUT --config tiny.toml --seeds 2 --leave-out georgia --set 'training.lo" in text
    assert f"| model | {AS_PAPER} | {UNSEEN} | paper |\n| --- | --- | --- | --- |\n| 4 s | " in text
    assert "</svg>" in (made[0] / "table1.svg").read_text()


def test_the_left_out_source_is_not_trained_on_and_the_seed_draws_weights_and_split(made):
    written = model(made[0] / "seed1")
    assert written["settings"]["training"]["loss"] == "bce"
    assert (written["settings"]["training"]["seed"], written["settings"]["cohort"]["seed"]) == (1, 1)
    assert "georgia" not in written["cohort"]["training"]["sources"] | written["cohort"]["validation"]["sources"]
    assert "source georgia" in written["cohort"]["left_out"]


def test_a_second_run_trains_nothing_also_in_a_moved_folder(made, monkeypatch):
    out, arguments = made
    before = rows(out / "table1.csv")
    (out / "table1.csv").unlink()
    moved = out.rename(out.parent / "MOVED")
    monkeypatch.setattr("heartbeats.training.pipeline.train_network", None)
    table1.main([arguments[0], str(moved), *arguments[2:]])
    assert rows(moved.rename(out) / "table1.csv") == before


def test_bad_external_recordings_are_named(made, write_record, tmp_path, monkeypatch):
    files = [write_record(f"X000{i}", folder=tmp_path / "mine", dx="164889003") for i in range(3)]
    files[0].with_suffix(".mat").unlink()
    arguments = [*made[1][:-2], "--external", str(tmp_path / "mine")]
    said = []
    monkeypatch.setattr(
        "heartbeats.experiments.trainings.log.warning", lambda text, *values: said.append(text % values)
    )
    table1.main(arguments)
    assert {line.split(" is left out")[0] for line in said} == {"mine: X0000"}
    for file in files[1:]:
        file.with_suffix(".mat").unlink()
    with pytest.raises(SystemExit, match="mine: no recordings with a scored label that can be read"):
        table1.main(arguments)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--set", "training.loss=bce"], "training.loss=bce"),
        (["--set", "training.seconds=[2.0, 4.0]"], "the longer one first"),
        (["--config", "absent.toml"], "absent.toml"),
        (["--external", "absent"], "absent"),
        (["--external", "a/ludb", "--external", "b/ludb"], "have the same name"),
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--set", "cohort.validation_fraction=1e-300"], "no recordings validate with seed 0"),
        (["--leave-out", "gorgia"], "unknown source 'gorgia'; the sources are cpsc"),
        (["--leave-out", "incart", "--set", "cohort.excluded_sources=[]"], "incart, left out: no recordings"),
    ],
)
def test_a_bad_request_is_named(made, arguments, named):
    with pytest.raises(SystemExit) as ended:
        table1.main([*made[1][:4], *arguments])
    assert named in str(ended.value.code)


def test_ablations_and_own_settings_are_compared_with_the_baseline(simulated, tmp_path):
    """The user's settings have another decision, and another number of networks than Table 1."""
    (tmp_path / "tiny.toml").write_text(TINY_TOML)
    (tmp_path / "never.toml").write_text(f"{TINY_TOML}\n[decision]\nsinus_rhythm_fallback = false\n")
    (tmp_path / "short.toml").write_text(re.sub(r"seconds = \[.*\]", "seconds = [5.0]", TINY_TOML))
    folder, names = tmp_path / "OUT", ("baseline", "12-leads", "threshold-per-class", "never", "short")
    compared = ["12-leads", "threshold-per-class", str(tmp_path / "never.toml"), str(tmp_path / "short.toml")]
    arguments = [str(simulated), str(folder), "--config", str(tmp_path / "tiny.toml"), "--leave-out", "georgia"]
    ablations.main(arguments + [word for each in compared for word in ("--compare", each)])
    lines = {(line["set"], line["ablation"]): line for line in rows(folder / "ablations.csv")}
    assert list(lines) == list(itertools.product((TEST, "georgia, left out"), names))
    for (set_name, _), line in lines.items():
        difference = float(line["challenge score"]) - float(lines[set_name, "baseline"]["challenge score"])
        assert float(line["challenge score difference"]) == pytest.approx(difference, abs=2e-4)
        low, mean, high = (float(line[f"challenge score difference{end}"]) for end in (" low", "", " high"))
        assert low <= mean <= high
    assert float(lines["georgia, left out", "never"]["challenge score difference"]) != 0
    assert not (folder / "threshold-per-class").exists()
    trained = [name for name in names if name != "threshold-per-class"]
    settings = [model(folder / name / "seed0")["settings"] for name in trained]
    assert [each["network"]["leads"] for each in settings] == [8, 12, 8, 8]
    assert [len(load_model(folder / name / "seed0").members) for name in trained] == [2, 2, 2, 1]
    assert {each["cohort"]["store"] for each in settings} == {"../../prepared"}
    text = (folder / "ablations.md").read_text()
    assert "--compare 12-leads --compare threshold-per-class --compare never.toml" in text
    assert "| 12-leads | `network.leads=12` |" in text
    assert "| short | short.toml |" in text


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("[cohort]\nvalidation_fraction = 0.3", "must be the baseline's"),
        ("[training]\nseed = 3", "an experiment uses the seeds 0, 1"),
    ],
)
def test_settings_that_cannot_be_compared_are_refused_before_training(
    simulated, tmp_path, monkeypatch, settings, named
):
    monkeypatch.setattr("heartbeats.experiments.trainings.train_model", None)
    (tmp_path / "mine.toml").write_text(settings)
    with pytest.raises(SystemExit, match=named):
        ablations.main([str(simulated), str(tmp_path / "OUT"), "--compare", str(tmp_path / "mine.toml")])


# ---- thresholds and rows -------------------------------------------------------------------------------------------


def scored(probability: np.ndarray, decision: DecisionSettings = DecisionSettings()) -> Scored:  # noqa: B008
    """Return recordings with AF at these probabilities, and as many with sinus rhythm at lower ones."""
    count = len(probability)
    labels = np.zeros((2 * count, 27), dtype=bool)
    labels[:count, AF] = labels[count:, SNR] = True
    members = np.zeros((2, 2 * count, 27))
    members[:, :count, AF], members[:, count:, AF] = probability, probability - 0.1
    names = np.array([f"A{i}" for i in range(2 * count)])
    return Scored(names, names, names, labels, Evidence(np.zeros(2 * count, dtype=bool)), members, decision)


def test_the_tenths_of_a_20_percent_are_about_equal_and_keep_signals_together():
    for seed in range(10):
        digests = np.array([d for d in map(str, range(150)) if draw(d, seed=seed) < 0.2])
        fold = folds(np.append(digests, digests[:2]))  # two signals again
        np.testing.assert_array_equal(fold[-2:], fold[:2])
        assert set(np.bincount(fold[:-2], minlength=10)) <= {len(digests) // 10, len(digests) // 10 + 1}


def test_a_tenth_is_answered_at_the_threshold_of_the_others():
    """One tenth needs another threshold. It is wrong at the threshold of the others."""
    whole = scored(np.full(400, 0.8))
    first = folds(whole.digests) == 0
    test = dataclasses.replace(whole, members=np.maximum(whole.members - np.where(first, 0.5, 0)[None, :, None], 0))
    answers = test.answers_by_folds()
    wrong = (answers.labels != answers.binary).any(axis=1)
    np.testing.assert_array_equal(wrong, first & test.labels[:, AF])
    tenth = test.select(np.flatnonzero(first))
    assert tenth.answers(tenth.threshold()).score() == 1


def test_a_threshold_per_class_is_at_least_as_good_where_it_is_searched():
    """AF is right from 0.3 on. A class that is never right has 0.6 everywhere, so one threshold cannot be right."""
    whole = scored(np.full(40, 0.3))
    whole.members[:, :, 0] = 0.6
    each = dataclasses.replace(whole, per_class=True)
    assert whole.answers(whole.threshold()).score() < 1
    assert each.answers(each.threshold()).score() == 1


def test_a_row_is_the_mean_of_its_members_and_only_the_rule_removes_bradycardia():
    members = np.zeros((2, 1, 27))
    members[0, 0, CLASSES.index("426627000")], members[1, 0, AF] = 0.9, 0.9
    names, evidence = np.array(["A1"]), Evidence(np.zeros(1, dtype=bool))
    one = Scored(names, names, names, np.zeros((1, 27), dtype=bool), evidence, members, DecisionSettings())
    assert [int(row.of(one).answers(0.4).binary.sum()) for row in ROWS] == [1, 1, 2, 1]


def test_every_row_follows_the_settings_of_the_decision():
    pvc = CLASSES.index("427172004")
    no_fallback = scored(np.zeros(1), DecisionSettings(sinus_rhythm_fallback=False))
    asked = scored(np.zeros(1), DecisionSettings(sinus_rhythm_fallback=False, pvc="unet"))
    marked = dataclasses.replace(asked, evidence=Evidence(np.zeros(2, dtype=bool), np.array([True, False])))
    for row in ROWS:
        assert not row.of(no_fallback).answers(0.4).binary.any()
        assert row.of(marked).answers(0.4).binary[:, pvc].tolist() == [True, False]


def test_each_set_has_the_thresholds_that_its_columns_name():
    """Each set is right only at its own threshold."""
    test, first, second, full = (scored(np.full(40, p)) for p in (0.3, 0.9, 0.6, 0.8))
    answers = answers_by_set({TEST: test, "first": first, "second": second, FULL: full})
    papers, externals = test.threshold(), first.threshold()
    expected = {
        (TEST, AS_PAPER): test.answers(papers),
        (TEST, UNSEEN): test.answers_by_folds(),
        ("first", UNSEEN): first.answers(papers),
        ("second", UNSEEN): second.answers(papers),
        (FULL, AS_PAPER): full.answers(papers),
        (FULL, UNSEEN): full.answers(externals),
    }
    assert answers.keys() == expected.keys()
    for key, answer in answers.items():
        np.testing.assert_array_equal(answer.binary, expected[key].binary)
    assert not np.array_equal(full.answers(externals).binary, full.answers(second.threshold()).binary)
    assert (FULL, UNSEEN) not in answers_by_set({TEST: test, FULL: full})


# ---- estimates -----------------------------------------------------------------------------------------------------


def answers_of(right: int, wrong: int, name: str = "A") -> Answers:
    labels = np.zeros((right + wrong, 24), dtype=bool)
    labels[:, 0] = True
    binary = labels.copy()
    binary[right:] = False
    names = tuple(f"{name}{i}" for i in range(right + wrong))
    return Answers(names, names, labels, binary, binary.astype(float))


def test_a_difference_needs_the_same_recordings():
    """Two trainings with the same errors differ by 0 for any draw of recordings."""
    one, other = answers_of(8, 2), answers_of(5, 5)
    assert estimate([one, other], [one, other])[:3] == (0, 0, 0)
    worse = estimate([other, other], [one, one])
    assert worse.mean == pytest.approx(other.score() - one.score())
    assert worse.low < worse.mean < worse.high <= 0
    with pytest.raises(ValueError, match="different recordings"):
        estimate([one], [answers_of(8, 2, "B")])


def test_intervals_contain_the_mean_and_shrink_with_more_recordings():
    few, many = (estimate([answers_of(8 * n, 2 * n), answers_of(7 * n, 3 * n)]) for n in (1, 20))
    for e in (few, many, estimate([answers_of(8, 2, "A"), answers_of(3, 1, "B")])):
        assert e.low < e.mean < e.high
    assert few.high - few.low > many.high - many.low
    assert estimate([answers_of(10, 0)]) == (1, 1, 1, 10)
