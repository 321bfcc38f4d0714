"""Convert ADC units to mV: bridge missing samples, and correct gains that are known or seen to be wrong."""

import math

import numpy as np
import numpy.typing as npt

from heartbeats.ecg.header import Header, source_of

Floats = npt.NDArray[np.float64]

# Gains stated by early headers, in ADC units per mV, of signals that are 1000 per mV: the corrected releases hold the
# same samples. 2020's entries that divided by them scored 0.18-0.24 on the hidden Georgia set, the others 0.56-0.65.
MISSTATED_GAINS = {"georgia": 4880.0, "ptb_xl": 200.0, "ptb": 2_000_000.0}
USUAL_GAIN = 1000.0  # of every corrected Challenge header; WFDB's own default is 200
# A stated gain is used if its magnitude, in ADC units per mV, lies in this range. A negative gain inverts the lead.
USABLE_GAIN = (1e-3, 1e12)
# Standard deviation of the median lead; in real recordings 0.04 (LUDB 133) to 1.7 mV (drifting electrodes, Ningbo).
PLAUSIBLE_DEVIATION = (0.01, 5.0)  # mV

# A float64 holds every integer up to here; no ADC counts further.
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


def to_millivolts(header: Header, adc: npt.NDArray[np.generic], name: str) -> tuple[Floats, tuple[int, ...], list[str]]:
    """Return a signal in mV, shape (leads, samples), the number of missing samples of each lead, and warnings.

    Missing samples are bridged by straight lines. A lead without any sample is 0 mV.

    Args:
        header: with a line for each lead.
        adc: ADC units, shape (leads, samples), not empty.
        name: of the recording; it says which database the header is from.
    """
    warnings: list[str] = []
    signal, missing = _bridge_gaps(header, adc, warnings)
    gains = _judge_gains(_stated_gains(header, name, warnings), signal, warnings)
    baselines = np.array([line.baseline for line in header.signals])
    return (signal - baselines[:, None]) / gains[:, None], missing, warnings


def _bridge_gaps(header: Header, adc: npt.NDArray[np.generic], warnings: list[str]) -> tuple[Floats, tuple[int, ...]]:
    """Return ADC units without gaps and the number of missing samples of each lead.

    Missing are NaN, infinite and huge samples, and WFDB's value for "no sample". A lead without any sample becomes its
    baseline.
    """
    values = adc.astype(np.float64)
    none = np.array([NO_SAMPLE.get(line.format, math.nan) for line in header.signals])
    missing = ~(np.abs(values) <= LARGEST_SAMPLE) | (values == none[:, None])
    for row, gaps, line in zip(values, missing, header.signals, strict=True):
        if gaps.all():
            row[:] = line.baseline
            warnings.append(f"lead {line.lead} holds no samples: taken as 0 mV")
        elif gaps.any():
            row[gaps] = np.interp(np.flatnonzero(gaps), np.flatnonzero(~gaps), row[~gaps])
            warnings.append(f"lead {line.lead}: {gaps.sum()} missing samples bridged")
    return values, tuple(missing.sum(axis=1).tolist())


def _stated_gains(header: Header, name: str, warnings: list[str]) -> Floats:
    """Return the stated gain of each lead, or 1000 ADC units per mV where it is unusable or a known error."""
    gains = np.array([line.gain for line in header.signals])
    usable = (np.abs(gains) > USABLE_GAIN[0]) & (np.abs(gains) < USABLE_GAIN[1])
    if not usable.all():
        warnings.append(f"no usable gain stated for some leads: {USUAL_GAIN:g} ADC units per mV assumed")
    known_error = MISSTATED_GAINS.get(source_of(name), math.nan)
    # Only beside a .mat file, as in the Challenge: elsewhere 200 is WFDB's default gain.
    misstated = (gains == known_error) & [line.file.endswith(".mat") for line in header.signals]
    if misstated.any():
        warnings.append(
            f"the stated gain of {known_error:g} per mV is a known error of early headers: {USUAL_GAIN:g} used"
        )
    return np.where(usable & ~misstated, gains, USUAL_GAIN)


def _judge_gains(gains: Floats, values: Floats, warnings: list[str]) -> Floats:
    """Return the gains, or 1000 ADC units per mV for all leads if only that gives the amplitudes of an ECG.

    Amplitudes are never scaled otherwise: low QRS voltages are a diagnosis.
    """
    # From the first sample: the mean of equal samples is not always equal to them, and a flat lead must deviate by 0.
    deviations = np.std(values - values[:, :1], axis=1)
    beating = deviations > 0
    if not beating.any():
        return gains
    low, high = PLAUSIBLE_DEVIATION
    if low <= np.median(deviations[beating] / np.abs(gains[beating])) <= high:
        return gains
    stated = np.median(gains)
    if low <= np.median(deviations[beating]) / USUAL_GAIN <= high:
        warnings.append(f"the stated gain of {stated:g} per mV gives no ECG's amplitudes: {USUAL_GAIN:g} used")
        return np.full_like(gains, USUAL_GAIN)
    warnings.append(f"amplitudes are not those of an ECG at the stated gain of {stated:g} per mV")
    return gains
