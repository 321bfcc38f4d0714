"""Table 1 is made of what its networks answer, at the thresholds that it says, and made again it trains nothing."""

import csv
import itertools
import json

import pytest
from conftest import TINY_TOML

from heartbeats.ecg.header import find_headers
from heartbeats.experiments import table1
from heartbeats.experiments.plan import experiment
from heartbeats.experiments.trainings import AS_PAPER, FULL, ROWS, TEST, UNSEEN

NAMES = [row.format(4, 2) for row in ROWS]


@pytest.fixture(scope="module")
def made(simulated, tmp_path_factory):
    """OUT of two seeds with Georgia left out, and the arguments that made it."""
    out = tmp_path_factory.mktemp("table1")
    (out / "tiny.toml").write_text(TINY_TOML)
    arguments = [str(simulated), str(out / "OUT"), "--config", str(out / "tiny.toml"), "--seeds", "2"]
    arguments += ["--leave-out", "georgia", "--external", str(simulated), "--set", 'training.loss="bce"']
    table1.main(arguments)
    return out / "OUT", arguments


def rows(out):
    with (out / "table1.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_model_is_scored_on_every_set_at_both_thresholds(made, simulated):
    written = {(row["model"], row["set"], row["threshold"]): row for row in rows(made[0])}
    both = itertools.product(NAMES, (TEST, FULL), (AS_PAPER, UNSEEN))
    externals = itertools.product(NAMES, ("georgia, left out", simulated.name), (UNSEEN,))
    assert set(written) == {*both, *externals}
    for row in written.values():
        low, mean, high = (float(row[name]) for name in ("low", "challenge score", "high"))
        assert low <= mean <= high <= 1
    assert written["4 s + 2 s + rule", TEST, AS_PAPER]["paper"] == "0.683"
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
    monkeypatch.setattr("heartbeats.training.pipeline.train_network", None)
    table1.main([arguments[0], str(moved), *arguments[2:]])
    assert rows(moved.rename(out)) == before


def test_external_recordings_that_cannot_be_used_are_named_and_if_none_can_be_that_is_said(
    made, write_record, tmp_path
):
    files = [write_record(f"X000{i}", folder=tmp_path / "mine", dx="164889003") for i in range(3)]
    files[0].with_suffix(".mat").unlink()
    arguments = [
        *made[1][:6],
        "--leave-out",
        "georgia",
        "--set",
        'training.loss="bce"',
        "--external",
        str(tmp_path / "mine"),
    ]
    with pytest.MonkeyPatch.context() as patched:
        said = []
        patched.setattr(
            "heartbeats.experiments.trainings.log.warning", lambda text, *values: said.append(text % values)
        )
        table1.main(arguments)
        assert {line.split(" is left out")[0] for line in said} == {"mine: X0000"}
    for file in files[1:]:
        file.with_suffix(".mat").unlink()
    with pytest.raises(SystemExit) as ended:
        table1.main(arguments)
    assert "mine: no recordings that can be read" in str(ended.value.code)


def test_an_interruption_is_told_in_a_line():
    with pytest.raises(SystemExit, match="table1: interrupted; the same command goes on"), experiment("table1"):
        raise KeyboardInterrupt


def test_a_folder_that_cannot_be_written_is_named(made):
    (made[0] / "table1.md").unlink()
    (made[0] / "table1.md").mkdir()
    try:
        with pytest.raises(SystemExit) as ended:
            table1.main(made[1])
    finally:
        (made[0] / "table1.md").rmdir()
    assert "table1.md" in str(ended.value.code)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--set", "training.loss=bce"], "training.loss=bce"),
        (["--set", "training.lss='bce'"], "training.lss"),
        (["--set", "training.seconds=[10.0]"], "two members"),
        (["--config", "absent.toml"], "absent.toml"),
        (["--external", "absent"], "absent"),
        (["--external", "a/ludb", "--external", "b/ludb"], "two have the same"),
        (["--set", "training.seconds=[2.0, 4.0]"], "the long and then the short"),
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--set", "cohort.validation_fraction=1e-300"], "no recordings validate with seed 0"),
        (["--leave-out", "gorgia"], "unknown source 'gorgia'; the sources are cpsc"),
        (["--leave-out", "incart", "--set", "cohort.excluded_sources=[]"], "incart, left out: no recordings"),
    ],
)
def test_what_is_wrong_is_named(made, arguments, named):
    with pytest.raises(SystemExit) as ended:
        table1.main([*made[1][:4], *arguments])
    assert named in str(ended.value.code)
