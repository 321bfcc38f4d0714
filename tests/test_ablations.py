"""Ablations are compared with the paper's choices on the same recordings."""

import csv
import itertools
import json

import pytest
from conftest import TINY_TOML

from heartbeats.experiments import ablations
from heartbeats.experiments.trainings import TEST


def test_ablations_are_compared_with_the_paper_s_choices_on_what_was_not_trained_on(simulated, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY_TOML)
    folder = tmp_path / "OUT"
    arguments = [str(simulated), str(folder), "--config", str(tmp_path / "tiny.toml"), "--leave-out", "georgia"]
    ablations.main([*arguments, "--only", "bce", "--only", "12-leads"])
    with (folder / "ablations.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["ablation"], line["set"]) for line in lines] == list(
        itertools.product(("paper", "bce", "12-leads"), (TEST, "georgia, left out"))
    )
    for line in lines:
        score = float(line["challenge score"]) - float(lines[line["set"] != TEST]["challenge score"])
        assert float(line["difference"]) == pytest.approx(score, abs=2e-4)
        assert float(line["difference low"]) <= float(line["difference"]) <= float(line["difference high"])
    models = [json.loads((folder / name / "seed0/model.json").read_text()) for name in ("paper", "bce", "12-leads")]
    assert [model["settings"]["training"]["loss"] for model in models] == ["sign", "bce", "sign"]
    assert [model["settings"]["network"]["leads"] for model in models] == [8, 8, 12]
    assert [path.parent for path in folder.rglob("index.jsonl")] == [folder / "prepared"]
    text = (folder / "ablations.md").read_text()
    assert "--only bce --only 12-leads" in text
    assert "`network.leads=12`" in text
