"""Find what moved the networks: integrated gradients of one class's probability over time and leads.

Sundararajan, Taly and Yan, *Axiomatic Attribution for Deep Networks* (ICML 2017, https://arxiv.org/abs/1703.01365),
equation 1: IG = x · ∫ ∂p(αx)/∂x dα for α from 0 to 1, where x is the signal and p the ensemble's probability. The
baseline is a flat line, 0 mV in every lead. All parts add up to p(x) − p(0), which shows how exact the integral is.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.classification.ensemble import Classifier, Member
from heartbeats.preparation.leads import LEADS, Floats
from heartbeats.preparation.signals import SAMPLING_RATE, fixed_length

POINTS = (32, 64, 128)  # of the Gauss-Legendre rule; the next number is tried while the residue is too large
TOLERANCE = 0.01
BIN = 0.04  # s: one millimetre of paper


@dataclass(frozen=True)
class Saliency:
    """What each part of a recording adds to the probability of a class.

    Attributes:
        code: the class.
        probability: the ensemble's probability for the recording.
        flat: the ensemble's probability for a flat line.
        track: sum over leads in each bin of :data:`BIN` s, shape (bins,); negative values lower the probability.
        leads: sum over time for each lead, largest first.
        points: number of points of the Gauss-Legendre rule.
    """

    code: str
    probability: float
    flat: float
    track: Floats
    leads: dict[str, float]
    points: int

    @property
    def residue(self) -> float:
        """Return the error of the integral: what the track does not explain."""
        return self.probability - self.flat - float(self.track.sum())

    @property
    def tallest(self) -> float:
        """Return the largest size of a bin."""
        return float(np.abs(self.track).max())


def integrated_gradients(classifier: Classifier, signal: npt.NDArray[np.int16], code: str) -> Saliency:
    """Return the saliency of a prepared signal, int16 in microvolts, shape (8, samples), 500 Hz, for one class."""
    bins = np.arange(0, signal.shape[1], round(BIN * SAMPLING_RATE))
    for points in POINTS:
        members = [_integrate(member, signal, CLASSES.index(code), points) for member in classifier.members]
        parts, flat, probability = (np.mean(each, axis=0) for each in zip(*members, strict=True))
        by_lead = sorted(zip(LEADS, parts.sum(axis=1).tolist(), strict=True), key=lambda item: -abs(item[1]))
        track = np.add.reduceat(parts.sum(axis=0), bins)
        found = Saliency(code, float(probability), float(flat), track, dict(by_lead), points)
        if abs(found.residue) <= TOLERANCE:
            break
    return found


def _integrate(member: Member, signal: npt.NDArray[np.int16], target: int, points: int) -> tuple[Floats, float, float]:
    """Return attributions, shape (8, samples), and the probabilities of a flat line and of the signal."""
    device = next(member.network.parameters()).device
    x = torch.from_numpy(fixed_length([signal], round(member.seconds * SAMPLING_RATE))).to(device)
    gradient = torch.zeros_like(x)
    nodes, weights = np.polynomial.legendre.leggauss(points)  # on -1 to 1
    for node, weight in zip(nodes, weights, strict=True):
        scaled = ((node + 1) / 2 * x).requires_grad_()
        probability = member.network(scaled).sigmoid()[0, target]
        gradient += weight / 2 * torch.autograd.grad(probability, scaled)[0]
    with torch.no_grad():
        flat, whole = (float(member.network(y).sigmoid()[0, target]) for y in (torch.zeros_like(x), x))
    attributions = np.zeros(signal.shape)
    read = (x * gradient)[0, :, : signal.shape[1]].double().cpu().numpy()
    attributions[:, : read.shape[1]] = read
    return attributions, flat, whole
