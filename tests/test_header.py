"""Headers: both dialects of the Challenge, plain WFDB, and the deviations of real headers."""

import errno
import math
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heartbeats.common.settings import SOURCES as SOURCE_NAMES
from heartbeats.ecg.header import (
    SOURCES,
    STANDARD_LEADS,
    Header,
    find_headers,
    parse_diagnoses,
    parse_header,
    read_header_text,
    source_of,
)
from heartbeats.ecg.recording import RecordingError, read_header, read_recording

PROPERTY = settings(max_examples=200)

EARLY = """\
A0001 3 500 7500 05-Feb-2020 11:39:16
A0001.mat 16+24 1000/mV 16 0 28 -1716 0 I
A0001.mat 16+24 1000/mV 16 0 7 2029 0 II
A0001.mat 16+24 1000/mV 16 0 -21 3745 0 aVR
#Age: 74
#Sex: Male
#Dx: 59118001,426783006
#Rx: Unknown
"""
LATER = EARLY.replace(" 05-Feb-2020 11:39:16", "").replace("16+24 1000/mV", "16x1+24 1000.0(0)/mV").replace("#", "# ")


def parse(record: str = "A0001 1 500 5000", signal: str = "A0001.mat 16 1000/mV 16 0 0 0 0 I", end: str = "") -> Header:
    return parse_header(f"{record}\n{signal}\n{end}\n")


def test_both_dialects_give_the_same_header() -> None:
    header = parse_header(EARLY)
    assert header == parse_header(LATER)
    assert (header.name, header.lead_count, header.sampling_rate, header.samples) == ("A0001", 3, 500, 7500)
    assert (header.age, header.sex, header.diagnoses) == (74, "Male", ("59118001", "426783006"))
    assert header.leads == ("I", "II", "aVR")
    assert {(line.gain, line.baseline, line.format) for line in header.signals} == {(1000, 0, "16")}


@pytest.mark.parametrize("text", [EARLY, LATER])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("A0001 3", "A0001.mat 3"),
        lambda text: text.replace("/mV", "/mv"),
        lambda text: text.replace("/mV", ""),
        lambda text: text.replace("aVR", "avr"),
        lambda text: text.replace(" ", "  "),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace("426783006", "426783006,59118001,,"),
        lambda text: text.replace(",426783006", " , 426783006 "),
        lambda text: text.replace("Male", "M"),
        lambda text: "# a comment before the record line\n" + text,
        lambda text: "# only newlines end a line\x85, not this\n" + text,
    ],
)
def test_equivalent_spellings_give_the_same_header(text: str, change) -> None:
    assert parse_header(change(text)) == parse_header(EARLY)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("E00009.mat 12 500 5000 05-May-2020 14:50:55", ("E00009", 12, 500, 5000)),
        ("s01/2 12 500 5000", ("s01", 12, 500, 5000)),
        ("X 12 500/1000(0) 5000", ("X", 12, 500, 5000)),
        ("X 12 128.5/1000 5000", ("X", 12, 128.5, 5000)),
        ("X 12 1e3 5e3", ("X", 12, 1000, 5000)),
        ("X 12 257", ("X", 12, 257, None)),
        ("X", ("X", None, None, None)),
        ("X many fast nan", ("X", None, None, None)),
        (f"X/{'9' * 5000} 12 500 5000", ("X", 12, 500, 5000)),
        ("X 1.5 inf 0.5", ("X", None, None, None)),
    ],
)
def test_missing_values_of_the_first_line_are_none(record: str, expected: tuple) -> None:
    header = parse(record)
    assert (header.name, header.lead_count, header.sampling_rate, header.samples) == expected


def test_a_plain_wfdb_line_gives_file_format_gain_baseline_and_lead() -> None:
    (line,) = parse(signal="100.dat 212 200 11 1024 995 -22131 0 MLII").signals
    assert (line.file, line.format, line.gain, line.baseline, line.lead) == ("100.dat", "212", 200, 1024, "II")


