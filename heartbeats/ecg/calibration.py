"""From ADC units to mV: missing samples bridged, gains taken as stated unless they are known or seen to be wrong."""

from __future__ import annotations

import math
from statistics import median  # of a dozen numbers in a tenth of numpy's time

import numpy as np
import numpy.typing as npt

from heartbeats.ecg.header import Header, source_of

__all__ = ["to_millivolts"]

# Gains stated by early headers, in ADC units per mV, of signals that are 1000 per mV: the corrected releases hold the
# same samples. 2020's entries that divided by them scored 0.18-0.24 on the hidden Georgia set, the others 0.56-0.65.
MISSTATED_GAINS = {"georgia": 4880.0, "ptb_xl": 200.0, "ptb": 2_000_000.0}
USUAL_GAIN = 1000.0
# Magnitudes, in ADC units per mV, within which a stated gain is believed; a negative gain inverts the lead.
USABLE_GAIN = (1e-3, 1e12)
# Standard deviation of the median lead; in real recordings 0.04 (LUDB 133) to 1.7 mV (drifting electrodes, Ningbo).
PLAUSIBLE_DEVIATION = (0.01, 5.0)  # mV

# Beyond this a float64 cannot hold every integer: such a value is no ADC count.
LARGEST_SAMPLE = 2.0**53
# The ADC value that stands for "no sample", by WFDB signal format.
NO_SAMPLE = {
    **dict.fromkeys(("80", "508"), -(2**7)),
    **dict.fromkeys(("310", "311"), -(2**9)),
    "212": -(2**11),
    **dict.fromkeys(("16", "61", "160", "516"), -(2**15)),
    **dict.fromkeys(("24", "524"), -(2**23)),
    "32": -(2**31),
}


def to_millivolts(
    header: Header, adc: npt.NDArray[np.generic], name: str
) -> tuple[npt.NDArray[np.float64], tuple[int, ...], list[str]]:
    """A signal in mV, shape (leads, samples), how many samples each lead misses, and what was assumed or mended.

    Missing samples are bridged by straight lines, and a lead without a single one is 0 mV.

    Args:
        header: with a line for each lead.
        adc: ADC units, shape (leads, samples), at least one of both.
        name: the recording's, which says whose header it is.
    """
    warnings: list[str] = []
    signal, missing = _without_gaps(header, adc, warnings)
    gains = _gains(header, signal, name, warnings)
    baselines = np.array([line.baseline for line in header.signals])
    if baselines.any():  # most are 0
        signal -= baselines[:, None]
    signal /= gains[:, None]
    return signal, missing, warnings


def _without_gaps(
    header: Header, adc: npt.NDArray[np.generic], warnings: list[str]
) -> tuple[npt.NDArray[np.float64], tuple[int, ...]]:
    """ADC units with missing samples bridged by straight lines, and how many each lead misses.

    Missing are NaN, infinite and huge ones, and WFDB's value for "no sample". A lead without a single sample becomes
    its baseline, 0 mV.
    """
    counts = []
    values = adc.astype(np.float64)
    lowest, highest = adc.min(axis=1).tolist(), adc.max(axis=1).tolist()  # NaN where a sample is
    for row, line, low, high in zip(values, header.signals, lowest, highest, strict=True):
        none = NO_SAMPLE.get(line.format, -math.inf)
        # Most leads miss nothing, and need no closer look.
        if max(none, -LARGEST_SAMPLE) < low and high <= LARGEST_SAMPLE:
            counts.append(0)
            continue
        missing = ~(np.abs(row) <= LARGEST_SAMPLE) | (row == none)
        if missing.all():
            row[:] = line.baseline
            warnings.append(f"lead {line.lead} holds no samples: taken as 0 mV")
        elif missing.any():
            present = np.flatnonzero(~missing)
            row[missing] = np.interp(np.flatnonzero(missing), present, row[present])
            warnings.append(f"lead {line.lead}: {missing.sum()} missing samples bridged")
        counts.append(int(missing.sum()))
    return values, tuple(counts)


def _gains(header: Header, values: npt.NDArray[np.float64], name: str, warnings: list[str]) -> npt.NDArray[np.float64]:
    """ADC units per mV of each lead: as stated, unless that is known or seen to be wrong.

    Known to be wrong: :data:`MISSTATED_GAINS`. Seen to be wrong: no usable number, or amplitudes that are no ECG's
    (:data:`PLAUSIBLE_DEVIATION`) where a gain of 1000 per mV would make them an ECG's. Then 1000 is used, the gain of
    every corrected Challenge header (WFDB's own default is 200). Amplitudes are not scaled otherwise: low QRS voltages
    are a diagnosis.
    """
    gains = np.array([line.gain for line in header.signals])
    misstated = gains == MISSTATED_GAINS.get(source_of(name), math.nan)
    misstated &= [line.file.endswith(".mat") for line in header.signals]  # as in the Challenge's; 200 is WFDB's default
    usable = (np.abs(gains) > USABLE_GAIN[0]) & (np.abs(gains) < USABLE_GAIN[1])
    if not usable.all():
        warnings.append(f"no usable gain stated for some leads: {USUAL_GAIN:g} ADC units per mV assumed")
    if misstated.any():
        stated = gains[misstated][0]
        warnings.append(f"the stated gain of {stated:g} per mV is a known error of early headers: {USUAL_GAIN:g} used")
    gains = np.where(usable & ~misstated, gains, USUAL_GAIN)

    deviations = np.sqrt(_variances(values))
    beating = deviations > 0
    low, high = PLAUSIBLE_DEVIATION
    if beating.any() and not low <= median(deviations[beating] / np.abs(gains[beating])) <= high:
        stated = median(gains)
        if low <= median(deviations[beating]) / USUAL_GAIN <= high:
            gains = np.full_like(gains, USUAL_GAIN)
            warnings.append(f"the stated gain of {stated:g} per mV gives no ECG's amplitudes: {USUAL_GAIN:g} used")
        else:
            warnings.append(f"amplitudes are not those of an ECG at the stated gain of {stated:g} per mV")
    return gains


def _variances(values: npt.NDArray[np.float64]) -> list[float]:
    """The variance of each lead's samples, 0 of a constant lead; in two thirds of the time of ``numpy.var``.

    Taken about the first sample instead of the mean: about one of the samples, moments cancel by no more than a factor
    of their number. One lead after the other, in the same memory, which stays in the processor's cache.
    """
    samples = values.shape[1]
    shifted, ones = np.empty(samples), np.ones(samples)
    variances = []
    for lead in values:
        np.subtract(lead, lead[0], out=shifted)
        variances.append(float((shifted.dot(shifted) - shifted.dot(ones) ** 2 / samples) / samples))
    return variances
