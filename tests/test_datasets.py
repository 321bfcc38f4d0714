"""Data sets in their owners' form: what is written is what was there, and what is wrong is named and costs no other."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import wfdb
from conftest import TWELVE, ecg
from hypothesis import given, settings
from hypothesis import strategies as st

from heartbeats.datasets import DataSetError, Report, convert_hefei, convert_ludb, convert_ptbxl, hefei, ludb, ptbxl
from heartbeats.datasets.__main__ import main
from heartbeats.datasets.challenge_format import Entry, read_mapping, record_name, write_folder, write_record
from heartbeats.diagnoses import ABBREVIATIONS, CLASSES
from heartbeats.header import find_headers, parse_header, source_of
from heartbeats.recording import Recording, RecordingError, read_recording

ROOT = Path(__file__).parents[1]
SETS = (hefei.HEFEI, ptbxl.PTB_XL, ludb.LUDB)
NORMAL, BRADY, LAD = "426783006", "426177001", "39732003"
UNSCORED = "164873001"


def left_out(report: Report) -> dict[str, str]:
    return {problem.recording: problem.reason for problem in report.problems if problem.outcome == "left out"}


def warned(report: Report) -> dict[str, str]:
    return {problem.recording: problem.reason for problem in report.problems if problem.outcome == "warned"}


def diagnoses(out: Path) -> dict[str, tuple[str, ...]]:
    return {path.stem: parse_header(path.read_text()).diagnoses for path in find_headers(out)}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---- Hefei -----------------------------------------------------------------------------------------------------------

UNITS = np.rint(ecg(leads=8).T / 4.88).astype(int)  # of 4.88 µV, shape (5000, 8)
GOOD = "1001.txt\t60\tMALE\t窦性心律\t电轴左偏"


def signal_text(units: np.ndarray = UNITS, leads: Sequence[str] = hefei.LEADS) -> str:
    return "\n".join([" ".join(leads), *(" ".join(map(str, row)) for row in units)]) + "\n"


@pytest.fixture
def hefei_set(tmp_path: Path) -> Callable[..., Path]:
    """Write a label file and a text file for each of ``texts``."""

    def write(labels: Sequence[str], texts: dict[str, str], encoding: str = "utf-8") -> Path:
        source = tmp_path / "hefei"
        (source / "train").mkdir(parents=True)
        (source / "hf_round1_label.txt").write_bytes("\n".join(labels).encode(encoding))
        (source / "hf_round1_arrythmia.txt").write_text("窦性心律\n电轴左偏\n", encoding="utf-8")
        for name, text in texts.items():
            (source / "train" / name).write_text(text)
        return source

    return write


def test_hefei_signals_labels_ages_and_sexes_are_taken_over(hefei_set, tmp_path):
    labels = [GOOD, "1002.txt\t\t\t窦性心动过缓", "1003.txt\t33\tFEMALE\t窦性心律\t\t"]
    source = hefei_set(labels, {f"{number}.txt": signal_text() for number in (1001, 1002, 1003)})
    report = convert_hefei(source, tmp_path / "out")
    assert (report.written, report.scored, report.problems) == (3, 3, [])
    assert diagnoses(tmp_path / "out") == {"HF1001": (NORMAL, LAD), "HF1002": (BRADY,), "HF1003": (NORMAL,)}
    recordings = [read_recording(tmp_path / f"out/HF{number}.hea") for number in (1001, 1002, 1003)]
    np.testing.assert_array_equal([recording.age for recording in recordings], [60, math.nan, 33])
    assert [recording.sex for recording in recordings] == ["Male", None, "Female"]
    for recording in recordings:
        assert (recording.leads, recording.sampling_rate, recording.warnings) == (hefei.LEADS, 500, ())
        assert np.abs(recording.signal - UNITS.T * 4.88e-3).max() <= 0.0005 + 1e-12


def test_hefei_leads_are_taken_by_their_names(hefei_set, tmp_path):
    order = [3, 1, 0, 2, 7, 6, 5, 4]
    shuffled = signal_text(UNITS[:, order], [hefei.LEADS[i] for i in order])
    convert_hefei(hefei_set([GOOD], {"1001.txt": shuffled}), tmp_path / "out")
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
def test_a_hefei_recording_with_a_fault_is_named_and_costs_no_other(fault, hefei_set, tmp_path):
    text, reason = FAULTS[fault]
    source = hefei_set([GOOD.replace("1001", "1000"), GOOD], {"1000.txt": text, "1001.txt": signal_text()})
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


def test_what_is_wrong_with_hefei_lines_is_named_and_costs_no_other(hefei_set, tmp_path):
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
    report = convert_hefei(hefei_set(labels, texts), tmp_path / "out")
    assert diagnoses(tmp_path / "out") == {"HF1001": (NORMAL, LAD), "HF1002": (NORMAL,), "HF1006": ()}
    assert left_out(report).keys() == {"no tab here", "1001.txt", "1003.txt", "1004.txt", "../1005.txt"}
    assert "listed before" in left_out(report)["1001.txt"]
    assert "no such text file" in left_out(report)["1004.txt"]
    assert warned(report).keys() == {"1002.txt", "1006.txt"}
    assert "2 text files" in report.notes[0]  # 1007.txt and the list of terms
    assert report.unmapped == {"不明的词": 1, "正常ECG": 1}
    assert (report.written, report.scored) == (3, 2)


def test_unknown_and_unmapped_terms_are_counted_in_a_file(hefei_set, tmp_path):
    labels = [f"{number}.txt\t60\tMALE\t窦性心律\t正常ECG\t不明的词\t不明的词" for number in (1, 2)]
    convert_hefei(hefei_set(labels, {"1.txt": signal_text(), "2.txt": signal_text()}), tmp_path / "out")
    found = {row["term"]: (row["count"], row["reason"]) for row in rows(tmp_path / "out/unmapped.csv")}
    assert found["不明的词"] == ("2", "unknown")
    assert found["正常ECG"][0] == "2"
    assert "normal ECG" in found["正常ECG"][1]
    assert len(found) == 2


def test_a_hefei_label_file_in_gb_18030_is_read_alike(hefei_set, tmp_path):
    source = hefei_set([GOOD], {"1001.txt": signal_text()}, encoding="gb18030")
    convert_hefei(source, tmp_path / "out")
    assert diagnoses(tmp_path / "out") == {"HF1001": (NORMAL, LAD)}


def test_of_two_hefei_files_with_one_name_the_first_is_taken_and_the_other_named(hefei_set, tmp_path):
    source = hefei_set([GOOD], {"1001.txt": signal_text()})
    for folder, text in (("zz", signal_text(UNITS * 2)), (".hidden", "")):
        (source / folder).mkdir()
        (source / folder / "1001.txt").write_text(text)
    report = convert_hefei(source, tmp_path / "out")
    assert "zz" in warned(report)["1001.txt"]
    assert len(report.problems) == 1
    np.testing.assert_allclose(read_recording(tmp_path / "out/HF1001.hea").signal, UNITS.T * 4.88e-3, atol=0.00051)


def test_a_list_of_recordings_without_terms_is_no_label_file(hefei_set, tmp_path):
    source = hefei_set([GOOD], {"1001.txt": signal_text()})
    (source / "hf_round1_subA.txt").write_text("1001.txt\t60\tMALE\n1002.txt\t\t\n")
    assert convert_hefei(source, tmp_path / "out").written == 1
    (source / "hf_round2_label.txt").write_text(GOOD, encoding="utf-8")
    with pytest.raises(DataSetError, match="both label files"):
        convert_hefei(source, tmp_path / "other")
    assert not (tmp_path / "other").exists()


# ---- PTB-XL ----------------------------------------------------------------------------------------------------------

HEADING = ("ecg_id", "patient_id", "age", "sex", "report", "scp_codes", "heart_axis", "filename_lr", "filename_hr")


def write_plain(folder: Path, name: str, samples: np.ndarray, rate: float) -> None:
    """A WFDB record as PTB-XL's: .dat of format 16, leads AVR, AVL and AVF in capitals."""
    folder.mkdir(parents=True, exist_ok=True)
    samples.T.astype("<i2").tofile(folder / f"{name}.dat")
    lines = [f"{name} {len(samples)} {rate:g} {samples.shape[1]}"]
    lines += [f"{name}.dat 16 1000.0(0)/mV 16 0 0 0 0 {lead.upper()}" for lead in TWELVE]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")


