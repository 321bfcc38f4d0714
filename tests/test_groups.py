"""A patient is on one side of the split, and folds are as the table says."""

import dataclasses

import numpy as np
import pytest
from conftest import ecg

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import Settings
from heartbeats.training.cohort import build_cohort
from heartbeats.training.groups import Group, read_groups


def with_cohort(**changes) -> Settings:
    return dataclasses.replace(Settings(), cohort=dataclasses.replace(Settings().cohort, **changes))


@pytest.fixture
def folder(write_record, tmp_path):
    """Thirty recordings of ten patients; patient i is in fold i."""
    for i in range(30):
        write_record(f"HR{i:05}", ecg(rate=50 + i), folder=tmp_path / "data", dx="426783006")
    lines = [f"HR{i:05},{i % 10},{i % 10}" for i in range(30)]
    (tmp_path / "patients.csv").write_text("\n".join(["recording,patient,fold", *lines, ""]))
    return tmp_path


def test_a_patient_is_on_one_side_of_the_split(folder):
    lines = (folder / "patients.csv").read_text().splitlines()
    (folder / "patients.csv").write_text("\n".join(line.rsplit(",", 1)[0] for line in lines))
    cohort = build_cohort(
        folder / "data", folder / "cache", with_cohort(groups="../patients.csv", validation_fraction=0.4)
    )
    sides: dict[int, set[bool]] = {}
    for recording, validates in zip(cohort.recordings, cohort.validation, strict=True):
        sides.setdefault(int(recording.name[2:]) % 10, set()).add(bool(validates))
    assert len(sides) == 10
    assert all(len(side) == 1 for side in sides.values())
    assert 0 < cohort.validation.sum() < 30


def test_folds_validate_or_are_left_out(folder, caplog):
    (folder / "data/HR00000.hea").rename(folder / "data/E00000.hea")
    (folder / "data/HR00000.mat").rename(folder / "data/E00000.mat")
    settings = with_cohort(groups="../patients.csv", validation_folds=(8, 9), test_folds=(3,))
    cohort = build_cohort(folder / "data", folder / "cache", settings)
    known = [recording.name != "E00000" for recording in cohort.recordings]
    folds = np.array([int(recording.name[-5:]) % 10 for recording in cohort.recordings])
    np.testing.assert_array_equal(cohort.validation[known], np.isin(folds, (8, 9))[known])
    assert cohort.left_out["test fold"] == [f"HR{i:05}" for i in (3, 13, 23)]
    assert "not in ../patients.csv, each taken as a patient (1): E00000" in caplog.text


@pytest.mark.parametrize("text", [None, "", "recording\nA1\n", "recording,patient,fold\nA1,7,\n", "\0"])
def test_a_table_that_cannot_be_used_is_named(tmp_path, text):
    path = tmp_path / "patients.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(HeartBeatsError, match=r"patients\.csv: not a table of recording, patient and fold"):
        read_groups(path)


def test_a_table_is_read(tmp_path):
    (tmp_path / "patients.csv").write_text("fold,recording,patient\n3,A1,p1\n")
    assert read_groups(tmp_path / "patients.csv") == {"A1": Group("p1", 3)}


def test_a_code_can_count_as_pvc_in_training(write_record, tmp_path):
    write_record("HR00001", folder=tmp_path / "data", dx="164884008")
    write_record("HR00002", ecg(rate=70), folder=tmp_path / "data", dx="426783006")
    cohort = build_cohort(tmp_path / "data", tmp_path / "cache", with_cohort(also_pvc=("164884008",)))
    assert [[CLASSES[j] for j in np.flatnonzero(row)] for row in cohort.labels] == [["427172004"], ["426783006"]]
