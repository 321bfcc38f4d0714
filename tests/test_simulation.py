"""Simulated signals meet the criteria of their diagnoses."""

import numpy as np
import numpy.typing as npt
import pytest
import sleepecg

from heartbeats.ecg.header import STANDARD_LEADS
from heartbeats.simulation import cohort
from heartbeats.simulation.heart_vector import DOWER, simulate_recording
from heartbeats.simulation.rhythm import Code, Rhythm, simulate_rhythm

Floats = npt.NDArray[np.float64]

RATE = 500
SECONDS = 20.0
each_seed = pytest.mark.parametrize("seed", range(8))
LEAD = {name: row for row, name in enumerate(STANDARD_LEADS)}
ONSET = 150  # samples of an excerpt before QRS onset: 0.3 s


def simulate(*codes: Code, seed: int = 0, seconds: float = SECONDS, sampling_rate: float = RATE) -> Floats:
    """Return a recording in mV, shape (12, samples)."""
    rng = np.random.default_rng(seed)
    return simulate_recording(rng, diagnoses=codes, sampling_rate=sampling_rate, seconds=seconds)


def rhythm_of(*codes: Code, seed: int = 0, seconds: float = SECONDS) -> Rhythm:
    """Return the rhythm of ``simulate``'s recording, which is drawn first."""
    return simulate_rhythm(np.random.default_rng(seed), set(codes), seconds)


def rr_intervals(signal: Floats) -> Floats:
    """Return R-R intervals in s, by a detector of R peaks on lead I."""
    intervals: Floats = np.diff(sleepecg.detect_heartbeats(signal[LEAD["I"]], RATE)) / RATE
    return intervals


def excerpts(signal: Floats, onsets: Floats) -> Floats:
    """Return 0.3 s before to 0.6 s after each onset, minus each lead's median, shape (beats, 12, 450)."""
    first = np.rint(onsets * RATE).astype(int) - ONSET
    beats = np.array([signal[:, i : i + 450] for i in first if 0 <= i <= signal.shape[1] - 450])
    return beats - np.median(signal, axis=1, keepdims=True)


def typical_beat(*codes: Code, seed: int) -> Floats:
    """Return the median conducted beat, 0 mV before QRS onset, shape (12, 450)."""
    beat = np.median(excerpts(simulate(*codes, seed=seed), rhythm_of(*codes, seed=seed).conducted), axis=0)
    baseline: Floats = np.median(beat[:, ONSET - 12 : ONSET - 6], axis=1, keepdims=True)
    return beat - baseline


def qrs(beat: Floats, lead: str) -> Floats:
    """Return the 0.18 s after QRS onset of a lead."""
    return beat[LEAD[lead], ONSET : ONSET + 90]


def qrs_duration(beat: Floats) -> float:
    """Return how long the leads change fast, in s."""
    speed = np.convolve(np.abs(np.diff(beat, axis=1)).sum(axis=0), np.ones(5) / 5, mode="same")
    fast = np.flatnonzero(speed[ONSET - 20 : ONSET + 110] > 0.12 * speed.max())
    return float(fast[-1] - fast[0]) / RATE


def axis(beat: Floats) -> float:
    """Return the frontal axis in degrees, from the net areas of QRS in leads I and aVF."""
    return float(np.degrees(np.arctan2(qrs(beat, "aVF").sum() * 2 / np.sqrt(3), qrs(beat, "I").sum())))


def t_wave(beat: Floats, lead: str) -> float:
    """Return the largest deflection 0.24 to 0.44 s after QRS onset, in mV."""
    segment = beat[LEAD[lead], ONSET + 120 : ONSET + 220]
    return float(segment[np.abs(segment).argmax()])


def peak_to_peak(beat: Floats, leads: tuple[str, ...]) -> float:
    """Return the largest QRS of these leads from peak to peak, in mV."""
    return max(float(np.ptp(qrs(beat, lead))) for lead in leads)


@pytest.mark.parametrize("code", Code)
def test_leads_obey_einthoven_and_goldberger_at_every_rate(code):
    for sampling_rate in (100, 257, 500, 1000):
        signal = simulate(code, sampling_rate=sampling_rate, seconds=7.3)
        one, two, three, avr, avl, avf = signal[:6]
        np.testing.assert_allclose(two, one + three, atol=1e-9)
        np.testing.assert_allclose((avr, avl, avf), (-(one + two) / 2, (one - three) / 2, (two + three) / 2), atol=1e-9)
        assert signal.shape == (12, round(7.3 * sampling_rate))
        assert 0.2 < np.ptp(signal, axis=1).max() < 8.0
        assert np.abs(signal).max() < 5.0


