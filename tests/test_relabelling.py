"""Relabelling adds, to CPSC recordings only, what CPSC did not annotate."""

import numpy as np

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.common.settings import Settings
from heartbeats.preparation.prepared import Prepared
from heartbeats.training import relabelling
from heartbeats.training.relabelling import CPSC_CLASSES, relabel, train_and_relabel

AF, BRADY, LAD, CRBBB = "164889003", "426627000", "39732003", "713427006"


def one(code: str) -> int:
    return CLASSES.index(code)


def test_cpsc_annotated_ten_of_the_27_codes_and_17_can_be_added():
    """NSR, AF, IAVB, LBBB, and RBBB, PAC and PVC with their equivalents; STD and STE are not among the 27."""
    assert len(CPSC_CLASSES) == 10
    assert set(CLASSES) >= CPSC_CLASSES
    everything = np.ones((1, 27))
    labels, added = relabel(np.zeros((1, 27), bool), everything, np.array([True]), probability=0.8)
    assert labels.sum() == sum(added.values()) == 17


def test_only_sure_classes_that_cpsc_did_not_annotate_are_added_and_counted():
    labels = np.zeros((3, 27), bool)
    labels[:, one(AF)] = True
    probabilities = np.zeros((3, 27))
    probabilities[:, one(BRADY)] = [0.81, 0.8, 0.99]  # above 0.8, not above, not a CPSC recording
    probabilities[0, [one(CRBBB), one(LAD)]] = [0.99, 0.95]
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


def prepared(name: str, height: int) -> Prepared:
    return Prepared(name, np.full((8, 1000), height, np.int16), bradycardia=False, digest=name, warnings=())


def test_each_cpsc_recording_gets_what_the_network_answers_for_it_and_no_other_gets_any(monkeypatch, tmp_path):
    recordings = [prepared(name, i) for i, name in enumerate(("E00001", "A0001", "Q0001", "A0002", "HR1"))]
    trained_on = []

    class Answers:
        def __init__(self, network):
            assert network == "the first network"

        def probabilities(self, signals, *, seconds):
            assert seconds == 30
            answers = np.full((len(signals), 27), 0.1)
            answers[[signal[0, 0] == 1 for signal in signals], one(BRADY)] = 0.9
            answers[[signal[0, 0] == 3 for signal in signals], one(LAD)] = 0.9
            return answers

    def training(name, given, labels, settings, *, seconds, directory):
        trained_on.append((name, [recording.name for recording in given], labels.any(), seconds, directory))
        return "the first network"

    monkeypatch.setattr(relabelling, "train_network", training)
    monkeypatch.setattr(relabelling, "InferenceNetwork", Answers)
    nothing = np.zeros((5, 27), bool)
    labels, added = train_and_relabel(recordings, nothing, Settings(), tmp_path)
    assert np.argwhere(labels).tolist() == [[1, one(BRADY)], [3, one(LAD)]]
    assert added == {"Brady": 1, "LAD": 1}
    assert trained_on == [("relabelling", [recording.name for recording in recordings], False, 30, tmp_path)]
    others = [recordings[i] for i in (0, 2, 4)]
    labels, added = train_and_relabel(others, nothing[:3], Settings(), tmp_path)
    assert not labels.any()
    assert added == {}
    assert len(trained_on) == 1, "no network is trained where there is nothing to relabel"
