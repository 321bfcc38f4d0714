"""A header and its samples become a signal in mV: gains, baselines, gaps, limits."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
from conftest import TWELVE, ecg
from hypothesis import given, settings
from hypothesis import strategies as st

from heartbeats.ecg.header import Header, parse_header
from heartbeats.ecg.recording import Recording, RecordingError, read_recording, recording_from_samples

PROPERTY = settings(max_examples=100)
ECG = ecg(leads=2)
MILLIVOLTS = ECG / 1000.0


def header(
    gain: str = "1000/mV",
    *,
    name: str = "A0001",
    leads: Sequence[str] = ("I", "II"),
    rate: float = 500,
    samples: int = 5000,
    fmt: str = "16+24",
) -> Header:
    lines = "\n".join(f"{name}.mat {fmt} {gain} 16 0 0 0 0 {lead}" for lead in leads)
    return parse_header(f"{name} {len(leads)} {rate:g} {samples}\n{lines}\n#Age: 60\n")


@PROPERTY
@given(st.floats(1e-2, 1e7), st.integers(-(2**31), 2**31))
def test_gain_and_baseline_do_not_change_the_signal(gain: float, baseline: int) -> None:
    recording = recording_from_samples(header(f"{gain!r}({baseline})/mV"), gain * MILLIVOLTS + baseline)
    np.testing.assert_allclose(recording.signal, MILLIVOLTS, atol=1e-6 + 1e-15 * abs(baseline) / gain)
    assert recording.signal.dtype == np.float64
    assert recording.warnings == ()


def test_each_lead_has_its_own_gain_and_unit() -> None:
    text = "X 2 500 5000\nx.mat 16 1.716(6)/uV 16 0 0 0 0 i\nx.mat 16 698(-1)/mV 16 0 0 0 0 avf\n"
    recording = recording_from_samples(parse_header(text), MILLIVOLTS * [[1716], [698]] + [[6], [-1]])
    np.testing.assert_allclose(recording.signal, MILLIVOLTS, atol=1e-12)
    assert recording.leads == ("I", "aVF")


def test_the_given_samples_are_not_changed() -> None:
    samples = ECG.astype(np.float64)
    samples[0, 10] = np.nan
    before = samples.copy()
    recording_from_samples(header(), samples)
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize(
    ("name", "gain"),
    [("E00009", "4880/mV"), ("E00009", "4880.0(0)/mV"), ("HR20715", "200/mV"), ("S0001", "2000000/mV")],
)
def test_known_errors_of_early_headers_are_corrected_with_a_warning(name: str, gain: str) -> None:
    recording = recording_from_samples(header(gain, name=name), ECG)
    np.testing.assert_allclose(recording.signal, MILLIVOLTS)
    (warning,) = recording.warnings
    assert "is a known error of early headers: 1000 used" in warning


def test_a_gain_of_200_is_used_outside_the_challenge() -> None:
    """It is WFDB's default, and others may name a recording HR0001 too."""
    text = header("200/mV", name="HR0001")
    lines = tuple(dataclasses.replace(line, file="HR0001.dat") for line in text.signals)
    recording = recording_from_samples(dataclasses.replace(text, signals=lines), ECG)
    np.testing.assert_allclose(recording.signal, ECG / 200)
    assert recording.warnings == ()


def test_a_negative_gain_inverts_the_lead() -> None:
    recording = recording_from_samples(header("-1000/mV"), ECG)
    np.testing.assert_allclose(recording.signal, -MILLIVOLTS)
    assert recording.warnings == ()


def test_the_file_name_and_not_the_record_name_gives_the_source(write_record) -> None:
    path = write_record("E00009", gain="4880/mV", record_name="unnamed")
    np.testing.assert_allclose(read_recording(path).signal, ecg() / 1000)


@pytest.mark.parametrize("gain", ["?", "nan/mV", "0/mV", "1e-320/mV", "inf/mV"])
def test_a_missing_gain_is_taken_as_1000_with_a_warning(gain: str) -> None:
    recording = recording_from_samples(header(gain), ECG)
    np.testing.assert_allclose(recording.signal, MILLIVOLTS)
    assert len(recording.warnings) == 1


