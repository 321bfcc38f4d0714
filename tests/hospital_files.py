"""Write ECG files of hospitals by hand, with 5 microvolts per unit, from samples in microvolts."""

import base64
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

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
