"""From prepared signals to diagnoses (paper, section 2.3): ensemble, threshold, bradycardia rule, fallback.

A model folder holds a safetensors file per member and ``model.json`` with all else. No pickle, no code: nothing in it
is run when it is loaded.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from heartbeats.challenge.diagnoses import BRADYCARDIA, CLASSES, PVC, SINUS_RHYTHM, read_weights
from heartbeats.challenge.outputs import Diagnosis, diagnoses_of
from heartbeats.challenge.scoring import challenge_metric, merge_equivalent
from heartbeats.common.digest import code_digest
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import write_text
from heartbeats.common.settings import DecisionSettings, NetworkSettings, Settings, settings_from_dict
from heartbeats.ecg.recording import Recording
from heartbeats.networks.inference import InferenceNetwork
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.preparation.heart_rate import final_bradycardia
from heartbeats.preparation.prepared import Prepared, prepare_recording
from heartbeats.training.checkpoints import save_tensors

__all__ = [
    "MODEL_FILE",
    "Classifier",
    "Evidence",
    "Member",
    "ModelError",
    "ThresholdSearch",
    "decide",
    "ensemble",
    "load",
    "save",
    "search_threshold",
]

log = logging.getLogger(__name__)

MODEL_FILE = "model.json"
ROOMS = ("ecg", "preparation", "networks", "classification", "challenge")  # that make an answer
FORMAT = "heartbeats-model"
FORMAT_VERSION = 1

# The paper's threshold (section 2.4), for the case that no validation recording can tell a better one.
PAPER_THRESHOLD = 0.36
THRESHOLDS = np.arange(1, 100) / 100

Labels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class ModelError(HeartBeatsError):
    """A model folder is damaged, incomplete or not one of this program; the message names the file."""


@dataclass(frozen=True)
class Member:
    """One network of the ensemble and the input length in seconds that it was trained with."""

    seconds: float
    network: SEResNet

    @cached_property
    def inference(self) -> InferenceNetwork:
        """The network as it answers fastest."""
        return InferenceNetwork(self.network)


@dataclass(frozen=True)
class Classifier:
    """A trained entry.

    Attributes:
        members: their probabilities are averaged, each counting the same.
        threshold: a class is positive at this probability or above.
        settings: what it was trained with.
        leads: the only leads that may be read, or ``None`` for all that a recording has.
    """

    members: tuple[Member, ...]
    threshold: float
    settings: Settings
    leads: tuple[str, ...] | None = None

    def prepare(self, recording: Recording) -> Prepared:
        """A recording prepared as those that the networks were trained on, of the leads that may be read.

        Raises:
            RecordingError: none of these is a lead that the networks read.
        """
        return prepare_recording(recording.with_leads(self.leads), self.settings.preparation)

    def probabilities(self, recordings: Sequence[Prepared]) -> Floats:
        """The ensemble's probabilities, shape (recordings, 27)."""
        return ensemble(self.members, recordings)

    def classify(self, recordings: Sequence[Prepared]) -> list[Diagnosis]:
        """The diagnoses of recordings, in their order.

        Raises:
            TypeError: they are not prepared.
        """
        if not all(isinstance(recording, Prepared) for recording in recordings):
            raise TypeError("recordings are to be prepared: classify([model.prepare(recording), ...])")
        probabilities = self.probabilities(recordings)
        evidence = Evidence.of(recordings, self.settings.decision)
        labels = decide(probabilities, evidence, self.threshold, self.settings.decision)
        return diagnoses_of([recording.name for recording in recordings], labels, probabilities)


def ensemble(members: Sequence[Member], recordings: Sequence[Prepared]) -> Floats:
    """The mean of the members' probabilities, shape (recordings, 27)."""
    signals = [recording.signal for recording in recordings]
    mean: Floats = np.mean([m.inference.probabilities(signals, seconds=m.seconds) for m in members], axis=0)
    return mean


@dataclass(frozen=True)
class Evidence:
    """Evidence other than the ensemble's probabilities, each of shape (recordings,).

    Attributes:
        bradycardia: the bradycardia rule (Algorithm 1).
        pvc: whether the U-Net marks a premature ventricular beat; ``None`` where it is not asked.
    """

    bradycardia: Labels
    pvc: Labels | None = None

    @classmethod
    def of(cls, recordings: Sequence[Prepared], settings: DecisionSettings) -> Evidence:
        """The evidence of prepared recordings."""
        bradycardia = np.array([recording.bradycardia for recording in recordings], dtype=np.bool_)
        if settings.pvc == "networks":
            return cls(bradycardia)
        from heartbeats.pvc_unet.marking import has_premature_beats  # noqa: PLC0415 - only if the setting asks for it

        signals = [recording.signal for recording in recordings]
        return cls(bradycardia, has_premature_beats(signals, all_leads=settings.pvc == "unet-all-leads"))

    def part(self, kept: npt.NDArray[np.intp]) -> Evidence:
        """The evidence of the recordings of these numbers."""
        return Evidence(self.bradycardia[kept], None if self.pvc is None else self.pvc[kept])


