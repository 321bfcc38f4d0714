"""The organisers' 2021 helper functions: their names and meanings, on both header dialects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from conftest import TWELVE, ecg

import helper_code
from heartbeats.challenge.outputs import OutputError
from heartbeats.ecg.recording import RecordingError

HEADERS = (
    "A0001.mat 3 500 7500 05-Feb-2020 11:39:16\n"
    "A0001.mat 16+24 1000/mV 16 0 28 -1716 0 i\n"
    "A0001.mat 16+24 200/mV 16 5 7 2029 0 II\n"
    "A0001.mat 16+24 1000/mv 16 0 -21 3745 0 V1\n"
    "#Age: 74\n#Sex: M\n#Dx: 59118001,426783006,59118001\n",
    "A0001 3 500 7500\n"
    "A0001.mat 16x1+24 1000.0(0)/mV 16 0 28 -1716 0 I\n"
    "A0001.mat 16x1+24 200.0(5)/mV 16 0 7 2029 0 II\n"
    "A0001.mat 16x1+24 1000.0(0)/mV 16 0 -21 3745 0 V1\n"
    "# Age: 74\n# Sex: Male\n# Dx: 59118001,426783006,\n",
)


@pytest.mark.parametrize(
    ("x", "number", "finite", "integer"),
    [
        (1, True, True, True),
        ("1.0", True, True, True),
        ("1.5", True, True, False),
        (" -3 ", True, True, True),
        ("1e3", True, True, True),
        (np.float32(2.5), True, True, False),
        ("nan", True, False, False),
        (float("inf"), True, False, False),
        ("", False, False, False),
        ("one", False, False, False),
        (None, False, False, False),
        ([1], False, False, False),
        (10**400, False, False, False),
    ],
)
def test_numbers(x: object, number: bool, finite: bool, integer: bool) -> None:
    assert helper_code.is_number(x) == number
    assert helper_code.is_finite_number(x) == finite
    assert helper_code.is_integer(x) == integer


def test_leads_are_sorted_as_usual_with_others_last() -> None:
    assert helper_code.sort_leads(reversed(TWELVE)) == TWELVE
    assert helper_code.sort_leads(["vy", "V2", "vx", "aVF", "I"]) == ("I", "aVF", "V2", "vx", "vy")


def test_challenge_files_are_found_in_pairs(write_record, tmp_path: Path) -> None:
    write_record("B0001")
    write_record("A0002")
    write_record("A0001", folder=tmp_path / "sub")
    write_record("A0003").with_suffix(".mat").unlink()
    headers, recordings = helper_code.find_challenge_files(str(tmp_path))
    assert [Path(file).name for file in headers] == ["A0002.hea", "B0001.hea", "A0001.hea"]
    assert [Path(file).with_suffix(".hea") for file in recordings] == [Path(file) for file in headers]
    assert all(isinstance(file, str) and Path(file).is_file() for file in headers + recordings)


@pytest.mark.parametrize("header", HEADERS)
def test_both_dialects_say_the_same(header: str) -> None:
    assert helper_code.get_recording_id(header) == "A0001"
    assert helper_code.get_leads(header) == ("I", "II", "V1")
    assert helper_code.get_age(header) == 74
    assert helper_code.get_sex(header) == "Male"
    assert helper_code.get_num_leads(header) == 3
    assert helper_code.get_frequency(header) == 500
    assert helper_code.get_num_samples(header) == 7500
    assert helper_code.get_labels(header) == ["59118001", "426783006"]
    np.testing.assert_array_equal(helper_code.get_adc_gains(header, ("V1", "II", "I")), [1000, 200, 1000])
    np.testing.assert_array_equal(helper_code.get_baselines(header, ("V1", "II", "I")), [0, 5, 0])


def test_what_a_header_does_not_say_is_none_or_nan() -> None:
    header = "A0001\n"
    assert helper_code.get_leads(header) == ()
    assert np.isnan(helper_code.get_age(header))
    assert helper_code.get_labels(header) == []
    for get in ("get_sex", "get_num_leads", "get_frequency", "get_num_samples"):
        assert getattr(helper_code, get)(header) is None
    assert np.isnan(helper_code.get_adc_gains(header, ("I", "II"))).tolist() == [True, True]
    assert np.isnan(helper_code.get_baselines(header, ("I",))).tolist() == [True]


def test_a_header_and_a_recording_load_as_they_were_written(write_record) -> None:
    path = write_record("A0001")
    assert helper_code.load_header(str(path)) == path.read_text()
    recording = helper_code.load_recording(str(path.with_suffix(".mat")))
    np.testing.assert_array_equal(recording, ecg())
    assert recording.dtype == np.int16


def test_leads_are_chosen_in_the_order_asked_for(write_record) -> None:
    path = write_record("A0001", leads=[lead.lower() for lead in TWELVE])
    header, recording = helper_code.load_header(path), ecg()
    chosen = helper_code.load_recording(path.with_suffix(".mat"), header, ("V2", "I", "aVR"))
    np.testing.assert_array_equal(chosen, recording[[7, 0, 3]])
    np.testing.assert_array_equal(helper_code.choose_leads(recording, header, TWELVE), recording)
    assert helper_code.load_recording(path.with_suffix(".mat"), header, None).shape == recording.shape


def test_a_lead_that_is_not_there_is_a_row_of_zeros(write_record) -> None:
    """As the organisers have it: one row a lead asked for, whatever the recording holds."""
    header = helper_code.load_header(write_record("A0001", leads=("I", "II")))
    recording = ecg(leads=2)
    chosen = helper_code.choose_leads(recording, header, ("V1", "II"))
    np.testing.assert_array_equal(chosen, [np.zeros(recording.shape[1]), recording[1]])
    assert chosen.dtype == recording.dtype


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="A0009"):
        helper_code.load_recording(tmp_path / "A0009.mat")


def test_outputs_load_as_they_were_saved(tmp_path: Path) -> None:
    path = str(tmp_path / "A0001.csv")
    labels, probabilities = np.array([1, 0, 1], bool), np.array([0.9, 1 / 3, np.nan])
    helper_code.save_outputs(path, "A0001", ["426783006", "59118001", "164889003"], labels, probabilities)
    assert Path(path).read_text().splitlines()[:3] == ["#A0001", "426783006,59118001,164889003", "1,0,1"]
    name, classes, read, scalar = helper_code.load_outputs(path)
    assert (name, classes, read) == ("A0001", ("426783006", "59118001", "164889003"), (1, 0, 1))
    np.testing.assert_array_equal(scalar, probabilities)
    assert [file.name for file in tmp_path.iterdir()] == ["A0001.csv"]


def test_outputs_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="A0001"):
        helper_code.load_outputs(tmp_path / "A0001.csv")


@pytest.mark.parametrize("name", ["cpsc_2018/A1986", "georgia/E07541", "ptb/S0010", "cpsc_2018_extra/Q1804"])
def test_real_records_of_both_dialects(ecg_data: Path, name: str) -> None:
    path = ecg_data / "challenge" / name
    header = helper_code.load_header(f"{path}.hea")
    leads = helper_code.get_leads(header)
    assert leads == TWELVE
    assert helper_code.get_recording_id(header) == path.name
    assert helper_code.get_frequency(header) in (500, 1000)
    assert all(label.isdigit() for label in helper_code.get_labels(header))
    np.testing.assert_array_equal(helper_code.get_adc_gains(header, leads), 1000)
    np.testing.assert_array_equal(helper_code.get_baselines(header, leads), 0)
    recording = helper_code.load_recording(f"{path}.mat", header, leads[::-1])
    np.testing.assert_array_equal(recording[::-1], scipy.io.loadmat(f"{path}.mat")["val"])
    assert recording.shape == (helper_code.get_num_leads(header), helper_code.get_num_samples(header))
