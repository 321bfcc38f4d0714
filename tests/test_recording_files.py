"""Every form of signal file reads the same, damaged ones are refused by name, and real recordings read as they are."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import wfdb
from conftest import TWELVE, ecg

from heartbeats.challenge.diagnoses import label_matrix, snomed_codes
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import (
    Recording,
    RecordingError,
    read_recording,
    signal_files,
)

ECG = ecg(leads=2)


def write_wfdb(folder: Path, name: str, signal: np.ndarray, *, fmt: str = "16", gain: float = 1000.0) -> Path:
    """A .hea and a .dat by ``wfdb`` itself, whose writer uses deprecated pandas."""
    leads = TWELVE[: len(signal)]
    each = {"fmt": [fmt], "adc_gain": [gain], "baseline": [0], "units": ["mV"]}
    each = {key: value * len(leads) for key, value in each.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = signal.T.astype(np.int64)
        wfdb.wrsamp(name, fs=500, sig_name=list(leads), d_signal=samples, write_dir=str(folder), **each)
    return folder / f"{name}.hea"


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("form", ["4", "5"])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float64])
def test_every_matlab_form_reads_the_same(write_record, form: str, dtype: type) -> None:
    path = write_record("A0001", ecg())
    expected = read_recording(path)
    scipy.io.savemat(path.with_suffix(".mat"), {"val": ecg().astype(dtype), "fs": 500}, format=form)
    assert_same(read_recording(path), expected)


@pytest.mark.parametrize("fmt", ["16", "212", "24", "32"])
def test_plain_wfdb_reads_as_the_matlab_file_does(write_record, tmp_path: Path, fmt: str) -> None:
    signal = ecg()
    signal[0, 20:30] = -2048 if fmt == "212" else -32768 if fmt == "16" else 0
    expected = read_recording(write_record("A0001", signal, fmt=fmt, gain="1000/mV", comments=""))
    folder = tmp_path / "wfdb"
    folder.mkdir()
    read = read_recording(write_wfdb(folder, "A0001", signal, fmt=fmt))
    np.testing.assert_allclose(read.signal, expected.signal, atol=1e-12)
    assert (read.leads, read.sampling_rate) == (expected.leads, expected.sampling_rate)
    assert read.warnings == expected.warnings


def test_one_signal_has_one_digest_in_every_form(write_record, tmp_path: Path) -> None:
    path = write_record("A0001", ECG, leads=("I", "II"))
    digests = [read_recording(path).digest]
    for dtype in (np.int32, np.float64):
        scipy.io.savemat(path.with_suffix(".mat"), {"val": ECG.astype(dtype)})
        digests.append(read_recording(path).digest)
    folder = tmp_path / "wfdb"
    folder.mkdir()
    digests.append(read_recording(write_wfdb(folder, "B0001", ECG, gain=200.0)).digest)
    assert len(set(digests)) == 1


def test_other_signals_have_other_digests(write_record) -> None:
    first, second = write_record("A0001"), write_record("A0002", ecg(rate=61))
    renamed = write_record("E00009", gain="4880/mV", dx="59118001")
    assert read_recording(first).digest != read_recording(second).digest
    assert read_recording(first).digest == read_recording(renamed).digest


@pytest.mark.parametrize(
    "damage",
    [
        lambda mat: mat.unlink(),
        lambda mat: mat.write_bytes(b""),
        lambda mat: mat.write_bytes(mat.read_bytes()[:30]),
        lambda mat: mat.write_bytes(mat.read_bytes()[:-1000]),
        lambda mat: mat.write_bytes(b"no MATLAB file at all" * 100),
        lambda mat: scipy.io.savemat(mat, {"signal": ECG}),
        lambda mat: scipy.io.savemat(mat, {"val": "words"}),
        lambda mat: scipy.io.savemat(mat, {"val": {"signal": ECG}}),
        lambda mat: scipy.io.savemat(mat, {"val": ECG * 1j}),
        lambda mat: scipy.io.savemat(mat, {"val": ECG[0]}),
        lambda mat: scipy.io.savemat(mat, {"val": ECG[None]}),
        lambda mat: scipy.io.savemat(mat, {"val": ECG.T}),
        lambda mat: scipy.io.savemat(mat, {"val": np.zeros((0, 0))}),
    ],
)
def test_a_damaged_matlab_file_is_a_recording_error(write_record, damage) -> None:
    path = write_record("A0001", ECG, leads=("I", "II"))
    damage(path.with_suffix(".mat"))
    with pytest.raises(RecordingError):
        read_recording(path)


@pytest.mark.parametrize("fmt", ["16", "212"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda dat: dat.write_bytes(b""), cut_in_half])
def test_a_damaged_wfdb_file_is_a_recording_error(tmp_path: Path, fmt: str, damage) -> None:
    path = write_wfdb(tmp_path, "B0001", ECG, fmt=fmt)
    damage(path.with_suffix(".dat"))
    with pytest.raises(RecordingError):
        read_recording(path)


@pytest.mark.parametrize("text", ["", "A0001 twelve 500\n", "A0001 2 500 5000\n"])
@pytest.mark.parametrize("with_signal", [True, False])
def test_an_unusable_header_is_said_to_be_that(write_record, text: str, with_signal: bool) -> None:
    path = write_record("A0001", ECG, leads=("I", "II"))
    path.write_text(text)
    if not with_signal:
        path.with_suffix(".mat").unlink()
    with pytest.raises(RecordingError, match="header"):
        read_recording(path)


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, lambda path: path.write_bytes(bytes(range(256)))])
def test_a_header_that_is_none_is_a_recording_error(tmp_path: Path, make) -> None:
    make(tmp_path / "A0001.hea")
    with pytest.raises(RecordingError):
        read_recording(tmp_path / "A0001.hea")


@pytest.mark.parametrize("suffix", ["hea", "mat", "dat"])
def test_the_file_at_fault_is_named(write_record, tmp_path: Path, suffix: str) -> None:
    if suffix == "dat":
        path = write_wfdb(tmp_path, "A0001", ECG)
        cut_in_half(path.with_suffix(".dat"))
    else:
        path = write_record("A0001")
        (path.unlink if suffix == "hea" else lambda: cut_in_half(path.with_suffix(".mat")))()
    with pytest.raises(RecordingError, match=rf"A0001\.{suffix}"):
        read_recording(path)


def test_signal_files_are_those_that_are_read(write_record, tmp_path: Path) -> None:
    matlab, plain = write_record("A0001"), write_wfdb(tmp_path, "B0001", ECG)
    assert signal_files(matlab) == [matlab.with_suffix(".mat")]
    assert signal_files(plain) == [plain.with_suffix(".dat")]


@pytest.mark.parametrize("named", ["sub/A0001.dat", "../A0001.dat", ".", "~"])
def test_signal_files_are_named_whatever_the_header_says(tmp_path: Path, named: str) -> None:
    path = tmp_path / "A0001.hea"
    path.write_text(f"A0001 1 500 5000\n{named} 16 1000/mV 16 0 0 0 0 I\n")
    assert signal_files(path) == [tmp_path / named]


def test_a_recording_can_be_narrowed_to_leads_in_its_own_order(write_record) -> None:
    recording = read_recording(write_record("A0001"))
    narrowed = recording.with_leads(["v2", "I", "avr", "vx"])
    assert narrowed.leads == ("I", "aVR", "V2")
    np.testing.assert_array_equal(narrowed.signal, recording.signal[[0, 3, 7]])
    assert recording.with_leads(None) is recording


@pytest.mark.parametrize("name", ["A0011", "E00009", "E00018", "E00793", "E07520", "HR00001", "HR20715", "S0001"])
def test_first_published_headers_read_as_the_corrected_ones(ecg_data: Path, name: str) -> None:
    (corrected_file,) = (ecg_data / "challenge").glob(f"*/{name}.hea")
    first_file = ecg_data / "quirks" / f"{name}.hea"
    first, corrected = read_recording(first_file), read_recording(corrected_file)
    assert_same(first, corrected)
    assert snomed_codes(first.diagnoses) == corrected.diagnoses
    assert label_matrix([first.diagnoses]).any() == label_matrix([corrected.diagnoses]).any()
    np.testing.assert_array_equal(label_matrix([first.diagnoses]), label_matrix([corrected.diagnoses]))
    np.testing.assert_allclose(first.signal * 1000, scipy.io.loadmat(first_file.with_suffix(".mat"))["val"])


def test_every_challenge_recording_reads_without_a_doubt_of_its_gain(ecg_data: Path) -> None:
    headers = find_headers(ecg_data / "challenge")
    assert len(headers) == 304
    for path in headers[::3]:
        recording = read_recording(path)
        assert not [warning for warning in recording.warnings if "gain" in warning]
        assert_plausible(recording)
        assert math.isnan(recording.age) or recording.age >= 0


def test_ludb_recordings_read_with_their_own_gains(ecg_data: Path) -> None:
    for path in find_headers(ecg_data / "ludb")[::10]:
        recording = read_recording(path)
        assert recording.leads == TWELVE
        assert recording.warnings == ()
        assert_plausible(recording)
        np.testing.assert_allclose(recording.signal, wfdb.rdrecord(str(path.with_suffix(""))).p_signal.T)


@pytest.mark.parametrize("name", ["100", "108", "233"])
def test_mit_bih_recordings_read_as_wfdb_has_them(ecg_data: Path, name: str) -> None:
    path = ecg_data / "mitdb" / f"{name}.hea"
    recording = read_recording(path)
    assert recording.warnings == ()
    assert_plausible(recording)
    np.testing.assert_allclose(recording.signal, wfdb.rdrecord(str(path.with_suffix(""))).p_signal.T)


def assert_plausible(recording: Recording) -> None:
    """The median lead deviates by what ECGs do, in mV."""
    assert np.isfinite(recording.signal).all()
    assert 0.03 < np.median(recording.signal.std(axis=1)) < 2


def assert_same(one: Recording, other: Recording) -> None:
    np.testing.assert_array_equal(one.signal, other.signal)
    assert (one.name, one.sampling_rate, one.leads, one.sex) == (
        other.name,
        other.sampling_rate,
        other.leads,
        other.sex,
    )
    assert one.age == pytest.approx(other.age, nan_ok=True)