@pytest.fixture
def ptbxl_set(tmp_path: Path) -> Callable[..., Path]:
    """Write a table of rows, given as changes of a good one, and the records of each number."""

    def write(*changes: dict[str, str], records: Sequence[int] = ()) -> Path:
        source = tmp_path / "ptb-xl"
        source.mkdir()
        with (source / "ptbxl_database.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, HEADING)
            writer.writeheader()
            for number, change in enumerate(changes, start=1):
                writer.writerow(ptbxl_row(number) | change)
        for number in records or range(1, len(changes) + 1):
            write_plain(source / "records500/00000", f"{number:05d}_hr", ecg() + number, 500)
            write_plain(source / "records100/00000", f"{number:05d}_lr", ecg(sampling_rate=100) + number, 100)
        return source

    return write


def ptbxl_row(number: int) -> dict[str, str]:
    return {
        "ecg_id": str(number),
        "age": "56.0",
        "sex": "1",
        "report": "sinusrhythmus, normales ekg\nzweite zeile",
        "scp_codes": "{'NORM': 100.0, 'SR': 0.0}",
        "filename_lr": f"records100/00000/{number:05d}_lr",
        "filename_hr": f"records500/00000/{number:05d}_hr",
    }


@pytest.mark.parametrize(("rate", "samples"), [(500, 5000), (100, 1000)])
def test_ptb_xl_is_taken_over_at_either_rate(rate, samples, ptbxl_set, tmp_path):
    source = ptbxl_set({}, {"sex": "0", "age": "300.0", "heart_axis": "ALAD"}, {"sex": "", "age": ""})
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


def test_statements_count_at_any_likelihood_unless_a_least_one_is_asked_for(ptbxl_set, tmp_path):
    # LVH is known to be unlikely, LAFB likely; of AFIB no likelihood is known.
    source = ptbxl_set({"scp_codes": "{'LVH': 15.0, 'LAFB': 80, 'AFIB': 0.0}"})
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
def test_a_ptb_xl_row_with_a_fault_is_named_and_costs_no_other(fault, ptbxl_set, tmp_path):
    change, reason = ROW_FAULTS[fault]
    report = convert_ptbxl(ptbxl_set({}, change, {}), tmp_path / "out")
    assert diagnoses(tmp_path / "out") == {"PTBXL00001": (NORMAL,), "PTBXL00003": (NORMAL,)}
    ((recording, why),) = left_out(report).items()
    assert recording in {change.get("ecg_id"), "2", "row 2"}
    assert reason in why
    assert report.written == 2


def test_a_ptb_xl_age_or_sex_that_is_none_is_unknown_and_named(ptbxl_set, tmp_path):
    report = convert_ptbxl(ptbxl_set({"age": "old"}, {"age": "200"}, {"sex": "2"}), tmp_path / "out")
    assert warned(report).keys() == {"1", "2", "3"}
    recordings = [read_recording(path) for path in find_headers(tmp_path / "out")]
    assert [math.isnan(recording.age) for recording in recordings] == [True, True, False]
    assert [recording.sex for recording in recordings] == ["Female", "Female", None]


def test_a_damaged_ptb_xl_record_is_named(ptbxl_set, tmp_path):
    source = ptbxl_set({}, {})
    damaged = source / "records500/00000/00001_hr.dat"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    report = convert_ptbxl(source, tmp_path / "out")
    assert "00001_hr.dat" in left_out(report)["1"]
    assert list(diagnoses(tmp_path / "out")) == ["PTBXL00002"]


def test_missing_samples_become_bridged_and_named(ptbxl_set, tmp_path):
    source = ptbxl_set({})
    samples = ecg()
    samples[3, 100:110] = -(2**15)
    write_plain(source / "records500/00000", "00001_hr", samples, 500)
    report = convert_ptbxl(source, tmp_path / "out")
    assert "10 missing samples" in warned(report)["1"]
    assert read_recording(tmp_path / "out/PTBXL00001.hea").warnings == ()


@pytest.mark.parametrize(
    "arguments", [{"sampling_rate": 250}, {"least_likelihood": math.nan}, {"least_likelihood": -1}]
)
def test_other_rates_and_likelihoods_are_refused(arguments, ptbxl_set, tmp_path):
    with pytest.raises(ValueError, match="not"):
        convert_ptbxl(ptbxl_set({}), tmp_path / "out", **arguments)
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


# ---- LUDB ------------------------------------------------------------------------------------------------------------


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


LUDB_COMMENTS = "#<age>: 51\n#<sex>: F\n#<diagnoses>:\n#Rhythm: Sinus rhythm.\n#Left ventricular hypertrophy. \n"


def ludb_set(folder: Path, comments: dict[str, str]) -> Path:
    """Records in LUDB's form, with other gains and baselines."""
    (folder / "data").mkdir(parents=True)
    for name, text in comments.items():
        (ecg().T * 2 + 7).astype("<i2").tofile(folder / f"data/{name}.dat")
        lines = [f"{name} 12 500 5000", *(f"{name}.dat 16 2000(7)/mV 0 0 0 0 0 {lead.lower()}" for lead in TWELVE)]
        (folder / f"data/{name}.hea").write_text("\n".join(lines) + "\n" + text)
    (folder / "RECORDS").write_text("".join(f"data/{name}\n" for name in comments))
    return folder


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


# ---- tables, names, folder -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data_set", SETS, ids=lambda data_set: data_set.key)
def test_every_line_of_a_table_has_a_known_code_and_a_note_that_says_so(data_set):
    listed = rows(data_set.mapping)
    assert list(listed[0]) == ["term", "SNOMED CT code", "note"]
    assert len({row["term"] for row in listed}) == len(listed)
    assert rows(data_set.mapping) == [{key: value.strip() for key, value in row.items()} for row in listed]
    for row in listed:
        code, note = row["SNOMED CT code"], row["note"]
        assert len(note) > 5, row
        assert code == "" or (code.isascii() and code.isdigit()), row
        # A scored code's note begins with "scored", another's with "unscored": a code that is mistyped has neither.
        assert note.startswith("scored: ") == (code in CLASSES), row
        assert note.startswith("unscored") == (code not in CLASSES and code != ""), row


@pytest.mark.parametrize("data_set", SETS, ids=lambda data_set: data_set.key)
def test_notes_of_one_code_name_one_diagnosis(data_set):
    names: dict[str, set[str]] = {}
    for code, counterpart in ((found.code, found) for found in read_mapping(data_set.mapping).values()):
        names.setdefault(code, set()).add(counterpart.note.split(":")[1].split(";")[0].strip() if code else "")
    assert {code: found for code, found in names.items() if len(found) > 1} == {}


def test_notes_of_scored_codes_name_them_as_the_organisers_do():
    def plain(text: str) -> str:
        return "".join(c for c in text.lower() if c.isalnum())

    organisers = {row["SNOMED CT Code"]: plain(row["Dx"]) for row in rows(ROOT / "dx_mapping_scored.csv")}
    for data_set in SETS:
        for found in read_mapping(data_set.mapping).values():
            if found.code in organisers:
                assert plain(found.note.removeprefix("scored: ").split(";")[0]) == organisers[found.code], found


def test_ptb_xls_table_has_its_71_statements_and_8_axes():
    terms = read_mapping(ptbxl.PTB_XL.mapping)
    assert sum("heart_axis" not in term for term in terms) == 71
    assert sum("heart_axis" in term for term in terms) == 8


def test_the_sets_share_codes_for_what_they_share():
    tables = [read_mapping(data_set.mapping) for data_set in SETS]
    for terms in (
        ("窦性心律", "SR", "Rhythm: Sinus rhythm"),
        ("心房颤动", "AFIB", "Rhythm: Atrial fibrillation"),
        ("一度房室传导阻滞", "1AVB", "I degree AV block"),
        ("完全性右束支传导阻滞", "CRBBB", "Complete right bundle branch block"),
        ("完全性左束支传导阻滞", "CLBBB", "Complete left bundle branch block"),
        ("左前分支传导阻滞", "LAFB", "Left anterior hemiblock"),
        ("电轴左偏", "heart_axis=LAD", "Electric axis of the heart: left axis deviation"),
        ("室性早搏", "PVC", "Ventricular extrasystole, type: single PVC"),
        ("房性早搏", "PAC", "Atrial extrasystole, type: single PAC"),
        ("起搏心律", "PACE", "UNIpolar ventricular pacing"),
    ):
        codes = {table[term].code for table, term in zip(tables, terms, strict=True)}
        assert len(codes) == 1, terms
        assert codes <= set(CLASSES), terms


@pytest.mark.parametrize("prefix", ["HF", "PTBXL", "LUDB"])
@given(number=st.integers(0, 10**6))
@settings(max_examples=50)
def test_names_are_those_of_no_source_of_the_challenge(prefix, number):
    assert source_of(record_name(prefix, str(number))) == "other"


@pytest.mark.parametrize("published", ["", "a b", "../1", "1.txt", "é", "1\n", "²"])
def test_names_that_wfdb_does_not_have_are_refused(published):
    with pytest.raises(RecordingError, match="no name of a recording"):
        record_name("HF", published)


def test_wfdb_reads_what_is_written(tmp_path):
    recording = Recording("HF1", ecg() / 1000, 257, TWELVE, 61.5, "Female", (NORMAL, LAD))
    write_record(tmp_path, recording)
    record = wfdb.rdrecord(str(tmp_path / "HF1"), physical=False)
    assert np.array_equal(record.d_signal.T, ecg())
    assert [checksum % 2**16 for checksum in record.checksum] == record.calc_checksum()
    assert record.init_value == ecg()[:, 0].tolist()
    assert (record.adc_gain, record.baseline, record.fs) == ([1000] * 12, [0] * 12, 257)
    header = parse_header((tmp_path / "HF1.hea").read_text())
    assert (header.age, header.sex, header.diagnoses) == (61.5, "Female", (NORMAL, LAD))
    assert "#Dx: 426783006,39732003\n" in (tmp_path / "HF1.hea").read_text()
    assert (tmp_path / "HF1.mat").stat().st_size == 24 + 2 * 12 * 5000


def test_a_sample_beyond_16_bits_is_refused_and_the_largest_is_not(tmp_path):
    signal = ecg() / 1000
    for largest, sign in ((32.767, 1), (32.767, -1)):
        signal[0, 0] = sign * largest
        write_record(tmp_path, Recording("HF1", signal, 500, TWELVE))
        assert scipy.io.loadmat(tmp_path / "HF1.mat")["val"][0, 0] == sign * 32767
    signal[0, 0] = -32.768  # the value that stands for "no sample"
    with pytest.raises(RecordingError, match="16 bits"):
        write_record(tmp_path, Recording("HF2", signal, 500, TWELVE))
    assert not list(tmp_path.glob("HF2*"))


def test_a_full_disk_ends_with_whole_files(tmp_path, monkeypatch):
    def read() -> Recording:
        return Recording("any", ecg() / 1000, 500, TWELVE)

    entries = [Entry(str(n), f"HF{n}", (), math.nan, None, read) for n in range(3)]
    saved = scipy.io.savemat

    def full(path: Path, *arguments: object) -> None:
        if path.name.startswith(".HF1"):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        saved(path, *arguments)

    monkeypatch.setattr("scipy.io.savemat", full)
    with pytest.raises(OSError, match="No space"):
        write_folder(hefei.HEFEI, entries, tmp_path / "out", Report())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["HF0.hea", "HF0.mat"]


# ---- command ---------------------------------------------------------------------------------------------------------


def test_the_command_says_what_it_wrote_and_what_it_did_not(hefei_set, tmp_path):
    labels = [GOOD + "\t正常ECG\t不明\u0007", "1002.txt\t60\tMALE\t窦性心律"]
    source, out = hefei_set(labels, {"1001.txt": signal_text()}), tmp_path / "made/by it"
    command = [sys.executable, "-m", "heartbeats.datasets", "hefei", str(source), str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    stdout, stderr = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, stderr
    assert "1 recordings, 1 of them with at least one" in stdout
    assert f"{ABBREVIATIONS[LAD]} 1" in stdout
    assert "正常ECG\n" in stdout
    assert "不明\\x07  (unknown)" in stdout
    assert "1002.txt: left out: no such text file" in stderr
    readme = (out / "README.txt").read_text(encoding="utf-8")
    assert hefei.HEFEI.page in readme
    assert "python -m heartbeats.datasets hefei SOURCE OUT\n" in readme
    assert "1 recordings, 1 of them" in readme
    assert "hefei.csv" in readme
    assert str(tmp_path) not in readme


def test_the_command_speaks_to_a_terminal_without_chinese(hefei_set, tmp_path):
    source = hefei_set([GOOD + "\t正常ECG"], {"1001.txt": signal_text()})
    command = [sys.executable, "-m", "heartbeats.datasets", "hefei", str(source), str(tmp_path / "out")]
    environment = {"PYTHONIOENCODING": "ascii:strict", "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\\u6b63\\u5e38ECG" in done.stdout


@pytest.mark.parametrize("key", ["hefei", "ptbxl", "ludb"])
def test_a_source_that_is_not_the_set_is_one_line_and_status_1(key, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/RECORDS").write_text("A0001\n")
    (tmp_path / "other/ptbxl_database.csv").write_text("ecg_id,age\n1,2\n")
    (tmp_path / "other/label.txt").write_text("1001.txt,60,MALE,AF\n")
    for source in ("none", "empty", "file", "other"):
        assert main([key, str(tmp_path / source), str(tmp_path / "out")]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.splitlines()) == 1
        assert str(tmp_path / source) in said.err
    assert not (tmp_path / "out").exists()


def test_an_out_that_is_not_empty_is_one_line_and_left_as_it_is(hefei_set, ptbxl_set, tmp_path, capsys):
    sources = {
        "hefei": hefei_set([GOOD], {"1001.txt": signal_text()}),
        "ptbxl": ptbxl_set({}),
        "ludb": ludb_set(tmp_path / "ludb", {"1": LUDB_COMMENTS}),
    }
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    for key, source in sources.items():
        for out in ("out", "out/mine"):
            assert main([key, str(source), str(tmp_path / out)]) == 1
            assert len(capsys.readouterr().err.splitlines()) == 1
    assert [(path.name, path.read_text()) for path in (tmp_path / "out").iterdir()] == [("mine", "mine")]


def test_a_set_of_which_nothing_can_be_written_is_status_1(hefei_set, tmp_path, capsys):
    assert main(["hefei", str(hefei_set([GOOD], {})), str(tmp_path / "out")]) == 1
    assert "1001.txt: left out" in capsys.readouterr().err


def test_the_command_passes_rate_and_likelihood_on(ptbxl_set, tmp_path, capsys):
    source = ptbxl_set({"scp_codes": "{'LAFB': 15.0, 'SR': 0.0}"})
    command = ["ptbxl", str(source), str(tmp_path / "out"), "--rate", "100", "--likelihood", "50"]
    assert main(command) == 0
    assert diagnoses(tmp_path / "out") == {"PTBXL00001": (NORMAL,)}
    assert read_recording(tmp_path / "out/PTBXL00001.hea").sampling_rate == 100
    assert "--rate 100 --likelihood 50" in (tmp_path / "out/README.txt").read_text(encoding="utf-8")
    assert main([*command[:2], str(tmp_path / "new"), "--likelihood", "nan"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
