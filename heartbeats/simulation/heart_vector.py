"""The heart vector of a recording, wave by wave, and its projection to the leads.

References
----------
Dower GE, Machado HB, Osborne JA. On deriving the electrocardiogram from vectoradiographic leads. Clin Cardiol
1980;3:87 (the lead-field matrix).
McSharry PE, Clifford GD, Tarassenko L, Smith LA. A dynamical model for generating synthetic electrocardiogram signals.
IEEE Trans Biomed Eng 2003;50:289 (waves as Gaussians; their places, widths and amplitudes here are this module's own).
Surawicz B, Childers R, Deal BJ, Gettes LS. AHA/ACCF/HRS recommendations for the standardization and interpretation of
the electrocardiogram, part III. Circulation 2009;119:e235 (criteria of bundle branch block and of the axis).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from heartbeats.simulation.codes import Code, SimulationError, checked_codes
from heartbeats.simulation.rhythm import Floats, Rhythm, simulate_rhythm

__all__ = ["DOWER", "simulate_recording"]

SHORTEST = 5.0  # s: the shortest recordings of the Challenge, and the least that shows a slow rhythm

# Dower's matrix: leads I, II and V1 to V6 from the heart vector on Frank's axes, x to the left, y down, z to the back.
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
# The frontal plane: across (lead I) and down (aVF = II - I/2, enlarged to lead I's scale) from the heart vector.
_FRONTAL = np.array([DOWER[0], (DOWER[1] - DOWER[0] / 2) * 2 / math.sqrt(3)])


@dataclass(frozen=True)
class Waves:
    """Gaussian waves of the heart vector that follow an activation.

    centre, shape (waves,): s after the onset; width, shape (waves,): standard deviations in s; amplitude, shape
    (waves, 3): peaks in mV along x, y and z.
    """

    centre: Floats
    width: Floats
    amplitude: Floats

    def stretched(self, factor: float) -> Waves:
        """Let everything last so many times as long."""
        return replace(self, centre=self.centre * factor, width=self.width * factor)

    def times(self, factor: float | Floats) -> Waves:
        """Multiply the amplitudes, by a number or by an array that broadcasts against (waves, 3)."""
        return replace(self, amplitude=self.amplitude * factor)

    def plus(self, other: Waves) -> Waves:
        """Let other waves follow the same activation."""
        pairs = ((self.centre, other.centre), (self.width, other.width), (self.amplitude, other.amplitude))
        return Waves(*(np.concatenate(pair) for pair in pairs))


@dataclass(frozen=True)
class Beat:
    """A ventricular beat: waves of QRS and ST after QRS onset, of T relative to the end of T; QRS duration in s."""

    qrs: Waves
    t: Waves
    duration: float


@dataclass(frozen=True)
class Train:
    """The same waves after each of these onsets in s, with these strengths; both of shape (activations,)."""

    onsets: Floats
    strength: Floats
    waves: Waves


def _waves(*rows: tuple[float, float, float, float, float]) -> Waves:
    """Make waves of rows: centre and width in s; x, y and z in mV."""
    table = np.array(rows)
    return Waves(table[:, 0], table[:, 1], table[:, 2:])


_P = _waves((0.035, 0.016, 0.02, 0.08, -0.05), (0.068, 0.018, 0.08, 0.05, 0.04))  # the right atrium, then the left
_PREMATURE_P = _waves((0.035, 0.015, 0.03, -0.12, 0.01), (0.060, 0.012, 0.02, -0.05, 0.03))  # from below: II inverted
_FIBRILLATORY = _waves((0.035, 0.020, 0.02, 0.05, -0.07), (0.060, 0.020, 0.03, 0, 0.02), (0.085, 0.024, 0, -0.05, 0.07))
_FLUTTER = _waves(  # one cycle of 0.2 s: slowly down in II, III and aVF, and steeply up again
    (0.050, 0.035, -0.02, -0.08, 0.02), (0.110, 0.028, -0.04, -0.18, 0.05), (0.165, 0.016, 0.02, 0.10, -0.10)
)
_SPIKE = _waves((-0.006, 0.0008, 0.6, 1.0, 0.4))
_NARROW = _waves(  # the septum (q in I, r in V1), the free wall of the left ventricle, its base (S in V1 to V3)
    (0.016, 0.007, -0.14, -0.04, -0.30),
    (0.042, 0.010, 1.05, 0.75, 0.10),
    (0.056, 0.010, 0.20, 0.15, 0.75),
    (0.073, 0.008, -0.20, -0.15, 0.20),
)
_LATE_RIGHT = _waves((0.105, 0.020, -0.40, 0, -0.80))  # in RBBB the right ventricle comes last, from the left
_LATE_LEFT = _waves((0.046, 0.018, 0.60, 0.30, 0.65), (0.098, 0.024, 0.80, 0.20, 0.60))  # LBBB: no septal q, notched R
_PACED = _waves((0.050, 0.020, 0.45, -0.75, 0.50), (0.100, 0.022, 0.45, -0.60, 0.50))  # from the apex, upwards
_RIGHT_FOCUS = _waves((0.050, 0.022, 0.60, 0.80, 0.90), (0.110, 0.026, 0.50, 0.60, 0.60))
_LEFT_FOCUS = _waves((0.050, 0.022, -0.50, -0.80, -0.80), (0.110, 0.026, -0.70, -0.60, -0.50))
_T = _waves((-0.115, 0.045, 0.12, 0.08, -0.07), (-0.060, 0.026, 0.24, 0.16, -0.14))  # up slowly, down fast
_ST = _waves((0.045, 0.030, 0.8, 0.8, 0.8), (0.120, 0.048, 0.9, 0.9, 0.9))  # after the J point, to be given a direction
_ST_DEPRESSION = (-0.13, -0.09, 0.03)  # away from V4 to V6 and II: subendocardial
_ST_ELEVATION = (0.05, 0.02, -0.18)  # towards V2 to V4: anterior


def simulate_recording(
    rng: np.random.Generator, *, diagnoses: Collection[str], sampling_rate: float, seconds: float
) -> Floats:
    """Simulate the 12 leads of a patient with these diagnoses.

    Args:
        rng: draws all that varies from patient to patient, and the noise.
        diagnoses: SNOMED CT codes, those of ``codes.Code`` or equivalents; without a rhythm among them, it is sinus
            rhythm of normal rate.
        sampling_rate: Hz.
        seconds: length, ``SHORTEST`` or more.

    Returns:
        float64, shape (12, samples), in mV: rows I, II, III, aVR, aVL, aVF, V1 to V6.

    Raises:
        SimulationError: diagnoses that are not simulated or exclude each other, no sampling rate, too short a time.
    """
    codes = checked_codes(diagnoses)
    if not (0 < sampling_rate < math.inf and SHORTEST <= seconds < math.inf):
        raise SimulationError(
            f"cannot simulate {seconds} s at {sampling_rate} Hz: give a rate, and {SHORTEST:g} s or more"
        )
    rhythm = simulate_rhythm(rng, codes, seconds)
    heart_vector = np.zeros((3, round(seconds * sampling_rate)))
    for train in (*_atrial_trains(rng, codes, rhythm), *_ventricular_trains(rng, codes, rhythm)):
        _add_waves(heart_vector, train, sampling_rate=sampling_rate)
    noise = _noise(rng, heart_vector.shape[1], sampling_rate=sampling_rate)
    return _twelve_leads(DOWER @ heart_vector + noise)


def _add_waves(heart_vector: Floats, train: Train, *, sampling_rate: float) -> None:
    """Add a train to the heart vector, shape (3, samples), each Gaussian only where it differs from zero."""
    samples = heart_vector.shape[1]
    for centre, width, amplitude in zip(train.waves.centre, train.waves.width, train.waves.amplitude, strict=True):
        sigma = max(width, 0.5 / sampling_rate)  # a recorder's low-pass filter widens what falls between two samples
        peaks = (train.onsets + centre)[:, np.newaxis]
        reach = math.ceil(4 * sigma * sampling_rate)
        index = np.rint(peaks * sampling_rate).astype(np.intp) + np.arange(-reach, reach + 1)
        values = train.strength[:, np.newaxis] * np.exp(-0.5 * ((index / sampling_rate - peaks) / sigma) ** 2)
        inside = (index >= 0) & (index < samples)
        heart_vector += np.outer(amplitude, np.bincount(index[inside], values[inside], minlength=samples))


def _atrial_trains(rng: np.random.Generator, codes: set[Code], rhythm: Rhythm) -> Iterator[Train]:
    """Yield P, P', F and f waves."""
    strength = (0.6 if Code.LOW_VOLTAGE in codes else 1.0) * np.exp(0.2 * rng.standard_normal())
    cycle = np.diff(rhythm.flutter[:2]).sum()  # s; 0 without flutter
    for onsets, waves in (
        (rhythm.sinus, _vary(rng, _P)),
        (rhythm.premature, _vary(rng, _PREMATURE_P)),
        (rhythm.flutter, _FLUTTER.stretched(cycle / 0.2)),
        (rhythm.fibrillation, _vary(rng, _FIBRILLATORY)),
    ):
        yield Train(onsets, np.full(len(onsets), strength), waves)