def test_the_lead_matrix_is_dowers():
    # Its pseudo-inverse, from V1 to V6, I and II to x, y, z, as Edenbrandt and Pahlm published it (J Electrocardiol
    # 1988;21:361).
    inverse = [
        [-0.172, -0.074, 0.122, 0.231, 0.239, 0.194, 0.156, -0.010],
        [0.057, -0.019, -0.106, -0.022, 0.041, 0.048, -0.227, 0.887],
        [-0.229, -0.310, -0.246, -0.063, 0.055, 0.108, 0.022, 0.102],
    ]
    np.testing.assert_allclose(np.roll(np.linalg.pinv(DOWER), -2, axis=1), inverse, atol=0.0006)


def test_every_drawn_combination_shows_its_beats_in_the_shortest_recording():
    rng = np.random.default_rng(11)
    for _ in range(300):
        codes = cohort._draw_diagnoses(rng)
        inside = {name: ((t > 0) & (t < 5)).sum() for name, t in simulate_rhythm(rng, codes, 5.0)._asdict().items()}
        assert inside["conducted"] >= 2, codes
        assert (inside["premature"] >= 1) == (Code.PAC in codes), codes
        assert (inside["ectopic"] >= 1) == (Code.PVC in codes), codes


@pytest.mark.parametrize(
    ("code", "shortest", "longest"),
    [
        (Code.SINUS_RHYTHM, 0.6, 1.0),
        (Code.SINUS_BRADYCARDIA, 1.0, 1.6),
        (Code.SINUS_TACHYCARDIA, 0.3, 0.6),
        (Code.BRADYCARDIA, 1.0, 1.6),
        (Code.PACING, 0.7, 1.05),
    ],
)
@each_seed
def test_rates_are_within_their_limits(code, shortest, longest, seed):
    assert shortest < np.median(rr_intervals(simulate(code, seed=seed))) < longest


def respiratory_share(intervals: Floats) -> float:
    """Return how much of the variance of R-R intervals one sine wave of 0.15 to 0.35 Hz explains."""
    time, deviation = np.cumsum(intervals), intervals - intervals.mean()
    left = []
    for frequency in np.arange(0.15, 0.35, 0.01):
        phase = 2 * np.pi * frequency * time
        waves = np.column_stack([np.sin(phase), np.cos(phase), np.ones(len(time))])
        left.append(deviation - waves @ np.linalg.lstsq(waves, deviation)[0])
    return float(1 - np.var(left, axis=1).min() / np.var(deviation))


@each_seed
def test_only_sinus_arrhythmia_and_fibrillation_are_irregular(seed):
    codes = (Code.SINUS_RHYTHM, Code.SINUS_ARRHYTHMIA, Code.FIBRILLATION)
    regular, respiratory, irregular = (rr_intervals(simulate(code, seed=seed)) for code in codes)
    assert np.ptp(regular) < 0.12 < np.ptp(respiratory)  # s, the usual criterion
    assert regular.std() / regular.mean() < 0.03
    assert irregular.std() / irregular.mean() > 0.12
    assert respiratory_share(respiratory) > 0.8
    assert respiratory_share(irregular) < 0.7


@each_seed
def test_only_sinus_rhythms_have_p_waves(seed):
    def p_wave(code: Code) -> float:
        # Lead II from 0.2 s to 0.04 s before QRS, averaged over a minute: waves that do not precede QRS vanish.
        onsets = rhythm_of(code, seed=seed, seconds=60).conducted
        beats = excerpts(simulate(code, seed=seed, seconds=60), onsets[np.diff(onsets, prepend=0) > 0.6])
        return float(np.ptp(np.mean(beats, axis=0)[LEAD["II"], 50:130]))

    assert p_wave(Code.SINUS_BRADYCARDIA) > 0.07
    assert p_wave(Code.FIBRILLATION) < 0.06
    assert p_wave(Code.BRADYCARDIA) < 0.03


