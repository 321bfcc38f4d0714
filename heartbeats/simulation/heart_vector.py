"""Simulate the 12 leads of a patient with given diagnoses.

A rhythm activates the atria and the ventricles. Each activation adds Gaussian waves to the heart vector. The leads are
projections of it. A diagnosis changes the mechanism that causes it, so the signal meets its criteria.

References
----------
Dower GE, Machado HB, Osborne JA. On deriving the electrocardiogram from vectoradiographic leads. Clin Cardiol
1980;3:87 (the lead matrix).
McSharry PE, Clifford GD, Tarassenko L, Smith LA. A dynamical model for generating synthetic electrocardiogram signals.
IEEE Trans Biomed Eng 2003;50:289 (Gaussian waves; their times, widths and amplitudes here are our own).
Surawicz B, Childers R, Deal BJ, Gettes LS. AHA/ACCF/HRS recommendations for the standardization and interpretation of
the electrocardiogram, part III. Circulation 2009;119:e235 (criteria of bundle branch block and of the axis).
"""

import math
from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np

from heartbeats.simulation.rhythm import Code, Floats, Rhythm, simulate_rhythm

# Dower's matrix: leads I, II and V1 to V6 from the heart vector on Frank's axes, x to the left, y down, z to the back.
DOWER = np.array([
    [0.632, -0.235, 0.059],
    [0.235, 1.066, -0.132],
    [-0.515, 0.157, -0.917],
    [0.044, 0.164, -1.387],
    [0.882, 0.098, -1.277],
    [1.213, 0.127, -0.601],
    [1.125, 0.127, -0.086],
    [0.831, 0.076, 0.230],
])  # fmt: skip
# The frontal plane from the heart vector: lead I, and aVF = II - I/2 enlarged to lead I's scale.
_FRONTAL = np.array([DOWER[0], (DOWER[1] - DOWER[0] / 2) * 2 / math.sqrt(3)])

# Waves: one row per Gaussian, with its centre in s after the activation, its standard deviation in s, and its peak in
# mV along x, y and z.
_P = np.array([[0.035, 0.016, 0.02, 0.08, -0.05], [0.068, 0.018, 0.08, 0.05, 0.04]])  # right atrium, left atrium
_PREMATURE_P = np.array([[0.035, 0.015, 0.03, -0.12, 0.01], [0.060, 0.012, 0.02, -0.05, 0.03]])  # inverted in II
_F = np.array([[0.035, 0.020, 0.02, 0.05, -0.07], [0.060, 0.020, 0.03, 0, 0.02], [0.085, 0.024, 0, -0.05, 0.07]])
_FLUTTER = np.array(  # one cycle of 0.2 s: slowly down in II, III and aVF, then steeply up
    [[0.050, 0.035, -0.02, -0.08, 0.02], [0.110, 0.028, -0.04, -0.18, 0.05], [0.165, 0.016, 0.02, 0.10, -0.10]]
)
_SPIKE = np.array([[-0.006, 0.0008, 0.6, 1.0, 0.4]])
_NARROW = np.array(
    [
        [0.016, 0.007, -0.14, -0.04, -0.30],  # septum: q in I, r in V1
        [0.042, 0.010, 1.05, 0.75, 0.10],  # free wall of the left ventricle
        [0.056, 0.010, 0.20, 0.15, 0.75],
        [0.073, 0.008, -0.20, -0.15, 0.20],  # base of the left ventricle: S in V1 to V3
    ]
)
_LATE_RIGHT = np.array([[0.105, 0.020, -0.40, 0, -0.80]])  # RBBB: the right ventricle comes last
_LATE_LEFT = np.array([[0.046, 0.018, 0.60, 0.30, 0.65], [0.098, 0.024, 0.80, 0.20, 0.60]])  # LBBB: no q, notched R
_PACED = np.array([[0.050, 0.020, 0.45, -0.75, 0.50], [0.100, 0.022, 0.45, -0.60, 0.50]])  # from the apex upwards
_RIGHT_FOCUS = np.array([[0.050, 0.022, 0.60, 0.80, 0.90], [0.110, 0.026, 0.50, 0.60, 0.60]])
_LEFT_FOCUS = np.array([[0.050, 0.022, -0.50, -0.80, -0.80], [0.110, 0.026, -0.70, -0.60, -0.50]])
_T = np.array([[-0.115, 0.045, 0.12, 0.08, -0.07], [-0.060, 0.026, 0.24, 0.16, -0.14]])  # slowly up, fast down
_ST = np.array([[0.045, 0.030, 0.8, 0.8, 0.8], [0.120, 0.048, 0.9, 0.9, 0.9]])  # after the end of QRS
_ST_DIRECTIONS = {
    Code.ST_DEPRESSION: np.array([-0.13, -0.09, 0.03]),  # subendocardial: away from V4 to V6 and II
    Code.ST_ELEVATION: np.array([0.05, 0.02, -0.18]),  # anterior: towards V2 to V4
}

WaveTrain = tuple[Floats, Floats, Floats]  # waves, the onsets in s that they follow, and the strength at each onset


