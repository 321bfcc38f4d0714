"""R peaks on lead I and the paper's rule-based model for bradycardia (section 2.3, Algorithms 1 and 2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import sleepecg

from heartbeats.ecg.recording import Recording
from heartbeats.preparation.preprocessing import SAMPLING_RATE, resample, select_lead

__all__ = [
    "BRADY_INTERVAL",
    "bradycardia_rule",
    "final_bradycardia",
    "r_peaks",
    "recording_has_bradycardia",
    "rr_intervals",
]

Floats = npt.NDArray[np.float64]

BRADY_INTERVAL = (1.0, 1.6)  # s, both ends included
BRADY_SHARE = 0.5

# The detector's 5-30 Hz band needs a rate above 60 Hz; its authors recommend 100 Hz or more.
SLOWEST_DETECTION_RATE = 100.0
CONTINUED = 2.0  # s, by the mirror image and again by a flat line


def r_peaks(lead: Floats, *, sampling_rate: float) -> npt.NDArray[np.intp]:
    """Sample numbers of the R peaks, shape (peaks,), of one lead, shape (samples,).

    Found by ``sleepecg.detect_heartbeats``, which departs from Pan and Tompkins 1985 (the paper's [9]) in these points:
    a second-order 5-30 Hz Butterworth filter run forwards and backwards instead of integer filters for 200 Hz, hence no
    delay; an integration window centred on the peak; thresholds that start from the maxima and means of the first 2 s;
    a search back also when no beat lies in the first second or none follows the first within 1.5 s; and a search back
    that finds nothing is repeated with lower thresholds, up to 16 times. The amplitude's unit does not matter.

    Leads sampled below 100 Hz are first brought to 500 Hz. A flat start is left out, and a lead that is flat throughout
    has no R peaks. The rest is continued by its mirror image and then by a flat line, and what is found there is
    dropped: sleepecg reads the first 2 s of a lead however short it is, and writes beyond its memory where peaks follow
    one another at 300 a minute to the very end.

    Raises:
        ValueError: it is not one lead, or holds samples that are not finite.
    """
    if lead.ndim != 1 or not np.isfinite(lead).all():
        raise ValueError(f"R peaks are of one lead of finite samples; this is an array of shape {lead.shape}")
    if not (changes := np.flatnonzero(np.diff(lead))).size:
        return np.empty(0, dtype=np.intp)
    detection_rate = sampling_rate
    if sampling_rate < SLOWEST_DETECTION_RATE:
        lead, detection_rate = resample(lead[None], sampling_rate=sampling_rate)[0], SAMPLING_RATE
        changes = np.flatnonzero(np.diff(lead))
    start, continued = changes[0], round(CONTINUED * detection_rate)
    live = np.pad(np.pad(lead[start:], (0, continued), mode="symmetric"), (0, continued), mode="edge")
    peaks: npt.NDArray[np.intp] = start + sleepecg.detect_heartbeats(live, detection_rate)
    return (peaks[peaks < len(lead)] * (sampling_rate / detection_rate)).astype(np.intp)


def rr_intervals(lead: Floats, *, sampling_rate: float) -> Floats:
    """R-R intervals in s, shape (peaks - 1,), of one lead, shape (samples,), at its original length."""
    return np.diff(r_peaks(lead, sampling_rate=sampling_rate)) / sampling_rate


def bradycardia_rule(intervals: npt.ArrayLike) -> bool:
    """Algorithm 1: whether at least half of the R-R intervals, in s, are 1 s to 1.6 s long.

    Without an interval, which the paper's quotient leaves undefined, the rule is false: nothing speaks for bradycardia.
    """
    rr = np.asarray(intervals, dtype=np.float64)
    if rr.size == 0:
        return False
    brady_beats = np.count_nonzero((rr >= BRADY_INTERVAL[0]) & (rr <= BRADY_INTERVAL[1]))
    return bool(brady_beats / rr.size >= BRADY_SHARE)


def final_bradycardia(ensemble: npt.NDArray[np.bool_], rule: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Algorithm 2: false where the rule is false, else the ensemble's answer; arrays of one shape."""
    return ensemble & rule


def recording_has_bradycardia(recording: Recording) -> bool:
    """Algorithm 1 on lead I of the whole recording; a missing lead I is computed as for the networks, or flat."""
    lead_i, _ = select_lead(recording.signal, recording.leads, "I")
    return bradycardia_rule(rr_intervals(lead_i, sampling_rate=recording.sampling_rate))
