"""Relabelling adds, to CPSC recordings only, what CPSC did not annotate."""

import numpy as np

from heartbeats.diagnoses import CLASSES
from heartbeats.relabelling import CPSC_CLASSES, relabel

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