class Beat(NamedTuple):
    """A ventricular beat: QRS and ST waves after its onset, T waves before the end of T, and the QRS duration in s."""

    qrs: Floats
    t: Floats
    duration: float


def simulate_recording(
    rng: np.random.Generator, *, diagnoses: Collection[Code], sampling_rate: float, seconds: float
) -> Floats:
    """Simulate the 12 leads of a patient with these diagnoses.

    Args:
        rng: draws everything that differs between patients, and the noise.
        diagnoses: they must not exclude each other. Without a rhythm, it is normal sinus rhythm.
        sampling_rate: Hz.
        seconds: length, at least 5, because rhythms can be slow.

    Returns:
        mV, shape (12, samples): rows I, II, III, aVR, aVL, aVF, V1 to V6.
    """
    rhythm = simulate_rhythm(rng, diagnoses, seconds)
    heart_vector = np.zeros((3, round(seconds * sampling_rate)))
    for waves, onsets, strength in (
        *_atrial_waves(rng, diagnoses, rhythm),
        *_ventricular_waves(rng, diagnoses, rhythm),
    ):
        _add_waves(heart_vector, sampling_rate, waves, onsets, strength)
    return _twelve_leads(DOWER @ heart_vector + _noise(rng, heart_vector.shape[1], sampling_rate))


def _add_waves(heart_vector: Floats, sampling_rate: float, waves: Floats, onsets: Floats, strength: Floats) -> None:
    """Add waves to the heart vector, shape (3, samples), after each onset in s, scaled by its strength."""
    samples = heart_vector.shape[1]
    for centre, width, *amplitude in waves:
        sigma = max(width, 0.5 / sampling_rate)  # a recorder's low-pass filter widens short waves
        peaks = (onsets + centre)[:, np.newaxis]
        reach = math.ceil(4 * sigma * sampling_rate)
        index = np.rint(peaks * sampling_rate).astype(np.intp) + np.arange(-reach, reach + 1)
        values = strength[:, np.newaxis] * np.exp(-0.5 * ((index / sampling_rate - peaks) / sigma) ** 2)
        inside = (index >= 0) & (index < samples)
        heart_vector += np.outer(amplitude, np.bincount(index[inside], values[inside], minlength=samples))


def _atrial_waves(rng: np.random.Generator, codes: Collection[Code], rhythm: Rhythm) -> Iterator[WaveTrain]:
    """Yield P, P', F and f waves."""
    strength = (0.6 if Code.LOW_VOLTAGE in codes else 1.0) * np.exp(0.2 * rng.standard_normal())
    cycle = np.diff(rhythm.flutter[:2]).sum()  # s; 0 without flutter
    for onsets, waves in (
        (rhythm.sinus, _vary(rng, _P)),
        (rhythm.premature, _vary(rng, _PREMATURE_P)),
        (rhythm.flutter, _stretched(_FLUTTER, cycle / 0.2)),
        (rhythm.fibrillation, _vary(rng, _F)),
    ):
        yield waves, onsets, np.full(len(onsets), strength)


def _ventricular_waves(rng: np.random.Generator, codes: Collection[Code], rhythm: Rhythm) -> Iterator[WaveTrain]:
    """Yield QRS, ST and T of conducted and ectopic beats, and the spikes of a pacemaker."""
    qrs = np.sort(np.concatenate([rhythm.conducted, rhythm.ectopic]))
    intervals = np.diff(qrs, prepend=qrs[0] - np.median(np.diff(qrs))).clip(0.4, 1.6)
    corrected_qt = rng.uniform(0.39, 0.44)
    t_stretch = float(np.median(intervals)) ** (1 / 3)
    conducted = _conducted_beat(rng, codes)
    gain = _voltage_gain(rng, conducted.qrs, low=Code.LOW_VOLTAGE in codes)
    for beat, onsets in ((conducted, rhythm.conducted), (_ectopic_beat(rng), rhythm.ectopic)):
        # Fridericia's formula; a QRS wider than 0.09 s makes QT longer by the difference.
        qt = corrected_qt * np.cbrt(intervals[np.searchsorted(qrs, onsets)]) + max(0, beat.duration - 0.09)
        strength = gain * (1 + 0.03 * rng.standard_normal(len(onsets)))
        yield beat.qrs, onsets, strength
        yield _stretched(beat.t, t_stretch), onsets + qt, strength
    if Code.PACING in codes:
        yield _scaled(_SPIKE, rng.uniform(0.7, 1.5)), rhythm.conducted, np.ones(len(rhythm.conducted))


