"""Where the networks looked: integrated gradients of one class's probability over time and leads.

Sundararajan, Taly and Yan, *Axiomatic Attribution for Deep Networks* (ICML 2017, https://arxiv.org/abs/1703.01365), by
captum. Gradients of the probability are averaged on the straight way from a flat line, 0 mV in every lead, to the
recording, and multiplied by the recording. They were chosen over occlusion, which covers one stretch after another,
because they are complete: all parts together are the probability of this recording less that of a flat line, which can
be checked. They also tell apart the waves of one beat, where a covered stretch must be wide and has edges of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.classification.classifier import Classifier, Member
from heartbeats.preparation.preprocessing import LEADS, SAMPLING_RATE, fixed_length

__all__ = ["BIN", "Saliency", "integrated_gradients"]

# Points of the Gauss-Legendre rule: from the fewest, doubled while they leave more than the tolerance open.
STEPS, MOST_STEPS = 32, 256
TOLERANCE = 0.01  # of the probability
BATCH = 8  # steps at once, for the memory's sake
BIN = 0.04  # s: a millimetre of paper


@dataclass(frozen=True)
class Saliency:
    """What each moment adds to the ensemble's probability of a class.

    Attributes:
        code: the class.
        probability: of this recording, from 0 to 1.
        flat: of a flat line of its length.
        track: shape (bins,) of :data:`BIN` seconds each from the start, summed over leads; negative where it speaks
            against the class.
        leads: the same sum by lead, shape (8,), in the order of ``preprocessing.LEADS``.
        steps: points of the Gauss-Legendre rule.
    """

    code: str
    probability: float
    flat: float
    track: npt.NDArray[np.float64]
    leads: npt.NDArray[np.float64]
    steps: int

    @property
    def residue(self) -> float:
        """What the steps leave unexplained: 0 for infinitely many."""
        return self.probability - self.flat - float(self.track.sum())

    @property
    def by_lead(self) -> dict[str, float]:
        """What each lead adds, the strongest first."""
        named = zip(LEADS, self.leads.tolist(), strict=True)
        return dict(sorted(named, key=lambda item: -abs(item[1])))


def integrated_gradients(
    classifier: Classifier, signal: npt.NDArray[np.int16], code: str, *, steps: int = STEPS
) -> Saliency:
    """Integrated gradients of the ensemble's probability of one class.

    The ensemble's are the mean of its members', each over the seconds that it reads.

    Args:
        signal: prepared, int16 in microvolts, shape (8, samples), 500 Hz.
        code: one of ``diagnoses.CLASSES``.
        steps: points of the Gauss-Legendre rule to begin with.
    """
    target = CLASSES.index(code)
    attributions = np.zeros(signal.shape)
    ends = np.zeros(2)
    for member in classifier.members:
        x = _input(member, signal)
        probability = _probability(member)
        with torch.no_grad():
            ends += [float(probability(y)[0, target]) for y in (torch.zeros_like(x), x)]
        gradients = IntegratedGradients(probability)
        parts = gradients.attribute(x, target=target, n_steps=steps, internal_batch_size=BATCH)
        attributions[:, : x.shape[-1]] += parts[0].double().cpu().numpy()
    attributions /= len(classifier.members)
    flat, whole = ends / len(classifier.members)
    edges = np.arange(0, signal.shape[1], round(BIN * SAMPLING_RATE))
    track = np.add.reduceat(attributions.sum(axis=0), edges)
    found = Saliency(code, float(whole), float(flat), track, attributions.sum(axis=1), steps)
    if abs(found.residue) > TOLERANCE and steps < MOST_STEPS:
        return integrated_gradients(classifier, signal, code, steps=2 * steps)
    return found


def _input(member: Member, signal: npt.NDArray[np.int16]) -> Tensor:
    """The part of a signal that a member reads, in mV, shape (1, 8, samples)."""
    samples = min(round(member.seconds * SAMPLING_RATE), signal.shape[1])
    weight = member.inference.head.weight
    return torch.from_numpy(fixed_length([signal], samples)).to(weight.device, weight.dtype)


def _probability(member: Member) -> Callable[[Tensor], Tensor]:
    """A member's probabilities, shape (batch, 27), of signals in mV, shape (batch, 8, samples), zeros appended."""
    length = round(member.seconds * SAMPLING_RATE)
    return lambda x: torch.sigmoid(member.inference.logits(x, length))
