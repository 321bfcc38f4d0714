"""Prepare a signal for the networks (paper, section 2.2): sampling rate, denoising, unit, length.

A prepared signal is int16 in microvolts, shape (8, samples), 500 Hz, at most the first 30 s. The Challenge's sources
have 1000 ADC units per mV, so whole microvolts are exact before denoising.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pywt
import scipy.signal

from heartbeats.ecg.recording import Recording
from heartbeats.preparation.leads import LEADS, Floats, select_leads

SAMPLING_RATE = 500  # Hz
SECONDS = 30

MICROVOLTS = (-(2**15), 2**15 - 1)  # the range of int16
FAINTEST = 20  # microvolts; a weaker signal is noise, or its unit is wrong

WAVELET, LEVELS = "bior2.6", 8
# Eight levels need this many samples: (14 filter taps - 1) * 2**8.
SHORTEST = 13 * 2**LEVELS


def prepare_signal(recording: Recording, *, denoising: bool = True) -> tuple[npt.NDArray[np.int16], tuple[str, ...]]:
    """Return the prepared signal, int16 in microvolts, shape (8, samples), and warnings.

    The first 30 s are cut out, resampled and denoised, in this order. The paper does not give the order.

    Raises:
        RecordingError: the recording has none of the eight leads.
    """
    samples = int(np.ceil(SECONDS * recording.sampling_rate))
    signal, warnings = select_leads(recording.signal[:, :samples], recording.leads)
    prepared = prepare_leads(signal, sampling_rate=recording.sampling_rate, denoising=denoising)
    prepared = np.ascontiguousarray(prepared[:, : SECONDS * SAMPLING_RATE])
    lowest, highest = int(prepared.min()), int(prepared.max())
    if lowest == highest == 0:
        warnings = (*warnings, "all leads are flat: the result is meaningless")
    elif max(highest, -lowest) < FAINTEST:
        warnings = (*warnings, f"no sample reaches {FAINTEST} microvolts: is the signal in mV?")
    elif lowest == MICROVOLTS[0] or highest == MICROVOLTS[1]:
        warnings = (*warnings, f"samples are clipped at {MICROVOLTS[1] / 1000:.1f} mV: is the signal in mV?")
    return prepared, warnings


def prepare_leads(signal: Floats, *, sampling_rate: float, denoising: bool = True) -> npt.NDArray[np.int16]:
    """Return leads at 500 Hz, denoised, as int16 in microvolts, shape (leads, any).

    Args:
        signal: mV, shape (leads, samples).
        sampling_rate: in Hz.
        denoising: whether to apply :func:`denoise`.
    """
    signal = resample(signal, sampling_rate=sampling_rate)
    if denoising:
        signal = denoise(signal)
    return np.clip(np.rint(1000.0 * signal), *MICROVOLTS).astype(np.int16)


def resample(signal: Floats, *, sampling_rate: float) -> Floats:
    """Return ``signal``, shape (leads, samples), at 500 Hz by polyphase filtering.

    The signal is extended along the line through its ends, so an offset makes no step there.

    Args:
        signal: shape (leads, samples).
        sampling_rate: in Hz. An odd rate such as 977.517 Hz is rounded to a ratio of small integers.
    """
    ratio = Fraction(SAMPLING_RATE / sampling_rate).limit_denominator(2000)
    if ratio == 1:
        return signal
    resampled: Floats = scipy.signal.resample_poly(signal, ratio.numerator, ratio.denominator, axis=-1, padtype="line")
    return resampled


def denoise(signal: Floats) -> Floats:
    """Return ``signal`` at 500 Hz, shape (leads, samples), without baseline wander and high-frequency noise.

    The paper uses eight levels of the wavelet bior2.6 (section 2.2) and does not say which coefficients it removes.
    This function removes two bands:

    - the approximation of level 8, below 1 Hz: drift of the electrodes and breathing;
    - the details of level 1, 125 to 250 Hz: noise of muscles and instruments.

    The bands overlap. Over 30 s, a sine loses 22 dB at 0.4 Hz, 2 to 4 dB at 1 Hz, 1 dB at 100 Hz and 8 dB at 150 Hz.
    The transform is not shift-invariant; ``docs/paper.md`` says by how much. Signals below 6.7 s are extended with
    their mirror image.
    """
    samples = signal.shape[1]
    padded = np.pad(signal, [(0, 0), (0, max(0, SHORTEST - samples))], mode="symmetric")
    coefficients = pywt.wavedec(padded, WAVELET, mode="symmetric", level=LEVELS)
    coefficients[0][:] = 0
    coefficients[-1][:] = 0
    denoised: Floats = pywt.waverec(coefficients, WAVELET, mode="symmetric")[:, :samples]
    return denoised


def fixed_length(signals: Sequence[npt.NDArray[np.int16]], samples: int) -> npt.NDArray[np.float32]:
    """Cut or zero-pad signals. Return a batch in mV, float32, shape (batch, 8, samples).

    Args:
        signals: prepared signals, int16 in microvolts, each of shape (8, any).
        samples: the network's input length.
    """
    batch = np.zeros((len(signals), len(LEADS), samples), dtype=np.float32)
    for row, signal in zip(batch, signals, strict=True):
        length = min(samples, signal.shape[1])
        row[:, :length] = signal[:, :length]
    batch /= 1000.0
    return batch