def _ventricular_trains(rng: np.random.Generator, codes: set[Code], rhythm: Rhythm) -> Iterator[Train]:
    """Yield QRS, ST and T of conducted and of ectopic beats, and the spikes of a pacemaker."""
    qrs = rhythm.qrs
    intervals = np.diff(qrs, prepend=qrs[0] - np.median(np.diff(qrs))).clip(0.4, 1.6)
    corrected_qt = rng.uniform(0.39, 0.44)
    t_stretch = float(np.median(intervals)) ** (1 / 3)
    conducted = _conducted_beat(rng, codes)
    gain = _voltage_gain(rng, conducted.qrs, low=Code.LOW_VOLTAGE in codes)
    for beat, onsets in ((conducted, rhythm.conducted), (_ectopic_beat(rng), rhythm.ectopic)):
        # Fridericia's formula; a wide QRS prolongs QT by as much as it is wider than 0.09 s.
        qt = corrected_qt * np.cbrt(intervals[np.searchsorted(qrs, onsets)]) + max(0, beat.duration - 0.09)
        strength = gain * (1 + 0.03 * rng.standard_normal(len(onsets)))
        yield Train(onsets, strength, beat.qrs)
        yield Train(onsets + qt, strength, beat.t.stretched(t_stretch))
    if Code.PACING in codes:
        yield Train(rhythm.conducted, np.ones(len(rhythm.conducted)), _SPIKE.times(rng.uniform(0.7, 1.5)))


