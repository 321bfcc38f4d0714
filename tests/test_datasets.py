"""What the adapters of published sets share: tables of terms, names, folders, the command."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import wfdb
from conftest import TWELVE, ecg
from hypothesis import given, settings
from hypothesis import strategies as st
from published_sets import (
    GOOD,
    LAD,
    LUDB_COMMENTS,
    NORMAL,
    diagnoses,
    ludb_set,
    rows,
    signal_text,
    write_hefei,
    write_ptbxl,
)

from heartbeats.challenge.diagnoses import ABBREVIATIONS, CLASSES
from heartbeats.datasets import Report, hefei, ludb, ptbxl
from heartbeats.datasets.__main__ import main
from heartbeats.datasets.challenge_format import ListedRecording, read_mapping, record_name, write_folder
from heartbeats.ecg.header import parse_header, source_of
from heartbeats.ecg.recording import Recording, RecordingError, read_recording
from heartbeats.ecg.writing import write_record

ROOT = Path(__file__).parents[1]
SETS = (hefei.HEFEI, ptbxl.PTB_XL, ludb.LUDB)


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

    recordings = [ListedRecording(str(n), f"HF{n}", (), math.nan, None, read) for n in range(3)]
    saved = scipy.io.savemat

    def full(path: Path, *arguments: object, **options: object) -> None:
        if path.name.startswith(".HF1"):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        saved(path, *arguments, **options)

    monkeypatch.setattr("scipy.io.savemat", full)
    with pytest.raises(OSError, match="No space"):
        write_folder(hefei.HEFEI, recordings, tmp_path / "out", Report())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["HF0.hea", "HF0.mat"]


def test_the_command_says_what_it_wrote_and_what_it_did_not(tmp_path):
    labels = [GOOD + "\t正常ECG\t不明\u0007", "1002.txt\t60\tMALE\t窦性心律"]
    source, out = write_hefei(tmp_path / "hefei", labels, {"1001.txt": signal_text()}), tmp_path / "made/by it"
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


def test_the_command_speaks_to_a_terminal_without_chinese(tmp_path):
    source = write_hefei(tmp_path / "hefei", [GOOD + "\t正常ECG"], {"1001.txt": signal_text()})
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
        with pytest.raises(SystemExit) as ended:
            main([key, str(tmp_path / source), str(tmp_path / "out")])
        assert str(tmp_path / source) in str(ended.value.code)
        assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "out").exists()


def test_an_out_that_is_not_empty_is_one_line_and_left_as_it_is(tmp_path):
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


def test_a_set_of_which_nothing_can_be_written_is_status_1(tmp_path, capsys):
    assert main(["hefei", str(write_hefei(tmp_path / "hefei", [GOOD], {})), str(tmp_path / "out")]) == 1
    assert "1001.txt: left out" in capsys.readouterr().err


def test_the_command_passes_rate_and_likelihood_on(tmp_path):
    source = write_ptbxl(tmp_path / "ptb-xl", {"scp_codes": "{'LAFB': 15.0, 'SR': 0.0}"})
    command = ["ptbxl", str(source), str(tmp_path / "out"), "--rate", "100", "--likelihood", "50"]
    assert main(command) == 0
    assert diagnoses(tmp_path / "out") == {"PTBXL00001": (NORMAL,)}
    assert read_recording(tmp_path / "out/PTBXL00001.hea").sampling_rate == 100
    assert "--rate 100 --likelihood 50" in (tmp_path / "out/README.txt").read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="a likelihood is 0 to 100 percent, not nan"):
        main([*command[:2], str(tmp_path / "new"), "--likelihood", "nan"])
