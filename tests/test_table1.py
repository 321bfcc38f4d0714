"""Table 1 is made of what its networks answer, at the thresholds that it says, and made again it trains nothing."""

import csv
import itertools
import json

import numpy as np
import pytest

from heartbeats.diagnoses import CLASSES, SINUS_RHYTHM
from heartbeats.experiments import ablations, table1
from heartbeats.experiments.intervals import Answers, estimate, estimate_difference
from heartbeats.experiments.table1 import AS_PAPER, FULL, ROWS, TEST, UNSEEN, Scored
from heartbeats.header import find_headers

SNR, AF = CLASSES.index(SINUS_RHYTHM), CLASSES.index("164889003")
CONFIG = """
[network]
width = 4
blocks = [1, 1]
reduction = 2
[training]
seconds = [4.0, 2.0]
epochs = 1
[relabelling]
seconds = 2.0
"""


@pytest.fixture(scope="module")
def made(simulated, tmp_path_factory):
    """OUT of two seeds with Georgia left out, and the arguments that made it."""
    out = tmp_path_factory.mktemp("table1")
    (out / "tiny.toml").write_text(CONFIG)
    arguments = [str(simulated), str(out / "OUT"), "--config", str(out / "tiny.toml"), "--seeds", "2"]
    arguments += ["--leave-out", "georgia", "--external", str(simulated), "--set", 'training.loss="bce"']
    table1.main(arguments)
    return out / "OUT", arguments


def rows(out):
    with (out / "table1.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_model_is_scored_on_every_set_at_both_thresholds(made, simulated):
    written = {(row["model"], row["set"], row["threshold"]): row for row in rows(made[0])}
    both = itertools.product(ROWS, (TEST, FULL), (AS_PAPER, UNSEEN))
    externals = itertools.product(ROWS, ("georgia, left out", simulated.name), (UNSEEN,))
    assert set(written) == {*both, *externals}
    for row in written.values():
        low, mean, high = (float(row[name]) for name in ("low", "challenge score", "high"))
        assert low <= high <= 1 >= mean
    assert written["30 s + 10 s + rule", TEST, AS_PAPER]["paper"] == "0.683"
    text = (made[0] / "table1.md").read_text()
    assert "--leave-out georgia" in text
    assert "--seeds 2" in text
    assert "</svg>" in (made[0] / "table1.svg").read_text()


def test_what_is_left_out_is_not_trained_on_and_settings_are_set(made, simulated):
    model = json.loads((made[0] / "seed1/model.json").read_text())
    assert model["settings"]["training"]["loss"] == "bce"
    assert model["settings"]["training"]["seed"] == 1
    assert "georgia" not in model["cohort"]["training"]["sources"] | model["cohort"]["validation"]["sources"]
    assert "source georgia" in model["cohort"]["left_out"]
    assert any(path.stem.startswith("E") for path in find_headers(simulated))


def test_a_second_run_trains_nothing_and_says_the_same_wherever_the_folder_is(made, monkeypatch):
    out, arguments = made
    before = rows(out)
    (out / "table1.csv").unlink()
    moved = out.rename(out.parent / "MOVED")
    monkeypatch.setattr("heartbeats.entry.train_network", None)
    table1.main([arguments[0], str(moved), *arguments[2:]])
    assert rows(moved.rename(out)) == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--set", "training.loss=bce"], "training.loss=bce"),
        (["--set", "training.lss='bce'"], "training.lss"),
        (["--set", "training.seconds=[10.0]"], "two members"),
        (["--config", "absent.toml"], "absent.toml"),
        (["--external", "absent"], "absent"),
    ],
)
def test_what_is_wrong_is_named(made, arguments, named):
    with pytest.raises(SystemExit) as ended:
        table1.main([*made[1][:4], *arguments])
    assert named in str(ended.value.code)


def scored(probability: np.ndarray) -> Scored:
    """Recordings with AF of these probabilities, and as many with sinus rhythm of lower ones."""
    count = len(probability)
    labels = np.zeros((2 * count, 27), dtype=bool)
    labels[:count, AF] = labels[count:, SNR] = True
    members = np.zeros((2, 2 * count, 27))
    members[:, :count, AF], members[:, count:, AF] = probability, probability - 0.1
    names = tuple(f"A{i}" for i in range(2 * count))
    return Scored(names, names, labels, np.zeros(2 * count, dtype=bool), members)


