"""R peaks on lead I and the paper's bradycardia rule (section 2.3, Algorithms 1 and 2)."""

import numpy as np
import numpy.typing as npt

from heartbeats.ecg.recording import Recording
from heartbeats.preparation.leads import Floats, select_lead
from heartbeats.preparation.signals import SAMPLING_RATE, resample

BRADY_INTERVAL = (1.0, 1.6)  # s, both ends included
BRADY_SHARE = 0.5

# The detector's 5-30 Hz band needs a sampling rate above 60 Hz. Its authors recommend 100 Hz or more.
SLOWEST_DETECTION_RATE = 100.0  # Hz
PADDING = 2.0  # s


def r_peaks(lead: Floats, *, sampling_rate: float) -> npt.NDArray[np.intp]:
    """Return the sample indices of the R peaks in one lead, shape (peaks,).

    ``sleepecg.detect_heartbeats`` finds them. It deviates from Pan and Tompkins 1985 (the paper's [9]):

    - a second-order 5-30 Hz Butterworth filter, forwards and backwards, replaces the integer filters for 200 Hz;
    - the integration window is centred on the peak, so peaks have no delay;
    - the thresholds start from the maxima and means of the first 2 s;
    - it also searches back if the first second has no beat, or the first beat has no other within 1.5 s;
    - a search back that finds nothing is repeated with lower thresholds, up to 16 times.

    A lead below 100 Hz is resampled to 500 Hz. A flat start is skipped; a flat lead has no R peaks. The end is padded
    with 2 s of mirror image and 2 s of flat line. Without padding, sleepecg reads 2 s even of shorter leads. It also
    writes outside its memory if 300 peaks per minute continue to the end.

    Raises:
        ValueError: ``lead`` is not one lead, or has samples that are not finite.
    """
    import sleepecg  # noqa: PLC0415 - takes half a second, and few processes find R peaks

    if lead.ndim != 1 or not np.isfinite(lead).all():
        raise ValueError(f"R peaks need one lead of finite samples, not an array of shape {lead.shape}")
    detection_rate = sampling_rate
    if sampling_rate < SLOWEST_DETECTION_RATE:
        lead, detection_rate = resample(lead[None], sampling_rate=sampling_rate)[0], SAMPLING_RATE
    changes = np.flatnonzero(np.diff(lead))
    if not changes.size:
        return np.empty(0, dtype=np.intp)
    padding = round(PADDING * detection_rate)
    live = np.pad(np.pad(lead[changes[0] :], (0, padding), mode="symmetric"), (0, padding), mode="edge")
    peaks: npt.NDArray[np.intp] = changes[0] + sleepecg.detect_heartbeats(live, detection_rate)
    return (peaks[peaks < len(lead)] * (sampling_rate / detection_rate)).astype(np.intp)


def rr_intervals(lead: Floats, *, sampling_rate: float) -> Floats:
    """Return the R-R intervals of one lead in s, shape (peaks - 1,), at its original length (section 2.3)."""
    return np.diff(r_peaks(lead, sampling_rate=sampling_rate)) / sampling_rate


def bradycardia_rule(intervals: npt.ArrayLike) -> bool:
    """Return whether at least half of the R-R intervals, in s, are between 1 s and 1.6 s (Algorithm 1).

    Without intervals, the paper's quotient is undefined; the rule is then false.
    """
    rr = np.asarray(intervals, dtype=np.float64)
    if rr.size == 0:
        return False
    brady_beats = np.count_nonzero((rr >= BRADY_INTERVAL[0]) & (rr <= BRADY_INTERVAL[1]))
    return bool(brady_beats / rr.size >= BRADY_SHARE)


def final_bradycardia(ensemble: npt.NDArray[np.bool_], rule: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the ensemble's label where the rule is true, else false (Algorithm 2). All arrays have one shape."""
    return ensemble & rule


def recording_has_bradycardia(recording: Recording) -> bool:
    """Apply the rule to lead I of the whole recording. A missing lead I is computed from other leads, or is 0 mV."""
    lead_i, _ = select_lead(recording.signal, recording.leads, "I")
    return bradycardia_rule(rr_intervals(lead_i, sampling_rate=recording.sampling_rate))
