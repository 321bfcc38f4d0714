"""The tables of terms, the writer, Hefei, and the command that converts a data set."""

import math
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import wfdb
from conftest import TWELVE, ecg
from published_sets import (
    BRADY,
    GOOD,
    LAD,
    LUDB_COMMENTS,
    NORMAL,
    UNITS,
    diagnoses,
    ludb_set,
    problems,
    rows,
    signal_text,
    write_hefei,
    write_ptbxl,
)

from heartbeats.challenge.diagnoses import ABBREVIATIONS, CLASSES
from heartbeats.common.errors import HeartBeatsError
from heartbeats.datasets import hefei, ludb, ptbxl
from heartbeats.datasets.__main__ import main
from heartbeats.datasets.hefei import convert_hefei
from heartbeats.ecg.header import find_headers, parse_header, source_of
from heartbeats.ecg.recording import Recording, RecordingError, read_recording
from heartbeats.ecg.writing import write_record

ROOT = Path(__file__).parents[1]
SETS = (hefei.HEFEI, ptbxl.PTB_XL, ludb.LUDB)


@pytest.mark.parametrize("data_set", SETS, ids=lambda data_set: data_set.key)
def test_every_term_has_a_known_code_or_a_reason(data_set):
    listed = rows(ROOT / f"heartbeats/datasets/{data_set.key}.csv")
    assert list(listed[0]) == ["term", "SNOMED CT code", "note"]
    assert len({row["term"] for row in listed}) == len(listed)
    organisers = {row["SNOMED CT Code"]: plain(row["Dx"]) for row in rows(ROOT / "dx_mapping_scored.csv")}
    names: dict[str, set[str]] = {}
    for row in listed:
        assert row == {key: value.strip() for key, value in row.items()}
        code, note = row["SNOMED CT code"], row["note"]
        assert len(note) > 5, row
        assert code == "" or (code.isascii() and code.isdigit()), row
        # A mistyped code does not fit its note, which begins with "scored", "unscored" or neither.
        assert note.startswith("scored: ") == (code in CLASSES), row
        assert note.startswith("unscored") == (code not in CLASSES and code != ""), row
        if code:
            names.setdefault(code, set()).add(plain(note.split(":")[1].split(";")[0]))
        if code in organisers:
            assert names[code] == {organisers[code]}
    assert [code for code, found in names.items() if len(found) > 1] == []


