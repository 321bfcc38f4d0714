"""Convert ADC units to mV, bridge missing samples and correct wrong gains."""

import math

import numpy as np
import numpy.typing as npt

from heartbeats.ecg.header import STANDARD_LEADS, Header, source_of

Floats = npt.NDArray[np.float64]

# Wrong gains of early headers, in ADC units per mV. Corrected releases state 1000 for the same samples.
# Entries of 2020 that used these gains scored 0.18-0.24 on the hidden Georgia set, the others 0.56-0.65.
MISSTATED_GAINS = {"georgia": 4880.0, "ptb_xl": 200.0, "ptb": 2_000_000.0}
USUAL_GAIN = 1000.0  # in all corrected Challenge headers
WFDB_GAIN = 200.0  # where a WFDB header states none
# The range of a usable gain's magnitude, in ADC units per mV. A negative gain inverts the lead.
USABLE_GAIN = (1e-3, 1e12)
# Range of a plausible spread (see _spreads). The median leads of real recordings have 0.03 mV (LUDB 133) to 2.9 mV.
PLAUSIBLE_SPREAD = (0.01, 6.0)  # mV

LARGEST_SAMPLE = 2.0**53  # float64 holds all integers up to here; no ADC value is larger
# The ADC value for "no sample", by WFDB signal format.
NO_SAMPLE = {
    "80": -(2**7), "508": -(2**7), "310": -(2**9), "311": -(2**9), "212": -(2**11), "16": -(2**15), "61": -(2**15),
    "160": -(2**15), "516": -(2**15), "24": -(2**23), "524": -(2**23), "32": -(2**31),
}  # fmt: skip
OFFSET_BINARY = ("80", "160")  # an array of unsigned numbers holds them as stored: 2^7 or 2^15 above the ADC value


def to_millivolts(
    header: Header, adc: npt.NDArray[np.generic], name: str
) -> tuple[Floats, Floats, tuple[int, ...], list[str]]:
    """Return a signal in mV, shape (leads, samples), the gain and the missing samples of each lead, and warnings.

    Missing samples are interpolated linearly. A lead with no samples is 0 mV.

    Args:
        header: has one signal line per lead.
        adc: ADC units, shape (leads, samples), at least 1 s.
        name: the record name, which tells the database.
    """
    warnings = list(header.warnings)
    signal, missing = _bridge_gaps(header, adc, warnings)
    gains = _judge_gains(_stated_gains(header, name, warnings), signal, header, warnings)
    baselines = np.array([line.baseline for line in header.signals])
    return (signal - baselines[:, None]) / gains[:, None], gains, missing, warnings


def _bridge_gaps(header: Header, adc: npt.NDArray[np.generic], warnings: list[str]) -> tuple[Floats, tuple[int, ...]]:
    """Return ADC units without gaps, shape (leads, samples), and the missing samples per lead.

    A sample is missing if it is NaN, infinite, huge or WFDB's "no sample". A lead with no samples becomes its baseline.
    """
    values = adc.astype(np.float64)
    if adc.dtype.kind == "u":
        values += [[NO_SAMPLE[line.format] if line.format in OFFSET_BINARY else 0] for line in header.signals]
    missing = np.zeros(adc.shape, bool)
    for row, gaps, line in zip(values, missing, header.signals, strict=True):
        gaps[:] = ~(np.abs(row) <= LARGEST_SAMPLE) | (row == NO_SAMPLE.get(line.format, math.nan))
        warnings += bridge_lead(row, gaps, line.lead, line.baseline)
    return values, tuple(missing.sum(axis=1).tolist())


def bridge_lead(row: Floats, gaps: npt.NDArray[np.bool_], lead: str, baseline: float = 0.0) -> list[str]:
    """Bridge the gaps of a lead in place, and return the warning about it, if there is one.

    Args:
        row: the samples, shape (samples,).
        gaps: where they are missing, same shape.
        lead: its name.
        baseline: the value for 0 mV, in the unit of ``row``.
    """
    row[:] = bridge(row, gaps, baseline)
    if gaps.all():
        return [f"lead {lead} holds no samples: taken as 0 mV"]
    return [f"lead {lead}: {gaps.sum()} missing samples bridged"] if gaps.any() else []


def bridge(row: Floats, gaps: npt.NDArray[np.bool_], baseline: float) -> Floats:
    """Return a lead with straight lines across its gaps, or its baseline if it has no samples."""
    if gaps.all():
        return np.full_like(row, baseline)
    return np.interp(np.arange(len(row)), np.flatnonzero(~gaps), row[~gaps]) if gaps.any() else row


def _stated_gains(header: Header, name: str, warnings: list[str]) -> Floats:
    """Return the stated gain of each lead, or the usual one if it is unusable or known to be wrong."""
    gains = np.array([line.gain for line in header.signals])
    matlab = np.array([line.file.lower().endswith(".mat") for line in header.signals])  # as in the Challenge
    usual = np.where(matlab, USUAL_GAIN, WFDB_GAIN)
    usable = (np.abs(gains) > USABLE_GAIN[0]) & (np.abs(gains) < USABLE_GAIN[1])
    if not usable.all():
        warnings.append(f"no usable gain stated for some leads: {usual[~usable][0]:g} ADC units per mV assumed")
    known_error = MISSTATED_GAINS.get(source_of(name), math.nan)
    misstated = (gains == known_error) & matlab
    if misstated.any():
        stated = f"the stated gain of {known_error:g} per mV"
        warnings.append(f"{stated} is a known error of early headers: {USUAL_GAIN:g} used")
    return np.where(usable & ~misstated, gains, usual)


def _judge_gains(gains: Floats, signal: Floats, header: Header, warnings: list[str]) -> Floats:
    """Return the gains, or 1000 ADC units per mV for all leads if only that gives plausible amplitudes.

    At least half of the leads must be plausible. Constant leads do not count, nor other signals beside standard leads.
    Amplitudes are not scaled in any other way, because low QRS voltage is a diagnosis.
    """
    standard = np.isin(header.leads, STANDARD_LEADS)
    judged = standard | ~standard.any()
    spreads = _spreads(signal, round(header.sampling_rate or 1))[judged]
    varying = spreads > 0
    low, high = PLAUSIBLE_SPREAD

    def plausible(gains: Floats) -> bool:
        return bool(np.mean((low <= spreads / gains) & (spreads / gains <= high), where=varying) >= 1 / 2)

    if not varying.any() or plausible(np.abs(gains[judged])):
        return gains
    stated = f"the stated gain of {np.median(gains[judged]):g} per mV"
    if not plausible(np.full_like(spreads, USUAL_GAIN)):
        warnings.append(f"amplitudes are not those of an ECG at {stated}")
        return gains
    warnings.append(f"{stated} does not give ECG amplitudes: {USUAL_GAIN:g} used")
    return np.full_like(gains, USUAL_GAIN)


def _spreads(signal: Floats, second: int) -> Floats:
    """Return a spread per lead, shape (leads,), that a few bad samples or seconds do not move.

    It is the median over all seconds (``second`` samples) of the distance from the 10th to the 90th percentile.
    """
    samples = signal.shape[1] // second * second
    seconds = np.sort(signal[:, :samples].reshape(len(signal), -1, second), axis=2)
    return np.asarray(np.median(seconds[..., -1 - second // 10] - seconds[..., second // 10], axis=1))
