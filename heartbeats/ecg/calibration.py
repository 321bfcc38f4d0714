"""Convert ADC units to mV, bridge missing samples and correct wrong gains."""

import math

import numpy as np
import numpy.typing as npt

from heartbeats.ecg.header import Header, source_of

Floats = npt.NDArray[np.float64]

# Wrong gains of early headers, in ADC units per mV. Corrected releases state 1000 for the same samples.
# Entries of 2020 that used these gains scored 0.18-0.24 on the hidden Georgia set, the others 0.56-0.65.
MISSTATED_GAINS = {"georgia": 4880.0, "ptb_xl": 200.0, "ptb": 2_000_000.0}
USUAL_GAIN = 1000.0  # in all corrected Challenge headers; WFDB's default is 200
# The range of a usable gain's magnitude, in ADC units per mV. A negative gain inverts the lead.
USABLE_GAIN = (1e-3, 1e12)
# Range of the median lead's standard deviation. Real recordings have 0.04 mV (LUDB 133) to 1.7 mV (Ningbo, drift).
PLAUSIBLE_DEVIATION = (0.01, 5.0)  # mV

# float64 holds all integers up to here; no ADC value is larger.
LARGEST_SAMPLE = 2.0**53
# The ADC value for "no sample", by WFDB signal format.
NO_SAMPLE = {
    **dict.fromkeys(("80", "508"), -(2**7)),
    **dict.fromkeys(("310", "311"), -(2**9)),
    "212": -(2**11),
    **dict.fromkeys(("16", "61", "160", "516"), -(2**15)),
    **dict.fromkeys(("24", "524"), -(2**23)),
    "32": -(2**31),
}


def to_millivolts(header: Header, adc: npt.NDArray[np.generic], name: str) -> tuple[Floats, tuple[int, ...], list[str]]:
    """Return a signal in mV, shape (leads, samples), the missing samples per lead, and warnings.

    Missing samples are interpolated linearly. A lead with no samples is 0 mV.

    Args:
        header: has one signal line per lead.
        adc: ADC units, shape (leads, samples), not empty.
        name: the record name, which tells the database.
    """
    warnings: list[str] = []
    signal, missing = _bridge_gaps(header, adc, warnings)
    gains = _judge_gains(_stated_gains(header, name, warnings), signal, warnings)
    baselines = np.array([line.baseline for line in header.signals])
    return (signal - baselines[:, None]) / gains[:, None], missing, warnings


def _bridge_gaps(header: Header, adc: npt.NDArray[np.generic], warnings: list[str]) -> tuple[Floats, tuple[int, ...]]:
    """Return ADC units without gaps, shape (leads, samples), and the missing samples per lead.

    A sample is missing if it is NaN, infinite, huge or WFDB's "no sample". A lead with no samples becomes its baseline.
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
    """Return the stated gain of each lead, or 1000 ADC units per mV if it is unusable or known to be wrong."""
    gains = np.array([line.gain for line in header.signals])
    usable = (np.abs(gains) > USABLE_GAIN[0]) & (np.abs(gains) < USABLE_GAIN[1])
    if not usable.all():
        warnings.append(f"no usable gain stated for some leads: {USUAL_GAIN:g} ADC units per mV assumed")
    known_error = MISSTATED_GAINS.get(source_of(name), math.nan)
    # Only with .mat files, as in the Challenge. In other files 200 is WFDB's default gain.
    misstated = (gains == known_error) & [line.file.endswith(".mat") for line in header.signals]
    if misstated.any():
        warnings.append(
            f"the stated gain of {known_error:g} per mV is a known error of early headers: {USUAL_GAIN:g} used"
        )
    return np.where(usable & ~misstated, gains, USUAL_GAIN)


def _judge_gains(gains: Floats, signal: Floats, warnings: list[str]) -> Floats:
    """Return the gains, or 1000 ADC units per mV for all leads if only that gives plausible amplitudes.

    Amplitudes are not scaled in any other way, because low QRS voltage is a diagnosis.
    """
    # Minus the first sample: otherwise rounding gives a flat lead a deviation above 0.
    deviations = np.std(signal - signal[:, :1], axis=1)
    varying = deviations > 0
    if not varying.any():
        return gains
    low, high = PLAUSIBLE_DEVIATION
    if low <= np.median(deviations[varying] / np.abs(gains[varying])) <= high:
        return gains
    stated = np.median(gains)
    if low <= np.median(deviations[varying]) / USUAL_GAIN <= high:
        warnings.append(f"the stated gain of {stated:g} per mV does not give ECG amplitudes: {USUAL_GAIN:g} used")
        return np.full_like(gains, USUAL_GAIN)
    warnings.append(f"amplitudes are not those of an ECG at the stated gain of {stated:g} per mV")
    return gains
