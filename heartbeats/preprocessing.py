"""A recording's signal made ready for the networks (paper, section 2.2): leads, sampling rate, denoising, length.

A prepared signal is int16 in microvolts, shape (8, samples), 500 Hz, at most its first 30 s, at its true length. Whole
microvolts are the resolution of the Challenge's sources (1000 ADC units per mV) or finer, so that rounding adds at most
half a unit; the networks read these very numbers in training and in classification alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pywt
import scipy.signal

from heartbeats.recording import Recording, RecordingError

__all__ = ["LEADS", "SAMPLING_RATE", "SECONDS", "denoise", "fixed_length", "prepare", "resample", "select_leads"]

Floats = npt.NDArray[np.float64]

LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
SAMPLING_RATE = 500  # Hz
SECONDS = 30

WAVELET = "bior2.6"
LEVEL = 8

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
    """
    samples = int(np.ceil(SECONDS * recording.sampling_rate))
    signal, warnings = select_leads(recording.signal[:, :samples], recording.leads)
    signal = resample(signal, sampling_rate=recording.sampling_rate)
    signal = (denoise(signal) if denoising else signal)[:, : SECONDS * SAMPLING_RATE]
    limits = np.iinfo(np.int16)
    microvolts = np.clip(np.rint(signal * 1000.0), limits.min, limits.max).astype(np.int16)
    if not microvolts.any():
        warnings = (*warnings, "all leads are flat: the answer says nothing")
    return microvolts, warnings


def select_leads(signal: Floats, leads: Sequence[str]) -> tuple[Floats, tuple[str, ...]]:
    """The networks' eight leads of a signal in any order of leads, shape (8, samples), and warnings.

    A missing I or II is computed where the other limb leads determine it (two of them do, or one and the other of I and
    II); of a lead that stands twice, the first counts; leads that are still missing are zero, with a warning.

    Args:
        signal: mV, shape (leads, samples).
        leads: names of the rows, the standard ones spelled as in ``STANDARD_LEADS``.

    Raises:
        RecordingError: not one of the eight leads is there or can be computed.
    """
    row = {lead: i for i, lead in reversed(list(enumerate(leads)))}
    selected = np.zeros((len(LEADS), signal.shape[1]))
    warnings, missing = [], []
    for i, lead in enumerate(LEADS):
        if lead in row:
            selected[i] = signal[row[lead]]
        elif (combination := _combination_for(lead, [name for name in row if name in LIMB_LEADS])) is not None:
            for name, factor in combination.items():
                selected[i] += factor * signal[row[name]]
            warnings.append(f"lead {lead} is missing: computed from {', '.join(combination)}")
        else:
            missing.append(lead)
    if len(missing) == len(LEADS):
        raise RecordingError(f"none of the leads {', '.join(LEADS)} among {', '.join(leads)}")
    if missing:
        warnings.append(f"leads missing, taken as 0 mV: {', '.join(missing)}")
    return selected, tuple(warnings)


def _combination_for(lead: str, present: Sequence[str]) -> dict[str, float] | None:
    """The limb leads present, with the factors whose sum is ``lead``; ``None`` where they do not determine it."""
    if lead not in LIMB_LEADS or not present:
        return None
    equations = np.array([LIMB_LEADS[name] for name in present]).T
    wanted = np.array(LIMB_LEADS[lead])
    factors = np.linalg.lstsq(equations, wanted)[0]
    return dict(zip(present, factors, strict=True)) if np.allclose(equations @ factors, wanted) else None


def resample(signal: Floats, *, sampling_rate: float) -> Floats:
    """``signal``, shape (leads, samples), from ``sampling_rate`` in Hz to 500 Hz by polyphase filtering.

    The signal is continued along the line through its ends, so that a lead that is not at 0 mV there has no step.
    """
    # Exact for whole rates; 977.517 Hz becomes the next ratio that a filter of reasonable length can do.
    ratio = Fraction(SAMPLING_RATE / sampling_rate).limit_denominator(2000)
    if ratio == 1:
        return signal
    resampled: Floats = scipy.signal.resample_poly(signal, ratio.numerator, ratio.denominator, axis=-1, padtype="line")
    return resampled


def denoise(signal: Floats) -> Floats:
    """``signal`` at 500 Hz, shape (leads, samples), without baseline wander and without its highest frequencies.

    Eight levels of the biorthogonal wavelet bior2.6 (2 vanishing moments in decomposition, 6 in reconstruction; paper,
    section 2.2). The paper does not say which coefficients it removes. Removed here are the approximation of level 8,
    below 1 Hz, which is the electrodes' drift and the patient's breathing, and the details of level 1, 125 to 250 Hz,
    which is muscle and instrument noise: diagnostic ECGs are recorded up to 150 Hz. The bands between, with the QRS
    complex, P and T wave, are kept. Bands overlap: a sine is attenuated by 22 dB at 0.4 Hz, 18 dB at 0.5 Hz, 2 to 4 dB
    at 1 Hz, 1 dB at 100 Hz, 8 dB at 150 Hz and 33 dB at 200 Hz.

    A signal shorter than the eight levels' filters reach (6.7 s) is continued by its mirror image and cut again.
    """
    samples = signal.shape[-1]
    needed = (pywt.Wavelet(WAVELET).dec_len - 1) * 2**LEVEL
    if samples < needed:
        signal = np.pad(signal, [(0, 0), (0, needed - samples)], mode="symmetric")
    coefficients = pywt.wavedec(signal, WAVELET, mode="symmetric", level=LEVEL, axis=-1)
    for removed in (0, -1):
        coefficients[removed] = np.zeros_like(coefficients[removed])
    denoised: Floats = pywt.waverec(coefficients, WAVELET, mode="symmetric", axis=-1)
    return denoised[..., :samples]


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
