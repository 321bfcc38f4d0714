"""Artefacts do not change the gain of a real recording, and wrong gains are found."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import TWELVE, ecg

from heartbeats.ecg.header import Header, find_headers, parse_header
from heartbeats.ecg.recording import read_header, read_samples, recording_from_samples

RAIL = 32767


def artefacts(adc: np.ndarray, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Yield copies of a recording with one artefact each."""
    rng = np.random.default_rng(seed)
    samples = adc.shape[1]
    yield "none", adc
    yield "1 % of the samples at the rail", np.where(rng.random(adc.shape) < 0.01, RAIL, adc)
    yield "5 % electrodes off, at the end", np.where(np.arange(samples) >= 0.95 * samples, RAIL, adc)
    yield "5 % electrodes off, 20 ms at a time", np.where(np.arange(samples) % 200 < 10, -RAIL, adc)
    dead, noise = adc.copy(), adc.astype(np.int64)
    dead[0] = 0
    noise[-1] = rng.integers(-RAIL, RAIL, samples)
    yield "a dead lead", dead
    yield "a lead of noise", noise


def with_gain(header: Header, gain: float) -> Header:
    return dataclasses.replace(header, signals=tuple(dataclasses.replace(line, gain=gain) for line in header.signals))


def overruled(header: Header, adc: np.ndarray, name: str | None = None) -> bool:
    return any("stated gain" in warning for warning in recording_from_samples(header, adc, name=name).warnings)


def assert_right_and_wrong_gains_are_told_apart(header_file: Path) -> None:
    header = read_header(header_file)
    adc = read_samples(header_file, header)
    for artefact, copy in artefacts(adc):
        assert not overruled(header, copy, "unnamed"), (header_file, artefact)
        for name, gain in (("E00001", 4880), ("HR00001", 200), ("S0001", 2e6), ("unnamed", 2e6)):
            if header.signals[0].file.endswith(".mat"):  # the Challenge's: their right gain is 1000
                assert overruled(with_gain(header, gain), copy, name), (header_file, artefact, gain)


@pytest.mark.parametrize(("folder", "step"), [("challenge", 3), ("ludb", 5), ("mitdb", 12), ("ptbxl100/train", 300)])
def test_artefacts_do_not_change_the_gain_of_real_recordings(ecg_data: Path, folder: str, step: int) -> None:
    headers = find_headers(ecg_data / folder)[::step]
    assert headers
    for header_file in headers:
        assert_right_and_wrong_gains_are_told_apart(header_file)


@pytest.mark.parametrize("leads", [1, 2, 12])
def test_electrodes_off_for_50_ms_leave_the_gain_as_stated(leads: int) -> None:
    lines = "\n".join(f"x.dat 16 200/mV 16 0 0 0 0 {lead}" for lead in TWELVE[:leads])
    adc = ecg(leads=leads) // 5
    adc[:, 1000:1025] = RAIL
    recording = recording_from_samples(parse_header(f"x {leads} 500 5000\n{lines}\n"), adc)
    np.testing.assert_array_equal(recording.signal, adc / 200)
    assert recording.warnings == ()