def plain(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


@pytest.mark.parametrize("data_set", SETS, ids=lambda data_set: data_set.key)
def test_no_source_of_the_challenge_has_such_names(data_set):
    for number in range(0, 30000, 700):
        assert source_of(f"{data_set.prefix}{number:0{data_set.digits}d}") == "other"


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
    # The first 24 bytes are those of the Challenge's HR00001.mat.
    assert (tmp_path / "HF1.mat").read_bytes()[:24] == struct.pack("<5i4s", 30, 12, 5000, 0, 4, b"val")
    recording.signal[0, 0] = -32.768  # WFDB's "no sample"
    with pytest.raises(RecordingError, match="16 bits"):
        write_record(tmp_path, recording)


# ---- Hefei ---------------------------------------------------------------------------------------------------------


def test_hefei_is_converted(tmp_path):
    labels = [GOOD, "1002.txt\t\t\t窦性心动过缓", "1003.txt\t33\tFEMALE\t窦性心律\t\t"]
    order = [3, 1, 0, 2, 7, 6, 5, 4]
    texts = {f"{number}.txt": signal_text() for number in (1001, 1002)}
    texts["1003.txt"] = signal_text(UNITS[:, order], [hefei.LEADS[i] for i in order])
    report = convert_hefei(write_hefei(tmp_path / "hefei", labels, texts, encoding="gb18030"), tmp_path / "out")
    assert (report.written, report.scored, problems(report, "left out")) == (3, 3, {})
    assert diagnoses(tmp_path / "out") == {"HF1001": (NORMAL, LAD), "HF1002": (BRADY,), "HF1003": (NORMAL,)}
    recordings = [read_recording(path) for path in find_headers(tmp_path / "out")]
    np.testing.assert_array_equal([recording.age for recording in recordings], [60, math.nan, 33])
    assert [recording.sex for recording in recordings] == ["Male", None, "Female"]
    for recording in recordings:
        assert (sorted(recording.leads), recording.sampling_rate) == (sorted(hefei.LEADS), 500)
        for lead, row in zip(recording.leads, recording.signal, strict=True):
            assert np.abs(row - UNITS[:, hefei.LEADS.index(lead)] * 4.88e-3).max() <= 0.0005 + 1e-12


HEFEI_FAULTS = {
    "a row is missing": (signal_text(UNITS[:-1]), "4999 rows"),
    "a value is a word": (signal_text().replace(f"\n{UNITS[0, 0]} ", "\nabc ", 1), "not a number.*abc"),
    "a value is NaN": (signal_text().replace(f"\n{UNITS[0, 0]} ", "\nnan ", 1), "not finite"),
    "a value is missing": (signal_text().rstrip("\n").rsplit(" ", 1)[0], "too few values"),
    "the file is empty": ("", "first row"),
    "the file is binary": ("\0\1\2", "first row"),
    "an amplitude is beyond 16 bits": (signal_text(UNITS * 100), "16 bits"),
}


@pytest.mark.parametrize("fault", HEFEI_FAULTS)
def test_a_bad_hefei_recording_is_named_and_the_others_are_converted(fault, tmp_path):
    text, reason = HEFEI_FAULTS[fault]
    labels, texts = [GOOD.replace("1001", "1000"), GOOD], {"1000.txt": text, "1001.txt": signal_text()}
    report = convert_hefei(write_hefei(tmp_path / "hefei", labels, texts), tmp_path / "out")
    files = ["HF1001.hea", "HF1001.mat", "README.txt", "problems.csv", "unmapped.csv"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files
    assert list(problems(report, "left out")) == ["1000.txt"]
    assert re.search(reason, problems(report, "left out")["1000.txt"])
    assert ["1000.txt", "left out"] in [
        [row["recording"], row["outcome"]] for row in rows(tmp_path / "out/problems.csv")
    ]


def test_bad_hefei_lines_are_named_and_the_others_are_converted(tmp_path):
    labels = [
        "no tab here",
        GOOD,
        GOOD,
        "1002.txt\tsixty\tM\t窦性心律",
        "1003.txt\t60\tMALE",
        "1004.txt\t60\tMALE\t窦性心律",
        "../1005.txt\t60\tMALE\t窦性心律",
        "1006.txt\t-1\tfemale\t不明的词\t正常ECG\t不明的词",
        "1 8.txt\t60\tMALE\t窦性心律",
    ]
    texts = {f"{number}.txt": signal_text() for number in (1001, 1002, 1003, 1006, 1007, "1 8")}
    source = write_hefei(tmp_path / "hefei", labels, texts)
    for folder, text in (("zz", signal_text(UNITS * 2)), (".hidden", "")):
        (source / folder).mkdir()
        (source / folder / "1001.txt").write_text(text)
    report = convert_hefei(source, tmp_path / "out")
    assert diagnoses(tmp_path / "out") == {"HF1001": (NORMAL, LAD), "HF1002": (NORMAL,), "HF1006": ()}
    left_out, warned = problems(report, "left out"), problems(report, "warned")
    assert left_out.keys() == {"no tab here", "1001.txt", "1003.txt", "1004.txt", "../1005.txt", "1 8.txt"}
    assert "the first is converted" in left_out["1001.txt"]
    assert "no such text file" in left_out["1004.txt"]
    assert warned.keys() == {"1001.txt", "1002.txt", "1006.txt", "1007.txt"}
    assert "zz" in warned["1001.txt"]
    assert "2 text files" in warned["1007.txt"]  # with the list of terms
    np.testing.assert_allclose(read_recording(tmp_path / "out/HF1001.hea").signal, UNITS.T * 4.88e-3, atol=0.00051)
    assert (report.written, report.scored) == (3, 2)
    unmapped = {row["term"]: (row["count"], row["reason"]) for row in rows(tmp_path / "out/unmapped.csv")}
    assert unmapped.keys() == {"不明的词", "正常ECG"}
    assert unmapped["不明的词"] == ("1", "unknown")
    assert "normal ECG" in unmapped["正常ECG"][1]


def test_only_a_list_with_terms_is_a_label_file(tmp_path):
    source = write_hefei(tmp_path / "hefei", [GOOD], {"1001.txt": signal_text()})
    (source / "hf_round1_subA.txt").write_text("1001.txt\t60\tMALE\n1002.txt\t\t\n")
    assert convert_hefei(source, tmp_path / "out").written == 1
    (source / "hf_round2_label.txt").write_text(GOOD, encoding="utf-8")
    with pytest.raises(HeartBeatsError, match="both label files"):
        convert_hefei(source, tmp_path / "other")
    assert not (tmp_path / "other").exists()


# ---- the command ---------------------------------------------------------------------------------------------------


def test_the_command_reports_also_on_a_terminal_without_chinese(tmp_path):
    labels = [GOOD + "\t正常ECG\t不明\u0007", "1002.txt\t60\tMALE\t窦性心律"]
    source, out = write_hefei(tmp_path / "hefei", labels, {"1001.txt": signal_text()}), tmp_path / "new/folder"
    command = [sys.executable, "-m", "heartbeats.datasets", "hefei", str(source), str(out)]
    environment = {"PYTHONIOENCODING": "ascii:strict", "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "1 recordings, 1 of them with at least one" in done.stderr
    assert f"{ABBREVIATIONS[LAD]} 1" in done.stderr
    assert "\\u6b63\\u5e38ECG\n" in done.stderr
    assert "\\x07  (unknown)" in done.stderr
    assert "1002.txt: left out: no such text file" in done.stderr
    readme = (out / "README.txt").read_text(encoding="utf-8")
    for text in (
        hefei.HEFEI.page,
        "python -m heartbeats.datasets hefei SOURCE OUT\n",
        "1 recordings, 1 of",
        "hefei.csv",
    ):
        assert text in readme
    assert str(tmp_path) not in readme


@pytest.mark.parametrize("key", ["hefei", "ptbxl", "ludb"])
def test_a_source_that_is_not_the_set_is_refused_in_one_line(key, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/RECORDS").write_text("A0001\n")
    (tmp_path / "other/ptbxl_database.csv").write_text("ecg_id,age\n1,2\n")
    (tmp_path / "other/label.txt").write_text("1001.txt,60,MALE,AF\n")
    for source in ("none", "empty", "file", "other"):
        with pytest.raises(SystemExit) as ended:
            main([key, str(tmp_path / source), str(tmp_path / "out")])
        assert str(tmp_path / source) in str(ended.value.code)
        assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_is_refused_and_stays(tmp_path):
    sources = {
        "hefei": write_hefei(tmp_path / "hefei", [GOOD], {"1001.txt": signal_text()}),
        "ptbxl": write_ptbxl(tmp_path / "ptb-xl", {}),
        "ludb": ludb_set(tmp_path / "ludb", {"1": LUDB_COMMENTS}),
    }
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    for key, source in sources.items():
        for out in ("out", "out/mine"):
            with pytest.raises(SystemExit, match=f"{tmp_path / out}"):
                main([key, str(source), str(tmp_path / out)])
    assert [(path.name, path.read_text()) for path in (tmp_path / "out").iterdir()] == [("mine", "mine")]


def test_the_status_is_1_if_nothing_was_written(tmp_path, capsys):
    assert main(["hefei", str(write_hefei(tmp_path / "hefei", [GOOD], {})), str(tmp_path / "out")]) == 1
    assert "1001.txt: left out" in capsys.readouterr().err


def test_the_command_passes_rate_and_likelihood_on(tmp_path):
    source = write_ptbxl(tmp_path / "ptb-xl", {"scp_codes": "{'LAFB': 15.0, 'SR': 0.0}"})
    command = ["ptbxl", str(source), str(tmp_path / "out"), "--rate", "100", "--likelihood", "50"]
    assert main(command) == 0
    assert diagnoses(tmp_path / "out") == {"PTBXL00001": (NORMAL,)}
    assert read_recording(tmp_path / "out/PTBXL00001.hea").sampling_rate == 100
    assert "--rate 100 --likelihood 50" in (tmp_path / "out/README.txt").read_text(encoding="utf-8")
    for likelihood in ("nan", "-1"):
        with pytest.raises(SystemExit, match="give 0 to 100 percent"):
            main([*command[:2], str(tmp_path / "new"), "--likelihood", likelihood])


def test_a_check_counts_sources_and_names_what_is_missing_or_damaged(write_record, tmp_path, capsys):
    for number in (1, 2, 4):
        write_record(f"A{number:04}", folder=tmp_path / "data/cpsc")
    for name in ("Q0001", "mine"):
        write_record(name, folder=tmp_path / "data")
    (tmp_path / "data/cpsc/A0004.mat").unlink()
    assert main(["check", str(tmp_path / "data")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("CPSC 2018: 3 of 6877 recordings; missing: A0003, A0005, A0006,")
    assert lines[0].endswith(", ...")
    assert "CPSC 2018, extra: 1 of 3453 recordings" in lines
    assert "Georgia: 0 of 10344 recordings" in lines
    assert "other names: 1 recordings" in lines
    assert lines[-2:] == [
        "A0004: cannot be used: no signal file A0004.mat: it is missing, or not a file",
        "5 recordings, 1 of them cannot be used",
    ]
