"""PTB-XL as published becomes a folder in the Challenge's format, or says by name what does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from conftest import TWELVE, ecg
from hypothesis import given, settings
from hypothesis import strategies as st
from published_sets import (
    LAD,
    NORMAL,
    UNSCORED,
    diagnoses,
    left_out,
    warned,
    write_plain,
    write_ptbxl,
)

from heartbeats.datasets import convert_ptbxl, ptbxl
from heartbeats.datasets.challenge_format import DataSetError
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import RecordingError, read_recording


@pytest.mark.parametrize(("rate", "samples"), [(500, 5000), (100, 1000)])
def test_ptb_xl_is_taken_over_at_either_rate(rate, samples, tmp_path):
    source = write_ptbxl(
        tmp_path / "ptb-xl", {}, {"sex": "0", "age": "300.0", "heart_axis": "ALAD"}, {"sex": "", "age": ""}
    )
    report = convert_ptbxl(source, tmp_path / "out", sampling_rate=rate)
    assert (report.written, report.problems) == (3, [])
    assert diagnoses(tmp_path / "out") == {
        "PTBXL00001": (NORMAL,),
        "PTBXL00002": (NORMAL, LAD),
        "PTBXL00003": (NORMAL,),
    }
    recordings = [read_recording(path) for path in find_headers(tmp_path / "out")]
    assert [recording.sex for recording in recordings] == ["Female", "Male", None]
    np.testing.assert_array_equal([recording.age for recording in recordings], [56, math.nan, math.nan])
    for number, recording in enumerate(recordings, start=1):
        assert recording.sampling_rate == rate
        assert recording.leads == TWELVE
        assert recording.signal.shape == (12, samples)
        np.testing.assert_allclose(recording.signal, (ecg(sampling_rate=rate) + number) / 1000, atol=1e-9)
    assert f"--rate {rate}" in (tmp_path / "out/README.txt").read_text(encoding="utf-8")


def test_statements_count_at_any_likelihood_unless_a_least_one_is_asked_for(tmp_path):
    # LVH is known to be unlikely, LAFB likely; of AFIB no likelihood is known.
    source = write_ptbxl(tmp_path / "ptb-xl", {"scp_codes": "{'LVH': 15.0, 'LAFB': 80, 'AFIB': 0.0}"})
    convert_ptbxl(source, tmp_path / "any")
    convert_ptbxl(source, tmp_path / "fifty", least_likelihood=50)
    convert_ptbxl(source, tmp_path / "eighty", least_likelihood=80)
    assert set(diagnoses(tmp_path / "any")["PTBXL00001"]) == {UNSCORED, "445118002", "164889003"}
    for name in ("fifty", "eighty"):
        assert set(diagnoses(tmp_path / name)["PTBXL00001"]) == {"445118002", "164889003"}


ROW_FAULTS = {
    "no dict": ({"scp_codes": "['SR']"}, "no dict"),
    "code": ({"scp_codes": "{'SR': __import__('os').getpid()}"}, "no Python literal"),
    "no literal": ({"scp_codes": "{'SR': 0.0"}, "no Python literal"),
    "nothing": ({"scp_codes": ""}, "no Python literal"),
    "deep": ({"scp_codes": "(" * 5000}, "no Python literal"),
    "a likelihood in words": ({"scp_codes": "{'SR': 'high'}"}, "likelihood"),
    "a likelihood that is no number": ({"scp_codes": "{'SR': True}"}, "likelihood"),
    "a likelihood above 100": ({"scp_codes": "{'SR': 1e999}"}, "likelihood"),
    "a statement that is a number": ({"scp_codes": "{1: 0.0}"}, "no dict"),
    "no file name": ({"filename_hr": ""}, "no filename_hr"),
    "a missing file": ({"filename_hr": "records500/00000/99999_hr"}, "99999_hr.hea cannot be read"),
    "an identifier in words": ({"ecg_id": "../one"}, "no number"),
    "no identifier": ({"ecg_id": ""}, "no number"),
    "a repeated identifier": ({"ecg_id": "1"}, "listed before"),
}


@pytest.mark.parametrize("fault", ROW_FAULTS)
def test_a_ptb_xl_row_with_a_fault_is_named_and_costs_no_other(fault, tmp_path):
    change, reason = ROW_FAULTS[fault]
    report = convert_ptbxl(write_ptbxl(tmp_path / "ptb-xl", {}, change, {}), tmp_path / "out")
    assert diagnoses(tmp_path / "out") == {"PTBXL00001": (NORMAL,), "PTBXL00003": (NORMAL,)}
    ((recording, why),) = left_out(report).items()
    assert recording in {change.get("ecg_id"), "2", "row 2"}
    assert reason in why
    assert report.written == 2


def test_a_ptb_xl_age_or_sex_that_is_none_is_unknown_and_named(tmp_path):
    report = convert_ptbxl(
        write_ptbxl(tmp_path / "ptb-xl", {"age": "old"}, {"age": "200"}, {"sex": "2"}), tmp_path / "out"
    )
    assert warned(report).keys() == {"1", "2", "3"}
    recordings = [read_recording(path) for path in find_headers(tmp_path / "out")]
    assert [math.isnan(recording.age) for recording in recordings] == [True, True, False]
    assert [recording.sex for recording in recordings] == ["Female", "Female", None]


def test_a_damaged_ptb_xl_record_is_named(tmp_path):
    source = write_ptbxl(tmp_path / "ptb-xl", {}, {})
    damaged = source / "records500/00000/00001_hr.dat"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    report = convert_ptbxl(source, tmp_path / "out")
    assert "00001_hr.dat" in left_out(report)["1"]
    assert list(diagnoses(tmp_path / "out")) == ["PTBXL00002"]


def test_missing_samples_become_bridged_and_named(tmp_path):
    source = write_ptbxl(tmp_path / "ptb-xl", {})
    samples = ecg()
    samples[3, 100:110] = -(2**15)
    write_plain(source / "records500/00000", "00001_hr", samples, 500)
    report = convert_ptbxl(source, tmp_path / "out")
    assert "10 missing samples" in warned(report)["1"]
    assert read_recording(tmp_path / "out/PTBXL00001.hea").warnings == ()


@pytest.mark.parametrize(
    "arguments", [{"sampling_rate": 250}, {"least_likelihood": math.nan}, {"least_likelihood": -1}]
)
def test_other_rates_and_likelihoods_are_refused(arguments, tmp_path):
    with pytest.raises(DataSetError, match="not"):
        convert_ptbxl(write_ptbxl(tmp_path / "ptb-xl", {}), tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


@settings(max_examples=100)
@given(st.one_of(st.text(), st.recursive(st.integers() | st.text(), st.lists).map(repr)))
def test_any_text_is_statements_or_refused(text):
    try:
        statements = ptbxl.parse_statements(text)
    except RecordingError:
        return
    assert all(isinstance(key, str) and 0 <= value <= 100 for key, value in statements.items())


@given(st.dictionaries(st.text(), st.floats(0, 100) | st.integers(0, 100)))
@settings(max_examples=100)
def test_every_dict_of_likelihoods_is_statements(statements):
    assert ptbxl.parse_statements(repr(statements)) == statements