@each_seed
def test_fibrillatory_waves_are_irregular_at_4_to_9_hz(seed):
    rates = 1 / np.diff(rhythm_of(Code.FIBRILLATION, seed=seed).fibrillation)
    assert 3.99 < rates.min() < rates.max() < 9.01
    assert rates.std() > 0.3

    def spread(*codes: Code) -> float:
        # Before a late QRS there are f waves or only noise, which means over 20 ms make small.
        onsets = rhythm_of(*codes, seed=seed).conducted
        before = excerpts(simulate(*codes, seed=seed), onsets)[:, LEAD["V1"], :130]
        return float(np.median(np.ptp(before.reshape(-1, 13, 10).mean(axis=2), axis=1)))

    assert spread(Code.FIBRILLATION, Code.BRADYCARDIA) > 1.5 * spread(Code.BRADYCARDIA)


@pytest.mark.parametrize("code", [Code.FLUTTER, Code.BRADYCARDIA])
@each_seed
def test_every_nth_flutter_wave_is_conducted(seed, code):
    rhythm = rhythm_of(Code.FLUTTER, code, seed=seed)
    cycle = np.diff(rhythm.flutter)
    assert 240 < 60 / cycle.mean() < 330
    assert cycle.std() < 0.02 * cycle.mean()
    ratio = np.diff(rhythm.conducted) / cycle.mean()
    np.testing.assert_allclose(ratio, np.rint(ratio), atol=0.15)
    assert set(np.rint(ratio)) <= ({2, 3, 4} if code == Code.FLUTTER else {5, 6})