def decide(probabilities: Floats, evidence: Evidence, threshold: float, settings: DecisionSettings) -> Labels:
    """Labels, shape (recordings, 27), from probabilities of that shape and other evidence.

    In the paper's order: threshold, Algorithm 2, sinus rhythm for a recording that is left without a positive class.
    Where the U-Net decides, premature ventricular beats are what it marks, whatever the probabilities (Discussion).

    Raises:
        ValueError: the U-Net decides, and the evidence is without its answers.
    """
    labels = probabilities >= threshold
    if settings.pvc != "networks":
        if evidence.pvc is None:
            raise ValueError("the U-Net decides, and was not asked")
        labels[:, [CLASSES.index(code) for code in PVC]] = evidence.pvc[:, None]
    if settings.bradycardia_rule:
        brady = CLASSES.index(BRADYCARDIA)
        labels[:, brady] = final_bradycardia(labels[:, brady], evidence.bradycardia)
    if settings.sinus_rhythm_fallback:
        labels[~labels.any(axis=1), CLASSES.index(SINUS_RHYTHM)] = True
    return labels


@dataclass(frozen=True)
class ThresholdSearch:
    """The challenge score of each threshold tried, and the threshold taken."""

    threshold: float
    thresholds: tuple[float, ...]
    challenge_scores: tuple[float, ...]

    @property
    def undecided(self) -> bool:
        """Whether no threshold has a challenge score, so that the paper's is taken."""
        return bool(np.isnan(self.challenge_scores).all())


def search_threshold(
    probabilities: Floats, evidence: Evidence, labels: Labels, settings: DecisionSettings
) -> ThresholdSearch:
    """The threshold of best challenge score after the whole decision, in steps of 0.01.

    The paper searched one for all classes on the offline test set (section 2.4); it does not say for what, nor in which
    steps. Of thresholds that score the same the middle one is taken. Where the score is undefined (no validation
    recordings, or only such as sinus rhythm answers fully) it is the paper's 0.36.

    Args:
        probabilities: the ensemble's on the validation recordings, shape (recordings, 27).
        evidence: of the same recordings.
        labels: as published, shape (recordings, 27).
    """
    weights = read_weights()
    true = merge_equivalent(labels, weights)
    scores = np.array(
        [
            challenge_metric(true, merge_equivalent(decide(probabilities, evidence, t, settings), weights), weights)
            for t in THRESHOLDS
        ]
    )
    search = ThresholdSearch(PAPER_THRESHOLD, tuple(THRESHOLDS.tolist()), tuple(scores.tolist()))
    if search.undecided:
        return search
    best = np.flatnonzero(scores == scores.max())
    return dataclasses.replace(search, threshold=float(THRESHOLDS[best[(len(best) - 1) // 2]]))


def save(classifier: Classifier, directory: Path, report: dict[str, Any]) -> None:
    """Write a model folder; ``report`` is what training has to say, as JSON, and is not read back.

    Raises:
        OSError: the folder cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    members = []
    for member in classifier.members:
        name = f"se_resnet_{member.seconds:g}s.safetensors"
        state = {key: value.cpu() for key, value in member.network.state_dict().items()}
        save_tensors(directory / name, state)
        members.append({"seconds": member.seconds, "weights": name, "sha256": _sha256(directory / name)})
    model = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "classes": CLASSES,
        "threshold": classifier.threshold,
        "members": members,
        "settings": classifier.settings.to_dict(),
        "code": code_digest(*ROOMS),
    }
    write_text(directory / MODEL_FILE, json.dumps(model | report, indent=2) + "\n")
    kept = {member["weights"] for member in members}
    for path in directory.glob("se_resnet_*.safetensors"):  # an earlier model may have had other members
        if re.fullmatch(r"se_resnet_[\d.e+-]+s", path.stem) and path.name not in kept:
            path.unlink()


def load(directory: Path, *, device: torch.device, leads: Sequence[str] | None = None) -> Classifier:
    """Load a model folder written by :func:`save`; a warning is logged where that was other code of the answers.

    Raises:
        ModelError: naming the file that is missing, damaged or not of this program, and what is wrong with it.
    """
    path = directory / MODEL_FILE
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing: train_model.py has not finished in this folder") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged, no JSON ({error}): train again") from error
    if not isinstance(model, dict) or (model.get("format"), model.get("format_version")) != (FORMAT, FORMAT_VERSION):
        raise ModelError(f"{path} is not a model of this program's format {FORMAT} {FORMAT_VERSION}: train again")
    try:
        if tuple(model["classes"]) != CLASSES:
            raise ModelError(f"{path} has other classes than dx_mapping_scored.csv: train again")
        settings = settings_from_dict(model["settings"])
        members = tuple(_load_member(directory, member, settings.network, device) for member in model["members"])
        threshold = float(model["threshold"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{path} lacks or garbles an entry ({error!r}): train again") from error
    if tuple(member.seconds for member in members) != settings.training.seconds:
        raise ModelError(f"{path} names other members than its settings: train again")
    if not 0 <= threshold <= 1:
        raise ModelError(f"{path} has a threshold that is no probability: train again")
    if model.get("code") != code_digest(*ROOMS):
        log.warning("%s was written by other code of this program: its answers may be others than they were", path)
    return Classifier(members, threshold, settings, leads=tuple(leads) if leads is not None else None)


def _load_member(directory: Path, entry: dict[str, Any], settings: NetworkSettings, device: torch.device) -> Member:
    # A name without folders: a model.json from elsewhere must not make files outside its folder be opened.
    path = directory / Path(entry["weights"]).name
    try:
        if _sha256(path) != entry["sha256"]:
            raise ModelError(f"{path} is not the file that {MODEL_FILE} describes (damaged or replaced): train again")
        network = SEResNet(settings)
        network.load_state_dict(load_tensors(path.read_bytes()))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path} does not hold this network's weights ({reason}): train again") from error
    if not all(torch.isfinite(values).all() for values in network.state_dict().values()):
        raise ModelError(f"{path} holds weights that are no numbers: train again")
    return Member(float(entry["seconds"]), network.to(device).eval())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
