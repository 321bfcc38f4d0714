"""Mark premature ventricular beats: log-odds of the network, means over leads and over like beats, spans.

As in the paper, one marked sample makes a recording PVC. Two steps are not in the paper. Beats of one shape get the
mean of their answers: a heart repeats a few shapes, and the network errs on single beats (as in Llamedo and Martínez
2012, IEEE Trans Biomed Eng 59:2312-2320). Runs of marks shorter than 0.2 s are removed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.distance import cdist
from scipy.special import logit

from heartbeats.preparation.bradycardia import r_peaks
from heartbeats.preparation.leads import LEADS
from heartbeats.preparation.signals import SAMPLING_RATE
from heartbeats.pvc_unet import unet
from heartbeats.pvc_unet.unet import WINDOW, UNet

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Leads = npt.NDArray[np.int16]
Spans = npt.NDArray[np.intp]

LEAD_II = LEADS.index("II")
ALL_LEADS = [LEAD_II, *(row for row in range(len(LEADS)) if row != LEAD_II)]  # lead II first

MARGIN = WINDOW // 4  # windows overlap; this part at both ends is only context
SUREST = logit(1 - 1e-4)  # log-odds are clipped to this size, so one beat cannot outweigh all others
SHORTEST_RUN = SAMPLING_RATE // 5  # 0.2 s; a beat's span is shorter only above 250 beats a minute

# The shape of a beat: 0.1 s before its R peak to 0.3 s after, a sample every 8 ms.
SHAPE = np.arange(-SAMPLING_RATE // 10, 3 * SAMPLING_RATE // 10, 4)
DIFFERENCE = 0.1  # two beats have one shape if their difference has at most this share of the larger energy
COMPARED_BEATS = 2000  # at a time, 15 minutes or more: in a long recording, shapes change with posture


def has_premature_beats(signals: Sequence[Leads], *, all_leads: bool) -> Bools:
    """Return whether the U-Net marks a premature ventricular beat in each recording, shape (recordings,).

    Args:
        signals: prepared signals, each int16 in microvolts, 500 Hz, shape (8, samples).
        all_leads: read all eight leads instead of lead II alone.
    """
    rows = ALL_LEADS if all_leads else [LEAD_II]
    return np.array([mark(unet.load(), signal[rows]).any() for signal in signals], dtype=np.bool_)


def mark(network: UNet, leads: Leads) -> Bools:
    """Return which samples lie in a premature ventricular beat, shape (samples,); see :func:`agreed_log_odds`."""
    return marked_runs(agreed_log_odds(network, leads), network.threshold.item())


def agreed_log_odds(network: UNet, leads: Leads) -> Floats:
    """Return log-odds, shape (samples,): the mean over leads that are not flat, then over beats of one shape.

    Args:
        network: in evaluation mode.
        leads: lead II, then optional other leads; int16 in microvolts, 500 Hz, shape (leads, samples).

    Raises:
        TypeError: the leads are not int16.
    """
    if leads.dtype != np.int16:
        raise TypeError(f"leads are {leads.dtype}, not int16 in microvolts: use preparation.signals.prepare_leads")
    live = [lead for lead in leads if np.ptp(lead)] or [leads[0]]
    return agree_by_shape(np.mean([_log_odds(network, lead) for lead in live], axis=0), live[0])


@torch.inference_mode()
def _log_odds(network: UNet, lead: Leads) -> Floats:
    """Return the log-odds of one lead, shape (samples,). Windows of 10 s begin every 5 s; their middles count."""
    result = np.empty(len(lead))
    last = max(0, len(lead) - WINDOW)
    for start in (*range(0, last, WINDOW - 2 * MARGIN), last):
        window = unet.scaled(lead[None, start : start + WINDOW])
        margin = MARGIN if start else 0
        result[start + margin : start + WINDOW] = network(torch.from_numpy(window))[0, 0, margin:].numpy()
    return result.clip(-SUREST, SUREST)


def agree_by_shape(log_odds: Floats, lead: Leads) -> Floats:
    """Give the R peaks of all beats of one shape the mean of their log-odds. Return log-odds, shape (samples,).

    The samples nearest to an R peak shift by the same amount. The R peaks come from ``lead``.
    """
    peaks = r_peaks(lead.astype(np.float64), sampling_rate=SAMPLING_RATE)
    if not len(peaks):
        return log_odds
    parts = np.array_split(peaks, -(-len(peaks) // COMPARED_BEATS))
    shifts = np.concatenate([_shape_means(lead, log_odds, part) for part in parts]) - log_odds[peaks]
    nearest = np.searchsorted((peaks[1:] + peaks[:-1]) // 2, np.arange(len(lead)))
    return log_odds + shifts[nearest]


def _shape_means(lead: Leads, log_odds: Floats, peaks: Spans) -> Floats:
    """Return the mean log-odds over all beats of the same shape, for each beat, shape (beats,)."""
    shapes = lead[np.clip(peaks[:, None] + SHAPE, 0, len(lead) - 1)].astype(np.float64)
    shapes -= shapes.mean(axis=1, keepdims=True)
    energies = np.square(shapes).sum(axis=1)
    alike = cdist(shapes, shapes, "sqeuclidean") <= DIFFERENCE * np.maximum.outer(energies, energies)
    means: Floats = alike @ log_odds[peaks] / alike.sum(axis=1)
    return means


def marked_runs(log_odds: Floats, threshold: float) -> Bools:
    """Return which samples have at least the probability ``threshold`` for 0.2 s or more, shape (samples,)."""
    marks: Bools = log_odds >= logit(threshold)
    for start, end in spans(marks):
        marks[start:end] = end - start >= SHORTEST_RUN
    return marks


def spans(marks: Bools) -> Spans:
    """Return the first sample of each run of marks and the sample after its last, shape (runs, 2)."""
    return np.flatnonzero(np.diff(marks, prepend=False, append=False)).reshape(-1, 2)


def write_annotations(found: Spans, lead: Leads, *, name: str, folder: Path, sampling_rate: float) -> Path:
    """Write spans as the WFDB annotation file ``folder/NAME.pvc`` and return its path.

    Each span is ``(``, ``V`` at the lead's largest deviation, and ``)``. WFDB cannot write an empty file.

    Args:
        found: as :func:`spans` returns them, in samples of ``lead``; at least one.
        lead: the lead that was marked, 500 Hz, shape (samples,).
        name, folder: of the file.
        sampling_rate: of the original recording, in Hz. The file counts samples at this rate.
    """
    import wfdb  # noqa: PLC0415 - it imports pandas, which classification does not need

    peaks = [start + np.argmax(np.abs(lead[start:end].astype(np.int32))) for start, end in found]
    samples = np.column_stack([found[:, 0], peaks, found[:, 1] - 1]).ravel() * (sampling_rate / SAMPLING_RATE)
    symbols = ["(", "V", ")"] * len(found)
    wfdb.wrann(name, "pvc", np.rint(samples).astype(np.int64), symbol=symbols, write_dir=str(folder))
    return folder / f"{name}.pvc"
