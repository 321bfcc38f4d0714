"""HeartBeats reads a 12-lead ECG and predicts which of 27 diagnoses it shows.

A re-implementation of "Classification of Cardiac Abnormalities From ECG Signals Using SE-ResNet" (Zhu et al.,
Computing in Cardiology 2020). The README lists the file of each section of the paper.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heartbeats.classification.model_folder import load_model as load_model
    from heartbeats.ecg.recording import Recording as Recording
    from heartbeats.ecg.recording import read_recording as read_recording

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, so that ``import heartbeats`` does not load torch."""
    if name == "load_model":
        from heartbeats.classification.model_folder import load_model  # noqa: PLC0415

        return load_model
    if name in ("Recording", "read_recording"):
        from heartbeats.ecg import recording  # noqa: PLC0415

        return getattr(recording, name)
    raise AttributeError(f"module 'heartbeats' has no attribute {name!r}")