@each_seed
def test_flutter_waves_repeat_between_the_beats(seed):
    codes = (Code.FLUTTER, Code.BRADYCARDIA)
    cycle = round(np.diff(rhythm_of(*codes, seed=seed).flutter).mean() * RATE)
    lead = simulate(*codes, seed=seed)[LEAD["III"]]
    after_t = [round((onset + 0.5) * RATE) for onset in rhythm_of(*codes, seed=seed).conducted]

    def similarity(lag: int) -> float:
        starts = [i for i in after_t if 0 <= i <= len(lead) - cycle - lag]
        return float(
            np.median([np.corrcoef(lead[i : i + cycle], lead[i + lag : i + lag + cycle])[0, 1] for i in starts])
        )

    assert similarity(cycle) > 0.7
    assert similarity(cycle + cycle // 2) < 0


@each_seed
def test_first_degree_av_block_delays_conduction(seed):
    def pr_interval(*codes: Code) -> float:
        # From the P peak to the R peak in lead II, about 10 ms less than from onset to onset.
        beat = typical_beat(Code.SINUS_BRADYCARDIA, *codes, seed=seed)[LEAD["II"]]
        return float(ONSET + beat[ONSET : ONSET + 50].argmax() - beat[: ONSET - 10].argmax()) / RATE

    assert pr_interval() < 0.19 < pr_interval(Code.AV_BLOCK)
    rhythm = rhythm_of(Code.AV_BLOCK, seed=seed)
    assert (rhythm.conducted - rhythm.sinus > 0.2).all()


@each_seed
def test_pacing_spikes_precede_wide_qrs(seed):
    beats = excerpts(simulate(Code.PACING, seed=seed), rhythm_of(Code.PACING, seed=seed).conducted)
    slopes = np.abs(np.diff(beats[:, LEAD["II"]], axis=1))
    assert (np.abs(slopes.argmax(axis=1) - ONSET) < 8).all()
    assert (slopes.max(axis=1) > 0.15).all()  # mV in 2 ms
    assert np.abs(np.diff(simulate(Code.LBBB, seed=seed)[LEAD["II"]])).max() < 0.15
    after_spike = np.median(beats, axis=0)
    after_spike[:, : ONSET + 4] = 0
    assert qrs_duration(after_spike) > 0.11
    assert t_wave(after_spike, "II") * qrs(after_spike, "II").sum() < 0  # discordant


@each_seed
def test_bundle_branch_blocks_have_their_shapes(seed):
    normal, right, left = (typical_beat(code, seed=seed) for code in (Code.SINUS_RHYTHM, Code.RBBB, Code.LBBB))
    assert qrs_duration(normal) < 0.11
    assert min(qrs_duration(right), qrs_duration(left)) > 0.12
    terminal = slice(45, 65)  # 90 to 130 ms after onset
    assert qrs(right, "V1")[terminal].max() > max(0.2, 1.5 * qrs(right, "V1")[:12].max())  # rSR'
    assert qrs(right, "I")[terminal].min() < -0.1
    assert qrs(right, "V6")[terminal].min() < -0.1
    for lead in ("I", "V6"):
        assert qrs(left, lead).min() > -0.1 * qrs(left, lead).max()  # neither q nor S
        assert t_wave(left, lead) < 0
    assert qrs(left, "V1").max() < 0.15
    assert qrs(left, "V1").min() < -0.5
    assert t_wave(left, "V1") > 0


@each_seed
def test_axes_are_within_their_limits(seed):
    assert -30 < axis(typical_beat(Code.SINUS_RHYTHM, seed=seed)) < 90
    assert -90 < axis(typical_beat(Code.LEFT_AXIS, seed=seed)) < -30
    assert 90 < axis(typical_beat(Code.RIGHT_AXIS, seed=seed)) < 180


@pytest.mark.parametrize("code", [Code.SINUS_RHYTHM, Code.RBBB, Code.LEFT_AXIS, Code.RIGHT_AXIS])
@each_seed
def test_low_qrs_voltages_are_low_in_every_lead(seed, code):
    low = typical_beat(code, Code.LOW_VOLTAGE, seed=seed)
    assert peak_to_peak(low, STANDARD_LEADS[:6]) < 0.5
    assert peak_to_peak(low, STANDARD_LEADS[6:]) < 1.0
    assert peak_to_peak(typical_beat(code, seed=seed), STANDARD_LEADS[:6]) > 0.6


@each_seed
def test_t_waves_and_st_segments(seed):
    codes = (Code.SINUS_BRADYCARDIA, Code.T_INVERSION, Code.ST_DEPRESSION, Code.ST_ELEVATION)
    normal, inverted, depressed, elevated = (typical_beat(code, seed=seed) for code in codes)
    assert t_wave(normal, "V5") > 0.1
    assert t_wave(inverted, "V5") < -0.1
    j_plus_60 = ONSET + 75
    assert abs(normal[LEAD["V5"], j_plus_60]) < 0.08
    assert depressed[LEAD["V5"], j_plus_60] < -0.1
    assert elevated[LEAD["V2"], j_plus_60] > 0.15


@each_seed
def test_premature_atrial_beats_are_early_and_narrow_with_an_incomplete_pause(seed):
    signal, rhythm = simulate(Code.PAC, seed=seed), rhythm_of(Code.PAC, seed=seed)
    early = np.searchsorted(np.sort(np.concatenate([rhythm.sinus, rhythm.premature])), rhythm.premature)
    intervals = np.diff(rhythm.conducted)
    usual = np.median(intervals)
    assert len(early) >= 1
    assert (intervals[early - 1] < 0.8 * usual).all()
    assert (intervals[early - 1] + intervals[early] < 1.95 * usual).all()
    assert rr_intervals(signal).min() < 0.8 * usual
    normal = typical_beat(Code.PAC, seed=seed)
    for beat in excerpts(signal, rhythm.conducted[early]):
        assert np.corrcoef(qrs(beat, "V1"), qrs(normal, "V1"))[0, 1] > 0.9


@pytest.mark.parametrize("rhythm_code", [Code.SINUS_RHYTHM, Code.FIBRILLATION, Code.PACING])
@each_seed
def test_premature_ventricular_beats_are_early_wide_and_discordant(seed, rhythm_code):
    codes = (rhythm_code, Code.PVC)
    rhythm = rhythm_of(*codes, seed=seed)
    assert len(rhythm.ectopic) >= 1
    for beat in excerpts(simulate(*codes, seed=seed), rhythm.ectopic):
        assert qrs_duration(beat) > 0.12
        if rhythm_code != Code.FIBRILLATION:  # where the next beat can be on T
            lead = STANDARD_LEADS[np.argmax([np.ptp(qrs(beat, name)) for name in STANDARD_LEADS])]
            assert t_wave(beat, lead) * qrs(beat, lead).sum() < 0
    if rhythm_code == Code.SINUS_RHYTHM:
        usual = np.median(np.diff(rhythm.conducted))
        place = np.searchsorted(rhythm.conducted, rhythm.ectopic)
        before, after = rhythm.conducted[place - 1], rhythm.conducted[place]
        assert (rhythm.ectopic - before < 0.75 * usual).all()
        np.testing.assert_allclose(after - before, 2 * usual, rtol=0.08)  # compensatory pause
        assert len(rhythm.sinus) == len(rhythm.conducted) + len(rhythm.ectopic)  # the atria continue
