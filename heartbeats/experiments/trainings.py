"""Train once per seed, classify each set of recordings, and score the answers."""

import argparse
import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import read_weights
from heartbeats.challenge.outputs import predictions
from heartbeats.challenge.scoring import (
    challenge_metric,
    mean_of_defined,
    merge_equivalent,
    output_matrices,
    ranking_areas,
)
from heartbeats.classification.decision import Evidence, decide
from heartbeats.classification.ensemble import Classifier
from heartbeats.classification.threshold import search_threshold
from heartbeats.common.bootstrap import bootstrap_interval, with_interval
from heartbeats.common.console import printable
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import DecisionSettings, Settings, SettingsError
from heartbeats.ecg.header import find_headers, source_of
from heartbeats.experiments.command import with_changes
from heartbeats.preparation.prepared import prepare_files
from heartbeats.preparation.workers import Failure
from heartbeats.training.cohort import cohort_groups, draw, select_recordings, validates
from heartbeats.training.groups import Group
from heartbeats.training.pipeline import train_model

log = logging.getLogger(__name__)

TEST, FULL = "20 % test", "full training"
AS_PAPER, UNSEEN = "threshold as the paper", "threshold from other recordings"
FOLDS = 10
GRID = np.arange(1, 20) / 20  # of thresholds per class
OFTEN = 20  # recordings

Labels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def frequent(labels: Labels) -> Labels:
    """Return which classes have at least 20 positive recordings, shape (classes,)."""
    often: Labels = labels.sum(axis=0) >= OFTEN
    return often


def frequent_auroc(labels: Labels, scalar: Floats, rows: npt.NDArray[np.intp] | slice = slice(None)) -> float:
    """Return the mean AUROC of rows over the classes that are frequent in the whole set."""
    often = frequent(labels)
    return mean_of_defined(ranking_areas(labels[rows][:, often], scalar[rows][:, often])[0])


@dataclass(frozen=True)
class Answers:
    """The answers on a set of recordings.

    Attributes:
        names, patients: of the recordings.
        labels, binary, scalar: true labels, answered labels, and probabilities, each of shape (recordings, classes of
            the scorer).
    """

    names: tuple[str, ...]
    patients: tuple[str, ...]
    labels: Labels
    binary: Labels
    scalar: Floats

    def auroc(self, rows: npt.NDArray[np.intp] | slice = slice(None)) -> float:
        """Return the mean AUROC of the classes with at least 20 positive recordings in the whole set."""
        return frequent_auroc(self.labels, self.scalar, rows)

    def score(self, rows: npt.NDArray[np.intp] | slice = slice(None)) -> float:
        """Return the challenge score of all recordings, or of those in ``rows``."""
        return challenge_metric(self.labels[rows], self.binary[rows], read_weights())


class Estimate(NamedTuple):
    """The mean score of several trainings, its 95 % interval, and the mean number of recordings."""

    mean: float
    low: float
    high: float
    recordings: int

    def __str__(self) -> str:
        return with_interval(self.mean, self.low, self.high)

    def columns(self, *names: str) -> dict[str, str]:
        """Return the mean and the ends of the interval as columns of a CSV file."""
        return {name: f"{value:.4f}" for name, value in zip(names, self[:3], strict=True)}


def estimate(
    runs: Sequence[Answers],
    baseline: Sequence[Answers] = (),
    score: Callable[[Answers, npt.NDArray[np.intp] | slice], float] = Answers.score,
) -> Estimate:
    """Return the mean score over trainings, or the mean difference of each training from its baseline.

    The bootstrap draws trainings and patients. It draws all recordings of a patient, for all trainings that answered
    them.

    Raises:
        ValueError: a training and its baseline answered different recordings.
    """
    if baseline and [run.names for run in runs] != [other.names for other in baseline]:
        raise ValueError("the answers to compare belong to different recordings")

    def value(i: int, rows: npt.NDArray[np.intp] | slice = slice(None)) -> float:
        return score(runs[i], rows) - (score(baseline[i], rows) if baseline else 0.0)

    patients = np.unique([patient for run in runs for patient in run.patients])
    places = [np.searchsorted(patients, run.patients) for run in runs]

    def mean(seeds: npt.NDArray[np.intp], drawn: npt.NDArray[np.intp]) -> np.floating:
        times = np.bincount(drawn, minlength=len(patients))
        return np.mean([value(i, np.repeat(np.arange(len(places[i])), times[places[i]])) for i in seeds])

    low, high = bootstrap_interval(mean, len(runs), len(patients))
    recordings = round(np.mean([len(run.names) for run in runs]))
    return Estimate(float(np.mean([value(i) for i in range(len(runs))])), float(low), float(high), recordings)