def test_one_lead_without_a_gain_does_not_change_the_others() -> None:
    text = "X 2 500 5000\nx.mat 16 200/mV 16 0 0 0 0 I\nx.mat 16 nan/mV 16 0 0 0 0 II\n"
    np.testing.assert_allclose(recording_from_samples(parse_header(text), ECG).signal, ECG / [[200], [1000]])


@pytest.mark.parametrize("gain", ["1/mV", "1e6/mV"])
def test_implausible_amplitudes_mean_a_wrong_gain(gain: str) -> None:
    recording = recording_from_samples(header(gain), ECG)
    np.testing.assert_allclose(recording.signal, MILLIVOLTS)
    assert "does not give ECG amplitudes: 1000 used" in recording.warnings[0]


@pytest.mark.parametrize("scale", [0.1, 0.3, 3.0, 10.0])
@pytest.mark.parametrize(("name", "gain"), [("A0001", 1000), ("A0001", 4880), ("E00009", 200), ("HR1", 4880)])
def test_low_and_high_voltages_are_kept(name: str, gain: float, scale: float) -> None:
    recording = recording_from_samples(header(f"{gain}/mV", name=name), gain * scale * MILLIVOLTS)
    np.testing.assert_allclose(recording.signal, scale * MILLIVOLTS)
    assert recording.warnings == ()


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_amplitudes_that_no_gain_explains_are_kept_with_a_warning(scale: float) -> None:
    recording = recording_from_samples(header("200/mV"), 200 * scale * MILLIVOLTS)
    np.testing.assert_allclose(recording.signal, scale * MILLIVOLTS)
    assert "amplitudes" in recording.warnings[0]


