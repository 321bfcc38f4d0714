"""Train once per seed, and let the rows of the paper's Table 1 answer on each set of recordings."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import read_weights
from heartbeats.challenge.scoring import challenge_metric, merge_equivalent
from heartbeats.classification.decision import Evidence, decide
from heartbeats.classification.ensemble import Classifier
from heartbeats.classification.threshold import search_threshold
from heartbeats.common.bootstrap import bootstrap_interval
from heartbeats.common.console import printable
from heartbeats.common.settings import DecisionSettings, Settings
from heartbeats.ecg.header import find_headers, source_of
from heartbeats.experiments.plan import Plan
from heartbeats.preparation.prepared import Failure, PreparedRecording, prepare_files
from heartbeats.training.cohort import CohortError, draw, select_recordings, validates
from heartbeats.training.pipeline import train_model

log = logging.getLogger(__name__)

TEST, FULL = "20 % test", "full training"
AS_PAPER, UNSEEN = "threshold as the paper", "threshold from other recordings"
FOLDS = 10
ENTRY = "whole entry"  # a row with all members and the decision of the settings
# The members of each row of Table 1, and whether it has the bradycardia rule. {0:g} is the seconds of the first member.
ROWS = {
    "{0:g} s": ((0,), False),
    "{1:g} s": ((1,), False),
    "{0:g} s + {1:g} s": ((0, 1), False),
    "{0:g} s + {1:g} s + rule": ((0, 1), True),
}

Labels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """The names of recordings, and their true and answered labels, shape (recordings, classes of the scorer)."""

    names: tuple[str, ...]
    labels: Labels
    binary: Labels

    def score(self, rows: npt.NDArray[np.intp] | slice = slice(None)) -> float:
        """Return the challenge score of all recordings, or of those in ``rows``."""
        return challenge_metric(self.labels[rows], self.binary[rows], read_weights())


@dataclass(frozen=True)
class Estimate:
    """The mean challenge score of several trainings, its 95 % interval, and the mean number of recordings."""

    mean: float
    low: float
    high: float
    recordings: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


def estimate(runs: Sequence[Answers], baseline: Sequence[Answers] = ()) -> Estimate:
    """Return the mean over trainings of the challenge score, or of its difference from ``baseline``, run by run.

    The bootstrap draws trainings and recordings. A recording is draw for all trainings that answered it.

    Raises:
        ValueError: a training and its baseline answered different recordings.
    """
    if baseline and [run.names for run in runs] != [other.names for other in baseline]:
        raise ValueError("the answers to compare are of different recordings")

    def value(i: int, rows: npt.NDArray[np.intp] | slice = slice(None)) -> float:
        return runs[i].score(rows) - (baseline[i].score(rows) if baseline else 0.0)

    names = np.unique([name for run in runs for name in run.names])
    places = [np.searchsorted(names, run.names) for run in runs]

    def mean(seeds: npt.NDArray[np.intp], recordings: npt.NDArray[np.intp]) -> np.floating:
        times = np.bincount(recordings, minlength=len(names))
        return np.mean([value(i, np.repeat(np.arange(len(places[i])), times[places[i]])) for i in seeds])

    low, high = bootstrap_interval(mean, len(runs), len(names))
    recordings = round(np.mean([len(run.names) for run in runs]))
    return Estimate(float(np.mean([value(i) for i in range(len(runs))])), float(low), float(high), recordings)


@dataclass(frozen=True)
class Scored:
    """A set of recordings with the probabilities of one seed's networks.

    Attributes:
        names, digests: of the recordings.
        labels: as published, shape (recordings, 27).
        evidence: other than the probabilities.
        members: probabilities, shape (members, recordings, 27).
        decision: how labels are decided; the rows of Table 1 replace only its bradycardia rule.
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    labels: Labels
    evidence: Evidence
    members: Floats
    decision: DecisionSettings

    def part(self, chosen: Labels) -> Scored:
        """Return the chosen recordings; ``chosen`` has the shape (recordings,)."""
        kept = np.flatnonzero(chosen)
        names, digests = (tuple(values[i] for i in kept) for values in (self.names, self.digests))
        evidence = self.evidence.part(kept)
        return Scored(names, digests, self.labels[kept], evidence, self.members[:, kept], self.decision)

    def threshold(self, row: str) -> float:
        """Return the threshold with the best challenge score on these recordings."""
        probabilities, decision = self._of(row)
        return search_threshold(probabilities, self.evidence, self.labels, decision).threshold

    def answers(self, row: str, threshold: float) -> Answers:
        """Return the answers of a row at a threshold."""
        probabilities, decision = self._of(row)
        labels = decide(probabilities, self.evidence, threshold, decision)
        weights = read_weights()
        return Answers(self.names, merge_equivalent(self.labels, weights), merge_equivalent(labels, weights))

    def folds(self) -> list[Labels]:
        """Return which recordings are in each tenth. The draw is independent of training and validation.

        Recordings of one signal are in one tenth. Halves are too small: with some 15 recordings the best threshold
        depends on chance.
        """
        order = sorted(set(self.digests), key=lambda digest: draw(digest, seed="folds"))
        fold_of = {digest: i * FOLDS // len(order) for i, digest in enumerate(order)}
        fold = np.array([fold_of[digest] for digest in self.digests])
        return [fold == each for each in np.unique(fold)]

    def answers_by_folds(self, row: str) -> Answers:
        """Return the answers of a row, each tenth at the threshold of the other nine."""
        answers = self.answers(row, threshold=0.5)
        for fold in self.folds():
            answers.binary[fold] = self.part(fold).answers(row, self.part(~fold).threshold(row)).binary
        return answers

    def _of(self, row: str) -> tuple[Floats, DecisionSettings]:
        """Return the probabilities and the decision of a row."""
        if row == ENTRY:
            return self.members.mean(axis=0), self.decision
        members, rule = ROWS[row]
        return self.members[list(members)].mean(axis=0), dataclasses.replace(self.decision, bradycardia_rule=rule)


@dataclass(frozen=True)
class SeedSets:
    """The sets that one seed's networks are scored on: the 20 %, external sets by name, and all of DATA."""

    test: Scored
    external: dict[str, Scored]
    full: Scored

    def answers(self, row: str) -> dict[str, dict[str, Answers]]:
        """Return the answers of a row by set and by source of the threshold.

        The paper's threshold has the best challenge score on the 20 %. For an external set, these are other recordings.
        The full training set contains them, so it needs an external set for a threshold from other recordings.
        """
        papers = self.test.threshold(row)
        answers = {TEST: {AS_PAPER: self.test.answers(row, papers), UNSEEN: self.test.answers_by_folds(row)}}
        answers |= {name: {UNSEEN: scored.answers(row, papers)} for name, scored in self.external.items()}
        answers[FULL] = {AS_PAPER: self.full.answers(row, papers)}
        if self.external:
            first = next(iter(self.external.values()))
            answers[FULL][UNSEEN] = self.full.answers(row, first.threshold(row))
        return answers


def scored_seeds(plan: Plan) -> list[SeedSets]:
    """Train each seed that is not trained yet, and let its networks read each set.

    Raises:
        CohortError: a set has no recordings, or none is left to train with.
        TrainingError: a loss or an answer is not a finite number.
        OSError: the data cannot be read, or the folder of models cannot be written.
    """
    external = {name: find_headers(folder) for name, folder in plan.external.items()}
    if plan.leave_out:
        of_source = [path for path in find_headers(plan.data) if source_of(path.stem) == plan.leave_out]
        external = {f"{plan.leave_out}, left out": of_source} | external
    for name, header_files in external.items():
        if not header_files:
            raise CohortError(f"{name}: no recordings to score")
    return [_seed_sets(plan, external, seed) for seed in range(plan.seeds)]


def _seed_sets(plan: Plan, external: dict[str, list[Path]], seed: int) -> SeedSets:
    directory = plan.out / f"seed{seed}"
    store = os.path.relpath(plan.prepared, directory)
    cohort = dataclasses.replace(plan.settings.cohort, seed=seed, store=store)
    training = dataclasses.replace(plan.settings.training, seed=seed)
    settings = dataclasses.replace(plan.settings, cohort=cohort, training=training)
    classifier = train_model(plan.data, directory, settings)
    full = _read_set("training data", classifier, find_headers(plan.data), settings, plan.prepared)
    validating = np.array([validates(digest, settings) for digest in full.digests])
    if not validating.any():
        raise CohortError(f"{plan.data}: no recordings validate with seed {seed}, so there is nothing to score")
    everything = dataclasses.replace(settings, cohort=dataclasses.replace(cohort, excluded_sources=()))
    sets = {name: _read_set(name, classifier, files, everything, plan.prepared) for name, files in external.items()}
    return SeedSets(full.part(validating), sets, full)


def _read_set(name: str, classifier: Classifier, files: list[Path], settings: Settings, store: Path) -> Scored:
    """Return the probabilities of recordings with a scored label; name recordings that cannot be used."""
    selection = select_recordings(files, settings.cohort)
    if not selection.header_files:
        raise CohortError(f"{name}: no recordings with a scored label to score")
    prepared = prepare_files(selection.header_files, store, settings.preparation)
    for failure in prepared:
        if isinstance(failure, Failure):
            log.warning("%s: %s is left out: %s", name, printable(failure.name), printable(failure.reason))
    kept = np.array([isinstance(recording, PreparedRecording) for recording in prepared])
    recordings = [recording for recording in prepared if isinstance(recording, PreparedRecording)]
    if not recordings:
        raise CohortError(f"{name}: no recordings that can be read")
    signals = [recording.signal for recording in recordings]
    return Scored(
        names=tuple(recording.name for recording in recordings),
        digests=tuple(recording.digest for recording in recordings),
        labels=selection.labels[kept],
        evidence=Evidence.of(recordings, settings.decision),
        members=np.stack([m.inference.probabilities(signals) for m in classifier.members]),
        decision=settings.decision,
    )