@dataclass(frozen=True)
class Scored:
    """A set of recordings with the probabilities of one seed's networks.

    Attributes:
        names, digests, patients: of the recordings, shape (recordings,). An unknown patient has the recording's name.
        labels: as published, shape (recordings, 27).
        evidence: what the decision uses besides the probabilities.
        members: probabilities, shape (members, recordings, 27).
        decision: the settings of the decision.
        per_class: whether :meth:`threshold` searches a threshold for each class. The paper has one for all.
    """

    names: npt.NDArray[np.str_]
    digests: npt.NDArray[np.str_]
    patients: npt.NDArray[np.str_]
    labels: Labels
    evidence: Evidence
    members: Floats
    decision: DecisionSettings
    per_class: bool = False

    def select(self, rows: npt.NDArray[np.intp]) -> "Scored":
        """Return the recordings with these numbers."""
        return dataclasses.replace(
            self,
            names=self.names[rows],
            digests=self.digests[rows],
            patients=self.patients[rows],
            labels=self.labels[rows],
            evidence=self.evidence.select(rows),
            members=self.members[:, rows],
        )

    def threshold(self) -> float | Floats:
        """Return the threshold, or the thresholds, with the best challenge score on these recordings."""
        probabilities = self.members.mean(axis=0)
        threshold = search_threshold(probabilities, self.evidence, self.labels, self.decision).threshold
        return self._thresholds(threshold) if self.per_class else threshold

    def _thresholds(self, threshold: float) -> Floats:
        """Return a threshold per class: from the same one on, each class in turn takes its best."""
        weights, probabilities = read_weights(), self.members.mean(axis=0)
        true = merge_equivalent(self.labels, weights)

        def score(values: Floats) -> float:
            labels = decide(probabilities, self.evidence, values, self.decision)
            return challenge_metric(true, merge_equivalent(labels, weights), weights)

        thresholds = np.full(self.labels.shape[1], threshold)
        for column in range(len(thresholds)):
            tried = np.tile(thresholds, (1 + len(GRID), 1))
            tried[1:, column] = GRID
            thresholds = tried[np.argmax([score(values) for values in tried])]
        return thresholds

    def answers(self, threshold: float | Floats) -> Answers:
        """Return the ensemble's answers at a threshold, or at one per class, shape (27,)."""
        weights, names, probabilities = read_weights(), tuple(self.names.tolist()), self.members.mean(axis=0)
        decided = decide(probabilities, self.evidence, threshold, self.decision)
        matrices = output_matrices(predictions(names, decided, probabilities), weights)
        return Answers(names, tuple(self.patients.tolist()), merge_equivalent(self.labels, weights), *matrices)

    def answers_by_folds(self) -> Answers:
        """Return the ensemble's answers. Each tenth uses the threshold of the other nine tenths."""
        answers, fold = self.answers(threshold=0.5), folds(self.digests)
        for each in np.unique(fold):
            tenth, others = np.flatnonzero(fold == each), np.flatnonzero(fold != each)
            answers.binary[tenth] = self.select(tenth).answers(self.select(others).threshold()).binary
        return answers


def folds(digests: npt.NDArray[np.str_]) -> npt.NDArray[np.intp]:
    """Return the number of each recording's tenth. The draw does not depend on training and validation.

    Recordings of one signal are in one tenth. Halves would be too small: with about 15 recordings, the best threshold
    depends on chance.
    """
    unique, signal = np.unique(digests, return_inverse=True)
    places = np.argsort(np.argsort([draw(digest, seed="folds") for digest in unique]))
    return places[signal] * FOLDS // len(unique)


