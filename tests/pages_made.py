"""What tests make pages of: a recording, its sheet, random answers beside labels."""

import numpy as np
from conftest import TWELVE, ecg

from heartbeats.challenge.diagnoses import ABBREVIATIONS, read_weights
from heartbeats.challenge.scoring import Submission
from heartbeats.ecg.recording import Recording
from heartbeats.reports.findings import rhythm
from heartbeats.reports.layout import lay_out
from heartbeats.reports.sheet import Sheet, Track

WEIGHTS = read_weights()
NAMES = ["|".join(ABBREVIATIONS[code] for code in codes) for codes in WEIGHTS.classes]
ABSENT = 4  # a class that no recording has


def recording(signal: np.ndarray | None = None, leads: tuple[str, ...] = TWELVE, **more) -> Recording:
    """A recording of a signal in mV, or else of a crude ECG."""
    signal = ecg(leads=len(leads)) / 1000 if signal is None else signal
    return Recording("A0001", signal, more.pop("sampling_rate", 500), leads, **more)


def spikes(times: list[float], *, sampling_rate: float = 500, seconds: float = 10) -> np.ndarray:
    """Twelve leads of 0 mV with spikes of 1 mV."""
    lead = np.zeros(round(seconds * sampling_rate))
    lead[[round(t * sampling_rate) for t in times]] = 1.0
    return np.tile(lead, (12, 1))


def sheet_of(shown: Recording, track: Track | None = None) -> Sheet:
    """A recording's first sheet."""
    return Sheet(shown, lay_out(shown), (("a", "b"),) * 3, rhythm(shown).peaks, track)


def submission(recordings: int = 60, *, seed: int = 0, levels: int = 20) -> Submission:
    """Random answers with ties, of recordings of two sources; one class is never true."""
    rng = np.random.default_rng(seed)
    labels = rng.random((recordings, len(WEIGHTS.classes))) < 0.2
    labels[:, ABSENT] = False
    scalar = np.clip((rng.integers(0, levels, labels.shape) / levels + 0.3 * labels) / 1.3, 0, 1)
    names = tuple(f"E{i:05d}" if i % 3 else f"A{i:04d}" for i in range(recordings))
    return Submission(names, labels, scalar > 0.6, scalar, np.zeros(recordings, dtype=np.bool_), WEIGHTS)