def _conducted_beat(rng: np.random.Generator, codes: Collection[Code]) -> Beat:
    """Return the beat of the conduction system, with its blocks, or of a pacemaker."""
    stretch = rng.uniform(0.94, 1.1)
    t = _vary(rng, _T)
    if Code.PACING in codes:
        return _wide_beat(_vary(rng, _PACED), 0.15, stretch)
    if Code.LBBB in codes:
        axis = rng.uniform(-70, -38) if Code.LEFT_AXIS in codes else rng.uniform(-20, 50)
        return _wide_beat(_turned(_vary(rng, _LATE_LEFT), axis), 0.14, stretch)
    low, high = (-70, -38) if Code.LEFT_AXIS in codes else (100, 150) if Code.RIGHT_AXIS in codes else (0, 75)
    qrs = _turned(_vary(rng, _NARROW), rng.uniform(low, high))
    duration = 0.09
    if Code.RBBB in codes:
        late = _vary(rng, _LATE_RIGHT)
        qrs, duration = np.vstack([qrs, late]), 0.145
        t = np.vstack([t, _t_against(late)])
    if Code.T_INVERSION in codes:
        t = _scaled(t, -rng.uniform(0.6, 1.0))
    for code in _ST_DIRECTIONS.keys() & codes:
        st = _scaled(_ST, _ST_DIRECTIONS[code] * rng.uniform(1.0, 1.8))
        qrs = np.vstack([qrs, st + np.array([duration, 0, 0, 0, 0])])
    return Beat(_stretched(qrs, stretch), t, duration * stretch)


def _ectopic_beat(rng: np.random.Generator) -> Beat:
    """Return the beat of a focus in the right or the left ventricle."""
    stretch = rng.uniform(0.95, 1.15)
    return _wide_beat(_vary(rng, _RIGHT_FOCUS if rng.uniform() < 0.5 else _LEFT_FOCUS), 0.16, stretch)


def _wide_beat(qrs: Floats, duration: float, stretch: float) -> Beat:
    """Return a beat that spreads through muscle, with its discordant T."""
    return Beat(_stretched(qrs, stretch), _t_against(qrs), duration * stretch)


def _t_against(qrs: Floats) -> Floats:
    """Return a T wave opposite to these QRS waves: the muscle that is activated last recovers last."""
    return np.hstack([_T[:, :2], np.outer([0.1, 0.2], -qrs[:, 2:].sum(axis=0))])


def _stretched(waves: Floats, factor: float) -> Floats:
    """Let waves last ``factor`` times as long."""
    return waves * [factor, factor, 1, 1, 1]


def _scaled(waves: Floats, factor: float | Floats) -> Floats:
    """Multiply the amplitudes of waves."""
    return np.hstack([waves[:, :2], waves[:, 2:] * factor])


def _vary(rng: np.random.Generator, waves: Floats) -> Floats:
    """Vary the amplitudes of waves between patients."""
    return _scaled(waves, np.exp(0.15 * rng.standard_normal((len(waves), 1))))


def _turned(qrs: Floats, axis: float) -> Floats:
    """Turn a QRS in the frontal plane until its net area in leads I and aVF has this axis in degrees."""
    area = qrs[:, 1] @ qrs[:, 2:]
    size, angle = np.linalg.norm(_FRONTAL @ area), math.radians(axis)
    wanted = size * np.array([math.cos(angle), math.sin(angle)]) - _FRONTAL[:, 2] * area[2]
    x, y = np.linalg.solve(_FRONTAL[:, :2], wanted)
    turned = (qrs[:, 2] + 1j * qrs[:, 3]) * complex(x, y) / complex(area[0], area[1])
    return np.column_stack([qrs[:, :2], turned.real, turned.imag, qrs[:, 4]])


def _voltage_gain(rng: np.random.Generator, qrs: Floats, *, low: bool) -> float:
    """Return the factor that gives a QRS realistic voltages.

    Low QRS voltages are less than 0.5 mV from peak to peak in every limb lead and less than 1 mV in every chest lead.
    """
    heart_vector = np.zeros((3, 200))
    _add_waves(heart_vector, 1000, qrs, np.zeros(1), np.ones(1))
    peak_to_peak = np.ptp(_twelve_leads(DOWER @ heart_vector), axis=1)
    limb, chest = peak_to_peak[:6].max(), peak_to_peak[6:].max()
    if low:
        return float(min(rng.uniform(0.25, 0.42) / limb, rng.uniform(0.5, 0.85) / chest))
    return float(max(np.exp(0.2 * rng.standard_normal()).clip(0.65, 1.5), 0.7 / limb))


def _noise(rng: np.random.Generator, samples: int, sampling_rate: float) -> Floats:
    """Return noise in mV for the eight leads of Dower's matrix: muscle, mains and baseline wander."""
    time = np.arange(samples) / sampling_rate
    noise = rng.uniform(0.002, 0.012) * rng.standard_normal((8, samples))
    mains = rng.choice([50.0, 60.0])
    for frequency, size in ((mains, 0.004), (rng.uniform(0.15, 0.4), 0.03), (rng.uniform(0.03, 0.1), 0.05)):
        wave = size * np.sin(2 * np.pi * (frequency * time + rng.uniform()))
        if frequency < sampling_rate / 2:
            noise += np.outer(rng.standard_normal(8), wave)
    return noise


def _twelve_leads(independent: Floats) -> Floats:
    """Return 12 leads from I, II and V1 to V6, by Einthoven's law and Goldberger's equations."""
    one, two = independent[:2]
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.concatenate([limb, independent[2:]])
