"""A table has a row per recording, survives kills, and can be resumed."""

import csv
import math
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ecg
from pyarrow import parquet

from heartbeats import __version__
from heartbeats.challenge.diagnoses import ABBREVIATIONS, SCORED
from heartbeats.challenge.outputs import Prediction, read_output
from heartbeats.classification import table as tables
from heartbeats.classification.folder import Outcome, classify_folder
from heartbeats.classification.table import open_table
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import InUseError
from heartbeats.ecg.recording import read_recording
from heartbeats.preparation.workers import Failure

KINDS = (".csv", ".parquet")


def read(path: Path) -> dict[str, dict]:
    """The rows of a table by name."""
    if path.suffix == ".parquet":
        rows = parquet.read_table(path).to_pylist()
    else:
        with path.open() as file:
            rows = [{key: value or None for key, value in row.items()} for row in csv.DictReader(file)]
    assert len({row["name"] for row in rows}) == len(rows)
    return {row["name"]: row for row in rows}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(tables, "PART", 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_has_what_the_output_files_have(classifier, write_record, tmp_path, kind):
    for i in range(5):
        write_record(f"A000{i}", ecg(seconds=2), folder=tmp_path / "data", gain="0/mV" if i == 1 else "1000/mV")
    (tmp_path / "data/A0009.hea").write_text("no header")
    table = tmp_path / f"table{kind}"
    assert classify_folder(classifier, tmp_path / "data", tmp_path / "out", table=table) == Outcome(5, 1, 0)
    rows = read(table)
    assert {row["version"] for row in rows.values()} == {__version__}
    assert rows.keys() == {path.stem for path in (tmp_path / "out").iterdir()}
    assert "no usable gain" in rows["A0001"]["warnings"]
    assert rows.pop("A0009")["reason"]
    for name, row in rows.items():
        answer = read_output(tmp_path / f"out/{name}.csv")
        for code, label, probability in zip(answer.classes, answer.labels, answer.probabilities, strict=True):
            assert int(row[f"label_{ABBREVIATIONS[code]}"]) == label
            assert math.isclose(float(row[f"probability_{ABBREVIATIONS[code]}"]), probability, abs_tol=1e-6)


def test_another_table_is_not_resumed(classifier, write_record, tmp_path):
    data = write_record(folder=tmp_path / "data").parent
    classify_folder(classifier, data, embeddings=tmp_path / "t.parquet")
    with pytest.raises(HeartBeatsError, match=r"part-000001\.parquet is a part of another table"):
        classify_folder(classifier, data, table=tmp_path / "t.parquet", resume=True)


def test_two_drivers_cannot_write_one_table(tmp_path):
    other = open_table(tmp_path / "t.parquet", SCORED, resume=True)
    with open_table(tmp_path / "t.parquet", SCORED, resume=False), pytest.raises(InUseError, match="is in use"):
        other.__enter__()


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_alone_is_resumed(classifier, write_record, tmp_path, kind):
    """A failed recording is tried again."""
    for i in range(3):
        write_record(f"A000{i}", ecg(seconds=2), folder=tmp_path / "data")
    (tmp_path / "data/A0003.hea").write_text("no header")
    table = tmp_path / f"table{kind}"
    assert classify_folder(classifier, tmp_path / "data", table=table) == Outcome(3, 1, 0)
    before = read(table)
    write_record("A0003", ecg(seconds=2), folder=tmp_path / "data")
    assert classify_folder(classifier, tmp_path / "data", table=table, resume=True) == Outcome(1, 0, 3)
    after = read(table)
    assert before.pop("A0003")["reason"]
    assert after.pop("A0003")["reason"] is None
    assert after == before
    assert classify_folder(classifier, tmp_path / "data", table=table) == Outcome(4, 0, 0)
    assert len(read(table)) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_run_keeps_its_rows(tmp_path, kind):
    answer = Prediction("A0001", tuple(ABBREVIATIONS), (0,) * 27, (0.5,) * 27)
    answers = [answer, Failure("名\udcff", "line\nline"), Failure("A0003", "other")]
    with suppress(KeyboardInterrupt), open_table(tmp_path / f"t{kind}", SCORED, resume=False) as table:
        for each in answers:
            table.add(each)
        raise KeyboardInterrupt
    assert read(tmp_path / f"t{kind}").keys() == {"A0001", "名\\udcff", "A0003"}
    if kind == ".csv":
        with (tmp_path / "t.csv").open("a") as file:
            file.write("A0004,,,0,1")  # a kill in the middle of a row
    with open_table(tmp_path / f"t{kind}", SCORED, resume=True) as table:
        assert table.classified == {"A0001"}
    assert read(tmp_path / f"t{kind}").keys() == {"A0001"}


def test_embeddings_are_what_the_heads_get(classifier, write_record, tmp_path):
    for i in range(3):
        write_record(f"A000{i}", ecg(seconds=2 + 3 * i), folder=tmp_path / "data")
    embeddings = tmp_path / "e.parquet"
    assert classify_folder(classifier, tmp_path / "data", embeddings=embeddings) == Outcome(3, 0, 0)
    for name, row in read(embeddings).items():
        prepared = classifier.prepare(read_recording(tmp_path / f"data/{name}.hea"))
        vectors = np.split(np.array(row["embedding"], np.float32), len(classifier.members))
        logits = [
            member.network.head(torch.from_numpy(vector))
            for member, vector in zip(classifier.members, vectors, strict=True)
        ]
        (answer,) = classifier.classify([prepared])
        probabilities = torch.sigmoid(torch.stack(logits)).mean(dim=0).detach().numpy()
        np.testing.assert_allclose(probabilities, answer.probabilities, atol=1e-5)
    assert classify_folder(classifier, tmp_path / "data", embeddings=embeddings, resume=True) == Outcome(0, 0, 3)


def test_other_files_are_refused_and_kept(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "t.parquet").mkdir()
    (tmp_path / "t.parquet/part-000001.parquet").write_text("no parquet")
    for name, said in (("other.csv", "another table"), ("t.parquet", "cannot be read"), ("t.json", ".parquet or .csv")):
        with pytest.raises(HeartBeatsError, match=said), open_table(tmp_path / name, SCORED, resume=True):
            pass
    assert (tmp_path / "other.csv").read_text() == "a,b\n1,2\n"
