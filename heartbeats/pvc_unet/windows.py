"""The windows from which the U-Net learns: which ones are drawn, and how they are varied.

Few patients show few of the shapes that beats have. A network that has seen twenty of them takes any wide beat for a
premature ventricular one, left bundle branch block above all. So lead and shape are varied, labels stay: what is left
to tell a premature ventricular beat by is that it differs from the patient's other beats, and when it comes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve1d, gaussian_filter1d

from heartbeats.preparation.preprocessing import SAMPLING_RATE
from heartbeats.pvc_unet import unet
from heartbeats.pvc_unet.mit_bih import AnnotatedRecord
from heartbeats.pvc_unet.unet import WINDOW

__all__ = ["draw_windows", "random_filter", "varied_window"]

Floats = npt.NDArray[np.floating]

FILTERED = 0.9  # this share of windows
POWER = 300.0  # microvolts, root mean square of what has been filtered: a response has no amplitude of its own
SHORTEST, LONGEST = SAMPLING_RATE // 50, SAMPLING_RATE * 3 // 25  # of a random filter: 20 and 120 ms


def draw_windows(
    records: Sequence[AnnotatedRecord], truths: Sequence[Floats], draws: np.random.Generator, size: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A batch: normalised windows, shape (size, samples), and what to answer, shape (size, 3, samples).

    Half of the windows hold a premature ventricular beat somewhere, from records drawn by the root of how many they
    have (one record has more than a quarter of all of them); the others are anywhere, in records drawn by the root of
    their length (21 of half an hour count as much as 280 of 10 s). They are varied (:func:`varied_window`), and half
    have white noise added.

    Args:
        truths: of each record, as :func:`heartbeats.pvc_unet.mit_bih.truth`.
    """
    premature = [record.beats[record.symbols == "V"] for record in records]
    by_beats = np.sqrt([len(beats) for beats in premature])
    by_length = np.sqrt([record.leads.shape[1] for record in records])
    windows, targets = [], []
    for i in range(size):
        shares = by_beats if i % 2 else by_length
        chosen = int(draws.choice(len(records), p=shares / shares.sum()))
        if i % 2:
            start = int(draws.choice(premature[chosen])) - int(draws.integers(WINDOW))
        else:
            start = int(draws.integers(records[chosen].leads.shape[1]))
        start = min(max(start, 0), records[chosen].leads.shape[1] - WINDOW)
        windows.append(varied_window(records[chosen].leads[:, start : start + WINDOW], draws))
        targets.append(truths[chosen][:, start : start + WINDOW])
    gain = draws.uniform(0.7, 1.4, (size, 1))
    noise = draws.integers(2, size=(size, 1)) * draws.uniform(0, 0.1, (size, 1))
    x = unet.normalised(np.stack(windows)) * gain + noise * draws.standard_normal((size, WINDOW))
    return x.astype(np.float32), np.stack(targets)


def varied_window(leads: npt.NDArray[np.int16], draws: np.random.Generator) -> npt.NDArray[np.float32]:
    """One lead, shape (samples,), made of several, shape (leads, samples), all in microvolts.

    Half of the time it is not the first but its mixture with another at a random angle, as if the electrodes lay
    elsewhere. Nine times of ten it goes through a :func:`random_filter`: all beats get another shape, and most get
    wider.
    """
    angle = draws.uniform(-np.pi / 2, np.pi / 2) if draws.integers(2) else 0.0
    lead, other = leads[[0, int(draws.integers(1, len(leads)))]].astype(np.float32)
    window: Floats = np.cos(angle) * lead + np.sin(angle) * other
    if draws.random() < FILTERED:
        window -= np.median(window)
        window = convolve1d(window, random_filter(draws), mode="nearest")
        window *= POWER / max(np.sqrt(np.mean(window**2)), 1)
    varied: npt.NDArray[np.float32] = window.astype(np.float32)
    return varied


def random_filter(draws: np.random.Generator) -> Floats:
    """A random impulse response of 20 to 120 ms at 500 Hz: white noise, smoothed, that fades at both ends."""
    taps = int(draws.integers(SHORTEST, LONGEST + 1))
    noise = gaussian_filter1d(draws.standard_normal(taps), draws.uniform(1.0, taps / 6), mode="constant")
    response: Floats = noise * np.hanning(taps + 2)[1:-1]
    return response
