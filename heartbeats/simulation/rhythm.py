"""Simulate a rhythm: the times at which the atria and the ventricles are activated."""

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BEFORE = 2.0  # s; the rhythm starts this long before the recording, so its first waves can belong to an earlier beat
_NONE = np.empty(0)


class Code(StrEnum):
    """The diagnoses that can be simulated, by their SNOMED CT codes."""

    SINUS_RHYTHM = "426783006"
    SINUS_BRADYCARDIA = "426177001"
    SINUS_TACHYCARDIA = "427084000"
    SINUS_ARRHYTHMIA = "427393009"
    BRADYCARDIA = "426627000"  # here: a slow rhythm that does not come from the sinus node
    FIBRILLATION = "164889003"
    FLUTTER = "164890007"
    PACING = "10370003"
    AV_BLOCK = "270492004"
    RBBB = "713427006"
    LBBB = "164909002"
    PAC = "284470004"
    PVC = "427172004"
    LEFT_AXIS = "39732003"
    RIGHT_AXIS = "47665007"
    LOW_VOLTAGE = "251146004"
    T_INVERSION = "59931005"
    ST_DEPRESSION = "429622005"
    ST_ELEVATION = "164931005"


class Rhythm(NamedTuple):
    """Times of all activations in s from the start of the recording, ascending.

    conducted: the ventricles, through the AV node or by a pacemaker. ectopic: the ventricles, from a focus in them.
    sinus, premature, flutter, fibrillation: the atria, as P, P', F and f waves.
    """

    conducted: Floats
    ectopic: Floats = _NONE
    sinus: Floats = _NONE
    premature: Floats = _NONE
    flutter: Floats = _NONE
    fibrillation: Floats = _NONE


def simulate_rhythm(rng: np.random.Generator, codes: Collection[Code], seconds: float) -> Rhythm:
    """Simulate the rhythm of these diagnoses, and ventricular premature beats if they are one of them."""
    if Code.PACING in codes:
        rhythm = _paced(rng, codes, seconds)
    elif Code.FLUTTER in codes:
        rhythm = _flutter(rng, codes, seconds)
    elif Code.FIBRILLATION in codes:
        rhythm = _fibrillation(rng, codes, seconds)
    elif Code.BRADYCARDIA in codes:  # a junctional escape rhythm; the atria are silent
        rhythm = Rhythm(_regular(rng, rng.uniform(1.06, 1.52), seconds))
    else:
        rhythm = _sinus(rng, codes, seconds)
    return _with_ventricular_premature_beats(rng, rhythm, seconds) if Code.PVC in codes else rhythm


def _onsets(rng: np.random.Generator, intervals: Floats, seconds: float) -> Floats:
    """Return onsets at these intervals. They start at a random phase and end 1 s after the recording."""
    onsets: Floats = np.cumsum(intervals) - _BEFORE - rng.uniform(0, intervals[0])
    return onsets[onsets < seconds + 1]


def _regular(rng: np.random.Generator, interval: float, seconds: float, jitter: float = 0.01) -> Floats:
    """Return onsets at almost constant intervals."""
    count = int(1.2 * (seconds + 2 * _BEFORE) / interval) + 2
    return _onsets(rng, interval * (1 + jitter * rng.standard_normal(count).clip(-3, 3)), seconds)


def _sinus(rng: np.random.Generator, codes: Collection[Code], seconds: float) -> Rhythm:
    """Simulate sinus rhythm: breathing changes R-R, atrial premature beats reset the node, the AV node delays."""
    arrhythmia = Code.SINUS_ARRHYTHMIA in codes
    if Code.SINUS_BRADYCARDIA in codes:
        rate = rng.uniform(47, 55) if arrhythmia else rng.uniform(42, 56)
    elif Code.SINUS_TACHYCARDIA in codes:
        rate = rng.uniform(105, 150)
    else:
        rate = rng.uniform(64, 84) if arrhythmia else rng.uniform(63, 96)
    rr = 60 / rate
    steady = np.arange(-_BEFORE, 1.3 * seconds + _BEFORE, rr)  # 30 % more, because premature beats shorten intervals
    sway = rng.uniform(0.12, 0.18) if arrhythmia else rng.uniform(0, 0.02)
    breath = np.sin(2 * np.pi * (rng.uniform(0.2, 0.3) * steady + rng.uniform()))
    intervals = rr * (1 + sway * breath + 0.008 * rng.standard_normal(len(steady)).clip(-3, 3))
    start = -_BEFORE - rng.uniform(0, rr)
    atria = start + np.cumsum(intervals)
    premature = np.zeros(len(steady), dtype=bool)
    if Code.PAC in codes:
        chosen = _some(rng, np.flatnonzero((atria > rr + 0.1) & (atria < seconds - 0.5)))
        premature[chosen] = True
        intervals[chosen] *= rng.uniform(0.58, 0.72, len(chosen))
        intervals[chosen + 1] *= rng.uniform(1.02, 1.12, len(chosen))  # the node restarts: the pause is incomplete
        atria = start + np.cumsum(intervals)
    pr = rng.uniform(0.215, max(0.22, min(0.34, 0.55 * rr))) if Code.AV_BLOCK in codes else rng.uniform(0.12, 0.18)
    inside = atria < seconds + 1
    return Rhythm(conducted=atria[inside] + pr, sinus=atria[inside & ~premature], premature=atria[inside & premature])


