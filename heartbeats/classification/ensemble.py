"""The trained entry: the mean of its networks' probabilities (paper, section 2.4), and labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from heartbeats.challenge.diagnoses import SCORED, Classes
from heartbeats.challenge.outputs import Prediction, predictions
from heartbeats.classification.decision import Evidence, Floats, decide
from heartbeats.common.settings import Settings
from heartbeats.ecg.recording import Recording
from heartbeats.networks.inference import InferenceNetwork
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.preparation.prepared import PreparedRecording, prepare

LONGER = 1.01  # times what the networks read: a warning


@dataclass(frozen=True)
class Member:
    """A trained network of the ensemble.

    Attributes:
        seconds: its input length.
        network: its weights do not change any more.
        inference: computes its probabilities.
    """

    seconds: float
    network: SEResNet
    inference: InferenceNetwork = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inference", InferenceNetwork(self.network, seconds=self.seconds))


@dataclass(frozen=True)
class Classifier:
    """A trained entry.

    Attributes:
        members: the networks, with equal weight.
        threshold: a class is positive if its probability is at least this.
        thresholds: your own, by code; for other classes, ``threshold`` counts.
        embeds: whether predictions have embeddings.
        settings: those of its training.
        classes: the Challenge's, or the user's own.
        leads: use only these leads, or all if ``None``.
        directory: the model folder that it was loaded from.
        seen: marks of the recordings that trained it or chose its threshold.
    """

    members: tuple[Member, ...]
    threshold: float
    settings: Settings
    classes: Classes = SCORED
    leads: tuple[str, ...] | None = None
    directory: Path | None = None
    seen: frozenset[str] = frozenset()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    embeds: bool = False

    def prepare(self, recording: Recording) -> PreparedRecording:
        """Prepare a recording for :meth:`classify`, from :attr:`leads` only.

        Raises:
            RecordingError: the recording has none of the leads that the networks read.
        """
        return prepare(recording.with_leads(self.leads), self.settings.preparation)

    def classify(self, recordings: Sequence[PreparedRecording]) -> list[Prediction]:
        """Return the predictions for prepared recordings, in order.

        Raises:
            TypeError: a recording is not prepared.
        """
        if not all(isinstance(recording, PreparedRecording) for recording in recordings):
            raise TypeError("prepare the recordings first: classify([model.prepare(recording), ...])")
        probabilities = ensemble(self.members, recordings)
        evidence = Evidence.of(recordings, self.settings.decision)
        thresholds = np.array([self.thresholds.get(code, self.threshold) for code in self.classes.codes])
        labels = decide(probabilities, evidence, thresholds, self.settings.decision, self.classes.codes)
        answers = predictions([each.name for each in recordings], labels, probabilities, self.classes.codes)
        answers = [self._annotated(*pair) for pair in zip(answers, recordings, strict=True)]
        if self.embeds:
            vectors = np.concatenate([member.inference.embeddings for member in self.members], axis=1).tolist()
            answers = [replace(one, embedding=tuple(each)) for one, each in zip(answers, vectors, strict=True)]
        return answers

    def _annotated(self, answer: Prediction, recording: PreparedRecording) -> Prediction:
        """Return an answer with its recording's warnings, and with whether the model has seen the recording."""
        warnings, read = recording.warnings, max(member.seconds for member in self.members)
        if recording.seconds > LONGER * read:
            warnings += (f"the networks read only the first {read:g} s of {recording.seconds:.4g} s",)
        return replace(answer, warnings=warnings, seen=not self.seen.isdisjoint(marks(recording)))


def marks(recording: PreparedRecording) -> set[str]:
    """Return two short marks of a recording: of its samples, and of its name, age, sex and scored labels."""
    return {recording.digest[:16], recording.mark[:16]}


def ensemble(members: Sequence[Member], recordings: Sequence[PreparedRecording]) -> Floats:
    """Return the mean of the members' probabilities, shape (recordings, classes)."""
    signals = [recording.signal for recording in recordings]
    mean: Floats = np.mean([member.inference.probabilities(signals) for member in members], axis=0)
    return mean
