"""Fixtures: real recordings from ``ECG_DATA``, written records, and a small trained model."""

import os

# Tests are of the CPU wherever they run: those that ask for equal bytes hold there. Before torch is imported.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# Networks this small only wait for one another's threads.
os.environ["OMP_NUM_THREADS"] = "1"

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import settings

from heartbeats.classification.ensemble import Classifier
from heartbeats.common.settings import Settings, settings_from_dict
from heartbeats.simulation import simulate_cohort
from team_code import load_model, training_code

# The same examples in every run; `pytest --hypothesis-profile=search` draws new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("repeatable")

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

WriteRecord = Callable[..., Path]


@pytest.fixture(scope="session")
def ecg_data() -> Path:
    """The folder of real recordings. Without it, the tests that need it are skipped."""
    if not (folder := os.environ.get("ECG_DATA")):
        pytest.skip("ECG_DATA names no folder of real recordings")
    return Path(folder)


@pytest.fixture
def write_record(tmp_path: Path) -> WriteRecord:
    """Write a Challenge record of given ADC units, and return its header file."""

    def write(
        name: str = "A0001",
        signal: np.ndarray | None = None,
        *,
        folder: Path = tmp_path,
        leads: Sequence[str] = TWELVE,
        sampling_rate: float = 500,
        gain: str = "1000/mV",
        fmt: str = "16+24",
        dx: str = "426783006",
        comments: str = "#Age: 60\n#Sex: Male\n",
        record_name: str | None = None,
    ) -> Path:
        if signal is None:
            signal = ecg(leads=len(leads), sampling_rate=sampling_rate)
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{record_name or name} {len(leads)} {sampling_rate:g} {signal.shape[1]}"]
        lines += [f"{name}.mat {fmt} {gain} 16 0 {row[0]} 0 0 {lead}" for row, lead in zip(signal, leads, strict=True)]
        header_file = folder / f"{name}.hea"
        header_file.write_text("\n".join(lines) + f"\n{comments}#Dx: {dx}\n")
        scipy.io.savemat(header_file.with_suffix(".mat"), {"val": signal}, format="4")
        return header_file

    return write


def ecg(*, leads: int = 12, sampling_rate: float = 500, seconds: float = 10, rate: float = 60) -> np.ndarray:
    """A crude ECG in ADC units of 1 µV, int16, shape (leads, samples): one R wave of 1 mV per beat, plus noise."""
    t = np.arange(round(seconds * sampling_rate)) / sampling_rate
    phase = (t % (60 / rate)) - 0.3
    beat = np.exp(-((phase / 0.02) ** 2)) + 0.2 * np.exp(-(((phase - 0.25) / 0.05) ** 2))
    noise = np.random.default_rng(0).normal(scale=0.01, size=(leads, len(t)))
    scale = np.linspace(1.0, 0.5, leads)[:, None]
    return np.rint(1000 * (scale * beat + noise)).astype(np.int16)


# Every part of the entry, as small as it gets.
TINY_TOML = """
[network]
width = 4
blocks = [1, 1]
reduction = 2
[training]
seconds = [4.0, 2.0]
epochs = 2
reduced_from_epoch = 2
[relabelling]
seconds = 2.0
probability = 0.2
"""
TINY: Settings = settings_from_dict(tomllib.loads(TINY_TOML))


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 simulated recordings."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate_cohort(folder, records=40, seed=0)
    return folder


@pytest.fixture(scope="session")
def model_directory(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder trained on the simulated recordings; tests must not change it."""
    folder = tmp_path_factory.mktemp("model")
    training_code(simulated, folder, TINY)
    return folder


@pytest.fixture(scope="session")
def classifier(model_directory: Path) -> Classifier:
    """The classifier of that folder."""
    return load_model(model_directory)
