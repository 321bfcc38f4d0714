"""LUDB becomes a folder in the Challenge's format."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import wfdb
from conftest import TWELVE, ecg
from published_sets import BRADY, LAD, LUDB_COMMENTS, NORMAL, UNSCORED, diagnoses, ludb_set, problems

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.datasets.ludb import LUDB, convert_ludb, diagnoses_in_words
from heartbeats.datasets.writer import Report
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import read_recording


@pytest.fixture(scope="module")
def converted(ecg_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """The real LUDB, converted."""
    out = tmp_path_factory.mktemp("ludb") / "out"
    return out, convert_ludb(ecg_data / "ludb", out)


def test_all_of_ludb_is_written_without_a_warning(converted):
    out, report = converted
    assert report.written == len(find_headers(out)) == 200
    assert report.problems == []
    recordings = [read_recording(path) for path in find_headers(out)]
    assert [recording.warnings for recording in recordings] == [()] * 200
    assert Counter(recording.sex for recording in recordings) == {"Male": 115, "Female": 85}
    assert (recordings[0].name, recordings[0].age) == ("LUDB001", 51)
    assert all(0 <= recording.age <= 130 for recording in recordings)


def test_amplitudes_stay_within_half_a_unit_of_wfdbs(converted, ecg_data):
    for number in range(1, 201):
        original = wfdb.rdrecord(str(ecg_data / f"ludb/data/{number}"))
        assert set(original.units) == {"mV"}
        written = scipy.io.loadmat(converted[0] / f"LUDB{number:03d}.mat")["val"]
        assert np.abs(written - original.p_signal.T * 1000).max() <= 0.5 + 1e-6


def test_there_are_as_many_of_each_class_as_the_headers_say(converted, ecg_data):
    out, report = converted
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
    assert Counter(code for codes in diagnoses(out).values() for code in codes) == report.codes
    assert report.scored == sum(not set(CLASSES).isdisjoint(codes) for codes in diagnoses(out).values())


def test_the_table_has_exactly_the_terms_of_ludb(converted, ecg_data):
    headers = find_headers(ecg_data / "ludb")
    terms = {term for path in headers for term in diagnoses_in_words(path.read_text())}
    assert terms == LUDB.terms.keys()
    assert "unknown" not in converted[1].reasons.values()


def test_gains_and_baselines_are_read_and_bad_records_named(tmp_path):
    comments = {"1": LUDB_COMMENTS, "2": "#<age>: 51\n", "3": LUDB_COMMENTS, "x-1": LUDB_COMMENTS}
    source = ludb_set(tmp_path / "ludb", comments)
    (source / "data/3.dat").unlink()
    (source / "RECORDS").write_text("data/1\ndata/2\ndata/3\ndata/4\ndata/1\ndata/x-1\n")
    report = convert_ludb(source, tmp_path / "out")
    assert diagnoses(tmp_path / "out") == {"LUDB001": (NORMAL, UNSCORED)}
    recording = read_recording(tmp_path / "out/LUDB001.hea")
    np.testing.assert_allclose(recording.signal, ecg() / 1000, atol=1e-9)
    assert (recording.leads, recording.age, recording.sex) == (TWELVE, 51, "Female")
    reasons = problems(report, "left out")
    assert reasons.keys() == {"data/1", "data/2", "data/3", "data/4", "data/x-1"}
    assert "the first is converted" in reasons["data/1"]
    assert "<diagnoses>" in reasons["data/2"]
    assert "no signal file" in reasons["data/3"]
    assert "4.hea cannot be read" in reasons["data/4"]
    assert "not a record name" in reasons["data/x-1"]
