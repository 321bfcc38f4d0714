"""From probabilities to labels (paper, section 2.3): threshold, bradycardia rule, sinus rhythm fallback."""

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
    """What decides besides the ensemble's probabilities, each of shape (recordings,).

    Attributes:
        bradycardia: the bradycardia rule (Algorithm 1).
        pvc: whether the U-Net marks a premature ventricular beat; ``None`` if the setting does not ask for it.
    """

    bradycardia: Labels
    pvc: Labels | None = None

    @classmethod
    def of(cls, recordings: Sequence[PreparedRecording], settings: DecisionSettings) -> Self:
        """Return the evidence of prepared recordings."""
        bradycardia = np.array([recording.bradycardia for recording in recordings], dtype=np.bool_)
        if settings.pvc == "networks":
            return cls(bradycardia)
        from heartbeats.pvc_unet.marking import has_premature_beats  # noqa: PLC0415 - a leaf that few need

        signals = [recording.signal for recording in recordings]
        return cls(bradycardia, has_premature_beats(signals, all_leads=settings.pvc == "unet-all-leads"))

    def part(self, rows: npt.NDArray[np.intp]) -> "Evidence":
        """Return the evidence of the recordings with these numbers."""
        return Evidence(self.bradycardia[rows], None if self.pvc is None else self.pvc[rows])


def decide(probabilities: Floats, evidence: Evidence, threshold: float, settings: DecisionSettings) -> Labels:
    """Return labels, shape (recordings, 27), from probabilities of that shape and other evidence.

    The order is the paper's: threshold, Algorithm 2, then sinus rhythm for a recording without a positive class.
    If the U-Net decides, its marks replace the networks' answer for premature ventricular beats (Discussion).
    """
    labels = probabilities >= threshold
    if settings.pvc != "networks" and evidence.pvc is not None:
        labels[:, [CLASSES.index(code) for code in PVC]] = evidence.pvc[:, None]
    if settings.bradycardia_rule:
        brady = CLASSES.index(BRADYCARDIA)
        labels[:, brady] = final_bradycardia(labels[:, brady], evidence.bradycardia)
    if settings.sinus_rhythm_fallback:
        labels[~labels.any(axis=1), CLASSES.index(SINUS_RHYTHM)] = True
    return labels
