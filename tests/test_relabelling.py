"""Relabelling adds labels that CPSC did not annotate, only to CPSC recordings."""

import csv

import numpy as np

from heartbeats.challenge.diagnoses import CLASSES, WEIGHTS_FILE
from heartbeats.common.settings import Settings
from heartbeats.preparation.prepared import PreparedRecording
from heartbeats.training import relabelling
from heartbeats.training.relabelling import CPSC_CLASSES, relabel, train_and_relabel

AF, BRADY, LAD, RBBB = "164889003", "426627000", "39732003", "59118001"


def one(code: str) -> int:
    return CLASSES.index(code)


def test_the_21_scored_codes_outside_cpscs_own_can_be_added():
    """The codes that dx_mapping_scored.csv counts in CPSC are its own; its PVC, STD and STE are not scored."""
    with WEIGHTS_FILE.with_name("dx_mapping_scored.csv").open() as file:
        own = {row["SNOMED CT Code"] for row in csv.DictReader(file) if int(row["CPSC"])}
    assert own == CPSC_CLASSES
    labels, added = relabel(np.zeros((1, 27), bool), np.ones((1, 27)), np.array([True]), probability=0.8)
    assert labels.sum() == sum(added.values()) == 21
    assert {"PVC", "VPB", "CRBBB", "SVPB"} <= added.keys()


def test_only_sure_classes_that_cpsc_did_not_annotate_are_added_and_counted():
    labels = np.zeros((3, 27), bool)
    labels[:, one(AF)] = True
    probabilities = np.zeros((3, 27))
    probabilities[:, one(BRADY)] = [0.81, 0.8, 0.99]  # above 0.8, not above, not a CPSC recording
    probabilities[0, [one(RBBB), one(LAD)]] = [0.99, 0.95]
    new, added = relabel(labels, probabilities, np.array([True, True, False]), probability=0.8)
    assert added == {"Brady": 1, "LAD": 1}
    assert np.argwhere(new & ~labels).tolist() == sorted([[0, one(BRADY)], [0, one(LAD)]], key=lambda pair: pair[1])
    assert (new >= labels).all()


def test_a_label_that_was_there_is_not_counted():
    labels = np.zeros((1, 27), bool)
    labels[0, one(LAD)] = True
    new, added = relabel(labels, np.ones((1, 27)) * labels, np.array([True]), probability=0.8)
    assert added == {}
    np.testing.assert_array_equal(new, labels)


def prepared(name: str, height: int) -> PreparedRecording:
    return PreparedRecording(name, np.full((8, 1000), height, np.int16), False, name, (), height)


def test_only_cpsc_recordings_get_labels_from_the_network(monkeypatch, tmp_path):
    recordings = [prepared(name, i) for i, name in enumerate(("E00001", "A0001", "Q0001", "A0002", "HR1"))]
    trained_on = []

    class Answers:
        def __init__(self, network, *, seconds):
            assert (network, seconds) == ("the first network", 30)

        def probabilities(self, signals):
            answers = np.full((len(signals), 27), 0.1)
            answers[[signal[0, 0] == 1 for signal in signals], one(BRADY)] = 0.9
            answers[[signal[0, 0] == 3 for signal in signals], one(LAD)] = 0.9
            return answers

    def training(name, given, labels, settings, *, seconds, directory, epochs):
        trained_on.append((name, [recording.name for recording in given], labels.any(), seconds, directory))
        return "the first network"

    monkeypatch.setattr(relabelling, "train_network", training)
    monkeypatch.setattr(relabelling, "InferenceNetwork", Answers)
    nothing = np.zeros((5, 27), bool)
    labels, added = train_and_relabel(recordings, nothing, Settings(), tmp_path, [])
    assert np.argwhere(labels).tolist() == [[1, one(BRADY)], [3, one(LAD)]]
    assert added == {"Brady": 1, "LAD": 1}
    assert trained_on == [("relabelling", [recording.name for recording in recordings], False, 30, tmp_path)]
    others = [recordings[i] for i in (0, 2, 4)]
    labels, added = train_and_relabel(others, nothing[:3], Settings(), tmp_path, [])
    assert not labels.any()
    assert added == {}
    assert len(trained_on) == 1, "no network is trained where there is nothing to relabel"
