"""ECGs on paper are true to the millimetre; pages say what was decided and why; nothing that is read breaks one."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import TWELVE, ecg
from matplotlib.image import imread
from pages_made import recording, sheet_of
from pages_read import MILLIMETRES, Page, assert_sound, texts

from heartbeats.challenge.diagnoses import SINUS_RHYTHM
from heartbeats.common.console import printable
from heartbeats.preparation.prepared import Failure
from heartbeats.reports import ecg_print
from heartbeats.reports.ecg_page import Reading, ecg_page, in_words, method, read
from heartbeats.reports.findings import Comparison
from heartbeats.reports.folder import IndexLine, index_page
from heartbeats.reports.layout import HEAD
from heartbeats.reports.saliency import BIN
from heartbeats.reports.sheet import Track
from heartbeats.show import main

ROOT = Path(__file__).parents[1]

# --- pages


def test_a_page_is_sound_and_says_what_the_model_says(classifier, write_record):
    reading = read(write_record(dx="426783006,164889003"), classifier)
    page = ecg_page(reading)
    assert_sound(page)
    assert len(page.encode()) < 400_000
    found = reading.answer
    for sentence in (*found.reasons, *reading.notes(), "60 years, male", "Integrated gradients", "1703.01365"):
        assert printable(sentence) in page.replace("&lt;", "<").replace("&#39;", "'")
    assert "The probabilities are not calibrated: the model’s training report shows how far" in page
    order = re.findall(r'<span class="code">(\w+)</span>.*?<td>([\d.]+)</td>', page)
    assert [float(p) for _, p in order] == sorted((round(p, 3) for p in found.probabilities), reverse=True)
    assert page.count('class="answered"') == found.labels.sum()


def test_the_track_is_worth_what_its_words_say(classifier, write_record):
    reading = read(write_record(signal=ecg(seconds=20)), classifier)
    track = np.zeros(500)
    track[[30, 99, 400]] = 0.00012, 0.000314, -0.1
    looked = dataclasses.replace(reading.answer.saliency, code="164917005", track=track)
    shown = dataclasses.replace(reading, answer=dataclasses.replace(reading.answer, saliency=looked))
    assert "The tallest bar for Q wave abnormal is at 3.96 s; all bars together make −0.100." in in_words(shown)
    assert [text.endswith("tallest bar of the recording 0.1") for text in texts(shown.sheets()[1])].count(True) == 1
    track[400] = 0
    assert any(text.endswith("tallest bar of the recording 0.00031") for text in texts(shown.sheets()[0]))
    assert "is worth 0.00031." in " ".join(method(shown.answer))
    track[[30, 99]] = 0
    assert "No bar speaks for Q wave abnormal; all bars together make +0.000." in in_words(shown)
    assert any(text.endswith("tallest bar of the recording 0") for text in texts(shown.sheets()[0]))


def test_a_header_without_dx_is_said_to_have_none(write_record):
    header_file = write_record()
    assert "no Dx line" not in ecg_page(read(header_file))
    header_file.write_text(header_file.read_text().replace("#Dx", "# <diagnoses>"))
    assert ecg_page(read(header_file)).count("no Dx line in the header") == 2


def test_a_page_without_a_model_has_no_answer(write_record):
    page = ecg_page(read(write_record()))
    assert_sound(page)
    assert "Probabilities" not in page
    assert "60 /min" in page


def test_what_a_header_says_is_no_html(classifier, write_record):
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
    "flat": ({"signal": np.zeros((12, 5000), np.int16)}, "All leads are flat"),
    "one flat": ({"signal": ecg() * (np.arange(12) != 4)[:, None].astype(np.int16)}, "Flat from beginning to end: aVL"),
    "1 s": ({"signal": ecg(seconds=1)}, "1 s long"),
    "two leads": ({"leads": ("II", "V5")}, "ECG of A0001"),
    "eight leads": (
        {"leads": ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")},
        "computed from I and II: III, aVR, aVL, aVF.",
    ),
    "seven leads": ({"leads": ("II", "V1", "V2", "V3", "V4", "V5", "V6")}, "Not recorded: I, III, aVR, aVL, aVF."),
    "Frank's leads": ({"leads": ("vx", "vy", "vz")}, "Not classified: none of the leads"),
    "fifteen leads": ({"leads": (*TWELVE, "vx", "vy", "vz")}, "Recorded, but not drawn: vx, vy, vz"),
    "wrong gain": ({"gain": "0/mV"}, "no usable gain"),
    "40 s": ({"signal": ecg(seconds=40)}, "its first 30 s"),
    "enormous": ({"signal": (ecg() * 30).astype(np.int32), "fmt": "32"}, "Leaves the paper"),
    "too short": ({"signal": ecg(seconds=0.5)}, "shorter than 1 s"),
}


@pytest.mark.parametrize("case", POOR)
def test_what_cannot_be_drawn_well_gets_a_page_that_says_so(case, tmp_path, model_directory, write_record):
    arguments, said = POOR[case]
    out = tmp_path / "new" / "page.html"
    main([str(write_record(**arguments)), "--model", str(model_directory), "-o", str(out)])
    page = out.read_text()
    assert said in page.replace("&#39;", "'")
    if case != "too short":
        assert_sound(page)


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
@pytest.mark.parametrize("case", ["flat", "1 s", "two leads", "40 s", "enormous"])
def test_sheets_of_what_cannot_be_drawn_well(case, suffix, tmp_path, write_record):
    out = tmp_path / f"sheets{suffix}"
    main([str(write_record("名前 $x^$", **POOR[case][0])), "-o", str(out)])
    assert out.read_bytes().startswith({".png": b"\x89PNG", ".pdf": b"%PDF"}[suffix])


def test_an_unreadable_recording_gets_a_page_and_a_line(tmp_path, write_record, capsys):
    header_file = write_record()
    header_file.with_suffix(".mat").write_bytes(b"no matrix")
    for suffix in (".html", ".png", ".pdf"):
        main([str(header_file), "-o", str(tmp_path / f"x{suffix}")])
        assert "A0001: not read: A0001.mat cannot be read" in capsys.readouterr().err
    assert "A0001.mat cannot be read" in (tmp_path / "x.html").read_text()


def test_the_picture_is_ten_pixels_a_millimetre_and_the_pdf_a4(tmp_path, write_record):
    header_file = write_record()
    for suffix in (".png", ".pdf"):
        main([str(header_file.with_suffix("")), "-o", str(tmp_path / f"x{suffix}")])
    picture = imread(tmp_path / "x.png")
    assert picture.shape[:2] == (2100, 2970)
    row = picture[round(10 * (10 + HEAD + 2.5)), :, 1]  # green is weakest on the thick lines, 2.5 mm below one
    thick = np.flatnonzero(row < 0.8)
    edges = thick[np.insert(np.diff(thick) > 1, 0, True)]
    assert len(edges) == 56
    assert np.diff(edges) == pytest.approx(50, abs=1)
    boxes = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", (tmp_path / "x.pdf").read_bytes())
    assert [tuple(round(float(x) * MILLIMETRES, 2) for x in box) for box in boxes] == [(297, 210)]
    assert sheet_of(recording(), Track(np.zeros(250), BIN, "")).height <= 190  # within margins of 10 mm


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Ä 名 $x^2$", "Ä 名 $x^2$"), ("\x1b[2J\n", r"\x1b[2J\n"), ("\udcff\u202e\x00", r"\udcff\u202e\x00")],
)
def test_what_cannot_be_shown_is_written_as_an_escape(text, shown):
    assert printable(text) == shown


# --- the command and its folder


def test_a_folder_is_drawn_with_an_index_and_stays_inside(tmp_path, model_directory, write_record, capsys):
    data, out = tmp_path / "data", tmp_path / "some" / "out"
    for folder, name in (("a", "A0001"), ("b", "a0001"), ("c", "index"), ("d", "$(touch x);\\..<&"), ("e", "-rf")):
        write_record(name, folder=data / folder, record_name="../../escaped")
    write_record("x" * 251, folder=data / "f")
    write_record("A0001", folder=data / "g").with_suffix(".mat").unlink()
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    main([str(data), "--model", str(model_directory), "-o", str(out)])
    written = {path.relative_to(out).as_posix() for path in {p for p in tmp_path.rglob("*") if p.is_file()} - before}
    assert len(written) == 8
    assert all(re.fullmatch(r"index\.html|recordings/[\w][\w.-]*\.html", name) for name in written)
    index = (out / "index.html").read_text()
    assert_sound(index)
    assert set(re.findall(r'<a href="([^#"]+)"', index)) == written - {"index.html"}
    err = capsys.readouterr().err
    assert "A0001: not read: " in err
    assert "6 recordings drawn, 1 not read" in err
    for name in written:
        page = (out / name).read_text()
        assert name == "index.html" or 'href="../index.html"' in page


def test_a_folder_that_is_written_again_keeps_no_page_that_its_index_does_not_name(tmp_path, write_record):
    data, out = tmp_path / "data", tmp_path / "out"
    for name in ("A0001", "A0002", "A0003", "A0004"):
        write_record(name, folder=data)
    (data / "A0002.mat").unlink()
    main([str(data), "-o", str(out)])
    pages = out / "recordings"
    (pages / "A0003.html").write_text("a reader's own, in the place of a page")
    (pages / "notes.html").write_text((pages / "A0004.html").read_text())
    (data / "A0001.hea").rename(data / "a0001.hea")
    main([str(data / "a0001"), "-o", str(out)])
    left = {path.name for path in pages.iterdir()} - {"A0001.html"}  # of which case alone may tell the new page
    assert left == {"a0001.html", "A0003.html", "notes.html"}
    assert re.findall(r'<a href="recordings/([^"]+)"', (out / "index.html").read_text()) == ["a0001.html"]


def test_a_folder_with_another_s_index_loses_nothing(tmp_path, write_record):
    out = tmp_path / "out"
    (out / "recordings").mkdir(parents=True)
    foreign = out / "recordings" / "song.html"
    foreign.write_text('<a href="../index.html">All songs</a>')
    (out / "index.html").write_bytes(b'<a href="recordings/song.html">\xff</a> <a href="recordings/gone.html">')
    main([str(write_record()), "-o", str(out)])
    assert foreign.exists()


def test_a_fault_of_the_program_costs_one_recording(write_record, tmp_path, monkeypatch, capsys):
    def faulty(reading: Reading) -> str:
        raise ZeroDivisionError("for once")

    monkeypatch.setattr("heartbeats.show.ecg_page", faulty)
    main([str(write_record()), "-o", str(tmp_path / "page.html")])
    assert "A0001: not read: unforeseen ZeroDivisionError: for once" in capsys.readouterr().err


def index_line(name: str, group: str, *, loss: float, missed: tuple[str, ...] = (), extra: tuple[str, ...] = ()):
    compared = Comparison(("NSR",), missed, extra, (), loss)
    return IndexLine(name, "60 years, male", "60 /min", group, ("NSR",), ("NSR",), compared)


def test_the_index_is_sorted_by_diagnosis_and_by_disagreement():
    listed: dict[str, IndexLine | Failure] = {
        "1.html": index_line("c", SINUS_RHYTHM, extra=("AF",), loss=0.1),
        "2.html": index_line("b", "164889003", extra=("AF",), missed=("SB",), loss=0.2),
        "3.html": index_line("a", SINUS_RHYTHM, extra=("AF",), loss=0.3),
        "4.html": Failure("d", "<no>"),
        "5.html": index_line("e", "", loss=0.9),
    }
    page = index_page(listed, {})
    assert_sound(page)
    diagnosis, disagreement = page.split('<h2 id="disagreement">')
    assert re.findall(r'href="(\d).html"', diagnosis) == ["2", "3", "1", "5"]
    assert re.findall(r'href="(\d).html"', disagreement) == ["2", "3", "1", "5", "4"]
    assert "&lt;no&gt;" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no such header file"),
        (["{data}/A0001", "--model", "{data}"], "model.json is missing"),
        (["{empty}", "-o", "{data}/out"], "no recordings"),
        (["{data}/A0001", "-o", "{data}/A0001.hea/x.html"], "A0001.hea"),
        (["{data}", "-o", "{data}/A0001.hea/out"], "A0001.hea"),
    ],
)
def test_where_nothing_can_be_made_a_line_says_why(arguments, said, tmp_path, write_record, capsys):
    write_record(folder=tmp_path / "data")
    (tmp_path / "empty").mkdir()
    given = [text.format(data=tmp_path / "data", empty=tmp_path / "empty") for text in arguments]
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert said in str(ended.value.code)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("out", [[], ["-o", "x.pdf"]])
def test_several_recordings_need_a_folder(out, tmp_path, write_record, capsys):
    write_record(folder=tmp_path / "data")
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "data"), *out])
    assert "-o FOLDER" in capsys.readouterr().err


def test_recordings_of_one_name_are_told_apart_and_in_order(tmp_path, write_record):
    data, out = tmp_path / "data", tmp_path / "out"
    for folder in ("a", "b", "c"):
        write_record(folder=data / folder)
    write_record("A0002", folder=data / "a")
    (data / "c" / "A0001.mat").unlink()
    again = [str(data / "a" / ".." / "b" / "A0001"), str(data / "a" / "A0001.hea"), str(data / "a" / "A0002.mat")]
    main([str(data), *again, "-o", str(out)])
    index = (out / "index.html").read_text()
    assert_sound(index)
    assert "<h1>4 recordings</h1>" in index
    assert re.findall(r'<a href="recordings/([^"]+)">(\w+)(?: <small>([^<]+)</small>)?</a>', index) == [
        ("A0001.html", "A0001", "data/a/A0001"),
        ("A0001-2.html", "A0001", "data/b/A0001"),
        ("A0002.html", "A0002", ""),
        ("A0001-3.html", "A0001", "data/c/A0001"),
    ]


def test_a_recording_given_twice_is_one(tmp_path, write_record, monkeypatch):
    write_record(folder=tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    main(["data/A0001", "data/A0001.hea"])
    assert (tmp_path / "A0001.html").is_file()


@pytest.mark.parametrize("suffix", [".mat", ".dat"])
def test_a_signal_file_stands_for_the_header_beside_it(suffix, tmp_path, write_record):
    header_file = write_record("1.5")
    header_file.with_suffix(suffix).touch()
    main([str(header_file.with_suffix(suffix)), "-o", str(tmp_path / "x.html")])
    assert "60 /min" in (tmp_path / "x.html").read_text()


def test_a_file_of_no_such_type_is_refused(tmp_path, write_record, capsys):
    header_file, out = write_record(), tmp_path / "x.svg"
    with pytest.raises(SystemExit, match="2"):
        main([str(header_file), "-o", str(out)])
    assert "x.svg: a file is one of .html, .pdf, .png" in capsys.readouterr().err
    assert not out.exists()
    out.mkdir()
    main([str(header_file), "-o", str(out)])
    assert (out / "index.html").is_file()


def test_without_a_name_the_page_is_named_after_the_recording(tmp_path, write_record, monkeypatch):
    write_record(folder=tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    main(["data/A0001"])
    assert (tmp_path / "A0001.html").is_file()


# --- real recordings


def test_real_recordings_are_drawn_and_what_was_mended_is_said(ecg_data):
    page = ecg_page(read(ecg_data / "quirks" / "E00009.hea"))
    assert "the stated gain of 4880 per mV is a known error of early headers: 1000 used." in page
    assert_sound(page)
    mit_bih = read(ecg_data / "mitdb" / "100.hea")
    assert [strip.lead for strip in mit_bih.sheets()[0].strips] == ["V5", "MLII"]
    assert mit_bih.rhythm.heart_rate == pytest.approx(75, abs=3)
    assert_sound(ecg_page(mit_bih))


def test_the_page_of_a_real_10_s_recording_is_small(ecg_data, classifier):
    page = ecg_page(read(ecg_data / "challenge" / "georgia" / "E07541.hea", classifier))
    assert len(page.encode()) < 400_000


def test_text_that_does_not_fit_goes_on_on_another_page(write_record, classifier, tmp_path):
    """Notes on every lead: the last paragraph, what the method cannot show, is still on a page."""
    signal = ecg(seconds=30).astype(np.float64)
    for i in range(12):
        signal[i, 1000 + 700 * i : 1100 + 700 * i] = -32768
    reading = read(write_record("A" * 70, signal.astype(np.int16)), classifier)
    pages = ecg_print._laid_out(reading, reading.notes())
    assert len(pages) == 2
    assert all(line.y <= ecg_print.INSIDE - 6 for page in pages for line in page)
    said = " ".join(line.text for page in pages for line in page)
    assert all(sentence in said for sentence in method(reading.answer))
    ecg_print.save(reading, tmp_path / "x.pdf")
    boxes = re.findall(rb"/MediaBox", (tmp_path / "x.pdf").read_bytes())
    assert len(boxes) == 2 + len(pages), "two of sheets"
    assert ecg_print._shortened(reading.name) == "A" * 59 + "…"


def test_a_sheet_of_another_kind_of_file_is_refused(write_record, tmp_path):
    with pytest.raises(ValueError, match=r"drawn as \.pdf or \.png"):
        ecg_print.save(read(write_record()), tmp_path / "sheet.svg")
    assert not (tmp_path / "sheet.svg").exists()


def test_a_disk_that_is_full_in_the_middle_of_a_pdf_is_told(write_record, tmp_path):
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
