"""Turn probabilities into labels (paper, section 2.3): threshold, bradycardia rule, sinus rhythm fallback."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import BRADYCARDIA, CLASSES, PVC, SINUS_RHYTHM
from heartbeats.common.settings import DecisionSettings
from heartbeats.preparation.bradycardia import final_bradycardia
from heartbeats.preparation.prepared import PreparedRecording

Labels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """What the decision uses besides probabilities: bool arrays of shape (recordings,).

    Attributes:
        bradycardia: whether the bradycardia rule is true (Algorithm 1).
        pvc: whether the U-Net marks a premature ventricular beat; ``None`` if it is not used.
    """

    bradycardia: Labels
    pvc: Labels | None = None

    @classmethod
    def of(cls, recordings: Sequence[PreparedRecording], settings: DecisionSettings) -> Self:
        """Return the evidence of prepared recordings; run the U-Net if the settings ask for it."""
        bradycardia = np.array([recording.bradycardia for recording in recordings], dtype=np.bool_)
        if settings.pvc == "networks":
            return cls(bradycardia)
        from heartbeats.pvc_unet.marking import has_premature_beats  # noqa: PLC0415 - rarely needed

        signals = [recording.signal for recording in recordings]
        return cls(bradycardia, has_premature_beats(signals, all_leads=settings.pvc == "unet-all-leads"))

    def select(self, rows: npt.NDArray[np.intp]) -> "Evidence":
        """Return the evidence of the recordings at these indices."""
        return Evidence(self.bradycardia[rows], None if self.pvc is None else self.pvc[rows])


def decide(
    probabilities: Floats,
    evidence: Evidence,
    threshold: float | Floats,
    settings: DecisionSettings,
    codes: Sequence[str] = CLASSES,
) -> Labels:
    """Turn probabilities, shape (recordings, classes), and evidence into labels, bool, same shape.

    The threshold is one for all classes, or one per class, shape (classes,). ``codes`` are the classes. A step for a
    class that is not one of them is left out.

    The order is the paper's: threshold, Algorithm 2, then sinus rhythm for a recording without a positive class.
    If the settings ask for the U-Net, it replaces the networks' PVC labels after the threshold (Discussion).
    """
    labels = probabilities >= threshold
    if settings.pvc != "networks" and evidence.pvc is not None:
        labels[:, [codes.index(code) for code in PVC if code in codes]] = evidence.pvc[:, None]
    if settings.bradycardia_rule and BRADYCARDIA in codes:
        brady = codes.index(BRADYCARDIA)
        labels[:, brady] = final_bradycardia(labels[:, brady], evidence.bradycardia)
    if settings.sinus_rhythm_fallback and SINUS_RHYTHM in codes:
        labels[~labels.any(axis=1), codes.index(SINUS_RHYTHM)] = True
    return labels
