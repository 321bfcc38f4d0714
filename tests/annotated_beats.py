"""Simple lead II signals with annotated beats."""

from pathlib import Path

import numpy as np
import wfdb

from heartbeats.pvc_unet.data import Record


def lead_with(beats: dict[float, str], seconds: float, seed: int = 0) -> np.ndarray:
    """Return lead II in microvolts, 500 Hz: narrow beats N and wide, tall beats V at given times in s, plus noise."""
    t = np.arange(round(seconds * 500)) / 500
    lead = np.random.default_rng(seed).normal(scale=20.0, size=len(t))
    for at, symbol in beats.items():
        height, width = (1000, 0.02) if symbol == "N" else (1500, 0.07)
        lead += height * np.exp(-(((t - at) / width) ** 2))
    return np.rint(lead).astype(np.int16)


def rhythm(seconds: float, premature: tuple[int, ...] = ()) -> dict[float, str]:
    """Return a beat every 0.8 s; the beats of the given numbers are V and come 0.3 s early."""
    numbers = range(1, int(seconds / 0.8))
    return {0.8 * i - 0.3 * (i in premature): "V" if i in premature else "N" for i in numbers}


def annotated(beats: dict[float, str], seconds: float = 30, name: str = "x", seed: int = 0) -> Record:
    """Return a record of two leads; the second is half the first."""
    lead = lead_with(beats, seconds, seed)
    samples, symbols = np.array([round(500 * at) for at in beats]), np.array([*beats.values()])
    return Record(name, name, np.stack([lead, lead // 2]), samples, symbols, np.zeros(len(lead), bool))


def write_mitdb_record(folder: Path, name: str, beats: dict[float, str], seed: int, lead: str = "MLII") -> None:
    """Write a record like MIT-BIH's: 360 Hz, two leads, annotations."""
    t = np.arange(30 * 360) / 360
    signal = np.interp(t, np.arange(15000) / 500, lead_with(beats, 30, seed) / 1000)
    layout = {"fmt": ["16", "16"], "adc_gain": [200, 200], "baseline": [0, 0], "write_dir": str(folder)}
    wfdb.wrsamp(name, 360, ["mV", "mV"], ["V1", lead], np.stack([-signal, signal], 1), **layout)
    samples = np.array([round(360 * at) for at in beats])
    wfdb.wrann(name, "atr", samples, symbol=[*beats.values()], write_dir=str(folder))
