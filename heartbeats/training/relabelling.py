"""Relabel CPSC recordings: a first network adds the labels that it is sure of (paper, section 2.1)."""

import logging
from collections.abc import Sequence
from itertools import compress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import ABBREVIATIONS, CLASSES
from heartbeats.common.settings import Settings
from heartbeats.ecg.header import source_of
from heartbeats.networks.inference import InferenceNetwork
from heartbeats.preparation.prepared import PreparedRecording
from heartbeats.training import parallel
from heartbeats.training.epoch_log import Epoch
from heartbeats.training.loop import train_network

log = logging.getLogger(__name__)

RELABELLING = "relabelling"  # the first network's name

# The scored codes of CPSC 2018's nine classes. The codes of its PVC (164884008), STD and STE are not scored.
# The paper adds "the classes that were not in the original 9 classes but in the 27 scored classes". These are 21 codes,
# including 427172004 (PVC), 713427006 (CRBBB), 17338001 (VPB) and 63593006 (SVPB).
CPSC_CLASSES = frozenset(("426783006", "164889003", "270492004", "164909002", "59118001", "284470004"))


def relabel(
    labels: npt.NDArray[np.bool_],
    probabilities: npt.NDArray[np.float64],
    is_cpsc: npt.NDArray[np.bool_],
    *,
    probability: float,
) -> tuple[npt.NDArray[np.bool_], dict[str, int]]:
    """Add labels above a probability. Return all labels, and the number of new ones per class.

    Only CPSC recordings gain labels, and only of the 21 classes outside CPSC's own. No label is removed.

    Args:
        labels: as published, bool, shape (recordings, 27).
        probabilities: of the first network, same shape; only rows of CPSC are used.
        is_cpsc: bool, shape (recordings,).
        probability: the lower limit; the paper's is 0.8.
    """
    candidate = np.array([code not in CPSC_CLASSES for code in CLASSES])
    added = (probabilities > probability) & is_cpsc[:, None] & candidate & ~labels
    counts = dict(zip(ABBREVIATIONS.values(), added.sum(axis=0).tolist(), strict=True))
    return labels | added, {name: count for name, count in counts.items() if count}


def train_and_relabel(
    recordings: Sequence[PreparedRecording],
    labels: npt.NDArray[np.bool_],
    settings: Settings,
    directory: Path,
    epochs: list[Epoch],
) -> tuple[npt.NDArray[np.bool_], dict[str, int]]:
    """Train a first network on the training recordings, and return the result of :func:`relabel`.

    Validation recordings keep their published labels, because the Challenge scores those. (The paper relabelled "the
    CPSC dataset" and does not say whether this includes its 20 %.)

    Labels are as published, bool, shape (recordings, 27). The other arguments and the errors are those of
    :func:`heartbeats.training.loop.train_network`.
    """
    is_cpsc = np.array([source_of(recording.name) == "cpsc" for recording in recordings])
    if not is_cpsc.any():
        log.info("relabelling: no CPSC recordings to relabel")
        return labels, {}
    seconds = settings.relabelling.seconds
    network = train_network(
        RELABELLING, recordings, labels, settings, seconds=seconds, directory=directory, epochs=epochs
    )
    added: dict[str, int] = {}
    if parallel.is_first():
        signals = [recording.signal for recording in compress(recordings, is_cpsc)]
        probabilities = np.zeros(labels.shape)
        probabilities[is_cpsc] = InferenceNetwork(network, seconds=seconds).probabilities(signals)
        labels, added = relabel(labels, probabilities, is_cpsc, probability=settings.relabelling.probability)
    labels, added = parallel.broadcast((labels, added))
    named = ", ".join(f"{name} {count}" for name, count in added.items()) or "nothing"
    log.info("relabelling: added to %d CPSC recordings: %s", np.sum(is_cpsc), named)
    return labels, added
