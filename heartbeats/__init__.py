"""HeartBeats reads a 12-lead ECG and predicts which of 27 diagnoses it shows.

A re-implementation of "Classification of Cardiac Abnormalities From ECG Signals Using SE-ResNet" (Zhu et al.,
Computing in Cardiology 2020). The README lists the file of each section of the paper.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heartbeats.classification.model_folder import load_model as load_model
    from heartbeats.ecg.recording import Recording as Recording
    from heartbeats.ecg.recording import read_recording as read_recording

__version__ = "0.1.0"

_HOMES = {
    "Recording": "heartbeats.ecg.recording",
    "read_recording": "heartbeats.ecg.recording",
    "load_model": "heartbeats.classification.model_folder",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: ``import heartbeats`` must not load torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'heartbeats' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
