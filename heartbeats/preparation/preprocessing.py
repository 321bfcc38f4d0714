"""A recording's signal made ready for the networks (paper, section 2.2): leads, sampling rate, denoising, length.

A prepared signal is int16 in microvolts, shape (8, samples), 500 Hz, at most its first 30 s, at its true length. Whole
microvolts are the resolution of the Challenge's sources (1000 ADC units per mV) or finer, so that rounding adds at most
half a unit; the networks read these very numbers in training and in classification alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy.signal

from heartbeats.ecg.recording import Recording, RecordingError

__all__ = [
    "LEADS",
    "LIMB_LEADS",
    "SAMPLING_RATE",
    "SECONDS",
    "denoise",
    "fixed_length",
    "microvolts",
    "prepare",
    "prepared_leads",
    "resample",
    "select_lead",
    "select_leads",
]

Floats = npt.NDArray[np.float64]

LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
SAMPLING_RATE = 500  # Hz
SECONDS = 30

MICROVOLTS = (-(2**15), 2**15 - 1)  # that int16 holds
FAINTEST = 20  # microvolts: what stays below throughout is noise, or given in volts

LEVEL = 8
# The low-pass filter of the wavelet bior2.6 (Cohen, Daubechies and Feauveau 1992), divided by the square root of 2.
LOW_PASS = np.array([-5, 10, 34, -78, -123, 324, 700, 324, -123, -78, 34, 10, -5]) / 1024
REACH = len(LOW_PASS) - 1
SHORTEST = (REACH + 1) * 2**LEVEL  # samples
BLOCK = 8
# Column k filters samples 2k to 2k + 12.
FILTERS = np.stack([np.pad(LOW_PASS, (2 * k, 2 * (BLOCK - 1 - k))) for k in range(BLOCK)], axis=1)

# Each limb lead as a combination of I and II: Einthoven's law and Goldberger's equations (the paper's [4] and [5]).
LIMB_LEADS = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}


def prepare(recording: Recording, *, denoising: bool = True) -> tuple[npt.NDArray[np.int16], tuple[str, ...]]:
    """A recording's prepared signal, int16 in microvolts, shape (8, samples), and warnings about its leads.

    The recording is cut to its first 30 s before it is resampled and denoised (the paper does not say in which order):
    what comes later does not change what is kept, and a half-hour recording costs no more than a short one.

    Raises:
        RecordingError: it has none of the leads that the networks read.
    """
    samples = int(np.ceil(SECONDS * recording.sampling_rate))
    signal, warnings = select_leads(recording.signal[:, :samples], recording.leads)
    prepared = prepared_leads(signal, sampling_rate=recording.sampling_rate, denoising=denoising)
    prepared = np.ascontiguousarray(prepared[:, : SECONDS * SAMPLING_RATE])
    lowest, highest = int(prepared.min()), int(prepared.max())
    if lowest == highest == 0:
        warnings = (*warnings, "all leads are flat: the answer says nothing")
    elif max(highest, -lowest) < FAINTEST:
        warnings = (*warnings, f"no sample reaches {FAINTEST} microvolts: is the signal in mV?")
    elif lowest == MICROVOLTS[0] or highest == MICROVOLTS[1]:
        warnings = (*warnings, f"samples are clipped at {MICROVOLTS[1] / 1000:.1f} mV: is the signal in mV?")
    return prepared, warnings


def prepared_leads(signal: Floats, *, sampling_rate: float, denoising: bool = True) -> npt.NDArray[np.int16]:
    """Any leads in mV, of any length, as the networks read theirs: 500 Hz, denoised, int16 in microvolts.

    Args:
        signal: shape (leads, samples).
        sampling_rate: in Hz.
    """
    resampled = resample(signal, sampling_rate=sampling_rate)
    return microvolts(denoise(resampled) if denoising else resampled)


def select_leads(signal: Floats, leads: Sequence[str]) -> tuple[Floats, tuple[str, ...]]:
    """The networks' eight leads of a signal in any order of leads, shape (8, samples), and warnings.

    A missing I or II is computed from the other limb leads where at least two of them are there. Of a lead that stands
    twice, the first counts. Leads that are still missing are zero, with a warning.

    Args:
        signal: mV, shape (leads, samples).
        leads: names of the rows, the standard ones spelled as in ``STANDARD_LEADS``.

    Raises:
        RecordingError: not one of the eight leads is there or can be computed.
    """
    rows, warnings, missing = [], [], []
    for lead in LEADS:
        row, sources = select_lead(signal, leads, lead)
        rows.append(row)
        if not sources:
            missing.append(lead)
        elif lead not in sources:
            warnings.append(f"lead {lead} is missing: computed from {', '.join(sources)}")
    if len(missing) == len(LEADS):
        raise RecordingError(f"none of the leads {', '.join(LEADS)} among {', '.join(leads)}")
    if missing:
        warnings.append(f"leads missing, taken as 0 mV: {', '.join(missing)}")
    return np.stack(rows), tuple(warnings)


def select_lead(signal: Floats, leads: Sequence[str], wanted: str) -> tuple[Floats, tuple[str, ...]]:
    """One lead of a signal in mV, shape (leads, samples), computed where :func:`select_leads` says.

    Returns:
        The lead, shape (samples,), zero where it is missing; and the leads that it is made of: itself, others, or none.
    """
    if wanted in leads:
        return signal[leads.index(wanted)], (wanted,)
    present = tuple(lead for lead in LIMB_LEADS if lead in leads)
    if wanted in LIMB_LEADS and present:
        equations, whole = np.array([LIMB_LEADS[lead] for lead in present]).T, np.array(LIMB_LEADS[wanted])
        factors = np.linalg.lstsq(equations, whole)[0]
        if np.allclose(equations @ factors, whole):
            return factors @ signal[[leads.index(lead) for lead in present]], present
    return np.zeros(signal.shape[1]), ()


def resample(signal: Floats, *, sampling_rate: float) -> Floats:
    """``signal``, shape (leads, samples), from ``sampling_rate`` in Hz to 500 Hz by polyphase filtering.

    The signal is continued along the line through its ends, so that a lead that is not at 0 mV there has no step.
    """
    ratio = _ratio(sampling_rate)
    if ratio == 1:
        return signal
    resampled: Floats = scipy.signal.resample_poly(signal, ratio.numerator, ratio.denominator, axis=-1, padtype="line")
    return resampled


@cache
def _ratio(sampling_rate: float) -> Fraction:
    """500 Hz over a rate: exact for whole rates; of 977.517 Hz the next that a filter of reasonable length can do."""
    return Fraction(SAMPLING_RATE / sampling_rate).limit_denominator(2000)


def denoise(signal: Floats) -> Floats:
    """``signal`` at 500 Hz, shape (leads, samples), without baseline wander and without its highest frequencies.

    Eight levels of the biorthogonal wavelet bior2.6 (2 vanishing moments in decomposition, 6 in reconstruction; paper,
    section 2.2). The paper does not say which coefficients it removes. Removed here are the approximation of level 8,
    below 1 Hz, which is the electrodes' drift and the patient's breathing, and the details of level 1, 125 to 250 Hz,
    which is muscle and instrument noise: diagnostic ECGs are recorded up to 150 Hz. The bands between, with the QRS
    complex, P and T wave, are kept. Bands overlap: over 30 s a sine is attenuated by 22 dB at 0.4 Hz, 18 dB at 0.5 Hz,
    2 to 4 dB at 1 Hz (over 10 s, by its phase, 0.5 to 7.5 dB), 1 dB at 100 Hz, 8 dB at 150 Hz and 33 dB at 200 Hz.

    Zeroing the details of level 1 and inverting equals interpolating the level 1 approximation. So no details are ever
    computed, which halves the work.

    A signal shorter than the eight levels' filters reach (6.7 s) is continued by its mirror image and cut again.
    """
    samples = signal.shape[1]
    if samples < SHORTEST:
        signal = np.pad(signal, [(0, 0), (0, SHORTEST - samples)], mode="symmetric")
    first = deepest = _approximation(signal)
    for _ in range(LEVEL - 1):
        deepest = _approximation(deepest)
    return _interpolated(first - _wander(deepest, first.shape[1]))[:, :samples]


def _approximation(signal: Floats) -> Floats:
    """A level's approximation of the level below, shape (leads, (samples + 13) // 2), the ends continued by mirroring.

    Divided by the square root of 2, so that means stay as they are. Computed as matrix products of blocks of samples
    with banded matrices, a third of the time of a loop over samples.
    """
    leads, samples = signal.shape
    length = (samples + REACH + 1) // 2
    blocks = -(-length // BLOCK) + 1
    extended = np.empty((leads, blocks * 2 * BLOCK))
    extended[:, :REACH] = signal[:, REACH - 1 :: -1]
    extended[:, REACH : REACH + samples] = signal
    extended[:, REACH + samples : 2 * REACH + samples] = signal[:, : -REACH - 1 : -1]
    extended[:, 2 * REACH + samples :] = 0  # whatever lies there times 0 need not be 0
    windows = extended.reshape(leads * blocks, 2 * BLOCK)
    own, following = FILTERS[: 2 * BLOCK], FILTERS[2 * BLOCK :]
    approximation: Floats = windows @ own
    approximation[:-1] += windows[1:, : len(following)] @ following  # across leads too: a lead's last block is dropped
    return approximation.reshape(leads, blocks * BLOCK)[:, :length]


def _wander(deepest: Floats, samples: int) -> Floats:
    """Level 1 from the approximation of level 8 alone, shape (leads, samples).

    It lies on straight lines, as :func:`_interpolated` has it seven times over; here all levels are one matrix product.
    """
    step = 2 ** (LEVEL - 1)  # samples of level 1 from one of level 8 to the next
    # Sample i + 3 of a level is sample 2 i of the one below: level 1 begins between two samples of level 8.
    first, skipped = divmod(6 * (step - 1), step)
    known = deepest[:, first:]
    ramp = np.arange(step) / step
    lines: Floats = np.stack([known[:, :-1], known[:, 1:]], axis=2) @ np.stack([1 - ramp, ramp])
    return lines.reshape(len(lines), -1)[:, skipped : skipped + samples]


def _interpolated(approximation: Floats) -> Floats:
    """The level below from its approximation alone, by straight lines, shape (leads, 2 * length - 12)."""
    known = approximation[:, 3:-2]
    signal = np.empty((len(known), 2 * known.shape[1] - 2))
    signal[:, ::2] = known[:, :-1]
    np.add(known[:, :-1], known[:, 1:], out=signal[:, 1::2])
    signal[:, 1::2] *= 0.5
    return signal


def microvolts(signal: Floats) -> npt.NDArray[np.int16]:
    """A signal in mV as int16 in whole microvolts, of the same shape; what does not fit (beyond 32.8 mV) is clipped."""
    scaled = signal * 1000.0
    return np.clip(np.rint(scaled, out=scaled), *MICROVOLTS, out=scaled).astype(np.int16)


def fixed_length(signals: Sequence[npt.NDArray[np.int16]], samples: int) -> npt.NDArray[np.float32]:
    """A batch for a network: mV, float32, shape (batch, 8, samples), cut or with zeros appended (paper, section 2.2).

    Args:
        signals: prepared signals, each int16 in microvolts, shape (8, any).
        samples: the network's input length.
    """
    batch = np.zeros((len(signals), len(LEADS), samples), dtype=np.float32)
    for row, signal in zip(batch, signals, strict=True):
        length = min(samples, signal.shape[1])
        row[:, :length] = signal[:, :length]
    batch /= 1000.0
    return batch
