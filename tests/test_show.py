"""ECG pages and the command that writes them: the page says what the model says, and no input breaks it."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import TWELVE, ecg
from markupsafe import Markup
from matplotlib.image import imread
from pages_made import recording, sheet_of
from pages_read import MILLIMETRES, Page, assert_sound

from heartbeats.challenge.diagnoses import SINUS_RHYTHM
from heartbeats.common.console import printable
from heartbeats.preparation.prepared import Failure
from heartbeats.reports import ecg_print
from heartbeats.reports.ecg_page import ecg_page, notes, read
from heartbeats.reports.folder import IndexLine, index_page
from heartbeats.reports.layout import HEAD
from heartbeats.reports.sheet import sheets
from heartbeats.show import main

ROOT = Path(__file__).parents[1]

# Pages


def test_a_page_says_what_the_model_says(classifier, write_record):
    reading = read(write_record(dx="426783006,164889003"), classifier)
    page = ecg_page(reading)
    assert_sound(page)
    assert len(page.encode()) < 400_000
    found = reading.answer
    for sentence in (*found.reasons, *notes(reading), "60 years, male", "ntegrated gradients", "1703.01365"):
        assert printable(sentence) in page.replace("&lt;", "<").replace("&#39;", "'")
    assert "They are not calibrated" in page
    order = re.findall(r'<span class="code">(\w+)</span>.*?<td>([\d.]+)</td>', page)
    assert [float(p) for _, p in order] == sorted((round(p, 3) for p in found.probabilities), reverse=True)
    assert page.count('class="answered"') == found.labels.sum()


def test_a_header_without_diagnoses_is_reported(write_record):
    header_file = write_record()
    assert "no Dx line" not in ecg_page(read(header_file))
    header_file.write_text(header_file.read_text().replace("#Dx", "# <diagnoses>"))
    assert ecg_page(read(header_file)).count("no Dx line") == 2


def test_a_page_without_a_model_has_no_answer(write_record):
    page = ecg_page(read(write_record()))
    assert_sound(page)
    assert "Probabilities" not in page
    assert "60 /min" in page


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
    "two leads": ({"leads": ("II", "V5")}, "ECG of A0001"),
    "eight leads": ({"leads": ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")}, "Computed: III, aVR, aVL, aVF."),
    "seven leads": ({"leads": ("II", "V1", "V2", "V3", "V4", "V5", "V6")}, "Not recorded: I, III, aVR, aVL, aVF."),
    "Frank's leads": ({"leads": ("vx", "vy", "vz")}, "Not classified: none of the leads"),
    "fifteen leads": ({"leads": (*TWELVE, "vx", "vy", "vz")}, "Recorded, but not drawn: vx, vy, vz"),
    "wrong gain": ({"gain": "0/mV"}, "no usable gain"),
    "40 s": ({"signal": ecg(seconds=40)}, "its first 30 s"),
    "enormous": ({"signal": (ecg() * 30).astype(np.int32), "fmt": "32"}, "leaves the paper"),
    "too short": ({"signal": ecg(seconds=0.5)}, "shorter than 1 s"),
}


@pytest.mark.parametrize("case", POOR)
def test_a_poor_recording_gets_a_page_that_says_why(case, tmp_path, model_directory, write_record):
    arguments, said = POOR[case]
    out = tmp_path / "new" / "page.html"
    main([str(write_record(**arguments)), "--model", str(model_directory), "-o", str(out)])
    page = out.read_text()
    assert said in page.replace("&#39;", "'")
    if case != "too short":
        assert_sound(page)


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
@pytest.mark.parametrize("case", ["flat", "1 s", "two leads", "40 s", "enormous"])
def test_a_poor_recording_can_be_printed(case, suffix, tmp_path, write_record):
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


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Ä 名 $x^2$", "Ä 名 $x^2$"), ("\x1b[2J\n", r"\x1b[2J\n"), ("\udcff\u202e\x00", r"\udcff\u202e\x00")],
)
def test_unprintable_characters_are_shown_as_escapes(text, shown):
    assert printable(text) == shown


# PNG and PDF


def test_a_png_has_ten_pixels_per_millimetre_and_a_pdf_is_a4(tmp_path, write_record, classifier):
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
    assert sheet_of(recording(), answer=read(header_file, classifier).answer).height <= 190  # within the margins


def test_long_text_continues_on_another_page(write_record, classifier, tmp_path):
    signal = ecg(seconds=30).astype(np.float64)
    for i in range(12):
        signal[i, 1000 + 700 * i : 1100 + 700 * i] = -32768
    reading = read(write_record("A" * 70, signal.astype(np.int16)), classifier)
    assert ecg_print.LINES < len(ecg_print._lines(reading)) <= 2 * ecg_print.LINES
    assert 16 + ecg_print.LINE_HEIGHT * ecg_print.LINES < ecg_print.INSIDE
    ecg_print.save(reading, tmp_path / "x.pdf")
    assert (tmp_path / "x.pdf").read_bytes().count(b"/MediaBox") == 4, "two of sheets and two of text"


def test_another_type_of_file_is_refused(write_record, tmp_path):
    with pytest.raises(ValueError, match=r"drawn as \.pdf or \.png"):
        ecg_print.save(read(write_record()), tmp_path / "sheet.svg")
    assert not (tmp_path / "sheet.svg").exists()


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


def test_a_second_run_removes_the_pages_of_the_first(tmp_path, write_record):
    out = tmp_path / "out"
    main([str(write_record("A0001")), "-o", str(out)])
    (out / "recordings" / "notes.txt").touch()
    main([str(write_record("A0002")), "-o", str(out)])
    assert {path.name for path in (out / "recordings").iterdir()} == {"A0002.html", "notes.txt"}
    assert re.findall(r'<a href="recordings/([^"]+)"', (out / "index.html").read_text()) == ["A0002.html"]


def test_a_folder_of_another_program_is_refused(tmp_path, write_record):
    out = tmp_path / "out"
    (out / "recordings").mkdir(parents=True)
    (out / "recordings" / "song.html").touch()
    for _ in range(2):
        with pytest.raises(SystemExit, match="not empty and was not written by this command"):
            main([str(write_record()), "-o", str(out)])
        (out / "index.html").write_bytes(b"\xff")
    assert {path.name for path in out.rglob("*")} == {"recordings", "song.html", "index.html"}


def test_an_interrupted_run_can_be_repeated(tmp_path, write_record, monkeypatch):
    out, header_file = tmp_path / "out", write_record()
    with monkeypatch.context() as interrupted:
        interrupted.setattr("heartbeats.reports.folder.read_ahead", interrupt)
        with pytest.raises(SystemExit, match="interrupted"):
            main([str(header_file), "-o", str(out)])
    main([str(header_file), "-o", str(out)])
    assert (out / "recordings" / "A0001.html").is_file()


def interrupt(*_, **__):
    raise KeyboardInterrupt


def index_line(group: str, missed: tuple[str, ...] = (), extra: tuple[str, ...] = ()) -> IndexLine:
    compared = {"agreed": ["NSR"], "missed": list(missed), "extra": list(extra), "not scored": []}
    return IndexLine("60 years, male", "60 /min", group, "NSR", "NSR", compared)


def test_the_index_is_sorted_by_diagnosis_and_by_disagreement():
    listed = {
        "1": index_line(SINUS_RHYTHM, extra=("AF",)),
        "2": index_line("164889003", extra=("AF",), missed=("SB",)),
        "3": Failure("d", "<no>"),
        "4": index_line(""),
    }
    page = index_page([(Markup('<a href="{}.html">{}</a>').format(n, n), line) for n, line in listed.items()])
    assert_sound(page)
    diagnosis, disagreement = page.split('<h2 id="disagreement">')
    assert re.findall(r'href="(\d).html"', diagnosis) == ["2", "1", "4"]
    assert re.findall(r'href="(\d).html"', disagreement) == ["2", "1", "4", "3"]
    assert "&lt;no&gt;" in page


def test_recordings_of_one_name_are_listed_with_their_paths(tmp_path, write_record, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b", "c"):
        write_record(folder=tmp_path / "data" / folder)
    write_record("A0002", folder=tmp_path / "data" / "a")
    (tmp_path / "data" / "c" / "A0001.mat").unlink()
    again = ["data/a/../b/A0001", "data/a/A0001.hea", "data/a/A0002.mat"]  # a recording that is given twice is one
    main([*again, "data", "-o", "out"])
    index = (tmp_path / "out" / "index.html").read_text()
    assert_sound(index)
    assert "<h1>4 recordings</h1>" in index
    names = dict(re.findall(r'<a href="recordings/([^"]+)">([^<]+)</a>', index))
    assert sorted(names) == ["A0001-2.html", "A0001-3.html", "A0001.html", "A0002.html"]
    assert names["A0002.html"] == "A0002"
    assert names["A0001-3.html"] == "data/c/A0001"


# The command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no header file"),
        (["{data}/A0001", "--model", "{data}"], "model.json is missing"),
        (["{empty}", "-o", "{data}/out"], "no header file"),
        (["{data}/A0001", "-o", "{data}/A0001.hea/x.html"], "A0001.hea"),
        (["{data}", "-o", "{data}/A0001.hea/out"], "A0001.hea"),
    ],
)
def test_an_unusable_argument_ends_the_command_with_one_line(arguments, said, tmp_path, write_record, capsys):
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


def test_a_page_is_named_after_the_recording_by_default(tmp_path, write_record, monkeypatch):
    write_record(folder=tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    main(["data/A0001", "data/A0001.hea"])
    assert (tmp_path / "A0001.html").is_file()


@pytest.mark.parametrize("suffix", [".mat", ".dat"])
def test_a_signal_file_names_its_recording(suffix, tmp_path, write_record):
    header_file = write_record("1.5")
    header_file.with_suffix(suffix).touch()
    main([str(header_file.with_suffix(suffix)), "-o", str(tmp_path / "x.html")])
    assert "60 /min" in (tmp_path / "x.html").read_text()


def test_an_unknown_file_type_is_refused(tmp_path, write_record, capsys):
    header_file, out = write_record(folder=tmp_path / "data"), tmp_path / "x.svg"
    with pytest.raises(SystemExit, match="2"):
        main([str(header_file), "-o", str(out)])
    assert "x.svg: the file's type must be one of .html, .pdf, .png" in capsys.readouterr().err
    assert not out.exists()
    out.mkdir()
    main([str(header_file), "-o", str(out)])
    assert (out / "index.html").is_file()


# Real recordings


def test_real_recordings_are_drawn(ecg_data, classifier):
    page = ecg_page(read(ecg_data / "quirks" / "E00009.hea"))
    assert "stated gain of 4880 per mV" in page
    assert_sound(page)
    mit_bih = read(ecg_data / "mitdb" / "100.hea")
    assert [strip.lead for strip in sheets(mit_bih)[0].strips] == ["V5", "MLII"]
    assert mit_bih.rhythm.heart_rate in ("74 /min", "75 /min", "76 /min")
    assert_sound(ecg_page(mit_bih))
    page = ecg_page(read(ecg_data / "challenge" / "georgia" / "E07541.hea", classifier))
    assert len(page.encode()) < 400_000