def test_constant_leads_do_not_judge_the_gain() -> None:
    recording = recording_from_samples(header("200/mV", leads=TWELVE), np.vstack([ECG // 5, np.full((10, 5000), 300)]))
    np.testing.assert_allclose(recording.signal[:2], (ECG // 5) / 200)
    np.testing.assert_allclose(recording.signal[2:], 1.5)


@pytest.mark.parametrize("value", [0, -300, 20060577422537.0, 123456789.123, 0.1])
@pytest.mark.parametrize("samples", [500, 947])
def test_a_constant_signal_does_not_deviate_in_any_memory_order(value: float, samples: int) -> None:
    """The mean of constant samples is not always their value, and NumPy sums rows and columns differently."""
    signal = np.full((2, samples), value)
    orders = (np.ascontiguousarray(signal), np.asfortranarray(signal))
    by_row, by_column = (recording_from_samples(header(samples=samples), each) for each in orders)
    assert by_row.warnings == by_column.warnings == ()
    np.testing.assert_array_equal(by_row.signal, signal / 1000)
    np.testing.assert_array_equal(by_row.signal, by_column.signal)


@pytest.mark.parametrize("missing", [-32768, np.nan, np.inf, -np.inf, 1e300, -1e20])
def test_missing_samples_are_bridged_by_straight_lines(missing: float) -> None:
    samples = ECG.astype(np.float64)
    samples[0, 100], samples[0, 103] = 40, 100
    samples[0, 101:103] = samples[0, :5] = samples[0, -5:] = missing
    recording = recording_from_samples(header(), samples)
    np.testing.assert_allclose(recording.signal[0, 100:104], [0.04, 0.06, 0.08, 0.1])
    np.testing.assert_array_equal(recording.signal[0, :5], recording.signal[0, 5])
    np.testing.assert_array_equal(recording.signal[0, -5:], recording.signal[0, -6])
    np.testing.assert_array_equal(recording.signal[1], MILLIVOLTS[1])
    assert recording.warnings == ("lead I: 12 missing samples bridged",)


@pytest.mark.parametrize("number", ["f2", "f4", ">f8"])
@pytest.mark.parametrize("missing", [np.inf, -np.inf, np.nan])
def test_non_finite_samples_of_every_number_type_are_bridged(number: str, missing: float) -> None:
    samples = ECG.astype(number)
    samples[0, 10] = missing
    assert recording_from_samples(header(), samples).missing == (1, 0)


def test_missing_samples_are_counted_by_lead() -> None:
    signal = np.stack([ECG[0], ECG[1], ECG[0]])
    signal[0, 100:110] = signal[1] = -32768
    recording = recording_from_samples(header("1000(50)/mV", leads=("I", "II", "V1")), signal)
    assert recording.missing == (10, 5000, 0)
    assert recording.warnings[1] == "lead II holds no samples: taken as 0 mV"
    np.testing.assert_array_equal(recording.signal[1], 0)
    assert recording.with_leads(("V1", "I")).missing == (10, 0)
    assert dataclasses.replace(recording, missing=()).missing == (0, 0, 0)


@pytest.mark.parametrize(
    ("formats", "bits"), [("80 508", 7), ("310 311", 9), ("212", 11), ("16 61 160 516", 15), ("24 524", 23), ("32", 31)]
)
def test_each_format_has_its_own_value_for_missing_samples(formats: str, bits: int) -> None:
    samples = ECG.astype(np.int64)
    samples[:, 50] = -(2**bits)
    for fmt in formats.split():
        recording = recording_from_samples(header(fmt=fmt), samples)
        assert recording.signal.min() > -0.2
        assert len(recording.warnings) == 2
    kept = recording_from_samples(header(fmt="8"), samples)  # a format of differences has no such value
    assert kept.signal[0, 50] == -(2**bits) / 1000


def test_spikes_are_not_gaps() -> None:
    samples = ECG.copy()
    samples[0, 100:102] = 32767, -32767
    np.testing.assert_array_equal(recording_from_samples(header(), samples).signal[0, 100:102], [32.767, -32.767])


@pytest.mark.parametrize(("rate", "samples"), [(50, 50), (50, 90_000), (257, 257), (360, 650_000), (2000, 2000)])
def test_1_s_to_half_an_hour_at_50_to_2000_hz_is_read(rate: float, samples: int) -> None:
    recording = recording_from_samples(header(rate=rate, samples=samples), np.resize(ECG, (2, samples)))
    assert recording.signal.shape == (2, samples)
    assert recording.sampling_rate == rate


@pytest.mark.parametrize(
    ("rate", "samples", "fault"),
    [
        (49.9, 5000, "49.9 Hz"),
        (2000.1, 5000, "2000.1 Hz"),
        (-500, 5000, "sampling rate"),
        (math.nan, 5000, "sampling rate"),
        (257, 256, "shorter than 1 s"),
        (500, 0, "shorter than 1 s"),
    ],
)
def test_recordings_outside_the_limits_are_refused(rate: float, samples: int, fault: str) -> None:
    with pytest.raises(RecordingError, match=fault):
        recording_from_samples(header(rate=rate, samples=samples), np.zeros((2, samples)))


@pytest.mark.parametrize("samples", [ECG.astype(str), ECG * 1j, np.full((2, 5000), None), [[1, 2], [3]], ECG[0], 7])
def test_samples_must_be_a_table_of_numbers(samples) -> None:
    with pytest.raises(RecordingError, match="not a table of numbers"):
        recording_from_samples(header(), samples)


def test_leads_may_be_written_in_any_case() -> None:
    recording = Recording("mine", ecg(leads=3).tolist(), 500, ("i", "Ii", "aVr"))
    assert recording.leads == ("I", "II", "aVR")
    assert recording.signal.dtype == np.float64
    narrowed = recording.with_leads(["AVR", "i", "vx"])
    assert narrowed.leads == ("I", "aVR")
    np.testing.assert_array_equal(narrowed.signal, recording.signal[[0, 2]])
    assert recording.with_leads(None) is recording


def test_the_path_of_a_header_may_be_text(write_record):
    header_file = write_record()
    assert read_recording(str(header_file)).digest == read_recording(header_file).digest
    with pytest.raises(RecordingError, match=r"A0001\.mat is not a header: its name must end in \.hea"):
        read_recording(header_file.with_suffix(".mat"))