def answers_by_set(sets: dict[str, Scored]) -> dict[tuple[str, str], Answers]:
    """Return the answers by set name and source of the threshold.

    The paper's threshold has the best challenge score on the 20 %. An external set does not contain these recordings.
    The full training set contains them, so its threshold from other recordings needs an external set.
    """
    external = [name for name in sets if name not in (TEST, FULL)]
    papers = sets[TEST].threshold()
    answers = {(TEST, AS_PAPER): sets[TEST].answers(papers), (TEST, UNSEEN): sets[TEST].answers_by_folds()}
    answers |= {(name, UNSEEN): sets[name].answers(papers) for name in external}
    if FULL in sets:
        answers[FULL, AS_PAPER] = sets[FULL].answers(papers)
    if FULL in sets and external:
        answers[FULL, UNSEEN] = sets[FULL].answers(sets[external[0]].threshold())
    return answers


def train_seeds(
    options: argparse.Namespace, settings: Settings, out: Path, *, full: bool = True
) -> list[dict[str, Scored]]:
    """Train each seed that is not trained yet, and classify each set with its networks.

    Returns:
        For each seed, the sets by name: first the 20 %, then external sets, then all recordings of the cohort if
        ``full``.

    Raises:
        SettingsError: ``--seeds`` is too small, or two external folders have the same name.
        HeartBeatsError: a set has no recordings, none are left for training, or a loss or an answer is not finite.
        OSError: the data cannot be read, or the folder of models cannot be written.
    """
    if options.seeds < 1:
        raise SettingsError("--seeds must be at least 1")
    names = [folder.resolve().name for folder in options.external]
    if len(set(names)) < len(names):
        raise SettingsError("--external: two folders have the same name; results are listed by name, so rename one")
    sets = {}
    if source := options.leave_out:
        sets[f"{source}, left out"] = [path for path in find_headers(options.data) if source_of(path.stem) == source]
    sets |= {name: find_headers(folder) for name, folder in zip(names, options.external, strict=True)}
    for name, header_files in sets.items():
        if not header_files:
            raise HeartBeatsError(f"{name}: no recordings to score")
    return [_train_seed(options, settings, out / f"seed{seed}", seed, sets, full) for seed in range(options.seeds)]


def _train_seed(
    options: argparse.Namespace,
    settings: Settings,
    directory: Path,
    seed: int,
    external: dict[str, list[Path]],
    full: bool,
) -> dict[str, Scored]:
    cache = options.out / "prepared"  # all trainings share it
    store = os.path.relpath(cache, directory)
    settings = with_changes(settings, [f"cohort.seed={seed}", f"training.seed={seed}", f"cohort.store='{store}'"])
    classifier = train_model(options.data, directory, settings)
    groups = cohort_groups(options.data, settings.cohort)
    read = partial(_read_set, classifier=classifier, cache=cache, groups=groups)
    files = find_headers(options.data)
    sets = {TEST: read(TEST, files, settings=settings, validating=True)}
    as_published = ["cohort.excluded_sources=[]", "cohort.test_folds=[]", "cohort.also_pvc=[]"]
    of_others = with_changes(settings, as_published)
    sets |= {name: read(name, others, settings=of_others) for name, others in external.items()}
    return sets | ({FULL: read(FULL, files, settings=settings)} if full else {})


def _read_set(
    name: str,
    files: list[Path],
    *,
    classifier: Classifier,
    settings: Settings,
    cache: Path,
    groups: Mapping[str, Group],
    validating: bool = False,
) -> Scored:
    """Return the probabilities of recordings with a scored label, or of those that validate.

    The log names recordings that cannot be used.
    """
    selection = select_recordings(files, settings.cohort, groups)
    recordings, rows = [], []
    for row, prepared in enumerate(prepare_files(selection.header_files, cache, settings.preparation)):
        if isinstance(prepared, Failure):
            log.warning("%s: %s is left out: %s", name, printable(prepared.name), printable(prepared.reason))
        elif not validating or validates(prepared.name, prepared.digest, settings, groups):
            recordings.append(prepared)
            rows.append(row)
    if validating and not recordings:
        raise HeartBeatsError(f"no recordings validate with seed {settings.cohort.seed}, so there is nothing to score")
    if not recordings:
        raise HeartBeatsError(f"{name}: no recordings with a scored label that can be read")
    signals = [recording.signal for recording in recordings]
    return Scored(
        names=np.array([recording.name for recording in recordings]),
        digests=np.array([recording.digest for recording in recordings]),
        patients=np.array([groups[each.name].patient if each.name in groups else each.name for each in recordings]),
        labels=selection.labels[rows],
        evidence=Evidence.of(recordings, settings.decision),
        members=np.stack([member.inference.probabilities(signals) for member in classifier.members]),
        decision=settings.decision,
    )
