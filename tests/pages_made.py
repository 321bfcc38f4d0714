"""Make what the tests of pages need: a recording, its sheet, random answers with labels."""

import numpy as np
from conftest import TWELVE, ecg

from heartbeats.challenge.diagnoses import ABBREVIATIONS, read_weights
from heartbeats.challenge.scoring import Submission
from heartbeats.ecg.recording import Recording
from heartbeats.reports.findings import Reading, rhythm
from heartbeats.reports.sheet import Sheet

WEIGHTS = read_weights()
NAMES = ["|".join(ABBREVIATIONS[code] for code in codes) for codes in WEIGHTS.classes]
ABSENT = 4  # a class that no recording has


def recording(signal: np.ndarray | None = None, leads: tuple[str, ...] = TWELVE, **more) -> Recording:
    """Return a recording of a signal in mV, by default of a crude ECG."""
    signal = ecg(leads=len(leads)) / 1000 if signal is None else signal
    return Recording("A0001", signal, more.pop("sampling_rate", 500), leads, **more)


def spikes(times: list[float], *, sampling_rate: float = 500, seconds: float = 10) -> np.ndarray:
    """Return twelve leads of 0 mV with spikes of 1 mV."""
    lead = np.zeros(round(seconds * sampling_rate))
    lead[[round(t * sampling_rate) for t in times]] = 1.0
    return np.tile(lead, (12, 1))


def sheet_of(shown: Recording, start: float = 0.0, **more) -> Sheet:
    """Return a sheet of a recording."""
    return Sheet(Reading(shown, rhythm(shown), **more), start)


def submission(recordings: int = 60, *, seed: int = 0, levels: int = 20) -> Submission:
    """Return random answers with ties, of recordings of two sources; one class is never true."""
    rng = np.random.default_rng(seed)
    labels = rng.random((recordings, len(WEIGHTS.classes))) < 0.2
    labels[:, ABSENT] = False
    scalar = np.clip((rng.integers(0, levels, labels.shape) / levels + 0.3 * labels) / 1.3, 0, 1)
    names = tuple(f"E{i:05d}" if i % 3 else f"A{i:04d}" for i in range(recordings))
    return Submission(names, labels, scalar > 0.6, scalar, np.zeros(recordings, dtype=np.bool_), WEIGHTS)