@pytest.mark.parametrize(
    ("fields", "gain", "baseline"),
    [
        ("16 1716(6)/mV 16 12", 1716, 6),
        ("16 1716(-6)/mV 16 12", 1716, -6),
        ("16 1716(+6) 16 12", 1716, 6),
        ("16 1e3/mV 16 12", 1000, 12),
        ("16 1/µV 16 12", 1000, 12),  # the micro sign, U+00B5
        ("16 1/μV 16 12", 1000, 12),  # the Greek letter, U+03BC
        ("16 1000000(7)/V 16 12", 1000, 7),
        ("16 0.5(1)/uV 16 12", 500, 1),
        *((f"16 {gain}/mV 16 12", math.nan, 12) for gain in ("nan", "inf", "", "?")),
        ("16", math.nan, 0),
        ("", math.nan, 0),
    ],
)
def test_gain_per_millivolt_and_baseline_or_else_adc_zero(fields: str, gain: float, baseline: float) -> None:
    (line,) = parse(signal=f"x.mat {fields} 0 0 0 I" if " " in fields else f"x.mat {fields}").signals
    assert line.gain == pytest.approx(gain, nan_ok=True)
    assert line.baseline == baseline


@pytest.mark.parametrize("spell", [str.lower, str.upper, str])
def test_standard_leads_have_their_usual_spelling(spell) -> None:
    lines = "\n".join(f"x.mat 16 1000/mV 16 0 0 0 0 {spell(lead)}" for lead in (*STANDARD_LEADS, "vx"))
    assert parse_header(f"x 13 500 5000\n{lines}\n").leads == (*STANDARD_LEADS, spell("vx"))


@pytest.mark.parametrize(("count", "leads"), [("2", ("I", "II")), ("5", ("I", "II", "aVR")), ("-1", ())])
def test_no_more_signal_lines_are_read_than_there_are_leads(count: str, leads: tuple[str, ...]) -> None:
    assert parse_header(EARLY.replace("A0001 3", f"A0001 {count}")).leads == leads


@pytest.mark.parametrize(
    ("written", "age"),
    [("74", 74), ("0", 0), ("0.5", 0.5), (" 89 ", 89)]
    + [(unknown, math.nan) for unknown in ("NaN", "-1", "300", "Unknown", "inf", "")],
)
def test_impossible_ages_are_unknown(written: str, age: float) -> None:
    assert parse(end=f"#Age: {written}").age == pytest.approx(age, nan_ok=True)


@pytest.mark.parametrize("written", ["Male", "male", "M", "m", "Female", "F", "f", "FEMALE", "NaN", "Unknown", ""])
def test_sexes_in_every_spelling(written: str) -> None:
    assert parse(end=f"#Sex: {written}").sex == {"m": "Male", "f": "Female"}.get(written[:1].lower())


@pytest.mark.parametrize(
    ("text", "diagnoses"),
    [
        ("#Dx: 164889003,164889003, 59118001,,", ("164889003", "59118001")),
        ("#Dx: LBBB", ("LBBB",)),
        ("#dx : 59118001", ("59118001",)),
        ("A 1 500\n  # <Dx> : 1\n#Dx: 2", ("1", "2")),
        ("A 1 500\r#dX:1\r\n#Dx: 2,1\n", ("1", "2")),
        ("A 1 500 #Dx: 1\n#Dx: 2", ("2",)),  # a comment is a line of its own
        ("#\nDx: 1", ()),
        ("#Dxy: 1\n#Rx: 2\n#Hx: Dx: 3\n##Dx: 4", ()),
        ("#Dx: \n#Dx: 1", ("1",)),
        ("", ()),
    ],
)
def test_all_dx_comments_give_distinct_diagnoses(text: str, diagnoses: tuple[str, ...]) -> None:
    assert parse_header(text).diagnoses == parse_diagnoses(text) == diagnoses


def test_ludb_comments_give_age_and_sex() -> None:
    header = parse(end="#<age>: 51\n#<sex>: F\n#<diagnoses>:\n#Rhythm: Sinus bradycardia.")
    assert (header.age, header.sex, header.diagnoses) == (51, "Female", ())


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_header_reads_the_same_in_either_encoding(tmp_path: Path, encoding: str) -> None:
    text = EARLY.replace("1000/mV", "1/µV") + "#Hx: Lübeck, 38 °C\n"
    path = tmp_path / "A0001.hea"
    path.write_bytes(text.encode(encoding))
    assert read_header_text(path) == text
    assert parse_header(text) == parse_header(EARLY)


