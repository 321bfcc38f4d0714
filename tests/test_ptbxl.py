"""PTB-XL becomes a folder in the Challenge's format."""

import math

import numpy as np
import pytest
from conftest import TWELVE, ecg
from hypothesis import given, settings
from hypothesis import strategies as st
from published_sets import LAD, NORMAL, UNSCORED, diagnoses, problems, write_plain, write_ptbxl

from heartbeats.datasets.ptbxl import convert_ptbxl, parse_statements
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import RecordingError, read_recording


@pytest.mark.parametrize(("rate", "samples"), [(500, 5000), (100, 1000)])
def test_ptb_xl_is_converted_at_either_rate(rate, samples, tmp_path):
    changes = ({}, {"sex": "0", "age": "300.0", "heart_axis": "ALAD"}, {"sex": "", "age": ""})
    report = convert_ptbxl(write_ptbxl(tmp_path / "ptb-xl", *changes), tmp_path / "out", rate=rate)
    assert (report.written, report.problems) == (3, [])
    expected = {"PTBXL00001": (NORMAL,), "PTBXL00002": (NORMAL, LAD), "PTBXL00003": (NORMAL,)}
    assert diagnoses(tmp_path / "out") == expected
    recordings = [read_recording(path) for path in find_headers(tmp_path / "out")]
    assert [recording.sex for recording in recordings] == ["Female", "Male", None]
    np.testing.assert_array_equal([recording.age for recording in recordings], [56, math.nan, math.nan])
    for number, recording in enumerate(recordings, start=1):
        assert (recording.sampling_rate, recording.leads) == (rate, TWELVE)
        assert recording.signal.shape == (12, samples)
        np.testing.assert_allclose(recording.signal, (ecg(sampling_rate=rate) + number) / 1000, atol=1e-9)


def test_unlikely_statements_are_omitted_only_if_asked(tmp_path):
    # LVH is unlikely, LAFB likely; the likelihood of AFIB is unknown.
    source = write_ptbxl(tmp_path / "ptb-xl", {"scp_codes": "{'LVH': 15.0, 'LAFB': 80, 'AFIB': 0.0}"})
    for likelihood, codes in ((0, {UNSCORED, "445118002", "164889003"}), (80, {"445118002", "164889003"})):
        convert_ptbxl(source, tmp_path / f"{likelihood}", likelihood=likelihood)
        assert set(diagnoses(tmp_path / f"{likelihood}")["PTBXL00001"]) == codes


PTB_XL_FAULTS = {
    "not a dict": ({"scp_codes": "['SR']"}, "not a dict"),
    "code": ({"scp_codes": "{'SR': __import__('os').getpid()}"}, "not a Python literal"),
    "deeply nested": ({"scp_codes": "(" * 5000}, "not a Python literal"),
    "a likelihood above 100": ({"scp_codes": "{'SR': 1e999}"}, "likelihood"),
    "a statement that is a number": ({"scp_codes": "{1: 0.0}"}, "not a dict"),
    "no file name": ({"filename_hr": ""}, "no filename_hr"),
    "a missing file": ({"filename_hr": "records500/00000/99999_hr"}, "99999_hr.hea cannot be read"),
    "an identifier in words": ({"ecg_id": "../one"}, "not a number"),
    "a repeated identifier": ({"ecg_id": "1"}, "the first is converted"),
}


@pytest.mark.parametrize("fault", PTB_XL_FAULTS)
def test_a_bad_ptb_xl_row_is_named_and_the_others_are_converted(fault, tmp_path):
    change, reason = PTB_XL_FAULTS[fault]
    report = convert_ptbxl(write_ptbxl(tmp_path / "ptb-xl", {}, change, {}), tmp_path / "out")
    assert diagnoses(tmp_path / "out") == {"PTBXL00001": (NORMAL,), "PTBXL00003": (NORMAL,)}
    ((recording, why),) = problems(report, "left out").items()
    assert recording in {change.get("ecg_id"), "2"}
    assert reason in why


def test_wrong_ages_sexes_and_samples_of_ptb_xl_are_named(tmp_path):
    source = write_ptbxl(tmp_path / "ptb-xl", {"age": "old"}, {"age": "200"}, {"sex": "2"}, {}, {})
    samples = ecg()
    samples[3, 100:110] = -(2**15)  # missing
    write_plain(source / "records500/00000", "00004_hr", samples, 500)
    damaged = source / "records500/00000/00005_hr.dat"
    damaged.write_bytes(b"")
    report = convert_ptbxl(source, tmp_path / "out")
    assert problems(report, "warned").keys() == {"1", "2", "3", "4"}
    assert "10 missing samples" in problems(report, "warned")["4"]
    assert "00005_hr.dat" in problems(report, "left out")["5"]
    recordings = [read_recording(path) for path in find_headers(tmp_path / "out")]
    assert [math.isnan(recording.age) for recording in recordings] == [True, True, False, False]
    assert [recording.sex for recording in recordings] == ["Female", "Female", None, "Female"]
    assert recordings[3].warnings == ()  # the gap is bridged


@settings(max_examples=100)
@given(st.one_of(st.text(), st.recursive(st.integers() | st.text(), st.lists).map(repr)))
def test_any_text_is_statements_or_refused(text):
    try:
        statements = parse_statements(text)
    except RecordingError:
        return
    assert all(isinstance(key, str) and 0 <= value <= 100 for key, value in statements.items())
