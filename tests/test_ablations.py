"""Ablations are compared with the baseline on the same recordings."""

import csv
import itertools
import json
import re

import pytest
from conftest import TINY_TOML

from heartbeats.experiments import ablations
from heartbeats.experiments.trainings import TEST
from team_code import load_model


def test_ablations_are_compared_with_the_paper_s_choices_on_what_was_not_trained_on(simulated, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY_TOML)
    folder = tmp_path / "OUT"
    arguments = [str(simulated), str(folder), "--config", str(tmp_path / "tiny.toml"), "--leave-out", "georgia"]
    ablations.main([*arguments, "--only", "bce", "--only", "12-leads"])
    with (folder / "ablations.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["ablation"], line["set"]) for line in lines] == list(
        itertools.product(("baseline", "bce", "12-leads"), (TEST, "georgia, left out"))
    )
    for line in lines:
        score = float(line["challenge score"]) - float(lines[line["set"] != TEST]["challenge score"])
        assert float(line["difference"]) == pytest.approx(score, abs=2e-4)
        assert float(line["difference low"]) <= float(line["difference"]) <= float(line["difference high"])
    models = [json.loads((folder / name / "seed0/model.json").read_text()) for name in ("baseline", "bce", "12-leads")]
    assert [model["settings"]["training"]["loss"] for model in models] == ["sign", "bce", "sign"]
    assert [model["settings"]["network"]["leads"] for model in models] == [8, 8, 12]
    assert [path.parent for path in folder.rglob("prepared.index")] == [folder / "prepared"]
    text = (folder / "ablations.md").read_text()
    assert "--only bce --only 12-leads" in text
    assert "`network.leads=12`" in text


def test_settings_of_one_s_own_are_compared_as_whole_entries(simulated, tmp_path):
    """Another decision, and another number of members than Table 1 has rows for."""
    (tmp_path / "tiny.toml").write_text(TINY_TOML)
    (tmp_path / "never.toml").write_text(f"{TINY_TOML}\n[decision]\nsinus_rhythm_fallback = false\n")
    (tmp_path / "short.toml").write_text(re.sub(r"seconds = \[.*\]", "seconds = [5.0]", TINY_TOML))
    folder = tmp_path / "OUT"
    arguments = [str(simulated), str(folder), "--config", str(tmp_path / "tiny.toml")]
    ablations.main([*arguments, "--compare", str(tmp_path / "never.toml"), "--compare", str(tmp_path / "short.toml")])
    with (folder / "ablations.csv").open(newline="") as file:
        score = {line["ablation"]: float(line["challenge score"]) for line in csv.DictReader(file)}
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
        ("[training]\nseed = 3", "training.seed: an experiment trains with the seeds 0, 1"),
    ],
)
def test_what_cannot_be_compared_is_named_before_anything_is_trained(simulated, tmp_path, monkeypatch, settings, named):
    monkeypatch.setattr("heartbeats.experiments.trainings.train_entry", None)
    (tmp_path / "mine.toml").write_text(settings)
    with pytest.raises(SystemExit) as ended:
        ablations.main([str(simulated), str(tmp_path / "OUT"), "--compare", str(tmp_path / "mine.toml")])
    assert named in str(ended.value.code)
