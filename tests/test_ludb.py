"""LUDB as published becomes a folder in the Challenge's format, or says by name what does not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import wfdb
from conftest import TWELVE, ecg
from published_sets import (
    BRADY,
    LAD,
    LUDB_COMMENTS,
    NORMAL,
    UNSCORED,
    diagnoses,
    left_out,
    ludb_set,
)

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.datasets import Report, convert_ludb, ludb
from heartbeats.datasets.challenge_format import read_mapping
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import read_recording


@pytest.fixture(scope="module")
def ludb_out(ecg_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    out = tmp_path_factory.mktemp("ludb") / "out"
    return out, convert_ludb(ecg_data / "ludb", out)


def test_all_of_ludb_is_written_without_reservation(ludb_out):
    out, report = ludb_out
    assert report.written == len(find_headers(out)) == 200
    assert report.problems == []
    assert [recording.warnings for recording in map(read_recording, find_headers(out))] == [()] * 200


def test_ludb_signals_keep_their_amplitudes_to_half_a_unit(ludb_out, ecg_data):
    out, _report = ludb_out
    for number in range(1, 201):
        # Not this project's reader: its amplitudes are what is to be checked.
        original = wfdb.rdrecord(str(ecg_data / f"ludb/data/{number}"))
        assert set(original.units) == {"mV"}
        written = scipy.io.loadmat(out / f"LUDB{number:03d}.mat")["val"]
        assert written.dtype == np.int16
        assert np.abs(written - original.p_signal.T * 1000).max() <= 0.5 + 1e-6


def test_ludb_classes_are_as_many_as_its_headers_say(ludb_out, ecg_data):
    out, report = ludb_out
    texts = [path.read_text() for path in (ecg_data / "ludb/data").glob("*.hea")]
    in_words = {
        NORMAL: ["Rhythm: Sinus rhythm"],
        BRADY: ["Rhythm: Sinus bradycardia"],
        "427084000": ["Rhythm: Sinus tachycardia"],
        "427393009": ["Rhythm: Sinus arrhythmia", "Rhythm: Irregular sinus rhythm"],
        "164889003": ["Rhythm: Atrial fibrillation"],
        "164890007": ["Rhythm: Atrial flutter"],
        LAD: ["left axis deviation"],
        "47665007": ["right axis deviation"],
        "270492004": ["#I degree AV block"],
        "713427006": ["#Complete right bundle"],
        "713426002": ["#Incomplete right bundle"],
        "164909002": ["#Complete left bundle"],
        "445118002": ["#Left anterior hemiblock"],
        "698252002": ["intravintricular conduction"],
        "284470004": ["#Atrial extrasystole"],
        "427172004": ["#Ventricular extrasystole"],
        "10370003": ["pacing."],
    }
    expected = {code: sum(any(word in text for word in words) for text in texts) for code, words in in_words.items()}
    assert {code: count for code, count in report.codes.items() if code in CLASSES} == expected
    written = Counter(code for codes in diagnoses(out).values() for code in codes)
    assert written == report.codes
    assert report.scored == sum(not set(CLASSES).isdisjoint(codes) for codes in diagnoses(out).values())
    assert min(expected.values()) > 0


def test_every_term_of_ludb_is_in_its_table_and_every_line_of_the_table_in_ludb(ludb_out, ecg_data):
    _out, report = ludb_out
    headers = find_headers(ecg_data / "ludb")
    terms = {term for path in headers for term in ludb.diagnoses_in_words(path.read_text())}
    assert terms == read_mapping(ludb.LUDB.mapping).keys()
    assert report.unmapped.keys() == report.reasons.keys()


def test_ludb_ages_and_sexes_are_taken_over(ludb_out):
    out, _report = ludb_out
    recordings = [read_recording(path) for path in find_headers(out)]
    assert Counter(recording.sex for recording in recordings) == {"Male": 115, "Female": 85}
    assert (recordings[0].name, recordings[0].age) == ("LUDB001", 51)
    assert all(0 <= recording.age <= 130 for recording in recordings)


def test_ludb_gains_and_baselines_are_taken_from_the_headers(tmp_path):
    report = convert_ludb(ludb_set(tmp_path / "ludb", {"1": LUDB_COMMENTS}), tmp_path / "out")
    assert (report.written, report.problems) == (1, [])
    recording = read_recording(tmp_path / "out/LUDB001.hea")
    np.testing.assert_allclose(recording.signal, ecg() / 1000, atol=1e-9)
    assert (recording.leads, recording.age, recording.sex) == (TWELVE, 51, "Female")
    assert recording.diagnoses == (NORMAL, UNSCORED)


def test_what_is_wrong_with_an_ludb_record_is_named_and_costs_no_other(tmp_path):
    comments = {"1": LUDB_COMMENTS, "2": "#<age>: 51\n", "3": LUDB_COMMENTS, "x y": LUDB_COMMENTS, "é": LUDB_COMMENTS}
    source = ludb_set(tmp_path / "ludb", comments)
    (source / "data/3.dat").unlink()
    (source / "RECORDS").write_text("data/1\ndata/2\ndata/3\ndata/4\ndata/1\ndata/é\n", encoding="utf-8")
    report = convert_ludb(source, tmp_path / "out")
    assert list(diagnoses(tmp_path / "out")) == ["LUDB001"]
    reasons = left_out(report)
    assert reasons.keys() == {"data/1", "data/2", "data/3", "data/4", "data/é"}
    assert "listed before" in reasons["data/1"]
    assert "<diagnoses>" in reasons["data/2"]
    assert "no signal file" in reasons["data/3"]
    assert "4.hea cannot be read" in reasons["data/4"]
    assert "no name" in reasons["data/é"]
