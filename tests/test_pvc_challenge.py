"""PVC with and without the U-Net: who answered for which recordings, and how often rightly."""

import csv
import json
import shutil

import numpy as np
import pytest
from heartbeats.classification.classifier import Classifier

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.ecg.header import find_headers, source_of
from heartbeats.ecg.recording import read_header
from heartbeats.experiments import pvc_challenge
from heartbeats.preparation.prepared import prepare_file
from heartbeats.training.cohort import drawn


@pytest.fixture(scope="module")
def rows(simulated, model_directory, tmp_path_factory):
    out = tmp_path_factory.mktemp("pvc")
    names = [path.stem for path in find_headers(simulated)]
    lines = [f"{name},{i % 2}" for i, name in enumerate(names)]
    (out / "marked.csv").write_text("\n".join(["record,marked", *lines]) + "\n")
    pvc_challenge.main([str(simulated), str(out), str(out / "marked.csv"), str(model_directory)])
    with (out / "pvc_challenge.csv").open(newline="") as file:
        return {(row["who"], row["recordings"]): row for row in csv.DictReader(file)}


def test_networks_and_u_net_answer_for_the_recordings_that_the_model_did_not_see(rows, simulated, model_directory):
    where = f"not trained on by {model_directory.name}"
    networks, unet = rows["networks", where], rows["U-Net", where]
    prepared = [prepare_file(path) for path in find_headers(simulated)]
    scored = {path.stem: bool(set(read_header(path).diagnoses) & set(CLASSES)) for path in find_headers(simulated)}
    assert not all(scored.values())
    unseen = [p for p in prepared if source_of(p.name) == "incart" or drawn(p.digest, by=0) < 0.2 or not scored[p.name]]
    assert int(networks["labelled"]) + int(networks["unlabelled"]) == len(unseen)
    assert (networks["labelled"], networks["unlabelled"]) == (unet["labelled"], unet["unlabelled"])
    marked = {path.stem for path in find_headers(simulated)[1::2]}
    assert int(unet["found"]) + int(unet["falsely_found"]) == len(marked & {p.name for p in unseen})


def test_each_model_reads_signals_prepared_as_it_was_trained(simulated, model_directory, tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    shutil.copytree(model_directory, raw, ignore=shutil.ignore_patterns("prepared"))
    model = json.loads((raw / "model.json").read_text())
    model["settings"]["preparation"]["denoising"] = False
    (raw / "model.json").write_text(json.dumps(model))
    marked = tmp_path / "marked.csv"
    marked.write_text("record,marked\n" + "".join(f"{path.stem},0\n" for path in find_headers(simulated)))
    given = []

    def classify(classifier, recordings):
        given.append((classifier.settings.preparation, recordings))
        return whole(classifier, recordings)

    whole = Classifier.classify
    monkeypatch.setattr(Classifier, "classify", classify)
    pvc_challenge.main([*map(str, (simulated, tmp_path / "out", marked, model_directory, raw))])
    assert [settings.denoising for settings, _ in given] == [True, False]
    for settings, recordings in given:
        assert recordings
        for recording in recordings:
            expected = prepare_file(simulated / f"{recording.name}.hea", settings)
            np.testing.assert_array_equal(recording.signal, expected.signal)


def test_a_folder_without_recordings_is_named(tmp_path, model_directory):
    with pytest.raises(SystemExit) as ended:
        pvc_challenge.main([str(tmp_path), str(tmp_path / "out"), str(tmp_path / "marked.csv"), str(model_directory)])
    assert str(tmp_path) in str(ended.value.code)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("record,marked\nX1,1\n", "{first} is not in it"),
        ("data,record\nDS1,100\n", "no table of marked recordings"),
        ("\udcff\n1\n", "no table of marked recordings"),
    ],
)
def test_a_recording_that_the_u_net_has_not_marked_is_named(tmp_path, simulated, model_directory, content, named):
    marked = tmp_path / "marked.csv"
    marked.write_text(content, errors="surrogateescape")
    with pytest.raises(SystemExit) as ended:
        pvc_challenge.main([str(simulated), str(tmp_path / "out"), str(marked), str(model_directory)])
    assert named.format(first=find_headers(simulated)[0].stem) in str(ended.value.code)


def test_two_models_of_one_name_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        pvc_challenge.main(["data", "out", "marked.csv", str(tmp_path / "a/seed0"), str(tmp_path / "b/seed0")])
    assert ended.value.code == 2
    assert "two have the same" in capsys.readouterr().err