FIELDS = ["", "nan", "inf", "-1", "0", "1e308", "1e-320", "9" * 400, *"()/#µ\0\n\x85", "#Dx:"]


@PROPERTY
@given(st.text() | st.text(alphabet="A0 1/()+.-#:,\nmVx<>\t"))
def test_any_text_can_be_parsed(text: str) -> None:
    header = parse_header(text)
    assert all(isinstance(diagnosis, str) and diagnosis for diagnosis in header.diagnoses)
    assert header.sampling_rate is None or math.isfinite(header.sampling_rate)


@PROPERTY
@given(
    st.sampled_from([EARLY, LATER]),
    st.lists(st.tuples(st.integers(0, 10**4), st.sampled_from(FIELDS)), min_size=1, max_size=5),
)
def test_any_damaged_header_can_be_parsed(text: str, damages: list[tuple[int, str]]) -> None:
    fields = text.replace("\n", " \n ").split(" ")
    for position, field in damages:
        fields[position % len(fields)] = field
    header = parse_header(" ".join(fields))
    assert math.isnan(header.age) or 0 <= header.age <= 130
    assert all(math.isfinite(line.baseline) and not math.isinf(line.gain) for line in header.signals)


def test_a_record_belongs_to_a_source_by_its_name() -> None:
    names = ("A0001", "Q0001", "I0001", "S0001", "HR00001", "E00001", "JS00001")
    sources = ["cpsc", "cpsc_extra", "incart", "ptb", "ptb_xl", "georgia", "chapman_ningbo"]
    assert [source_of(name) for name in names] == sources
    assert {source_of(name) for name in ("100", "H00001", "e00001", "E", "E00001x", "XE00001", "")} == {"other"}
    assert {*SOURCES.values(), "other"} == set(SOURCE_NAMES)


def test_headers_are_found_in_sub_folders_in_order_and_not_hidden(tmp_path: Path) -> None:
    names = [
        "b/A2.hea",
        "A1.hea",
        "b/c/A0.hea",
        "a/A3.hea",
        "A1.mat",
        ".A4.hea",
        "b/._A2.hea",
        "A5.hea.bak",
        ".c/A.hea",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.hea").mkdir()
    found = [str(path.relative_to(tmp_path)) for path in find_headers(tmp_path)]
    assert found == sorted(["A1.hea", "a/A3.hea", "b/A2.hea", "b/c/A0.hea"])


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "A1.hea").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "georgia").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "loop").symlink_to(tmp_path / "data")
    assert [path.name for path in find_headers(tmp_path / "data")] == ["A1.hea"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="nowhere"):
        find_headers(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    """Otherwise its recordings would be lost without a message."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/A0001.hea").touch()

    def scandir(folder):
        if str(folder).endswith("b"):
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return listed(folder)

    listed = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError, match="b"):
        find_headers(tmp_path)


def test_a_huge_header_or_a_pipe_is_refused(tmp_path):
    big, pipe = tmp_path / "A0001.hea", tmp_path / "A0002.hea"
    big.touch()
    os.truncate(big, 2**30)
    os.mkfifo(pipe)
    for path, reason in ((big, "1073741824 bytes are too many"), (pipe, "not a file")):
        with pytest.raises(RecordingError, match=f"{path.name} cannot be read: {reason}"):
            read_header(path)


@pytest.mark.parametrize("suffix", [".hea", ".mat"])
def test_a_link_with_a_too_long_target_is_a_recording_error(tmp_path, suffix):
    (tmp_path / "A0001.hea").write_text("A0001 1 500 5000\nA0001.mat 16 1000/mV 16 0 0 0 0 I\n")
    (tmp_path / "A0001.hea").unlink() if suffix == ".hea" else None
    (tmp_path / f"A0001{suffix}").symlink_to("y" * 300)
    with pytest.raises(RecordingError, match="A0001"):
        read_recording(tmp_path / "A0001.hea")