def _conducted_beat(rng: np.random.Generator, codes: set[Code]) -> Beat:
    """Return the beat that the conduction system, as far as it is intact, or a pacemaker causes."""
    stretch = rng.uniform(0.94, 1.1)
    t = _vary(rng, _T)
    if Code.PACING in codes:
        return _wide_beat(_vary(rng, _PACED).stretched(stretch), 0.15 * stretch)
    if Code.LBBB in codes:
        axis = rng.uniform(-70, -38) if Code.LEFT_AXIS in codes else rng.uniform(-20, 50)
        return _wide_beat(_turned(_vary(rng, _LATE_LEFT).stretched(stretch), axis), 0.14 * stretch)
    low, high = (-70, -38) if Code.LEFT_AXIS in codes else (100, 150) if Code.RIGHT_AXIS in codes else (0, 75)
    qrs = _turned(_vary(rng, _NARROW), rng.uniform(low, high))
    duration = 0.09
    if Code.RBBB in codes:
        late = _vary(rng, _LATE_RIGHT)
        qrs, duration = qrs.plus(late), 0.145
        t = t.plus(replace(t, amplitude=np.outer([0.1, 0.2], -late.amplitude[0])))  # secondary: away from R'
    if Code.T_INVERSION in codes:
        t = t.times(-rng.uniform(0.6, 1.0))
    for code, direction in ((Code.ST_DEPRESSION, _ST_DEPRESSION), (Code.ST_ELEVATION, _ST_ELEVATION)):
        if code in codes:
            st = _ST.times(np.array(direction) * rng.uniform(1.0, 1.8))
            qrs = qrs.plus(replace(st, centre=st.centre + duration))
    return Beat(qrs.stretched(stretch), t, duration * stretch)


def _ectopic_beat(rng: np.random.Generator) -> Beat:
    """Return the beat of a focus in the right or the left ventricle."""
    stretch = rng.uniform(0.95, 1.15)
    focus = _RIGHT_FOCUS if rng.uniform() < 0.5 else _LEFT_FOCUS
    return _wide_beat(_vary(rng, focus).stretched(stretch), 0.16 * stretch)


def _wide_beat(qrs: Waves, duration: float) -> Beat:
    """Complete a QRS that spreads through muscle: T is discordant, because what is activated last recovers last."""
    t = replace(_T, amplitude=np.outer([0.1, 0.2], -qrs.amplitude.sum(axis=0)))
    return Beat(qrs, t, duration)


def _vary(rng: np.random.Generator, waves: Waves) -> Waves:
    """Vary the amplitudes of the waves from patient to patient."""
    return waves.times(np.exp(0.15 * rng.standard_normal((len(waves.centre), 1))))


def _turned(qrs: Waves, axis: float) -> Waves:
    """Turn a QRS in the frontal plane so that its net area in leads I and aVF has this axis, in degrees."""
    area = qrs.width @ qrs.amplitude
    size, angle = np.linalg.norm(_FRONTAL @ area), math.radians(axis)
    wanted = size * np.array([math.cos(angle), math.sin(angle)]) - _FRONTAL[:, 2] * area[2]
    x, y = np.linalg.solve(_FRONTAL[:, :2], wanted)
    turned = (qrs.amplitude[:, 0] + 1j * qrs.amplitude[:, 1]) * complex(x, y) / complex(area[0], area[1])
    return replace(qrs, amplitude=np.column_stack([turned.real, turned.imag, qrs.amplitude[:, 2]]))


def _voltage_gain(rng: np.random.Generator, qrs: Waves, *, low: bool) -> float:
    """Return what brings a QRS to the voltages of a patient.

    Low QRS voltages are less than 0.5 mV from peak to peak in every limb lead and less than 1 mV in every chest lead.
    """
    heart_vector = np.zeros((3, 200))
    _add_waves(heart_vector, Train(np.zeros(1), np.ones(1), qrs), sampling_rate=1000)
    peak_to_peak = np.ptp(_twelve_leads(DOWER @ heart_vector), axis=1)
    limb, chest = peak_to_peak[:6].max(), peak_to_peak[6:].max()
    if low:
        return float(min(rng.uniform(0.25, 0.42) / limb, rng.uniform(0.5, 0.85) / chest))
    return float(max(np.exp(0.2 * rng.standard_normal()).clip(0.65, 1.5), 0.7 / limb))


def _noise(rng: np.random.Generator, samples: int, *, sampling_rate: float) -> Floats:
    """Return noise of the leads of Dower's matrix, shape (8, samples), in mV: muscle, mains and baseline wander."""
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
