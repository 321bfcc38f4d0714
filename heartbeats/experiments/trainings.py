"""Trainings, one a seed, and what the rows of the paper's Table 1 answer by their networks on each set."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import read_weights
from heartbeats.challenge.scoring import merge_equivalent
from heartbeats.classification.classifier import Classifier, Evidence, decide, search_threshold
from heartbeats.common.console import printable
from heartbeats.common.settings import DecisionSettings, Settings
from heartbeats.ecg.header import find_headers, source_of
from heartbeats.experiments.intervals import Answers
from heartbeats.experiments.plan import Plan
from heartbeats.preparation.prepared import Failure, Prepared
from heartbeats.preparation.store import stored
from heartbeats.training.cohort import CohortError, drawn, select_recordings, validates
from heartbeats.training.pipeline import train_entry

__all__ = ["AS_PAPER", "ENTRY", "FULL", "ROWS", "TEST", "UNSEEN", "Scored", "SeedSets", "scored_seeds"]

log = logging.getLogger(__name__)

TEST, FULL = "20 % test", "full training"
AS_PAPER, UNSEEN = "threshold as the paper", "threshold from other recordings"
FOLDS = 10
ENTRY = "whole entry"  # a row of all members and the decision as it is set
# Which members, and whether the rule, make a row of Table 1; its name is to be formatted with the members' seconds.
ROWS = {
    "{0:g} s": ((0,), False),
    "{1:g} s": ((1,), False),
    "{0:g} s + {1:g} s": ((0, 1), False),
    "{0:g} s + {1:g} s + rule": ((0, 1), True),
}

Labels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """A set of recordings as one seed's networks see it.

    Attributes:
        names, digests: of the recordings.
        labels: as published, shape (recordings, 27).
        evidence: of the recordings, besides the networks' probabilities.
        members: probabilities, shape (members, recordings, 27).
        decision: how labels are decided, but for the bradycardia rule, which in Table 1 is a matter of the row.
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    labels: Labels
    evidence: Evidence
    members: Floats
    decision: DecisionSettings

    def part(self, chosen: Labels) -> Scored:
        """The recordings chosen, shape (recordings,)."""
        kept = np.flatnonzero(chosen)
        names, digests = (tuple(values[i] for i in kept) for values in (self.names, self.digests))
        evidence = self.evidence.part(kept)
        return Scored(names, digests, self.labels[kept], evidence, self.members[:, kept], self.decision)

    def folds(self) -> list[tuple[Scored, Scored]]:
        """Each tenth and the other nine, in the order of a draw that no split into training and validation uses.

        Recordings of one signal are together. Halves would not do: with some 15 recordings each, the threshold that one
        half wants is a matter of chance.
        """
        order = sorted(set(self.digests), key=lambda digest: drawn(digest, by="folds"))
        fold_of = {digest: i * FOLDS // len(order) for i, digest in enumerate(order)}
        fold = np.array([fold_of[digest] for digest in self.digests])
        return [(self.part(fold == each), self.part(fold != each)) for each in np.unique(fold)]

    def threshold(self, row: str) -> float:
        """The threshold of best challenge score on these recordings."""
        probabilities, decision = self._of(row)
        return search_threshold(probabilities, self.evidence, self.labels, decision).threshold

    def answers(self, row: str, threshold: float) -> Answers:
        """What a row of the table answers at a threshold."""
        probabilities, decision = self._of(row)
        labels = decide(probabilities, self.evidence, threshold, decision)
        weights = read_weights()
        return Answers(self.names, merge_equivalent(self.labels, weights), merge_equivalent(labels, weights))

    def answers_by_folds(self, row: str) -> Answers:
        """What a row answers where each tenth of the recordings has the threshold of the other nine."""
        tenths = [tenth.answers(row, others.threshold(row)) for tenth, others in self.folds()]
        return Answers(
            names=tuple(name for tenth in tenths for name in tenth.names),
            labels=np.concatenate([tenth.labels for tenth in tenths]),
            binary=np.concatenate([tenth.binary for tenth in tenths]),
        )

    def _of(self, row: str) -> tuple[Floats, DecisionSettings]:
        """A row's probabilities, and how it decides."""
        if row == ENTRY:
            return self.members.mean(axis=0), self.decision
        members, rule = ROWS[row]
        return self.members[list(members)].mean(axis=0), dataclasses.replace(self.decision, bradycardia_rule=rule)


@dataclass(frozen=True)
class SeedSets:
    """The sets that one seed's networks are scored on: the 20 %, external ones by their names, and all of DATA."""

    test: Scored
    external: dict[str, Scored]
    full: Scored

    def answers(self, row: str) -> dict[str, dict[str, Answers]]:
        """What a row answers on each set, by where the threshold comes from.

        The paper's is that of best challenge score on the 20 %, which are recordings not scored where another set is.
        The full training set holds them, and has a threshold from other recordings only if there is an external set.
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
    """Train what is missing, and let the networks of each seed see each of the sets.

    Raises:
        CohortError: a set holds no recordings, or none is left to train with.
        TrainingError: a network's loss, or what it answers, is no number.
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
    """Train one seed, and let its networks see each of the sets."""
    settings = dataclasses.replace(plan.settings, training=dataclasses.replace(plan.settings.training, seed=seed))
    directory = plan.out / f"seed{seed}"
    classifier = train_entry(plan.data, directory, settings)
    full = _seen("training data", classifier, find_headers(plan.data), settings, directory)
    validating = np.array([validates(digest, settings) for digest in full.digests])
    if not validating.any():
        raise CohortError(f"{plan.data}: no recordings validate with seed {seed}: there is nothing to score")
    everything = dataclasses.replace(settings, cohort=dataclasses.replace(settings.cohort, excluded_sources=()))
    return SeedSets(
        test=full.part(validating),
        external={name: _seen(name, classifier, files, everything, directory) for name, files in external.items()},
        full=full,
    )


def _seen(name: str, classifier: Classifier, header_files: list[Path], settings: Settings, directory: Path) -> Scored:
    """What the networks make of recordings with a scored label; those that cannot be used are left out."""
    selection = select_recordings(header_files, settings.cohort)
    if not selection.header_files:
        raise CohortError(f"{name}: no recordings with a scored label to score")
    prepared = stored(selection.header_files, directory / settings.cohort.store, settings.preparation)
    for failure in prepared:
        if isinstance(failure, Failure):
            log.warning("%s: %s is left out: %s", name, printable(failure.name), printable(failure.reason))
    kept = np.array([isinstance(recording, Prepared) for recording in prepared])
    recordings = [recording for recording in prepared if isinstance(recording, Prepared)]
    if not recordings:
        raise CohortError(f"{name}: no recordings that can be read")
    signals = [recording.signal for recording in recordings]
    return Scored(
        names=tuple(recording.name for recording in recordings),
        digests=tuple(recording.digest for recording in recordings),
        labels=selection.labels[kept],
        evidence=Evidence.of(recordings, settings.decision),
        members=np.stack([m.inference.probabilities(signals, seconds=m.seconds) for m in classifier.members]),
        decision=settings.decision,
    )
