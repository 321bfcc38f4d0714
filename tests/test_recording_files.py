"""All forms of signal files give the same recording. Damaged files are named. Real recordings are read correctly."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import wfdb
from conftest import TWELVE, ecg

from heartbeats.challenge.diagnoses import snomed_codes
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import Recording, RecordingError, read_recording, signal_files

ECG = ecg(leads=2)


def write_wfdb(folder: Path, name: str, signal: np.ndarray, *, fmt: str = "16", gain: float = 1000.0) -> Path:
    """Write a .hea and a .dat with ``wfdb`` itself, whose writer uses deprecated pandas."""
    folder.mkdir(exist_ok=True)
    count = len(signal)
    each = {"fmt": [fmt] * count, "adc_gain": [gain] * count, "baseline": [0] * count, "units": ["mV"] * count}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = signal.T.astype(np.int64)
        wfdb.wrsamp(name, fs=500, sig_name=list(TWELVE[:count]), d_signal=samples, write_dir=str(folder), **each)
    return folder / f"{name}.hea"


@pytest.mark.parametrize("form", ["4", "5"])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float64])
def test_every_matlab_form_reads_the_same(write_record, form: str, dtype: type) -> None:
    path = write_record("A0001", ecg())
    expected = read_recording(path)
    scipy.io.savemat(path.with_suffix(".mat"), {"val": ecg().astype(dtype), "fs": 500}, format=form)
    assert_same(read_recording(path), expected)
    assert read_recording(path).digest == expected.digest


@pytest.mark.parametrize("fmt", ["16", "212", "24", "32"])
def test_plain_wfdb_reads_as_the_matlab_file_does(write_record, tmp_path: Path, fmt: str) -> None:
    signal = ecg()
    signal[0, 20:30] = -2048 if fmt == "212" else -32768 if fmt == "16" else 0
    expected = read_recording(write_record("A0001", signal, fmt=fmt, comments=""))
    read = read_recording(write_wfdb(tmp_path / "wfdb", "A0001", signal, fmt=fmt))
    np.testing.assert_allclose(read.signal, expected.signal, atol=1e-12)
    assert (read.leads, read.sampling_rate, read.warnings) == (TWELVE, 500, expected.warnings)


def test_the_digest_depends_on_the_samples_alone(write_record, tmp_path: Path) -> None:
    matlab = read_recording(write_record("A0001", ECG, leads=("I", "II"), dx="59118001"))
    plain = read_recording(write_wfdb(tmp_path / "wfdb", "B0001", ECG, gain=200.0))
    other = read_recording(write_record("A0002", ECG + 1, leads=("I", "II")))
    assert matlab.digest == plain.digest != other.digest


@pytest.mark.parametrize("fmt", ["16", "212"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda dat: dat.write_bytes(b""), lambda dat: dat.write_bytes(b"12")])
def test_a_damaged_wfdb_file_is_a_recording_error(tmp_path: Path, fmt: str, damage) -> None:
    path = write_wfdb(tmp_path, "B0001", ECG, fmt=fmt)
    damage(path.with_suffix(".dat"))
    with pytest.raises(RecordingError):
        read_recording(path)


@pytest.mark.parametrize("text", ["", "A0001 twelve 500\n", "A0001 2 500 5000\n"])
@pytest.mark.parametrize("with_signal", [True, False])
def test_an_unusable_header_is_named_as_the_fault(write_record, text: str, with_signal: bool) -> None:
    path = write_record("A0001", ECG, leads=("I", "II"))
    path.write_text(text)
    if not with_signal:
        path.with_suffix(".mat").unlink()
    with pytest.raises(RecordingError, match="header"):
        read_recording(path)


@pytest.mark.parametrize("suffix", ["hea", "mat", "dat", "flac"])
def test_the_damaged_file_is_named(write_record, tmp_path: Path, suffix: str) -> None:
    formats = {"dat": "16", "flac": "516"}
    path = write_wfdb(tmp_path, "A0001", ECG, fmt=formats[suffix]) if suffix in formats else write_record("A0001")
    suffix = "dat" if suffix == "flac" else suffix
    path.unlink() if suffix == "hea" else path.with_suffix(f".{suffix}").write_bytes(b"")
    with pytest.raises(RecordingError, match=rf"A0001\.{suffix}"):
        read_recording(path)


@pytest.mark.parametrize("named", ["B0001.dat", "sub/A0001.dat", "../A0001.dat", ".", "~"])
def test_signal_files_are_a_mat_file_or_those_that_the_header_names(write_record, tmp_path: Path, named: str) -> None:
    path = write_record("A0001", leads=("I",))
    path.write_text(f"A0001 1 500 5000\n{named} 16 1000/mV 16 0 0 0 0 I\n")
    assert signal_files(path) == [path.with_suffix(".mat")]
    path.with_suffix(".mat").unlink()
    assert signal_files(path) == [tmp_path / named]


@pytest.mark.parametrize("name", ["A0011", "E00009", "E00018", "E00793", "E07520", "HR00001", "HR20715", "S0001"])
def test_first_published_headers_read_as_the_corrected_ones(ecg_data: Path, name: str) -> None:
    (corrected_file,) = (ecg_data / "challenge").glob(f"*/{name}.hea")
    first_file = ecg_data / "quirks" / f"{name}.hea"
    first, corrected = read_recording(first_file), read_recording(corrected_file)
    assert_same(first, corrected)
    assert snomed_codes(first.diagnoses) == corrected.diagnoses
    np.testing.assert_allclose(first.signal * 1000, scipy.io.loadmat(first_file.with_suffix(".mat"))["val"])


def test_challenge_recordings_give_no_gain_warning(ecg_data: Path) -> None:
    headers = find_headers(ecg_data / "challenge")
    assert len(headers) == 304
    for path in headers[::3]:
        recording = read_recording(path)
        assert not [warning for warning in recording.warnings if "gain" in warning]
        assert_plausible(recording)
        assert math.isnan(recording.age) or recording.age >= 0


@pytest.mark.parametrize("pattern", ["ludb/**/*0.hea", "mitdb/10[08].hea", "mitdb/233.hea"])
def test_plain_wfdb_recordings_read_as_wfdb_reads_them(ecg_data: Path, pattern: str) -> None:
    files = list(ecg_data.glob(pattern))
    assert files
    for path in files:
        recording = read_recording(path)
        assert recording.warnings == (("'MLII' is read as lead II",) if "mitdb" in pattern else ())
        assert_plausible(recording)
        np.testing.assert_allclose(recording.signal, wfdb.rdrecord(str(path.with_suffix(""))).p_signal.T)


def assert_plausible(recording: Recording) -> None:
    """The deviation of the median lead is plausible for an ECG in mV."""
    assert np.isfinite(recording.signal).all()
    assert 0.03 < np.median(recording.signal.std(axis=1)) < 2


def assert_same(one: Recording, other: Recording) -> None:
    np.testing.assert_array_equal(one.signal, other.signal)
    for field in ("name", "sampling_rate", "leads", "sex"):
        assert getattr(one, field) == getattr(other, field)
    assert one.age == pytest.approx(other.age, nan_ok=True)
