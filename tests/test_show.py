"""ECG pages and their command: pages show the model's answer, and bad input does not break them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import TWELVE, ecg
from markupsafe import Markup
from pages import Page, assert_sound

from heartbeats.challenge.diagnoses import SINUS_RHYTHM
from heartbeats.classification.folder import classify_folder
from heartbeats.common.console import printable
from heartbeats.ecg.recording import read_recording
from heartbeats.reports.description import describe
from heartbeats.reports.ecg_page import ecg_page, notes
from heartbeats.reports.findings import read
from heartbeats.reports.folder import IndexLine, index_page
from heartbeats.reports.sheet import lay_out
from heartbeats.show import main

ROOT = Path(__file__).parents[1]

# Pages


def test_a_page_says_what_the_model_says(classifier, write_record):
    reading = read(write_record(dx="426783006,164889003"), classifier)
    page = ecg_page(reading)
    assert_sound(page)
    assert len(page.encode()) < 500_000
    for sentence in (*reading.answer.reasons, *notes(reading), "60 years, male", "integrated gradients", "1703.01365"):
        assert printable(sentence) in page.replace("&lt;", "<").replace("&#39;", "'").replace("\n", " ")
    assert "They are not calibrated" in page
    (rows,) = (rows[1:] for caption, rows in Page(page).tables.items() if "threshold" in caption)
    probabilities = [float(row[1]) for row in rows]
    assert probabilities == sorted((round(p, 3) for p in reading.answer.probabilities.values()), reverse=True)
    assert {row[0].split(" ")[0] for row in rows if row[4] == "yes"} == {"NSR", "AF"}
    assert page.count('class="answered"') == len(reading.answer.positive) > 0


def test_a_page_without_a_model_has_no_answer(write_record):
    header_file = write_record()
    page = ecg_page(read(header_file))
    assert_sound(page)
    assert "Probabilities" not in page
    assert "60 /min" in page
    assert "no diagnoses" not in page
    header_file.write_text(header_file.read_text().replace("#Dx", "# <diagnoses>"))
    assert "no diagnoses" in ecg_page(read(header_file))


def test_text_of_a_header_is_escaped(classifier, write_record):
    bad = '<script>alert("1")</script>'
    leads = ("I", "II", "<b>$x_2^3$</b>", "V1")
    header_file = write_record("<i>&amp;名", leads=leads, dx=f"{bad},\x00\x1b[2J", comments=f"#Sex: {bad}\n#Age: <u>\n")
    for model in (None, classifier):
        page = ecg_page(read(header_file, model))
        assert_sound(page)
        assert not {"i", "b", "u"} & {tag for tag, _ in Page(page).elements}
        assert "\x1b" not in page
        assert "&lt;i&gt;&amp;amp;名" in page
        assert "&lt;script&gt;" in page


POOR = {
    "flat": ({"signal": np.zeros((12, 5000), np.int16)}, "Flat: I, II, III"),
    "one flat": ({"signal": ecg() * (np.arange(12) != 4)[:, None].astype(np.int16)}, "Flat: aVL."),
    "1 s": ({"signal": ecg(seconds=1)}, "1 s long"),
    "two leads": ({"leads": ("II", "V5")}, "ECG of 名前"),
    "eight leads": ({"leads": ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")}, "Computed: III, aVR, aVL, aVF."),
    "seven leads": ({"leads": ("II", "V1", "V2", "V3", "V4", "V5", "V6")}, "Not recorded: I, III, aVR, aVL, aVF."),
    "Frank's leads": ({"leads": ("vx", "vy", "vz")}, "Not classified: none of the leads"),
    "fifteen leads": ({"leads": (*TWELVE, "vx", "vy", "vz")}, "Recorded, but not drawn: vx, vy, vz"),
    "wrong gain": ({"gain": "0/mV"}, "no usable gain"),
    "40 s": ({"signal": ecg(seconds=40)}, "Its first 30 s"),
    "enormous": ({"signal": (ecg() * 30).astype(np.int32), "fmt": "32"}, "ECG of 名前"),
}


@pytest.mark.parametrize("case", POOR)
def test_a_poor_recording_gets_a_page_that_says_why(case, tmp_path, model_directory, write_record):
    arguments, said = POOR[case]
    header_file, out = write_record("名前$x^$", **arguments), tmp_path / "new"
    main([str(header_file), "--model", str(model_directory), "-o", str(out / "page.html")])
    page = (out / "page.html").read_text()
    assert said in page.replace("&#39;", "'")
    assert_sound(page)
    for suffix, beginning in ((".png", b"\x89PNG"), (".pdf", b"%PDF")):
        main([str(header_file), "--no-model", "-o", str(out / f"page{suffix}")])
        assert (out / f"page{suffix}").read_bytes().startswith(beginning)


@pytest.mark.parametrize("suffix", [".html", ".pdf"])
def test_a_recording_that_cannot_be_read_ends_the_command_with_one_line(suffix, tmp_path, write_record):
    header_file = write_record()
    header_file.with_suffix(".mat").write_bytes(b"no matrix")
    with pytest.raises(SystemExit, match=r"A0001: not read: A0001\.mat cannot be read"):
        main([str(header_file), "--no-model", "-o", str(tmp_path / f"new/x{suffix}")])
    assert not (tmp_path / "new").exists()


def test_a_full_disk_ends_a_pdf_with_one_line(write_record, tmp_path):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
        "from heartbeats.show import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, write_record(), "-o", tmp_path / "page.pdf"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("heartbeats.show: [Errno 27] File too large")
    assert "Traceback" not in done.stderr
    assert not [path for path in tmp_path.iterdir() if "page" in path.name]


# Folders


def test_a_folder_gets_a_page_for_each_recording_and_an_index(tmp_path, model_directory, write_record, capsys):
    data, out = tmp_path / "data", tmp_path / "some" / "out"
    for folder, name in (("a", "A0001"), ("b", "a0001"), ("c", "index"), ("d", "$(touch x);\\..<&"), ("e", "-rf")):
        write_record(name, folder=data / folder, record_name="../../escaped")
    write_record("x" * 251, folder=data / "f")
    write_record("A0001", folder=data / "g").with_suffix(".mat").unlink()
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    main([str(data), "--model", str(model_directory), "-o", str(out)])
    written = {path.relative_to(out).as_posix() for path in {p for p in tmp_path.rglob("*") if p.is_file()} - before}
    assert len(written) == 7
    assert all(re.fullmatch(r"index\.html|recordings/[\w][\w.~-]*\.html", name) for name in written)
    index = (out / "index.html").read_text()
    assert_sound(index)
    assert set(re.findall(r'<a href="([^#"]+)"', index)) == written - {"index.html"}
    assert "no signal file" in Page(index).tables["Recordings that cannot be read"][1][1]
    err = capsys.readouterr().err
    assert "A0001: not read: " in err
    assert "6 recordings drawn, 1 not read" in err
    for name in written:
        page = (out / name).read_text()
        assert name == "index.html" or 'href="../index.html"' in page


def test_a_second_run_removes_the_pages_of_the_first_even_after_an_interruption(tmp_path, write_record, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    main([str(write_record("A0001")), "--no-model", "-o", str(out)])
    (out / "recordings" / "notes.txt").touch()
    second = [str(write_record("A0002")), "--no-model", "-o", str(out)]
    with monkeypatch.context() as interrupted:
        interrupted.setattr("heartbeats.reports.folder.map_recordings", interrupt)
        with pytest.raises(SystemExit, match="interrupted"):
            main(second)
    main(second)
    assert {path.name for path in (out / "recordings").iterdir()} == {"A0002.html", "notes.txt"}
    assert re.findall(r'<a href="recordings/([^"]+)"', (out / "index.html").read_text()) == ["A0002.html"]


def test_a_folder_of_another_program_is_refused(tmp_path, write_record):
    out = tmp_path / "out"
    (out / "recordings").mkdir(parents=True)
    (out / "recordings" / "song.html").touch()
    for _ in range(2):
        with pytest.raises(SystemExit, match="not empty and was not written by this command"):
            main([str(write_record()), "--no-model", "-o", str(out)])
        (out / "index.html").write_bytes(b"\xff")
    assert {path.name for path in out.rglob("*")} == {"recordings", "song.html", "index.html"}


def test_the_index_is_sorted_by_diagnosis_and_by_disagreement():
    def line(name: str, group: str, missed: tuple[str, ...] = (), extra: tuple[str, ...] = ()):
        compared = {"agreed": ["NSR"], "missed": list(missed), "extra": list(extra), "not scored": []}
        link = Markup('<a href="{}.html">{}</a>').format(name, name)
        return link, IndexLine(group, ("60 years, male", "60 /min", "NSR", "NSR"), compared)

    lines = [line("1", SINUS_RHYTHM, extra=("AF",)), line("2", "164889003", ("SB",), ("AF",)), line("4", "")]
    page = index_page(lines, [("3", "<no>")])
    assert_sound(page)
    diagnosis, disagreement = page.split('<h2 id="disagreement">')
    assert (
        re.findall(r'href="(\d).html"', diagnosis) == re.findall(r'href="(\d).html"', disagreement) == ["2", "1", "4"]
    )
    assert "&lt;no&gt;" in page


def test_recordings_of_one_name_are_listed_with_their_paths(tmp_path, write_record):
    data = tmp_path / "data"
    for folder, name in (("a", "A0001"), ("b", "A0001"), ("a", "A0002")):
        write_record(name, folder=data / folder)
    again = [
        data / "a/../b/A0001",
        data / "a/A0001.hea",
        data / "a/A0002.mat",
    ]  # given twice
    main([*map(str, again), str(data), "--no-model", "-o", str(tmp_path / "out")])
    index = (tmp_path / "out" / "index.html").read_text()
    assert "<h1>3 recordings</h1>" in index
    names = dict(re.findall(r'<a href="recordings/([^"]+)">([^<]+)</a>', index))
    assert sorted(names) == ["A0001.html", "A0001~2.html", "A0002.html"]
    assert (names["A0002.html"], names["A0001~2.html"]) == ("A0002", f"{data}/a/A0001")


# The command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no header file"),
        (["{data}/A0001", "--model", "{data}"], "model.json is missing"),
        (["{empty}", "-o", "{data}/out"], "no header file"),
        (["{data}/A0001", "-o", "{data}/A0001.hea/x.html"], "A0001.hea"),
        (["{data}", "-o", "{data}/A0001.hea/out"], "A0001.hea"),
        (["{data}"], "-o FOLDER"),
        (["{data}", "-o", "{data}/x.pdf"], "-o FOLDER"),
        (["{data}/A0001", "-o", "{data}/x.svg"], "x.svg: the suffix must be one of .html, .pdf, .png"),
    ],
)
def test_an_unusable_argument_ends_the_command_with_one_line(arguments, said, tmp_path, write_record, capsys):
    write_record(folder=tmp_path / "data")
    (tmp_path / "empty").mkdir()
    before = set(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        main([text.format(data=tmp_path / "data", empty=tmp_path / "empty") for text in arguments])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in (printed.err.splitlines()[-1] if ended.value.code == 2 else ended.value.code)
    assert set(tmp_path.rglob("*")) == before


def test_a_signal_file_names_its_recording_and_the_recording_names_the_page(tmp_path, write_record, monkeypatch):
    header_file = write_record("1.5")
    monkeypatch.chdir(tmp_path)
    for suffix in (".mat", ".dat", ".hea", ""):
        header_file.with_suffix(suffix or ".hea").touch()
        main([str(header_file.with_suffix(suffix)), "--no-model"])
        assert "60 /min" in (tmp_path / "1.5.html").read_text()
        (tmp_path / "1.5.html").unlink()


def test_real_recordings_are_drawn(ecg_data, classifier):
    page = ecg_page(read(ecg_data / "quirks" / "E00009.hea"))
    assert "stated gain of 4880 per mV" in page
    assert_sound(page)
    mit_bih = read(ecg_data / "mitdb" / "100.hea")
    assert [strip.lead for strip in lay_out(mit_bih.recording)] == ["V5", "II"]
    assert mit_bih.rhythm.heart_rate in ("74 /min", "75 /min", "76 /min")
    assert_sound(ecg_page(mit_bih))
    page = ecg_page(read(ecg_data / "challenge" / "georgia" / "E07541.hea", classifier))
    assert len(page.encode()) < 500_000


# What was read


def test_a_recording_is_described_as_it_was_understood(write_record, tmp_path, capsys):
    signal = ecg(leads=5, seconds=12)
    signal[2, :500] = -(2**15)  # WFDB's "no sample"
    header = write_record(signal=signal, leads=("I", "aVL", "V1", "V2", "vx"), gain="2000/mV")
    header.write_text(header.read_text().replace("16+24 2000/mV", "16+24 500/mV", 1))
    main([str(header), "--no-model", "-o", str(tmp_path / "page.html")])
    facts = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert facts["Leads"] == "I, aVL, V1, V2"
    assert facts["Computed"] == "II, III, aVR, aVF"
    assert facts["Missing"] == "V3, V4, V5, V6; the networks read 0 mV there"
    assert facts["Not used"] == "vx"
    assert facts["Sampling rate"] == "500 Hz"
    assert facts["Length"] == "12 s"
    assert facts["Gain"] == "I 500, aVL 2000, V1 2000, V2 2000, vx 2000 ADC units per mV"
    assert facts["Missing samples"] == "V1 500"
    height = float(facts["Peak to peak in a second (median)"].split(", ")[0].split()[1])
    assert height == pytest.approx(2.04, abs=0.05)
    page = (tmp_path / "page.html").read_text()
    assert all(fact in page for fact in facts.values())
    assert "the networks read 4 s" in describe(read_recording(header), 4)["Length"]


def test_a_longer_recording_has_a_warning(classifier, write_record, capsys):
    """The longest network of the model reads 4 s."""
    classify_folder(classifier, write_record(signal=ecg(seconds=12)).parent, table=write_record().parent / "t.csv")
    assert "A0001: the networks read only the first 4 s of 10 s" in capsys.readouterr().err


# Tables of numbers


@pytest.mark.parametrize("form", ["csv", "npy", "transposed"])
def test_a_table_of_numbers_is_read_as_a_recording(form, tmp_path, capsys):
    signal, leads = ecg(leads=3).astype(float), ("I", "II", "V5")
    signal[1, 100:200] = np.nan
    file = tmp_path / ("mine.csv" if form == "csv" else "mine.npy")
    if form == "csv":
        rows = [",".join("" if np.isnan(value) else str(value) for value in row) for row in signal.T]
        file.write_text("\n".join([", ".join(leads), *rows, ""]))
    else:
        np.save(file, signal.T if form == "transposed" else signal)
    arguments = [str(file), "--rate", "500", "--unit", "uV", "-o", str(tmp_path / "mine.html")]
    main([*arguments, "--no-model", *(() if form == "csv" else ("--leads", "I,II,V5"))])
    facts = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert (facts["Leads"], facts["Sampling rate"], facts["Length"]) == ("I, II, V5", "500 Hz", "10 s")
    assert facts["Missing samples"] == "II 100"
    assert facts["Peak to peak in a second (median)"].startswith("I 1.0")
    assert "ECG of mine" in (tmp_path / "mine.html").read_text()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"I,II\n1,2,3\n", "there are 2 names of leads"),
        ("a.csv", b"I,II\n1,high\n", "not a table of numbers: commas between columns"),
        ("a.csv", b"0.1,0.2\n0.3,0.4\n", "no column has the name of a standard lead"),
        ("a.csv", b"", "not a table of numbers"),
        ("a.npy", b"no array", "not a table of numbers"),
        ("a.xml", b"<x/>", "python -m heartbeats.convert reads DICOM"),
    ],
)
def test_other_files_are_refused_with_what_helps(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SystemExit, match=said):
        main([str(tmp_path / name), "--rate", "500"])
    np.save(tmp_path / "b.npy", np.zeros((5, 1000)))
    with pytest.raises(SystemExit, match="there are 12 names of leads"):
        main([str(tmp_path / "b.npy"), "--rate", "500"])
