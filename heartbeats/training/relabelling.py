"""Missing labels of CPSC recordings, added where a first network is sure of them (paper, section 2.1)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import compress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import ABBREVIATIONS, CLASSES, EQUIVALENT
from heartbeats.common import collective, ranks
from heartbeats.common.settings import Settings
from heartbeats.ecg.header import source_of
from heartbeats.networks.inference import InferenceNetwork
from heartbeats.preparation.prepared import Prepared
from heartbeats.training.loop import train_network

__all__ = ["CPSC_CLASSES", "RELABELLING", "relabel", "train_and_relabel"]

log = logging.getLogger(__name__)

RELABELLING = "relabelling"  # the first network's name

# CPSC 2018 annotated nine classes: normal, AF, I-AVB, LBBB, RBBB, PAC, PVC, and STD and STE, which 2020 did not score.
# Its PVC has a code of its own (164884008) that 2020 did not score either; the diagnosis is here the scored PVC. Of a
# pair that is scored as one both codes are CPSC's: where its doctors saw no RBBB, there is no CRBBB to be added.
_ANNOTATED = {"426783006", "164889003", "270492004", "164909002", "59118001", "284470004", "427172004"}
CPSC_CLASSES = frozenset(_ANNOTATED.union(*(pair for pair in EQUIVALENT if _ANNOTATED.intersection(pair))))


def relabel(
    labels: npt.NDArray[np.bool_],
    probabilities: npt.NDArray[np.float64],
    is_cpsc: npt.NDArray[np.bool_],
    *,
    probability: float,
) -> tuple[npt.NDArray[np.bool_], dict[str, int]]:
    """Labels with those added that a network gives more than ``probability``, and how many were added per class.

    Only CPSC recordings gain labels, and only of classes that CPSC did not annotate; none is taken away.

    Args:
        labels: as published, shape (recordings, 27).
        probabilities: the first network's, same shape; rows of other sources are not read.
        is_cpsc: shape (recordings,).
    """
    candidate = np.array([code not in CPSC_CLASSES for code in CLASSES])
    added = (probabilities > probability) & is_cpsc[:, None] & candidate & ~labels
    counts = dict(zip(ABBREVIATIONS.values(), added.sum(axis=0).tolist(), strict=True))
    return labels | added, {name: count for name, count in counts.items() if count}


def train_and_relabel(
    recordings: Sequence[Prepared], labels: npt.NDArray[np.bool_], settings: Settings, directory: Path
) -> tuple[npt.NDArray[np.bool_], dict[str, int]]:
    """Labels after relabelling by a network that is trained on all of the recordings, as :func:`relabel` returns them.

    Validation recordings are not to be among them: the Challenge scores labels as published. (The paper relabelled "the
    CPSC dataset" and does not say that its 20 % were spared.)

    Args:
        labels: as published, bool, shape (recordings, 27).
        directory: the model folder, for the network's checkpoints.

    Raises:
        TrainingError: the network's loss is no number any more.
        OSError: the folder cannot be written.
    """
    is_cpsc = np.array([source_of(recording.name) == "cpsc" for recording in recordings])
    if not is_cpsc.any():
        log.info("relabelling: no CPSC recordings to relabel")
        return labels, {}
    seconds = settings.relabelling.seconds
    network = train_network(RELABELLING, recordings, labels, settings, seconds=seconds, directory=directory)
    added: dict[str, int] = {}
    if ranks.is_first():
        signals = [recording.signal for recording in compress(recordings, is_cpsc)]
        probabilities = np.zeros(labels.shape)
        probabilities[is_cpsc] = InferenceNetwork(network).probabilities(signals, seconds=seconds)
        labels, added = relabel(labels, probabilities, is_cpsc, probability=settings.relabelling.probability)
    labels = collective.broadcast(labels)
    named = ", ".join(f"{name} {count}" for name, count in added.items()) or "nothing"
    log.info("relabelling: added to %d CPSC recordings: %s", np.sum(is_cpsc), named)
    return labels, added
