"""A header and its samples become a signal in mV: gains, baselines, gaps, limits."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
from conftest import TWELVE, ecg
from hypothesis import given, settings
from hypothesis import strategies as st

from heartbeats.ecg.header import Header, parse_header
from heartbeats.ecg.recording import (
    Recording,
    RecordingError,
    read_recording,
    recording_from_samples,
)

PROPERTY = settings(max_examples=100)
ORDERS = (np.ascontiguousarray, np.asfortranarray)
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


@pytest.mark.parametrize(
    ("gain", "adc"),
    [
        ("1000/mV", 1000 * MILLIVOLTS),
        ("200(1024)/mV", 200 * MILLIVOLTS + 1024),
        ("4880(-7)/mV", 4880 * MILLIVOLTS - 7),
        ("0.5/uV", 500 * MILLIVOLTS),
        ("1/uV", 1000 * MILLIVOLTS),
        ("1000000/V", 1000 * MILLIVOLTS),
    ],
)
def test_gain_baseline_and_unit_give_millivolts(gain: str, adc: np.ndarray) -> None:
    recording = recording_from_samples(header(gain), adc)
    np.testing.assert_allclose(recording.signal, MILLIVOLTS, atol=1e-12)
    assert recording.signal.dtype == np.float64
    assert recording.warnings == ()


@PROPERTY
@given(st.floats(1e-2, 1e7), st.integers(-(2**31), 2**31))
def test_the_same_signal_at_another_gain_and_baseline_is_the_same(gain: float, baseline: int) -> None:
    recording = recording_from_samples(header(f"{gain!r}({baseline})/mV"), gain * MILLIVOLTS + baseline)
    np.testing.assert_allclose(recording.signal, MILLIVOLTS, atol=1e-6 + 1e-15 * abs(baseline) / gain)
    assert recording.warnings == ()


def test_leads_keep_gains_of_their_own() -> None:
    text = "X 2 500 5000\nx.mat 16 1716(6)/mV 16 0 0 0 0 i\nx.mat 16 698(-1)/mV 16 0 0 0 0 avf\n"
    recording = recording_from_samples(parse_header(text), MILLIVOLTS * [[1716], [698]] + [[6], [-1]])
    np.testing.assert_allclose(recording.signal, MILLIVOLTS, atol=1e-12)
    assert recording.leads == ("I", "aVF")


def test_the_adc_units_given_are_left_as_they_are() -> None:
    samples = ECG.astype(np.float64)
    samples[0, 10] = np.nan
    before = samples.copy()
    recording_from_samples(header(), samples)
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize(
    ("name", "gain"),
    [
        ("E00009", "4880/mV"),
        ("E00009", "4880.0(0)/mV"),
        ("HR20715", "200/mV"),
        ("S0001", "2000000/mV"),
    ],
)
def test_known_errors_of_early_headers_are_mended_and_told(name: str, gain: str) -> None:
    recording = recording_from_samples(header(gain, name=name), ECG)
    np.testing.assert_allclose(recording.signal, MILLIVOLTS)
    (warning,) = recording.warnings
    assert "is a known error of early headers: 1000 used" in warning


def test_a_gain_of_200_in_a_recording_that_is_not_the_challenge_s_is_believed() -> None:
    """It is WFDB's default, and HR0001 may be anybody's name for a recording."""
    text = header("200/mV", name="HR0001")
    lines = tuple(dataclasses.replace(line, file="HR0001.dat") for line in text.signals)
    recording = recording_from_samples(dataclasses.replace(text, signals=lines), ECG)
    np.testing.assert_allclose(recording.signal, ECG / 200)
    assert recording.warnings == ()


def test_a_negative_gain_turns_the_lead_over() -> None:
    recording = recording_from_samples(header("-1000/mV"), ECG)
    np.testing.assert_allclose(recording.signal, -MILLIVOLTS)
    assert recording.warnings == ()


def test_the_source_is_that_of_the_header_file(write_record) -> None:
    path = write_record("E00009", gain="4880/mV", record_name="unnamed")
    np.testing.assert_allclose(read_recording(path).signal, ecg() / 1000)


@pytest.mark.parametrize("gain", ["", "nan/mV", "0/mV", "1e-320/mV", "inf/mV"])
def test_a_gain_that_is_none_is_taken_as_1000_and_told(gain: str) -> None:
    recording = recording_from_samples(header(gain or "?"), ECG)
    np.testing.assert_allclose(recording.signal, MILLIVOLTS)
    assert len(recording.warnings) == 1


def test_one_lead_without_a_gain_leaves_the_others_theirs() -> None:
    text = "X 2 500 5000\nx.mat 16 200/mV 16 0 0 0 0 I\nx.mat 16 nan/mV 16 0 0 0 0 II\n"
    recording = recording_from_samples(parse_header(text), ECG)
    np.testing.assert_allclose(recording.signal, ECG / [[200], [1000]])


@pytest.mark.parametrize("gain", ["1/mV", "1e6/mV", "1e-320/mV"])
def test_amplitudes_of_no_ecg_are_taken_for_a_wrong_gain(gain: str) -> None:
    recording = recording_from_samples(header(gain), ECG)
    np.testing.assert_allclose(recording.signal, MILLIVOLTS)
    assert "gain" in recording.warnings[0]


@pytest.mark.parametrize("scale", [0.1, 0.3, 3.0, 10.0])
@pytest.mark.parametrize(("name", "gain"), [("A0001", 1000), ("A0001", 4880), ("E00009", 200), ("HR1", 4880)])
def test_low_and_high_voltages_at_a_stated_gain_are_kept(name: str, gain: float, scale: float) -> None:
    recording = recording_from_samples(header(f"{gain}/mV", name=name), gain * scale * MILLIVOLTS)
    np.testing.assert_allclose(recording.signal, scale * MILLIVOLTS)
    assert recording.warnings == ()


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_amplitudes_of_no_ecg_at_either_gain_are_kept_and_told(scale: float) -> None:
    recording = recording_from_samples(header("200/mV"), 200 * scale * MILLIVOLTS)
    np.testing.assert_allclose(recording.signal, scale * MILLIVOLTS)
    assert "amplitudes" in recording.warnings[0]


@pytest.mark.parametrize("value", [0, 7, -300])
def test_a_constant_recording_stays_a_finite_constant(value: int) -> None:
    recording = recording_from_samples(header(), np.full_like(ECG, value))
    np.testing.assert_array_equal(recording.signal, value / 1000)


def test_constant_leads_do_not_judge_the_gain() -> None:
    recording = recording_from_samples(header("200/mV", leads=TWELVE), np.vstack([ECG // 5, np.full((10, 5000), 300)]))
    np.testing.assert_allclose(recording.signal[:2], (ECG // 5) / 200)
    np.testing.assert_allclose(recording.signal[2:], 1.5)


@pytest.mark.parametrize("missing", [-32768, np.nan, np.inf, -np.inf, 1e300, -1e20])
def test_missing_samples_are_bridged_by_straight_lines(missing: float) -> None:
    samples = ECG.astype(np.float64)
    samples[0, 100], samples[0, 103] = 40, 100
    samples[0, 101:103] = missing
    samples[0, :5] = missing
    samples[0, -5:] = missing
    recording = recording_from_samples(header(), samples)
    np.testing.assert_allclose(recording.signal[0, 100:104], [0.04, 0.06, 0.08, 0.1])
    np.testing.assert_array_equal(recording.signal[0, :5], recording.signal[0, 5])
    np.testing.assert_array_equal(recording.signal[0, -5:], recording.signal[0, -6])
    np.testing.assert_array_equal(recording.signal[1], MILLIVOLTS[1])
    assert recording.warnings == ("lead I: 12 missing samples bridged",)


@pytest.mark.parametrize("number", ["f2", "f4", "f8", ">f8"])
@pytest.mark.parametrize("missing", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_is_bridged_in_every_type_of_number(number: str, missing: float) -> None:
    samples = ECG.astype(number)
    samples[0, 10] = missing
    recording = recording_from_samples(header(), samples)
    assert recording.missing == (1, *[0] * (len(ECG) - 1))


@pytest.mark.parametrize("missing", [-32768, np.nan])
def test_a_lead_without_samples_is_0_mv(missing: float) -> None:
    samples = ECG.astype(np.float64)
    samples[1] = missing
    recording = recording_from_samples(header("1000(50)/mV"), samples)
    np.testing.assert_array_equal(recording.signal[1], 0)
    assert "II" in recording.warnings[0]


@pytest.mark.parametrize(
    ("fmt", "missing"),
    [
        *((fmt, -(2**7)) for fmt in ("80", "508")),
        *((fmt, -(2**9)) for fmt in ("310", "311")),
        ("212", -(2**11)),
        *((fmt, -(2**15)) for fmt in ("16", "61", "160", "516")),
        *((fmt, -(2**23)) for fmt in ("24", "524")),
        ("32", -(2**31)),
    ],
)
def test_each_format_has_its_value_for_none(fmt: str, missing: int) -> None:
    samples = ECG.astype(np.int64)
    samples[:, 50] = missing
    recording = recording_from_samples(header(fmt=fmt), samples)
    assert recording.signal.min() > -0.2
    assert len(recording.warnings) == 2
    kept = recording_from_samples(header(fmt="8"), samples)  # a format of differences: it has none
    assert kept.signal[0, 50] == missing / 1000


def test_spikes_are_no_gaps() -> None:
    samples = ECG.copy()
    samples[0, 100:102] = 32767, -32767
    np.testing.assert_array_equal(recording_from_samples(header(), samples).signal[0, 100:102], [32.767, -32.767])


@pytest.mark.parametrize(
    ("rate", "samples"), [(50, 50), (50, 90_000), (100, 100), (257, 257), (360, 650_000), (2000, 2000)]
)
def test_1_s_to_half_an_hour_at_50_to_2000_hz_is_read(rate: float, samples: int) -> None:
    signal = np.resize(ECG, (2, samples))
    recording = recording_from_samples(header(rate=rate, samples=samples), signal)
    assert recording.signal.shape == (2, samples)
    assert recording.sampling_rate == rate


@pytest.mark.parametrize(
    ("rate", "samples", "fault"),
    [
        (49.9, 5000, "49.9 Hz"),
        (2000.1, 5000, "2000.1 Hz"),
        (0, 5000, "sampling rate"),
        (-500, 5000, "sampling rate"),
        (math.nan, 5000, "sampling rate"),
        (500, 499, "shorter than 1 s"),
        (257, 256, "shorter than 1 s"),
        (500, 0, "shorter than 1 s"),
    ],
)
def test_what_lies_outside_is_refused_by_name(rate: float, samples: int, fault: str) -> None:
    with pytest.raises(RecordingError, match=fault):
        recording_from_samples(header(rate=rate, samples=samples), np.zeros((2, samples)))


@pytest.mark.parametrize("leads", [("I",), ("I", "II", "III"), ()])
def test_a_header_of_other_leads_than_the_signal_is_refused(leads: tuple[str, ...]) -> None:
    with pytest.raises(RecordingError, match="leads"):
        recording_from_samples(header(leads=leads), ECG)


def test_a_header_with_fewer_lines_than_it_announces_is_refused() -> None:
    text = "X 3 500 5000\nx.mat 16 1000/mV 16 0 0 0 0 I\nx.mat 16 1000/mV 16 0 0 0 0 II\n"
    with pytest.raises(RecordingError, match="announces 3 leads, has 2"):
        recording_from_samples(parse_header(text), ECG)


@pytest.mark.parametrize("samples", [ECG.astype(str), ECG * 1j, np.full((2, 5000), None), [[1, 2], [3]], ECG[0], 7])
def test_samples_that_are_no_table_of_numbers_are_refused(samples) -> None:
    with pytest.raises(RecordingError):
        recording_from_samples(header(), samples)


def test_another_number_of_samples_than_announced_does_not_pass_in_silence() -> None:
    told = recording_from_samples(header(samples=7500), ECG).warnings
    assert told == ("header announces 7500 samples, signal has 5000",)


@PROPERTY
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["nan", "-1", "0", "1e-320", "1e-9/mV", "1e9/mV", "(2)/V"])),
        min_size=1,
        max_size=4,
    )
)
def test_a_damaged_header_gives_a_finite_signal_or_an_error(damages: list[tuple[int, str]]) -> None:
    line = "A0001.mat 16+24 1000/mV 16 0 0 0 0"
    fields = f"A0001 2 500 5000 \n {line} I \n {line} II \n #Age: 60".split(" ")
    for position, field in damages:
        fields[position % len(fields)] = field
    try:
        recording = recording_from_samples(parse_header(" ".join(fields)), ECG)
    except RecordingError:
        return
    assert np.isfinite(recording.signal).all()


def test_missing_samples_are_counted_by_lead_and_follow_their_leads() -> None:
    signal = np.stack([ECG[0], ECG[1], ECG[0]])
    signal[0, 100:110] = -32768
    signal[1] = -32768
    recording = recording_from_samples(header(leads=("I", "II", "V1"), samples=signal.shape[1]), signal)
    assert recording.missing == (10, signal.shape[1], 0)
    assert recording.with_leads(("V1", "I")).missing == (10, 0)
    assert dataclasses.replace(recording, missing=()).missing == (0, 0, 0)


@pytest.mark.parametrize("value", [20060577422537.0, 123456789.123, 0.1])
@pytest.mark.parametrize("samples", [500, 947, 1499])
def test_a_constant_signal_does_not_deviate_in_whatever_order_it_lies(value: float, samples: int) -> None:
    """The mean of constant samples is not always their value, and NumPy sums rows and columns differently."""
    signal = np.full((2, samples), value)
    by_row, by_column = (recording_from_samples(header(samples=samples), array(signal)) for array in ORDERS)
    assert by_row.warnings == by_column.warnings == ()
    np.testing.assert_array_equal(by_row.signal, by_column.signal)


@pytest.mark.parametrize("deviation", [1e-3, 1.0, 1e3])  # mV
def test_one_sample_unlike_all_others_is_a_deviation_however_long_the_signal(deviation: float) -> None:
    """It is the difference of two moments that are equal to one part in a million."""
    samples = 1_000_000
    signal = np.zeros((1, samples))
    signal[0, 0] = deviation * math.sqrt(samples) * 1000
    recording = recording_from_samples(header(leads=("I",), samples=samples), signal)
    assert bool(recording.warnings) == (deviation != 1.0)
    np.testing.assert_allclose(recording.signal[0, 0], deviation * math.sqrt(samples), rtol=1e-12)


def test_leads_of_any_case_are_the_same_recording() -> None:
    recording = Recording("mine", ecg(leads=3).tolist(), 500, ("i", "Ii", "aVr"))
    assert recording.leads == ("I", "II", "aVR")
    assert recording.signal.dtype == np.float64
    assert recording.with_leads(["AVR", "i"]).leads == ("I", "aVR")


def test_a_path_may_be_text_and_is_a_header_s(write_record):
    header_file = write_record()
    assert read_recording(str(header_file)).digest == read_recording(header_file).digest
    with pytest.raises(RecordingError, match=r"A0001\.mat is not named as a header: NAME\.hea is"):
        read_recording(header_file.with_suffix(".mat"))
