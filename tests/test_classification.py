"""Ensemble, threshold, rule and fallback. Model folders are complete or refused."""

import copy
import dataclasses
import json
import shutil
from importlib.metadata import version

import numpy as np
import pytest
import torch

from heartbeats.challenge.diagnoses import BRADYCARDIA, CLASSES, SINUS_RHYTHM
from heartbeats.classification.decision import Evidence, decide
from heartbeats.classification.ensemble import ensemble
from heartbeats.classification.model_folder import ModelError, load_model, save_model
from heartbeats.classification.threshold import read_thresholds, search_threshold
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import DecisionSettings
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import Recording, read_recording
from heartbeats.preparation.prepared import prepare_file
from heartbeats.preparation.signals import fixed_length

BRADY, SNR, AF = (CLASSES.index(code) for code in (BRADYCARDIA, SINUS_RHYTHM, "164889003"))
PVC, VPB = (CLASSES.index(code) for code in ("427172004", "17338001"))
PAPER = DecisionSettings()


def row(**probabilities: float) -> np.ndarray:
    values = np.full((1, 27), 0.1)
    for name, value in probabilities.items():
        values[0, {"brady": BRADY, "snr": SNR, "af": AF}[name]] = value
    return values


@pytest.mark.parametrize(
    ("probabilities", "rule", "positive"),
    [
        (row(af=0.9), False, {AF}),
        (row(af=0.36), False, {AF}),
        (row(brady=0.9), True, {BRADY}),
        (row(brady=0.9), False, {SNR}),  # the rule removes the only positive class: sinus rhythm
        (row(brady=0.9, af=0.5), False, {AF}),
        (row(), True, {SNR}),  # the rule alone makes nothing positive
        (row(snr=0.9), False, {SNR}),
    ],
)
def test_the_decision_in_the_papers_order(probabilities, rule, positive):
    labels = decide(probabilities, Evidence(np.array([rule])), 0.36, PAPER)
    assert set(np.flatnonzero(labels[0])) == positive


def test_the_rule_and_the_fallback_can_be_left_out():
    bare = DecisionSettings(bradycardia_rule=False, sinus_rhythm_fallback=False)
    assert decide(row(brady=0.9), Evidence(np.array([False])), 0.36, bare)[0, BRADY]
    assert not decide(row(), Evidence(np.array([False])), 0.36, bare).any()


@pytest.mark.parametrize(("marked", "positive"), [(True, {PVC, VPB, AF}), (False, {AF})])
def test_the_u_net_replaces_the_networks_for_pvc(marked, positive):
    probabilities = row(af=0.9)
    probabilities[0, VPB] = 0.0 if marked else 0.9
    labels = decide(probabilities, Evidence(np.array([False]), np.array([marked])), 0.36, DecisionSettings(pvc="unet"))
    np.testing.assert_array_equal(
        decide(probabilities, Evidence(np.array([False]), np.array([marked])), 0.36, PAPER),
        decide(probabilities, Evidence(np.array([False])), 0.36, PAPER),
    )
    assert set(np.flatnonzero(labels[0])) == positive


def test_the_u_net_runs_only_if_the_setting_asks_for_it(simulated):
    recordings = [prepare_file(path) for path in find_headers(simulated)[:2]]
    assert Evidence.of(recordings, PAPER).pvc is None
    assert Evidence.of(recordings, DecisionSettings(pvc="unet")).pvc.shape == (2,)


def test_the_threshold_of_best_challenge_score_is_found():
    labels = np.zeros((40, 27), bool)
    labels[:20, AF] = labels[20:, SNR] = True
    probabilities = np.where(labels, 0.4, 0.3)
    probabilities[labels[:, SNR], SNR] = 0.1
    search = search_threshold(probabilities, Evidence(np.zeros(40, bool)), labels, PAPER)
    assert 0.3 < search.threshold <= 0.4
    assert max(search.challenge_scores) == search.challenge_scores[search.thresholds.index(search.threshold)] == 1
    assert len(search.thresholds) == 99


@pytest.mark.parametrize("count", [0, 3])
def test_without_a_best_threshold_the_papers_is_used(count):
    labels = np.zeros((count, 27), bool)
    labels[:, SNR] = True
    search = search_threshold(np.full((count, 27), 0.2), Evidence(np.zeros(count, bool)), labels, PAPER)
    assert search.threshold == 0.36


def test_the_ensemble_is_the_mean_of_its_members(classifier, simulated):
    recordings = [prepare_file(path) for path in find_headers(simulated)[:5]]
    signals = [recording.signal for recording in recordings]
    members = [
        torch.sigmoid(member.network(torch.from_numpy(fixed_length(signals, round(500 * member.seconds))))).detach()
        for member in classifier.members
    ]
    assert [member.seconds for member in classifier.members] == [4.0, 2.0]
    np.testing.assert_allclose(ensemble(classifier.members, recordings), (members[0] + members[1]) / 2, atol=1e-6)
    for prediction, recording in zip(classifier.classify(recordings), recordings, strict=True):
        assert prediction.name == recording.name
        assert prediction.classes == CLASSES
        assert any(prediction.labels)


def test_a_saved_model_gives_the_same_answers(classifier, simulated, tmp_path):
    recordings = [prepare_file(path) for path in find_headers(simulated)[:5]]
    save_model(classifier, tmp_path / "copy", {})
    assert load_model(tmp_path / "copy").classify(recordings) == classifier.classify(recordings)


