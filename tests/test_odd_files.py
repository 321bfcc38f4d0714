"""Headers and signal files as users report them: of MIMIC, of converters, from CDs, and written by hand."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from conftest import TWELVE, ecg

import helper_code
from heartbeats.challenge.diagnoses import label_matrix
from heartbeats.classification.folder import Outcome, classify_folder
from heartbeats.ecg.header import STANDARD_LEADS, find_headers, parse_diagnoses, parse_header
from heartbeats.ecg.recording import RecordingError, read_recording, recording_from_samples

ROOT = Path(__file__).parents[1]
ECG = ecg(leads=2)


def write(folder: Path, record: str, lines: list[str], frames: np.ndarray = ECG.T, *, dat: str = "x.dat") -> Path:
    """Write x.hea, and a signal file of format 16 from an array of shape (frames, samples of a frame)."""
    folder.mkdir(parents=True, exist_ok=True)
    frames.astype("<i2").tofile(folder / dat)
    (folder / "x.hea").write_text("\n".join([record, *lines, "#Dx: 426783006", ""]))
    return folder / "x.hea"


def two_leads(fields: str = "16 1000/mV 16 0 0 0 0", *, file: str = "x.dat", leads: tuple[str, str] = ("I", "II")):
    return [f"{file} {fields} {lead}" for lead in leads]


@pytest.mark.parametrize("date", ["2006", "9:49 12/13/199", "01/2006", "05/1991", "25-Dec-2020 25:61:61"])
def test_a_date_that_is_none_is_ignored(tmp_path: Path, date: str) -> None:
    recording = read_recording(write(tmp_path, f"x 2 500 5000 {date}", two_leads()))
    np.testing.assert_array_equal(recording.signal, ECG / 1000)
    assert recording.warnings == ()


@pytest.mark.parametrize(
    "fields",
    ["16x1 +1e3/mV 16 0 0 0 0", "16 1000(0.0)/mV 16.5 0.0 ? ? 0", "16+0 1000/mV - 0 - - -", "16x0 1000.0/mV a b c d e"],
)
def test_fields_that_wfdb_refuses_are_ignored(tmp_path: Path, fields: str) -> None:
    recording = read_recording(write(tmp_path, "x 2 500/? 5000 now", two_leads(fields)))
    np.testing.assert_array_equal(recording.signal, ECG / 1000)
    assert recording.warnings == ()


@pytest.mark.parametrize("form", ["4", "5"])
@pytest.mark.parametrize("options", [{}, {"do_compression": True}])
@pytest.mark.parametrize("name", ["A0001.mat", "A0001.MAT", "x.MAT"])
def test_a_mat_file_of_another_name_is_read_as_matlab(tmp_path: Path, form: str, options: dict, name: str) -> None:
    header_file = write(tmp_path, "x 12 500 5000", [f"{name} 16+24 1000/mV 16 0 0 0 0 {lead}" for lead in TWELVE])
    scipy.io.savemat(tmp_path / "m.mat", {"val": ecg()}, format=form, **({} if form == "4" else options))
    (tmp_path / "m.mat").rename(tmp_path / name)
    recording = read_recording(header_file)
    np.testing.assert_array_equal(recording.signal, ecg() / 1000)
    assert (recording.leads, recording.warnings) == (TWELVE, ())
    (tmp_path / name).write_bytes(ecg().tobytes())
    with pytest.raises(RecordingError, match=f"{name} cannot be read: damaged, or not a MATLAB file"):
        read_recording(header_file)


def test_names_in_capitals_are_found_by_all_commands(tmp_path: Path, write_record, classifier) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    for suffix in ("hea", "mat"):
        write_record("A0002", folder=data).with_suffix(f".{suffix}").rename(data / f"A0001.{suffix.upper()}")
    write_record("A0002", folder=data)
    write(tmp_path / "dat", "x 2 500 5000", two_leads(), dat="X.DAT")
    (tmp_path / "dat/x.hea").rename(data / "A0003.HEA")
    (tmp_path / "dat/X.DAT").rename(data / "X.DAT")
    assert [path.name for path in find_headers(data)] == ["A0001.HEA", "A0002.hea", "A0003.HEA"]
    assert [Path(path).name for path in helper_code.find_challenge_files(data)[1]] == ["A0001.MAT", "A0002.mat"]
    assert classify_folder(classifier, data, out) == Outcome(3, 0, 0)
    scored = subprocess.run([sys.executable, ROOT / "evaluate_model.py", data, out], capture_output=True, check=True)
    assert b"Challenge metric" in scored.stdout


@pytest.mark.parametrize(
    ("record", "rate"), [("x 2 62.5 625", 250), ("x 2 1 10", 250), ("x 2 15.5 155", 496), ("x 2 50 500", 500)]
)
def test_several_samples_per_frame_are_read_at_the_signal_s_rate(tmp_path: Path, record: str, rate: int) -> None:
    _, _, frame_rate, frames = record.split()
    per_frame = round(rate / float(frame_rate))
    signal = ecg(leads=2, sampling_rate=rate)
    order = signal.reshape(2, int(frames), per_frame).transpose(1, 0, 2)
    recording = read_recording(write(tmp_path, record, two_leads(f"16x{per_frame} 200/mV 12 0 0 0 0"), order))
    assert (recording.sampling_rate, recording.warnings) == (rate, ())
    np.testing.assert_array_equal(recording.signal, signal / 200)


def test_signals_of_several_rates_get_the_highest_of_the_leads(tmp_path: Path) -> None:
    """Lead II has half the samples of lead I. A pressure signal with more samples does not count."""
    t = np.arange(5000) / 500
    wave = 1000 * np.sin(2 * np.pi * 7 * t)
    frames = np.column_stack([wave.reshape(-1, 2), wave[::2], np.zeros((2500, 8))])
    lines = [f"x.dat 16x{n} 1000/mV 16 0 0 0 0 {lead}" for n, lead in ((2, "I"), (1, "II"), (8, "ABP"))]
    recording = read_recording(write(tmp_path, "x 3 250 2500", lines, np.rint(frames)))
    assert (recording.sampling_rate, recording.signal.shape) == (500, (3, 5000))
    np.testing.assert_allclose(recording.signal[0, 50:-50], wave[50:-50] / 1000, atol=0.0006)
    np.testing.assert_allclose(recording.signal[1, 50:-50], wave[50:-50] / 1000, atol=0.003)


@pytest.mark.parametrize("fields", ["16", "16 0 12 0 0 0 0", "16 0(5)/mV 12 0 0 0 0", "16 nan/mV 12 5 0 0 0"])
def test_a_gain_of_0_is_200_in_wfdb_files(tmp_path: Path, fields: str) -> None:
    recording = read_recording(write(tmp_path, "x 2 500 5000", two_leads(fields), ECG.T // 5))
    np.testing.assert_array_equal(recording.signal, (ECG // 5 - 5 * ("5" in fields)) / 200)
    assert recording.warnings == ("no usable gain stated for some leads: 200 ADC units per mV assumed",)


@pytest.mark.parametrize("announced", ["0", "", "5001", "7000", "4000"])
def test_a_file_is_read_to_its_end_or_as_far_as_announced(tmp_path: Path, announced: str) -> None:
    recording = read_recording(write(tmp_path, f"x 2 500 {announced}", two_leads()))
    read = 4000 if announced == "4000" else 5000
    np.testing.assert_array_equal(recording.signal, ECG[:, :read] / 1000)
    warned = [f"header announces {announced} samples, signal has 5000"] if announced in ("5001", "7000") else []
    assert list(recording.warnings) == warned


@pytest.mark.parametrize("record", ["med/x", "records/00001", "../x", "/x", "1.2.3", "a.b/c.d", "x y"[:1]])
@pytest.mark.parametrize("file", ["1.2.3.dat", "gone/x.dat", "sub/x.dat", "x"])
def test_record_and_file_names_may_have_folders_and_dots(tmp_path: Path, record: str, file: str) -> None:
    (tmp_path / "sub").mkdir()
    header_file = write(tmp_path, f"{record} 2 500 5000", two_leads(file=file), dat=file.replace("gone/", ""))
    recording = read_recording(header_file)
    np.testing.assert_array_equal(recording.signal, ECG / 1000)
    assert (recording.name, recording.warnings) == ("x", ())


@pytest.mark.parametrize("folder", ["a::b", "%41", "a b", "it's", 'a"b', "a\nb", "*?[x]", "file:", "é\udcff", "~", "#"])
def test_folders_may_have_any_name(tmp_path: Path, folder: str) -> None:
    recording = read_recording(write(tmp_path / folder, "x 2 500 5000", two_leads()))
    np.testing.assert_array_equal(recording.signal, ECG / 1000)


@pytest.mark.parametrize(
    ("unit", "gain"),
    [(unit, 0.5) for unit in ("uV", "µV", "uVolt", "microV", "microvolts", "UV")]
    + [(unit, 500) for unit in ("mV", "mvolt", "milliVolt", "MV")]
    + [(unit, 5e5) for unit in ("V", "volt", "Volts")]
    + [(unit, 5e-4) for unit in ("nV", "nanovolt")],
)
def test_units_may_be_words(unit: str, gain: float) -> None:
    header = parse_header("\n".join(["x 2 500 5000", *two_leads(f"16 {gain:g}/{unit} 16 0 0 0 0")]))
    recording = recording_from_samples(header, ECG // 2)
    np.testing.assert_allclose(recording.signal, (ECG // 2) / 500)
    assert recording.warnings == ()


def test_an_unknown_unit_is_named_and_taken_as_mv(tmp_path: Path) -> None:
    lines = [*two_leads("16 1000/adu 16 0 0 0 0"), "x.dat 16 100/mmHg 16 0 0 0 0 ABP"]
    recording = read_recording(write(tmp_path, "x 3 500 5000", lines, ecg(leads=3).T))
    np.testing.assert_array_equal(recording.signal[:2], ecg(leads=3)[:2] / 1000)
    assert recording.warnings == tuple(f"unit 'adu' of lead {lead} is unknown: taken as mV" for lead in ("I", "II"))


@pytest.mark.parametrize(
    ("written", "lead", "plain"),
    [("II", "II", True), ("Lead II", "II", True), ("ECG II", "II", True), ("ecg lead_avr", "aVR", True)]
    + [(text, "II", False) for text in ("II # noisy", "II (filtered)", "MLII", "MDC_ECG_LEAD_II", "II, 25 mm/s")]
    + [("inverted aVR", "aVR", False), ("-aVR", "aVR", False), ("V1 [mV]", "V1", False)]
    + [(text, text, True) for text in ("V1-V2", "I II", "V4R", "vx", "Resp", "VII", "MCL1", "12", "#")],
)
def test_the_one_standard_name_among_words_is_the_lead(written: str, lead: str, plain: bool) -> None:
    header = parse_header(f"x 1 500 5000\nx.dat 16 1000/mV 16 0 0 0 0 {written}\n")
    assert header.leads == (lead,)
    assert header.warnings == (() if plain else (f"{written!r} is read as lead {lead}",))


def test_a_plain_name_is_preferred_to_one_among_words() -> None:
    lines = two_leads(leads=("II (raw)", "II"))
    assert parse_header("\n".join(["x 2 500 5000", *lines])).leads == ("II (raw)", "II")


def test_all_dx_lines_count_in_training_scoring_and_the_helper_module() -> None:
    text = "A0001 2 500 5000\n#Dx: 164889003\n#Age: 60\n# Dx: 59118001,164889003\n"
    assert helper_code.get_labels(text) == ["164889003", "59118001"]
    assert parse_header(text).diagnoses == parse_diagnoses(text) == ("164889003", "59118001")
    assert label_matrix([parse_diagnoses(text)]).sum() == 2


@pytest.mark.parametrize("fmt", ["80", "160"])
def test_unsigned_matlab_numbers_of_offset_binary_formats_are_shifted(tmp_path: Path, fmt: str) -> None:
    """The program wfdb2mat writes 8-bit recordings as uint8, which is the ADC value plus 128."""
    zero = 128 if fmt == "80" else 2**15
    samples = ECG // 10
    samples[0, 100] = -zero
    header_file = write(tmp_path, "x 2 500 5000", two_leads(f"{fmt}+192 100/mV 8 0 0 0 0", file="x.mat"), dat="none")
    stored = (samples.astype(int) + zero).astype(np.uint8 if fmt == "80" else np.uint16)
    scipy.io.savemat(tmp_path / "x.mat", {"val": stored})
    recording = read_recording(header_file)
    assert recording.missing == (1, 0)
    np.testing.assert_array_equal(recording.signal[1], samples[1] / 100)


def test_headers_of_the_organisers_reduced_leads_read_as_chosen_leads(tmp_path: Path, write_record) -> None:
    """Their script keeps the chosen leads' header lines and rows, in the order of the command."""
    full = write_record("A0001")
    chosen = ("V2", "II", "I")
    text = helper_code.load_header(full)
    record, *lines = text.split("\n")
    kept = [lines[STANDARD_LEADS.index(lead)] for lead in chosen] + lines[12:]
    reduced = tmp_path / "reduced" / "A0001.hea"
    reduced.parent.mkdir()
    reduced.write_text("\n".join([record.replace(" 12 ", " 3 "), *kept]))
    samples = helper_code.load_recording(full.with_suffix(".mat"), text, chosen)
    scipy.io.savemat(reduced.with_suffix(".mat"), {"val": samples}, format="4")
    recording, expected = read_recording(reduced), read_recording(full)
    assert recording.leads == chosen
    np.testing.assert_array_equal(recording.signal, expected.signal[[expected.leads.index(lead) for lead in chosen]])
