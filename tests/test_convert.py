"""Files of hospitals, written here by hand, become recordings with the same amplitudes, rates, leads and gaps."""

import base64
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import TWELVE, ecg
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from heartbeats.convert import main
from heartbeats.ecg.recording import read_recording

EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
CODES = {"I": "2:1", "II": "2:2", **{f"V{i}": f"2:{i + 2}" for i in range(1, 7)}}  # MDC, in SCP-ECG's numbers


def dicom(path: Path, signal: np.ndarray, leads: tuple[str, ...], rate: int) -> None:
    """Write a 12-lead waveform with 5 microvolts per unit, for samples of 1 microvolt."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.PatientSex, data.PatientAge = "ECG", "F", "063Y"
    wave = Dataset()
    wave.WaveformOriginality, wave.NumberOfWaveformChannels = "ORIGINAL", len(leads)
    wave.NumberOfWaveformSamples, wave.SamplingFrequency = signal.shape[1], rate
    channels = []
    for lead in leads:
        channel, source, unit = Dataset(), Dataset(), Dataset()
        source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = CODES[lead], "SCPECG", f"Lead {lead}"
        unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "uV", "UCUM", "microvolt"
        channel.ChannelSourceSequence, channel.ChannelSensitivityUnitsSequence = Sequence([source]), Sequence([unit])
        channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = "5", "1"
        channel.ChannelBaseline, channel.WaveformBitsStored = "0", 16
        channels.append(channel)
    wave.ChannelDefinitionSequence = Sequence(channels)
    wave.WaveformBitsAllocated, wave.WaveformSampleInterpretation = 16, "SS"
    wave.WaveformData = np.rint(signal / 5).astype("<i2").T.tobytes()
    data.WaveformSequence = Sequence([wave])
    data.save_as(path, enforce_file_format=True)


def aecg(path: Path, signal: np.ndarray, leads: tuple[str, ...], rate: int) -> None:
    """Write an HL7 annotated ECG with 5 microvolts per digit."""
    sequences = "".join(
        f"""<component><sequence><code code="MDC_ECG_LEAD_{lead}" codeSystem="2.16.840.1.113883.6.24"/>
        <value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/><scale value="5" unit="uV"/>
        <digits>{" ".join(map(str, np.rint(row / 5).astype(int)))}</digits></value></sequence></component>"""
        for lead, row in zip(leads, signal, strict=True)
    )
    path.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
        <AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
        <id root="1.2.3"/><code code="93000" codeSystem="2.16.840.1.113883.6.12"/>
        <component><series><id root="1.2.4"/><code code="RHYTHM" codeSystem="2.16.840.1.113883.5.4"/>
        <effectiveTime><low value="20200101120000.000"/></effectiveTime>
        <component><sequenceSet>
        <component><sequence><code code="TIME_ABSOLUTE" codeSystem="2.16.840.1.113883.5.4"/>
        <value xsi:type="GLIST_TS"><head value="20200101120000.000"/><increment value="{1 / rate}" unit="s"/></value>
        </sequence></component>
        {sequences}
        </sequenceSet></component></series></component></AnnotatedECG>"""
    )


def muse(path: Path, signal: np.ndarray, leads: tuple[str, ...], rate: int) -> None:
    """Write GE MUSE XML with 5 microvolts per bit."""
    data = "".join(
        f"""<LeadData><LeadByteCountTotal>{2 * len(row)}</LeadByteCountTotal><LeadTimeOffset>0</LeadTimeOffset>
        <LeadSampleCountTotal>{len(row)}</LeadSampleCountTotal><LeadAmplitudeUnitsPerBit>5</LeadAmplitudeUnitsPerBit>
        <LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{lead}</LeadID>
        <LeadSampleSize>2</LeadSampleSize>
        <WaveFormData>{base64.b64encode(np.rint(row / 5).astype("<i2").tobytes()).decode()}</WaveFormData></LeadData>"""
        for lead, row in zip(leads, signal, strict=True)
    )
    path.write_text(
        f"""<?xml version="1.0"?><!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG>
        <PatientDemographics><PatientAge>63</PatientAge><AgeUnits>YEARS</AgeUnits><Gender>FEMALE</Gender>
        </PatientDemographics>
        <Waveform><WaveformType>Rhythm</WaveformType><SampleBase>{rate}</SampleBase><SampleExponent>0</SampleExponent>
        {data}</Waveform></RestingECG>"""
    )


def edf(path: Path, signal: np.ndarray, leads: tuple[str, ...], rate: int) -> None:
    """Write EDF with records of 1 s, 5 microvolts per digit."""
    count, seconds = len(leads), signal.shape[1] // rate

    def fields(*columns: tuple[int, list[object]]) -> str:
        return "".join(f"{value!s:<{width}}"[:width] for width, values in columns for value in values)

    start = [(8, [0]), (80, ["X F X X"]), (80, ["Startdate X X X X"]), (8, ["01.01.20"]), (8, ["12.00.00"])]
    start += [(8, [256 * (count + 1)]), (44, [""]), (8, [seconds]), (8, [1]), (4, [count])]
    each = [(16, [f"ECG {lead}" for lead in leads]), (80, [""] * count), (8, ["uV"] * count)]
    each += [(8, [value] * count) for value in (-163840, 163835, -32768, 32767)]
    each += [(80, [""] * count), (8, [rate] * count), (32, [""] * count)]
    digits = np.rint(signal / 5).astype("<i2").reshape(count, seconds, rate)
    path.write_bytes(fields(*start, *each).encode("ascii") + digits.transpose(1, 0, 2).tobytes())


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