def _flutter(rng: np.random.Generator, codes: Collection[Code], seconds: float) -> Rhythm:
    """Simulate flutter: the right atrium circles at about 300 per minute; the AV node conducts every n-th wave."""
    slow = Code.BRADYCARDIA in codes
    cycle = rng.uniform(0.208, 0.24) if slow else rng.uniform(0.185, 0.235)
    atria = _regular(rng, cycle, seconds, jitter=0.004)
    ratios = np.array([5, 6] if slow else [2, 3, 4])
    varying = rng.uniform() < 0.4
    ratio = rng.choice(ratios, len(atria)) if varying else np.full(len(atria), rng.choice(ratios))
    through = np.cumsum(ratio) - 1
    return Rhythm(conducted=atria[through[through < len(atria)]] + rng.uniform(0.13, 0.2), flutter=atria)


def _fibrillation(rng: np.random.Generator, codes: Collection[Code], seconds: float) -> Rhythm:
    """Simulate fibrillation: the AV node conducts at random after its refractory period of 0.34 s."""
    if Code.BRADYCARDIA in codes:
        intervals = rng.uniform(1.02, 1.58, int(seconds + 3 * _BEFORE))
    else:
        random_part = rng.uniform(0.15, 0.5)  # mean, s
        count = int(2 * (seconds + 2 * _BEFORE) / (0.34 + random_part)) + 10
        intervals = 0.34 + rng.gamma(2.5, random_part / 2.5, count).clip(max=1.3)
    return Rhythm(conducted=_onsets(rng, intervals, seconds), fibrillation=_fibrillatory_waves(rng, seconds))


def _fibrillatory_waves(rng: np.random.Generator, seconds: float) -> Floats:
    """Return onsets of f waves at 4 to 9 Hz, with a rate that drifts."""
    count = int(9 * (seconds + 2 * _BEFORE)) + 1
    rate = rng.uniform(5.2, 7.5) + 0.6 * np.sin(2 * np.pi * rng.uniform(0.01, 0.03) * np.arange(count))
    return _onsets(rng, 1 / (rate + 0.5 * rng.standard_normal(count)).clip(4, 9), seconds)


def _paced(rng: np.random.Generator, codes: Collection[Code], seconds: float) -> Rhythm:
    """Simulate a pacemaker of the ventricles: in fibrillation, after each P wave, or in complete AV block."""
    interval = 60 / rng.uniform(60, 80)
    if Code.FIBRILLATION in codes:
        paced = _regular(rng, interval, seconds, jitter=0)
        return Rhythm(conducted=paced, fibrillation=_fibrillatory_waves(rng, seconds))
    if rng.uniform() < 0.5:
        atria = _regular(rng, interval, seconds)
        return Rhythm(conducted=atria + rng.uniform(0.14, 0.18), sinus=atria)
    atria = _regular(rng, 60 / rng.uniform(65, 100), seconds)  # complete AV block
    return Rhythm(conducted=_regular(rng, interval, seconds, jitter=0), sinus=atria)


def _with_ventricular_premature_beats(rng: np.random.Generator, rhythm: Rhythm, seconds: float) -> Rhythm:
    """Replace some conducted beats by early ventricular ones.

    The atria continue. Their next wave meets refractory ventricles, so the pause is compensatory.
    """
    qrs = rhythm.conducted
    interval = np.diff(qrs, prepend=qrs[0])
    fits = (qrs - interval > 0.15) & (qrs < seconds - 0.4) & (interval > 0)
    away = (np.abs(qrs[:, np.newaxis] - rhythm.premature) > 1.4 * np.median(interval)).all(axis=1)  # from atrial ones
    chosen = _some(rng, np.flatnonzero(fits & away if (fits & away).any() else fits))
    coupling = np.maximum(0.3, rng.uniform(0.5, 0.68) * interval[chosen])
    return rhythm._replace(conducted=np.delete(qrs, chosen), ectopic=np.sort(qrs[chosen - 1] + coupling))


def _some(rng: np.random.Generator, candidates: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Choose at least one of these beats, about a tenth if there are many, and never two neighbours."""
    if len(candidates) < 6:
        return rng.choice(candidates, 1)
    spaced = candidates[rng.integers(3) :: 3]
    return np.sort(rng.choice(spaced, 1 + rng.binomial(len(spaced) - 1, 0.25), replace=False))
