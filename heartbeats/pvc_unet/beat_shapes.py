"""Beats of one shape are of one kind: what a network says of them one by one is brought to one answer.

A patient's heart has few shapes of beats, and repeats them. A network that reads windows of 10 s answers each beat by
itself, and is wrong now and then about one of hundreds that look the same. Cardiologists sort beats by shape first and
then judge the shapes, and so do classifiers since Llamedo and Martínez 2012 (IEEE Trans Biomed Eng 59:2312-2320). Here
each beat's answer becomes the mean answer for the beats of its shape.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from scipy.special import expit, logit

from heartbeats.preparation.heart_rate import r_peaks
from heartbeats.preparation.preprocessing import SAMPLING_RATE

__all__ = ["SUREST", "agreed"]

Floats = npt.NDArray[np.float32]

BEFORE, AFTER = SAMPLING_RATE // 10, 3 * SAMPLING_RATE // 10  # of a beat's shape, around its R peak: 0.1 s and 0.3 s
STEP = 4  # the shape's samples are 8 ms apart: a QRS complex in lead II has hardly anything above 62 Hz
DIFFERENCE = 0.1  # two beats are of one shape if their difference has at most a tenth of the larger one's energy
TOGETHER = 2000  # beats, a quarter of an hour or more: the shapes of a Holter recording change with posture
SUREST = 1e-4  # probabilities count as at least this far from 0 and 1, so that no beat outweighs all others


def agreed(p: Floats, lead: npt.NDArray[np.int16]) -> Floats:
    """Probabilities on which beats of one shape agree, shape (samples,).

    The samples nearest to an R peak are shifted in their log-odds, all by as much as takes the R peak's own to the mean
    over the beats of its shape. A beat of a shape of its own keeps its probability (0 and 1 become 0.0001 and 0.9999),
    and so does a lead without R peaks.

    Args:
        p: of each sample, shape (samples,).
        lead: what they were found on, 500 Hz, in any unit, shape (samples,).

    Raises:
        ValueError: ``lead`` is not one lead.
    """
    peaks = r_peaks(lead.astype(np.float64), sampling_rate=SAMPLING_RATE)
    if not len(peaks):
        return p
    log_odds = logit(np.clip(p.astype(np.float64), SUREST, 1 - SUREST))
    parts = np.array_split(peaks, -(-len(peaks) // TOGETHER))
    shifts = np.concatenate([_of_one_shape(lead, part) @ log_odds[part] for part in parts]) - log_odds[peaks]
    nearest = np.searchsorted((peaks[1:] + peaks[:-1]) // 2, np.arange(len(lead)))
    shifted: Floats = expit(log_odds + shifts[nearest]).astype(np.float32)
    return shifted


def _of_one_shape(lead: npt.NDArray[np.int16], peaks: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Weights of a mean over the beats of each beat's shape, shape (beats, beats); each row's sum is 1."""
    around = peaks[:, None] + np.arange(-BEFORE, AFTER, STEP)
    shapes = lead[np.clip(around, 0, len(lead) - 1)].astype(np.float64)
    shapes -= shapes.mean(axis=1, keepdims=True)
    energies = np.square(shapes).sum(axis=1)
    alike = cdist(shapes, shapes, "sqeuclidean") <= DIFFERENCE * np.maximum.outer(energies, energies)
    weights: npt.NDArray[np.float64] = alike / alike.sum(axis=1, keepdims=True)
    return weights
