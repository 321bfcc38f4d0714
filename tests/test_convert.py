"""Files of hospitals, written here by hand, become recordings with the same amplitudes, rates and leads."""

import math

import numpy as np
import pytest
from conftest import TWELVE, ecg
from hospital_files import EIGHT, aecg, dicom, edf, muse

from heartbeats.convert import main
from heartbeats.ecg.recording import read_recording


@pytest.mark.parametrize(
    ("name", "write", "leads", "rate", "patient"),
    [
        ("a.dcm", dicom, EIGHT, 500, (63, "Female")),
        ("b.xml", aecg, TWELVE, 500, (math.nan, None)),
        ("c.xml", muse, EIGHT, 250, (63, "Female")),
        ("d.edf", edf, TWELVE, 1000, (math.nan, None)),
    ],
)
def test_a_file_becomes_a_recording(name, write, leads, rate, patient, tmp_path):
    """Each lead has an offset of its own, so that a wrong order of leads is found."""
    signal = ecg(leads=len(leads), sampling_rate=rate).astype(float) + 10 * np.arange(len(leads))[:, None]
    signal = 5 * np.rint(signal / 5)
    write(tmp_path / name, signal, leads, rate)
    assert main([str(tmp_path / name), str(tmp_path / "out")]) == 0
    recording = read_recording(tmp_path / f"out/{name[0]}.hea")
    assert recording.leads == leads
    assert recording.sampling_rate == rate
    np.testing.assert_allclose(recording.signal, signal / 1000, atol=0.0006)
    assert (recording.age, recording.sex) == pytest.approx(patient, nan_ok=True)


def test_a_table_of_numbers_becomes_a_recording(tmp_path, capsys):
    signal = ecg(leads=3, sampling_rate=250).astype(float)
    table = np.column_stack([np.arange(signal.shape[1]) / 250, signal.T])
    named = "\ufefftime,I,II,V5"  # as spreadsheets write it
    np.savetxt(tmp_path / "my ECG.csv", table, delimiter=",", header=named, comments="", encoding="utf-8")
    assert main([str(tmp_path / "my ECG.csv"), str(tmp_path / "out"), "--rate", "250", "--unit", "uV"]) == 0
    assert "not read, no standard leads: time" in capsys.readouterr().err
    recording = read_recording(tmp_path / "out/my_ECG.hea")
    assert (recording.leads, recording.sampling_rate) == (("I", "II", "V5"), 250)
    np.testing.assert_allclose(recording.signal, signal / 1000, atol=0.0006)
    assert main([str(tmp_path / "my ECG.csv"), str(tmp_path / "none")]) == 1


def test_bad_files_are_named_and_others_converted(tmp_path, capsys):
    muse(tmp_path / "good.xml", ecg(), TWELVE, 500)
    (tmp_path / "text.xml").write_text("no ECG")
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "other").mkdir()
    muse(tmp_path / "other/good.xml", ecg(), TWELVE, 500)
    files = ["good.xml", "text.xml", "empty.dcm", "missing.edf", "other/good.xml"]
    assert main([*(str(tmp_path / file) for file in files), str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    for file in files[1:]:
        assert f"{tmp_path / file}: not converted: " in said
    assert "unforeseen" not in said
    assert "1 recordings written, 4 not" in said
