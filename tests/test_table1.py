"""Table 1 and the ablations: the scores that they write, the trainings that they make or find, and bad requests."""

import csv
import itertools
import json
import re

import pytest
from conftest import TINY_TOML

from heartbeats.ecg.header import find_headers
from heartbeats.experiments import ablations, table1
from heartbeats.experiments.plan import experiment
from heartbeats.experiments.trainings import AS_PAPER, FULL, ROWS, TEST, UNSEEN
from team_code import load_model


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
    names = [row.format(4, 2) for row in ROWS]
    both = itertools.product(names, (TEST, FULL), (AS_PAPER, UNSEEN))
    externals = itertools.product(names, ("georgia, left out", simulated.name), (UNSEEN,))
    assert set(written) == {*both, *externals}
    for row in written.values():
        low, mean, high = (float(row[name]) for name in ("low", "challenge score", "high"))
        assert low <= mean <= high <= 1
    assert written["4 s + 2 s + rule", TEST, AS_PAPER]["paper"] == "0.683"
    text = (made[0] / "table1.md").read_text()
    assert "--seeds 2 --config tiny.toml --leave-out georgia" in text
    assert "</svg>" in (made[0] / "table1.svg").read_text()


def test_the_left_out_source_is_not_trained_on_and_the_seed_draws_weights_and_split(made, simulated):
    written = model(made[0] / "seed1")
    assert written["settings"]["training"]["loss"] == "bce"
    assert (written["settings"]["training"]["seed"], written["settings"]["cohort"]["seed"]) == (1, 1)
    assert "georgia" not in written["cohort"]["training"]["sources"] | written["cohort"]["validation"]["sources"]
    assert "source georgia" in written["cohort"]["left_out"]
    assert any(path.stem.startswith("E") for path in find_headers(simulated))


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
    with pytest.raises(SystemExit, match="mine: no recordings that can be read"):
        table1.main(arguments)


def test_an_interruption_is_one_line():
    with pytest.raises(SystemExit, match="table1: interrupted; run the same command again"), experiment("table1"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--set", "training.loss=bce"], "training.loss=bce"),
        (["--set", "training.lss='bce'"], "training.lss"),
        (["--set", "training.seconds=[10.0]"], "two members"),
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


def test_ablations_are_compared_with_the_baseline(simulated, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY_TOML)
    folder = tmp_path / "OUT"
    arguments = [str(simulated), str(folder), "--config", str(tmp_path / "tiny.toml"), "--leave-out", "georgia"]
    ablations.main([*arguments, "--only", "bce", "--only", "12-leads"])
    lines = rows(folder / "ablations.csv")
    names = ("baseline", "bce", "12-leads")
    assert [(line["ablation"], line["set"]) for line in lines] == list(
        itertools.product(names, (TEST, "georgia, left out"))
    )
    for line in lines:
        difference = float(line["challenge score"]) - float(lines[line["set"] != TEST]["challenge score"])
        assert float(line["difference"]) == pytest.approx(difference, abs=2e-4)
        assert float(line["difference low"]) <= float(line["difference"]) <= float(line["difference high"])
    settings = [model(folder / name / "seed0")["settings"] for name in names]
    assert [each["training"]["loss"] for each in settings] == ["sign", "bce", "sign"]
    assert [each["network"]["leads"] for each in settings] == [8, 8, 12]
    assert {each["cohort"]["store"] for each in settings} == {"../../prepared"}
    text = (folder / "ablations.md").read_text()
    assert "--only bce --only 12-leads" in text
    assert "`network.leads=12`" in text


def test_own_settings_are_compared_as_whole_entries(simulated, tmp_path):
    """They have another decision, and another number of members than Table 1 has rows for."""
    (tmp_path / "tiny.toml").write_text(TINY_TOML)
    (tmp_path / "never.toml").write_text(f"{TINY_TOML}\n[decision]\nsinus_rhythm_fallback = false\n")
    (tmp_path / "short.toml").write_text(re.sub(r"seconds = \[.*\]", "seconds = [5.0]", TINY_TOML))
    folder = tmp_path / "OUT"
    arguments = [str(simulated), str(folder), "--config", str(tmp_path / "tiny.toml")]
    ablations.main([*arguments, "--compare", str(tmp_path / "never.toml"), "--compare", str(tmp_path / "short.toml")])
    score = {line["ablation"]: float(line["challenge score"]) for line in rows(folder / "ablations.csv")}
    assert list(score) == ["baseline", "never", "short"]
    assert score["never"] != score["baseline"]
    assert [len(load_model(folder / name / "seed0").members) for name in score] == [2, 2, 1]
    text = (folder / "ablations.md").read_text()
    assert "--compare never.toml --compare short.toml" in text
    assert "| short | short.toml |" in text


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("[cohort]\nvalidation_fraction = 0.3", "must be the baseline's"),
        ("[training]\nseed = 3", "an experiment uses the seeds 0, 1"),
        ("[cohort]\nseed = 3", "an experiment uses the seeds 0, 1"),
    ],
)
def test_settings_that_cannot_be_compared_are_refused_before_training(
    simulated, tmp_path, monkeypatch, settings, named
):
    monkeypatch.setattr("heartbeats.experiments.trainings.train_model", None)
    (tmp_path / "mine.toml").write_text(settings)
    with pytest.raises(SystemExit, match=named):
        ablations.main([str(simulated), str(tmp_path / "OUT"), "--compare", str(tmp_path / "mine.toml")])
