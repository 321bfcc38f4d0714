"""The model that ships, its figures, and PTB-XL's benchmark, on small simulated sets."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY_TOML

from heartbeats.classification.model_folder import load_model
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import read_recording
from heartbeats.experiments import figures, own_labels, pretrain, ptbxl_benchmark
from heartbeats.simulation import simulate_cohort

TINY = re.sub(r"seconds = \[.*\]", "seconds = [5.0]", TINY_TOML) + "[cohort]\ngroups = '../patients.csv'\n"


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Sets like ptbxl100 (train, test, patients) and challenge (a folder for each other source)."""
    folder = tmp_path_factory.mktemp("sets")
    simulate_cohort(folder / "all", records=120, seed=1)
    names = []
    for header_file in find_headers(folder / "all"):
        if header_file.stem.startswith("HR"):
            place = folder / "ptbxl" / ("test" if len(names) % 5 == 0 else "train")
            names.append((header_file.stem, len(names) % 10 + 1))
        else:
            place = folder / "challenge" / header_file.stem.rstrip("0123456789")
        place.mkdir(parents=True, exist_ok=True)
        for suffix in (".hea", ".mat"):
            header_file.with_suffix(suffix).rename(place / f"{header_file.stem}{suffix}")
    (folder / "challenge/ptb_xl").mkdir()
    lines = [f"{name},{i // 2},{fold}" for i, (name, fold) in enumerate(names)]
    (folder / "ptbxl/patients.csv").write_text("\n".join(["recording,patient,fold", *lines, ""]))
    statements = [",diagnostic,form,rhythm,diagnostic_class", "NORM,1.0,,,MI", "ABQRS,,1.0,,", "SR,,,1.0,"]
    statements += ["SBRAD,,,1.0,", "NDT,1.0,1.0,,HYP"]
    (folder / "ptbxl/scp_statements.csv").write_text("\n".join([*statements, ""]))
    codes = ["{'NORM': 100.0, 'SR': 0.0}", "{'NDT': 50.0, 'SBRAD': 0.0}", "{'ABQRS': 0.0, 'SR': 100.0}"]
    rows = [f'{int(name[2:])},{i // 2},{fold},"{codes[i % 3]}"' for i, (name, fold) in enumerate(names)]
    (folder / "ptbxl/ptbxl_database.csv").write_text("\n".join(["ecg_id,patient_id,strat_fold,scp_codes", *rows, ""]))
    (folder / "tiny.toml").write_text(TINY)
    return folder


@pytest.fixture(scope="module")
def pretrained(sets, tmp_path_factory):
    out = tmp_path_factory.mktemp("pretrain")
    pretrain.main([str(sets / "ptbxl"), str(sets / "challenge"), str(out), "--config", str(sets / "tiny.toml")])
    return out


def test_no_recording_is_on_both_sides(sets: Path, pretrained: Path) -> None:
    sides = {
        side: {read_recording(p).digest for p in find_headers(pretrained / "data" / side)} for side in ("train", "test")
    }
    assert sides["train"].isdisjoint(sides["test"])
    assert len(sides["train"] | sides["test"]) == 120
    held_out = {path.stem for path in find_headers(pretrained / "data/test/ptb_xl")}
    assert held_out == {path.stem for path in find_headers(sets / "ptbxl/test")}


def test_the_small_model_answers_as_the_trained_one_and_names_no_recording(pretrained: Path) -> None:
    small, trained = load_model(pretrained / "pretrained"), load_model(pretrained / "model")
    recording = trained.prepare(read_recording(find_headers(pretrained / "data/test")[0]))
    ((one,), (other,)) = (model.classify([recording]) for model in (small, trained))
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=2e-3)
    assert all(p.dtype == torch.float32 for p in small.members[0].network.parameters())
    (weights,) = (pretrained / "pretrained").glob("*.safetensors")
    assert weights.stat().st_size < 0.7 * (pretrained / "model" / weights.name).stat().st_size
    assert "HR0" not in (pretrained / "pretrained/model.json").read_text()


def test_figures_have_a_row_for_each_set_and_lead_set(pretrained: Path, tmp_path: Path) -> None:
    named = [
        word for name in ("ptb_xl", "georgia") for word in ("--set", f"{name}={pretrained}/data/test/{FOLDERS[name]}")
    ]
    groups = ["--groups", str(pretrained / "data/patients.csv")]
    same = [str(pretrained / "data/test/ptb_xl")] * 2
    figures.main(
        [
            str(pretrained / "pretrained"),
            str(tmp_path),
            *named,
            *groups,
            "--lead-sets",
            "--also-pvc",
            "164884008",
            "--same",
            *same,
        ]
    )
    with (tmp_path / "figures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["set"], row["leads"]) for row in rows] == [
        (name, leads) for name in ("ptb_xl", "georgia") for leads in ("12", "6", "4", "3", "2")
    ]
    assert len({row["Challenge metric"] for row in rows}) > 1
    text = (tmp_path / "figures.md").read_text()
    assert "## Ptb_xl, by class" in text
    assert "Brier score" in text
    assert "| PVC|VPB, 164884008 |" in text
    assert "| 0.0000 | 0.0000 |" in text


FOLDERS = {"ptb_xl": "ptb_xl", "georgia": "others/E"}


def test_the_benchmark_of_ptb_xl_scores_each_task(sets: Path, tmp_path: Path) -> None:
    arguments = [str(sets / "ptbxl"), str(tmp_path), "--config", str(sets / "tiny.toml"), "--seeds", "2"]
    ptbxl_benchmark.main(arguments)
    with (tmp_path / "ptbxl_benchmark.csv").open(newline="") as file:
        rows = {row["task"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["all", "diagnostic", "form", "rhythm"]
    assert [rows[task]["statements"] for task in rows] == ["5", "2", "2", "2"]
    before = (tmp_path / "ptbxl_benchmark.csv").read_bytes()
    assert "published |" in (tmp_path / "ptbxl_benchmark.md").read_text()
    ptbxl_benchmark.main(arguments)  # the checkpoints are complete
    assert (tmp_path / "ptbxl_benchmark.csv").read_bytes() == before
    ptbxl_benchmark.main([*arguments, "--fold", "9"])
    assert "published |" not in (tmp_path / "ptbxl_benchmark.md").read_text()
    with pytest.raises(SystemExit):
        ptbxl_benchmark.main([*arguments, "--fold", "8"])  # a fold that trains


def test_own_labels_compare_two_starts(sets: Path, pretrained: Path, tmp_path: Path, monkeypatch) -> None:
    for name, value in (("SIZES", (3, 5)), ("STEPS", 2)):
        monkeypatch.setattr(own_labels, name, value)
    own_labels.main([str(sets / "ptbxl"), str(tmp_path), "--model", str(pretrained / "pretrained"), "--seeds", "2"])
    rows = list(csv.DictReader((tmp_path / "own_labels.csv").read_text().splitlines()))
    assert [row["training recordings"] for row in rows] == ["3", "5"]
    for row in rows:
        ours, random, difference = (float(row[key].split()[0]) for key in list(row)[1:])
        assert difference == pytest.approx(ours - random, abs=2e-3)
