"""Preparation: leads, sampling rate, denoising, length, and what must not depend on how a recording was made."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from conftest import TWELVE

from heartbeats.ecg.header import find_headers, parse_header
from heartbeats.ecg.recording import Recording, RecordingError, read_recording, recording_from_samples
from heartbeats.preparation.leads import LEADS, select_leads
from heartbeats.preparation.signals import denoise, fixed_length, prepare_leads, prepare_signal, resample

LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
PAIRS = tuple(combinations(LIMB, 2))
RATES = (50, 100, 250, 257, 360, 500, 1000, 2000)


def twelve_leads(samples: int = 300) -> np.ndarray:
    """Noise that obeys Einthoven's law and Goldberger's equations, in mV, rows as TWELVE."""
    chest = np.random.default_rng(0).normal(size=(8, samples))
    i, ii = chest[:2]
    return np.vstack([i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2, chest[2:]])


def rows(leads: tuple[str, ...], signal: np.ndarray) -> np.ndarray:
    return signal[[TWELVE.index(lead) for lead in leads]]


def recorded(signal: np.ndarray, *, rate: float = 500, leads: tuple[str, ...] = TWELVE) -> Recording:
    """A recording of a signal in mV, at microvolts to the unit."""
    lines = "\n".join(f"x.mat 32 1000000/mV 32 0 0 0 0 {lead}" for lead in leads)
    header = parse_header(f"x {len(leads)} {rate:g} {signal.shape[1]}\n{lines}\n")
    return recording_from_samples(header, signal * 1e6)


def tone(frequency: float, *, rate: float = 500, seconds: float = 30, phase: float = 0.4) -> np.ndarray:
    """A sine of 1 mV, shape (1, samples)."""
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate + phase)[None]


def heart(rate: float, seconds: float = 10) -> np.ndarray:
    """The same eight smooth signals at any rate, in mV: a QRS of 2 mV and a T wave of 0.3 mV at 75 beats a minute."""
    phase = (np.arange(round(seconds * rate)) / rate) % 0.8
    beat = 2 * np.exp(-(((phase - 0.3) / 0.02) ** 2)) + 0.3 * np.exp(-(((phase - 0.55) / 0.05) ** 2))
    return np.outer(np.linspace(1, 0.3, 8), beat)


def test_leads_are_selected_by_name_in_any_order() -> None:
    signal = twelve_leads()
    expected = rows(LEADS, signal)
    shuffled = tuple(np.random.default_rng(1).permutation((*TWELVE, "vx", "vy")))
    padded = np.vstack([signal, np.ones((2, signal.shape[1]))])
    mixed = padded[[(*TWELVE, "vx", "vy").index(lead) for lead in shuffled]]
    for leads, given in ((TWELVE, signal), (TWELVE[::-1], signal[::-1]), (shuffled, mixed)):
        selected, warnings = select_leads(given, leads)
        np.testing.assert_array_equal(selected, expected)
        assert warnings == ()


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_any_two_limb_leads_give_i_and_ii_back(pair: tuple[str, str]) -> None:
    signal = twelve_leads()
    for leads in ((*pair, *TWELVE[6:]), (*TWELVE[6:], *pair[::-1])):
        selected, warnings = select_leads(rows(leads, signal), leads)
        np.testing.assert_allclose(selected, rows(LEADS, signal), atol=1e-12)
        assert [warning.split()[1] for warning in warnings] == [lead for lead in ("I", "II") if lead not in pair]


@pytest.mark.parametrize("leads", [("I",), ("II",), ("V1",), ("MLII", "V5"), ("III", "V2"), ("aVR", "V2", "V3")])
def test_missing_leads_are_zero_and_give_a_warning(leads: tuple[str, ...]) -> None:
    selected, warnings = select_leads(np.ones((len(leads), 300)), leads)
    np.testing.assert_array_equal(selected, np.repeat([[lead in leads] for lead in LEADS], 300, axis=1))
    assert len(warnings) == 1
    assert warnings[0].endswith(", ".join(lead for lead in LEADS if lead not in leads))


@pytest.mark.parametrize("leads", [("III",), ("aVR",), ("vx", "vy", "vz"), ("MLII",), ()])
def test_a_recording_of_none_of_the_leads_is_refused(leads: tuple[str, ...]) -> None:
    with pytest.raises(RecordingError, match="I, II, V1"):
        select_leads(np.ones((len(leads), 300)), leads)


def test_the_first_of_two_equal_leads_is_used() -> None:
    signal = twelve_leads()
    selected, warnings = select_leads(np.vstack([signal, signal + 1]), TWELVE * 2)
    np.testing.assert_array_equal(selected, rows(LEADS, signal))
    assert warnings == tuple(f"lead {lead} is given twice: the first is used" for lead in TWELVE)


@pytest.mark.parametrize("rate", RATES)
def test_a_sine_is_the_same_sine_at_500_hz(rate: float) -> None:
    resampled = resample(tone(5, rate=rate, seconds=10), sampling_rate=rate)
    assert resampled.shape == (1, 5000)
    middle = slice(250, -250)
    np.testing.assert_allclose(resampled[:, middle], tone(5, seconds=10)[:, middle], atol=0.002)


@pytest.mark.parametrize("seconds", [10, 30])
@pytest.mark.parametrize("frequency", [0.05, 0.1, 0.2, 0.3, 0.4])
def test_drift_is_removed(frequency: float, seconds: float) -> None:
    drift = tone(frequency, seconds=seconds)
    assert denoise(drift).std() < 0.1 * drift.std()


@pytest.mark.parametrize("seconds", [5, 10, 30])
@pytest.mark.parametrize("frequency", [3, 5, 10, 20, 40])
def test_the_ecgs_own_frequencies_are_kept(frequency: float, seconds: float) -> None:
    kept = tone(frequency, seconds=seconds)
    denoised = denoise(kept)
    assert denoised.std() == pytest.approx(kept.std(), rel=0.03)
    assert np.corrcoef(denoised, kept)[0, 1] > 0.99


@pytest.mark.parametrize(("frequency", "decibels"), [(0.4, 22), (0.5, 18), (1, 3), (100, 1), (150, 8), (200, 33)])
def test_attenuation_is_that_of_the_docstring(frequency: float, decibels: float) -> None:
    signal = tone(frequency, seconds=30)
    middle = np.s_[:, 2000:-2000]
    attenuation = 20 * np.log10(signal[middle].std() / denoise(signal)[middle].std())
    assert attenuation == pytest.approx(decibels, abs=1.2)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seconds", [1, 6, 10])
def test_a_recording_becomes_whole_microvolts_at_500_hz_of_its_own_length(rate: float, seconds: float) -> None:
    prepared, warnings = prepare_signal(recorded(heart(rate, seconds), rate=rate, leads=LEADS))
    assert prepared.dtype == np.int16
    assert prepared.shape == (8, 500 * seconds)
    assert prepared[0].max() > 1000
    assert warnings == ()


@pytest.mark.parametrize("rate", [100, 257, 500, 1000])
def test_no_more_than_30_s_are_kept_and_what_follows_does_not_matter(rate: float) -> None:
    long = heart(rate, 40)
    expected = prepare_signal(recorded(long[:, : math.ceil(30 * rate)], rate=rate, leads=LEADS))[0]
    long[:, math.ceil(30 * rate) :] = 9
    prepared, _ = prepare_signal(recorded(long, rate=rate, leads=LEADS))
    assert prepared.shape == (8, 15000)
    np.testing.assert_array_equal(prepared, expected)


@pytest.mark.parametrize("rate", [250, 257, 360, 1000, 2000])
def test_the_rate_at_which_a_heart_is_recorded_does_not_matter(rate: float) -> None:
    at_500 = prepare_signal(recorded(heart(500), leads=LEADS))[0].astype(float)
    prepared = prepare_signal(recorded(heart(rate), rate=rate, leads=LEADS))[0].astype(float)
    assert np.abs(prepared - at_500)[:, 250:-250].max() <= 10  # microvolts, of 2000


def test_an_offset_does_not_matter() -> None:
    expected = prepare_signal(recorded(heart(500), leads=LEADS))[0].astype(int)
    offset = prepare_signal(recorded(heart(500) + np.arange(-4, 4)[:, None], leads=LEADS))[0]
    assert np.abs(offset - expected).max() <= 1


def test_spikes_are_clipped_and_not_wrapped() -> None:
    signal = heart(500)
    signal[0, 2000:2040], signal[1, 2000:2040] = 100, -100
    prepared, warnings = prepare_signal(recorded(signal, leads=LEADS))
    assert warnings == ("samples are clipped at 32.8 mV: is the signal in mV?",)
    assert prepared[0, 2020] == 32767
    assert prepared[1, 2020] == -32768
    assert (prepared[0, 2005:2035] > 0).all()


@pytest.mark.parametrize(("unit", "told"), [(1e3, "clipped"), (1e-3, "no sample reaches 20 microvolts")])
def test_a_signal_in_microvolts_or_volts_gives_a_warning(unit: float, told: str) -> None:
    _, warnings = prepare_signal(Recording("x", heart(500) * unit, 500, LEADS))
    assert told in warnings[0]
    assert "is the signal in mV?" in warnings[0]
    assert prepare_signal(Recording("x", heart(500), 500, LEADS))[1] == ()


def test_constant_and_missing_leads_become_zeros() -> None:
    signal = np.vstack([heart(500)[:2], np.full((2, 5000), -1.7)])
    prepared, warnings = prepare_signal(recorded(signal, leads=("I", "II", "V1", "V2")))
    assert prepared[:2].any(axis=1).all()
    assert not prepared[2:].any()
    assert "V3, V4, V5, V6" in warnings[0]


def test_a_batch_is_cut_or_filled_with_zeros_in_mv() -> None:
    signals = [np.full((8, length), 1500, np.int16) for length in (3, 7, 10)]
    batch = fixed_length(signals, 7)
    assert batch.shape == (3, 8, 7)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[0, :, :3], 1.5)
    np.testing.assert_array_equal(batch[0, :, 3:], 0)
    np.testing.assert_array_equal(batch[1:], 1.5)
    assert fixed_length([], 7).shape == (0, 8, 7)


def test_without_denoising_the_signal_is_the_recording() -> None:
    signal = np.random.default_rng(0).normal(size=(8, 5000))
    prepared, _ = prepare_signal(Recording("A1", signal, 500, LEADS), denoising=False)
    np.testing.assert_allclose(prepared / 1000, signal, atol=0.0005)


def test_a_lead_of_any_name_and_length_is_prepared_as_the_networks_leads():
    signal = np.random.default_rng(0).normal(size=(8, 40 * 360))
    whole = prepare_leads(signal, sampling_rate=360)
    assert (whole.dtype, whole.shape) == (np.int16, (8, 20_000))
    one = prepare_leads(signal[1:2], sampling_rate=360)
    np.testing.assert_array_equal(one, whole[1:2])
    short, _ = prepare_signal(Recording("mine", signal[:, : 20 * 360], 360, LEADS))
    np.testing.assert_array_equal(short, prepare_leads(signal[:, : 20 * 360], sampling_rate=360))


def test_the_transform_depends_on_where_a_recording_begins(ecg_data: Path) -> None:
    """The figures of docs/paper.md: the same samples, prepared with the first 0.256 s and without."""
    relative, largest = [], []
    for header_file in find_headers(ecg_data / "challenge"):
        recording = read_recording(header_file)
        signal = resample(select_leads(recording.signal, recording.leads)[0], sampling_rate=recording.sampling_rate)
        whole, cut = denoise(signal[:, :15_000])[:, 128:], denoise(signal[:, 128:15_000])
        differences = (whole - cut)[:, 500:-500]
        beating = whole.any(axis=1)
        relative += (differences.std(axis=1) / whole[:, 500:-500].std(axis=1).clip(1e-9))[beating].tolist()
        largest += np.abs(differences).max(axis=1)[beating].tolist()
    assert np.percentile(relative, [50, 95]) == pytest.approx([0.197, 0.498], abs=0.001)
    assert np.percentile(largest, [50, 95]) == pytest.approx([0.078, 0.337], abs=0.001)  # mV


def test_what_remains_of_an_st_elevation_depends_on_its_phase() -> None:
    """The figures of docs/paper.md: 0.2 mV for 0.3 s at 60 beats a minute, at 64 phases."""
    time, remaining = np.arange(5000), []
    for phase in range(0, 512, 8):
        beat = (time + phase) % 500
        elevated, before, inside = (
            (beat >= 200) & (beat < 350),
            (beat >= 100) & (beat < 150),
            (time >= 500) & (time < 4500),
        )
        lead = denoise(np.where(elevated, 0.2, 0.0)[None])[0]
        remaining.append(lead[elevated & inside].mean() - lead[before & inside].mean())
    assert (min(remaining), max(remaining)) == pytest.approx((0.087, 0.202), abs=0.001)
