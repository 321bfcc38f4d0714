"""The Hefei set as published becomes a folder in the Challenge's format, or says by name what does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from published_sets import (
    BRADY,
    GOOD,
    LAD,
    NORMAL,
    UNITS,
    diagnoses,
    left_out,
    rows,
    signal_text,
    warned,
    write_hefei,
)

from heartbeats.datasets import DataSetError, convert_hefei, hefei
from heartbeats.ecg.recording import RecordingError, read_recording


def test_hefei_signals_labels_ages_and_sexes_are_taken_over(tmp_path):
    labels = [GOOD, "1002.txt\t\t\t窦性心动过缓", "1003.txt\t33\tFEMALE\t窦性心律\t\t"]
    source = write_hefei(tmp_path / "hefei", labels, {f"{number}.txt": signal_text() for number in (1001, 1002, 1003)})
    report = convert_hefei(source, tmp_path / "out")
    assert (report.written, report.scored, report.problems) == (3, 3, [])
    assert diagnoses(tmp_path / "out") == {"HF1001": (NORMAL, LAD), "HF1002": (BRADY,), "HF1003": (NORMAL,)}
    recordings = [read_recording(tmp_path / f"out/HF{number}.hea") for number in (1001, 1002, 1003)]
    np.testing.assert_array_equal([recording.age for recording in recordings], [60, math.nan, 33])
    assert [recording.sex for recording in recordings] == ["Male", None, "Female"]
    for recording in recordings:
        assert (recording.leads, recording.sampling_rate, recording.warnings) == (hefei.LEADS, 500, ())
        assert np.abs(recording.signal - UNITS.T * 4.88e-3).max() <= 0.0005 + 1e-12


def test_hefei_leads_are_taken_by_their_names(tmp_path):
    order = [3, 1, 0, 2, 7, 6, 5, 4]
    shuffled = signal_text(UNITS[:, order], [hefei.LEADS[i] for i in order])
    convert_hefei(write_hefei(tmp_path / "hefei", [GOOD], {"1001.txt": shuffled}), tmp_path / "out")
    recording = read_recording(tmp_path / "out/HF1001.hea")
    row = recording.leads.index("V4")
    np.testing.assert_allclose(recording.signal[row], UNITS[:, 5] * 4.88e-3, atol=0.0005 + 1e-12)


FAULTS = {
    "a row missing": (signal_text(UNITS[:-1]), "4999 rows"),
    "a row too many": (signal_text(np.vstack([UNITS, UNITS[:1]])), "5001 rows"),
    "text that is no number": (signal_text().replace(f"\n{UNITS[0, 0]} ", "\nabc ", 1), "no number.*abc"),
    "a number that is none": (signal_text().replace(f"\n{UNITS[0, 0]} ", "\nnan ", 1), "not finite"),
    "a value missing": (signal_text().rstrip("\n").rsplit(" ", 1)[0], "row 5001 has 7 values"),
    "a lead missing": (signal_text(UNITS[:, :7], hefei.LEADS[:7]), "first row"),
    "no row of leads": (signal_text().split("\n", 1)[1], "first row"),
    "an empty file": ("", "first row"),
    "bytes": ("\0\1\2", "first row"),
    "an amplitude beyond 16 bits": (signal_text(UNITS * 100), "16 bits"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_hefei_recording_with_a_fault_is_named_and_costs_no_other(fault, tmp_path):
    text, reason = FAULTS[fault]
    source = write_hefei(
        tmp_path / "hefei", [GOOD.replace("1001", "1000"), GOOD], {"1000.txt": text, "1001.txt": signal_text()}
    )
    report = convert_hefei(source, tmp_path / "out")
    assert list(diagnoses(tmp_path / "out")) == ["HF1001"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("HF1001.hea", "HF1001.mat", "README.txt", "problems.csv", "unmapped.csv")
    ]
    assert list(left_out(report)) == ["1000.txt"]
    with pytest.raises(RecordingError, match=reason):
        raise RecordingError(left_out(report)["1000.txt"])
    (row,) = rows(tmp_path / "out/problems.csv")
    assert (row["recording"], row["outcome"]) == ("1000.txt", "left out")


def test_what_is_wrong_with_hefei_lines_is_named_and_costs_no_other(tmp_path):
    labels = [
        "no tab here",
        GOOD,
        GOOD,
        "1002.txt\tsixty\tM\t窦性心律",
        "1003.txt\t60\tMALE",
        "1004.txt\t60\tMALE\t窦性心律",
        "../1005.txt\t60\tMALE\t窦性心律",
        "1006.txt\t-1\tfemale\t不明的词\t正常ECG",
    ]
    texts = {f"{number}.txt": signal_text() for number in (1001, 1002, 1003, 1006, 1007)}
    report = convert_hefei(write_hefei(tmp_path / "hefei", labels, texts), tmp_path / "out")
    assert diagnoses(tmp_path / "out") == {"HF1001": (NORMAL, LAD), "HF1002": (NORMAL,), "HF1006": ()}
    assert left_out(report).keys() == {"no tab here", "1001.txt", "1003.txt", "1004.txt", "../1005.txt"}
    assert "listed before" in left_out(report)["1001.txt"]
    assert "no such text file" in left_out(report)["1004.txt"]
    assert warned(report).keys() == {"1002.txt", "1006.txt"}
    assert "2 text files" in report.notes[0]  # 1007.txt and the list of terms
    assert report.unmapped == {"不明的词": 1, "正常ECG": 1}
    assert (report.written, report.scored) == (3, 2)


def test_unknown_and_unmapped_terms_are_counted_in_a_file(tmp_path):
    labels = [f"{number}.txt\t60\tMALE\t窦性心律\t正常ECG\t不明的词\t不明的词" for number in (1, 2)]
    convert_hefei(
        write_hefei(tmp_path / "hefei", labels, {"1.txt": signal_text(), "2.txt": signal_text()}), tmp_path / "out"
    )
    found = {row["term"]: (row["count"], row["reason"]) for row in rows(tmp_path / "out/unmapped.csv")}
    assert found["不明的词"] == ("2", "unknown")
    assert found["正常ECG"][0] == "2"
    assert "normal ECG" in found["正常ECG"][1]
    assert len(found) == 2


def test_a_hefei_label_file_in_gb_18030_is_read_alike(tmp_path):
    source = write_hefei(tmp_path / "hefei", [GOOD], {"1001.txt": signal_text()}, encoding="gb18030")
    convert_hefei(source, tmp_path / "out")
    assert diagnoses(tmp_path / "out") == {"HF1001": (NORMAL, LAD)}


def test_of_two_hefei_files_with_one_name_the_first_is_taken_and_the_other_named(tmp_path):
    source = write_hefei(tmp_path / "hefei", [GOOD], {"1001.txt": signal_text()})
    for folder, text in (("zz", signal_text(UNITS * 2)), (".hidden", "")):
        (source / folder).mkdir()
        (source / folder / "1001.txt").write_text(text)
    report = convert_hefei(source, tmp_path / "out")
    assert "zz" in warned(report)["1001.txt"]
    assert len(report.problems) == 1
    np.testing.assert_allclose(read_recording(tmp_path / "out/HF1001.hea").signal, UNITS.T * 4.88e-3, atol=0.00051)


def test_a_list_of_recordings_without_terms_is_no_label_file(tmp_path):
    source = write_hefei(tmp_path / "hefei", [GOOD], {"1001.txt": signal_text()})
    (source / "hf_round1_subA.txt").write_text("1001.txt\t60\tMALE\n1002.txt\t\t\n")
    assert convert_hefei(source, tmp_path / "out").written == 1
    (source / "hf_round2_label.txt").write_text(GOOD, encoding="utf-8")
    with pytest.raises(DataSetError, match="both label files"):
        convert_hefei(source, tmp_path / "other")
    assert not (tmp_path / "other").exists()