def change_json(**changes):
    def change(folder):
        path = folder / "model.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def cut(name):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-10])


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda folder: (folder / "model.json").unlink(), "model.json is missing"),
        (cut("model.json"), "model.json is damaged"),
        (change_json(format="other"), "model.json is not of the format"),
        (change_json(format_version=99), "model.json is not of the format"),
        (change_json(classes=["426783006"]), "classes and class_table differ"),
        (change_json(threshold="high"), "model.json lacks an entry"),
        (change_json(threshold=7), "a threshold outside 0 to 1"),
        (change_json(threshold=10**400), "model.json lacks an entry"),
        (lambda folder: (folder / "model.json").write_text(100_000 * "["), "model.json is damaged"),
        (change_json(members=[]), "other networks than its settings"),
        (change_json(members=[{}]), "model.json lacks an entry"),
        (change_json(members=None), "model.json lacks an entry"),
        (change_json(settings={"network": {"depth": 3}}), "network.depth"),
        (change_json(settings=[]), "settings must be tables"),
        (lambda folder: (folder / "se_resnet_4s.safetensors").unlink(), "se_resnet_4s.safetensors"),
        (cut("se_resnet_2s.safetensors"), "se_resnet_2s.safetensors is not the file"),
    ],
)
def test_a_damaged_model_folder_is_refused_with_the_file_name(model_directory, tmp_path, damage, named):
    folder = tmp_path / "model"
    shutil.copytree(model_directory, folder, ignore=shutil.ignore_patterns("prepared"))
    damage(folder)
    with pytest.raises(ModelError) as raised:
        load_model(folder)
    assert named in str(raised.value)
    assert str(folder) in str(raised.value)


def test_members_of_wrong_length_are_refused(model_directory, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model_directory, folder, ignore=shutil.ignore_patterns("prepared"))
    model = json.loads((folder / "model.json").read_text())
    model["members"][0]["seconds"] = -1
    (folder / "model.json").write_text(json.dumps(model))
    with pytest.raises(ModelError, match="other networks than its settings"):
        load_model(folder)


def test_nan_weights_are_refused(classifier, tmp_path):
    network = copy.deepcopy(classifier.members[0].network)
    network.head.bias.data[3] = float("nan")
    members = (dataclasses.replace(classifier.members[0], network=network), *classifier.members[1:])
    save_model(dataclasses.replace(classifier, members=members), tmp_path / "model", {})
    with pytest.raises(ModelError, match=r"se_resnet_4s.safetensors holds weights that are not finite"):
        load_model(tmp_path / "model")


def test_all_files_of_the_model_have_the_same_permissions(model_directory):
    modes = {path.stat().st_mode for path in model_directory.iterdir() if path.is_file()}
    assert len(modes) == 1


def test_weights_of_another_shape_are_refused(model_directory, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model_directory, folder, ignore=shutil.ignore_patterns("prepared"))
    model = json.loads((folder / "model.json").read_text())
    model["settings"]["network"]["width"] = 8
    (folder / "model.json").write_text(json.dumps(model))
    with pytest.raises(ModelError, match=r"se_resnet_4s.safetensors does not hold this network's weights"):
        load_model(folder)


def test_model_json_describes_the_training(model_directory):
    model = json.loads((model_directory / "model.json").read_text())
    search = model["threshold_search"]
    assert model["threshold"] in search["thresholds"]
    assert len(search["challenge_scores"]) == len(search["thresholds"]) == 99
    assert set(model["relabelling"]["added"]) <= set(model["cohort"]["training"]["classes"])
    assert sum(model["relabelling"]["added"].values()) > 0
    assert {"left_out", "particulars", "training", "validation", "warned"} == set(model["cohort"])
    assert len(model["validation_scores"]) == 7
    assert model["versions"]["torch"] == version("torch")
    assert not (model_directory / "checkpoints").exists()


def test_a_model_of_other_code_gives_a_warning(model_directory, monkeypatch, caplog):
    load_model(model_directory)
    assert caplog.messages == []
    monkeypatch.setattr("heartbeats.classification.model_folder.ROOMS", ("common",))
    load_model(model_directory)
    assert "was written by other code of HeartBeats" in caplog.text


def test_a_recording_that_is_not_prepared_is_an_error(classifier):
    with pytest.raises(TypeError, match=r"classify\(\[model\.prepare\(recording\), \.\.\.\]\)"):
        classifier.classify([Recording("mine", np.zeros((1, 5000)), 500, ("I",))])


def test_own_thresholds_replace_the_one(classifier, write_record, tmp_path):
    (tmp_path / "mine.csv").write_text("class,threshold\nAF,0\n426783006,1\n")
    thresholds = read_thresholds(tmp_path / "mine.csv")
    assert thresholds == {"164889003": 0.0, "426783006": 1.0}
    prepared = [classifier.prepare(read_recording(write_record()))]
    (usual,), (own,) = (
        classifier.classify(prepared),
        dataclasses.replace(classifier, thresholds=thresholds).classify(prepared),
    )
    assert own.labels[CLASSES.index("164889003")] == 1
    changed = {own.classes[i] for i in range(27) if own.labels[i] != usual.labels[i]}
    assert changed <= {"164889003", "426783006"}


@pytest.mark.parametrize("row", ["AF", "AF,high", "AF,1.5", "AF,nan", "unknown,0.5", "AF,0.5\n164889003,0.5"])
def test_a_wrong_table_of_thresholds_is_refused_with_its_line(tmp_path, row):
    (tmp_path / "mine.csv").write_text(f"class,threshold\n{row}\n")
    with pytest.raises(HeartBeatsError, match=r"mine.csv, line [23]: needs"):
        read_thresholds(tmp_path / "mine.csv")
