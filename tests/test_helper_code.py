"""The organisers' 2021 helper functions: their names and meanings, on both header dialects."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from conftest import TWELVE, ecg
from test_header import EARLY, LATER

import helper_code
from heartbeats.challenge.outputs import OutputError
from heartbeats.ecg.recording import RecordingError


@pytest.mark.parametrize(
    ("values", "number", "finite", "integer"),
    [
        ((1, "1.0", " -3 ", "1e3"), True, True, True),
        (("1.5", np.float32(2.5)), True, True, False),
        (("nan", float("inf")), True, False, False),
        (("", "one", None, [1], 10**400), False, False, False),
    ],
)
def test_numbers(values: tuple, number: bool, finite: bool, integer: bool) -> None:
    for x in values:
        assert helper_code.is_number(x) == number
        assert helper_code.is_finite_number(x) == finite
        assert helper_code.is_integer(x) == integer


def test_leads_are_sorted_as_usual_with_others_last() -> None:
    assert helper_code.sort_leads(reversed(TWELVE)) == TWELVE
    assert helper_code.sort_leads(["vy", "V2", "vx", "aVF", "I"]) == ("I", "aVF", "V2", "vx", "vy")


def test_challenge_files_are_found_in_pairs(write_record, tmp_path: Path) -> None:
    write_record("B0001")
    write_record("A0001", folder=tmp_path / "sub")
    write_record("A0003").with_suffix(".mat").unlink()
    headers, recordings = helper_code.find_challenge_files(str(tmp_path))
    assert headers == [f"{tmp_path}/B0001.hea", f"{tmp_path}/sub/A0001.hea"]
    assert recordings == [f"{tmp_path}/B0001.mat", f"{tmp_path}/sub/A0001.mat"]


@pytest.mark.parametrize("header", [EARLY, LATER])
def test_the_values_of_a_header(header: str) -> None:
    assert helper_code.get_recording_id(header) == "A0001"
    assert helper_code.get_leads(header) == ("I", "II", "aVR")
    assert helper_code.get_age(header) == 74
    assert helper_code.get_sex(header) == "Male"
    assert helper_code.get_num_leads(header) == 3
    assert helper_code.get_frequency(header) == 500
    assert helper_code.get_num_samples(header) == 7500
    assert helper_code.get_labels(header) == ["59118001", "426783006"]
    other = header.replace("1000/mV 16 0 7", "200/mV 16 5 7").replace("1000.0(0)/mV 16 0 7", "200.0(5)/mV 16 0 7")
    np.testing.assert_array_equal(helper_code.get_adc_gains(other, ("avr", "II", "V1")), [1000, 200, np.nan])
    np.testing.assert_array_equal(helper_code.get_baselines(other, ("avr", "II", "V1")), [0, 5, np.nan])


def test_missing_values_are_none_or_nan() -> None:
    header = "A0001\n"
    assert helper_code.get_leads(header) == ()
    assert np.isnan(helper_code.get_age(header))
    assert helper_code.get_labels(header) == []
    for get in ("get_sex", "get_num_leads", "get_frequency", "get_num_samples"):
        assert getattr(helper_code, get)(header) is None


def test_leads_are_chosen_in_the_requested_order(write_record) -> None:
    path = write_record("A0001", leads=[lead.lower() for lead in TWELVE])
    header, recording = helper_code.load_header(str(path)), ecg()
    assert header == path.read_text()
    np.testing.assert_array_equal(helper_code.load_recording(str(path.with_suffix(".mat"))), recording)
    chosen = helper_code.load_recording(path.with_suffix(".mat"), header, ("V2", "I", "aVR"))
    np.testing.assert_array_equal(chosen, recording[[7, 0, 3]])
    assert chosen.dtype == np.int16


def test_a_lead_that_is_not_recorded_is_a_row_of_zeros(write_record) -> None:
    header, recording = helper_code.load_header(write_record("A0001", leads=("I", "II"))), ecg(leads=2)
    chosen = helper_code.choose_leads(recording, header, ("V1", "II"))
    np.testing.assert_array_equal(chosen, [np.zeros(recording.shape[1]), recording[1]])


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="A0009"):
        helper_code.load_recording(tmp_path / "A0009.mat")
    with pytest.raises(OutputError, match="A0001"):
        helper_code.load_outputs(tmp_path / "A0001.csv")


def test_outputs_load_as_they_were_saved(tmp_path: Path) -> None:
    path, classes = str(tmp_path / "A0001.csv"), ("426783006", "59118001", "164889003")
    labels, probabilities = np.array([1, 0, 1], bool), np.array([0.9, 1 / 3, np.nan])
    helper_code.save_outputs(path, "A0001", classes, labels, probabilities)
    *read, scalar = helper_code.load_outputs(path)
    assert read == ["A0001", classes, (1, 0, 1)]
    np.testing.assert_array_equal(scalar, probabilities)


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
    recording = helper_code.load_recording(f"{path}.mat", header, leads[::-1])
    np.testing.assert_array_equal(recording[::-1], scipy.io.loadmat(f"{path}.mat")["val"])
    assert recording.shape == (helper_code.get_num_leads(header), helper_code.get_num_samples(header))