def test_a_half_is_answered_at_the_threshold_of_the_other(monkeypatch):
    """The halves want other thresholds: each is wrong at the other's, right at its own."""
    test = scored(np.repeat([0.3, 0.8], 20))
    wants_high = {name: p > 0.5 for name, p in zip(test.names, np.tile(np.repeat([0.3, 0.8], 20), 2), strict=True)}
    monkeypatch.setattr(table1, "is_validation", lambda digest, *_arguments, **_options: wants_high[digest])
    answers = table1._by_halves(test, "30 s")
    assert sorted(answers.names) == sorted(test.names)
    own = [test.part(np.array([wants_high[n] == high for n in test.names])) for high in (False, True)]
    assert answers.score() < 0.6
    assert [half.answers("30 s", half.threshold("30 s")).score() for half in own] == [1, 1]


def test_a_row_is_the_mean_of_its_members_and_the_rule_takes_bradycardia_away():
    brady = CLASSES.index("426627000")
    members = np.zeros((2, 1, 27))
    members[0, 0, brady], members[1, 0, AF] = 0.9, 0.9
    one = Scored(("A1",), ("A1",), np.zeros((1, 27), dtype=bool), np.zeros(1, dtype=bool), members)
    positives = {row: int(one.answers(row, 0.4).binary.sum()) for row in ROWS}
    assert positives == {"30 s": 1, "10 s": 1, "30 s + 10 s": 2, "30 s + 10 s + rule": 1}


def answers(right: int, wrong: int, name: str) -> Answers:
    labels = np.zeros((right + wrong, 24), dtype=bool)
    labels[:, 0] = True
    binary = labels.copy()
    binary[right:] = False
    return Answers(tuple(f"{name}{i}" for i in range(right + wrong)), labels, binary)


def test_a_difference_is_of_the_same_recordings():
    """Two trainings that err on the same recordings differ by 0, whatever recordings are drawn."""
    one, other = answers(8, 2, "A"), answers(5, 5, "A")
    same = estimate_difference([one, other], [one, other])
    assert (same.mean, same.low, same.high) == (0, 0, 0)
    worse = estimate_difference([other, other], [one, one])
    assert worse.mean == pytest.approx(other.score() - one.score())
    assert worse.low < worse.mean < worse.high <= 0
    with pytest.raises(ValueError, match="other recordings"):
        estimate_difference([one], [answers(8, 2, "B")])


def test_ablations_are_compared_with_the_paper_s_choices_on_what_was_not_trained_on(made, simulated):
    out, arguments = made
    again = [str(simulated), str(out.parent / "ABLATIONS"), *arguments[2:4], "--leave-out", "georgia"]
    ablations.main([*again, "--only", "bce", "--only", "12-leads"])
    with (out.parent / "ABLATIONS/ablations.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["ablation"], line["set"]) for line in lines] == list(
        itertools.product(("paper", "bce", "12-leads"), (TEST, "georgia, left out"))
    )
    for line in lines:
        score = float(line["challenge score"]) - float(lines[line["set"] != TEST]["challenge score"])
        assert float(line["difference"]) == pytest.approx(score, abs=2e-4)
        assert float(line["difference low"]) <= float(line["difference"]) <= float(line["difference high"])
    folder = out.parent / "ABLATIONS"
    models = [json.loads((folder / name / "seed0/model.json").read_text()) for name in ("paper", "bce", "12-leads")]
    assert [model["settings"]["training"]["loss"] for model in models] == ["sign", "bce", "sign"]
    assert [model["settings"]["network"]["leads"] for model in models] == [8, 8, 12]
    assert [path.parent for path in folder.rglob("index.jsonl")] == [folder / "prepared"]
    text = (out.parent / "ABLATIONS/ablations.md").read_text()
    assert "--only bce --only 12-leads" in text
    assert "`network.leads=12`" in text


def test_intervals_hold_the_mean_and_shrink_with_more_recordings():
    few, many = (estimate([answers(8 * n, 2 * n, "A"), answers(7 * n, 3 * n, "A")]) for n in (1, 20))
    for e in (few, many):
        assert e.low <= e.mean <= e.high
    assert few.high - few.low > many.high - many.low > 0


def test_one_training_has_an_interval_of_its_recordings_alone():
    e = estimate([answers(10, 0, "A")])
    assert (e.low, e.mean, e.high) == (1, 1, 1)
