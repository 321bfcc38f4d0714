"""A GPU that has failed ends the driver, instead of making outputs without answers of all recordings that are left."""

import pytest
import torch
from conftest import ecg

from heartbeats.driving import classify_folder
from heartbeats.inference import InferenceNetwork


@pytest.mark.parametrize("fault", [torch.AcceleratorError, torch.OutOfMemoryError])
def test_no_recording_answers_for_a_gpu_that_cannot_go_on(classifier, write_record, tmp_path, monkeypatch, fault):
    for i in range(3):
        write_record(f"A000{i}", ecg(seconds=2), folder=tmp_path / "data")

    def failing(*_arguments, **_options):
        raise fault("unspecified launch failure")

    monkeypatch.setattr(InferenceNetwork, "probabilities", failing)
    with pytest.raises(
        OSError, match=r"the GPU cannot go on \(unspecified launch failure\): start again with --resume"
    ):
        classify_folder(classifier, tmp_path / "data", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    monkeypatch.undo()
    assert classify_folder(classifier, tmp_path / "data", tmp_path / "out", resume=True) == (3, 0)


def test_a_batch_too_large_for_the_gpu_is_classified_one_by_one(classifier, write_record, tmp_path, monkeypatch):
    for i in range(3):
        write_record(f"A000{i}", ecg(seconds=2), folder=tmp_path / "data")

    def small(inference, signals, **options):
        if len(signals) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return probabilities(inference, signals, **options)

    probabilities = InferenceNetwork.probabilities
    monkeypatch.setattr(InferenceNetwork, "probabilities", small)
    assert classify_folder(classifier, tmp_path / "data", tmp_path / "out") == (3, 0)
