"""Trainings, one a seed, and what the rows of the paper's Table 1 answer by their networks on each set."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.classifier import Classifier, Evidence, decide, search_threshold
from heartbeats.cohort import CohortError, drawn, select_recordings, validates
from heartbeats.diagnoses import read_weights
from heartbeats.entry import train_entry
from heartbeats.experiments.intervals import Answers
from heartbeats.header import find_headers, source_of
from heartbeats.prepared import Prepared
from heartbeats.scoring import merge_equivalent
from heartbeats.settings import DecisionSettings, Settings, SettingsError, read_settings, settings_from_dict
from heartbeats.store import stored
from heartbeats.training import TrainingError

__all__ = [
    "AS_PAPER",
    "FULL",
    "ROWS",
    "STORE",
    "TEST",
    "UNSEEN",
    "Plan",
    "Scored",
    "answers",
    "command",
    "options_parser",
    "plan_of",
    "reported",
    "scored_seeds",
    "with_changes",
]

TEST, FULL = "20 % test", "full training"
AS_PAPER, UNSEEN = "threshold as the paper", "threshold from other recordings"
FOLDS = 10
STORE = "../prepared"  # the prepared signals, which all seeds share, seen from a model's folder
# Which members, and whether the rule, make a row.
ROWS = {
    "30 s": ((0,), False),
    "10 s": ((1,), False),
    "30 s + 10 s": ((0, 1), False),
    "30 s + 10 s + rule": ((0, 1), True),
}

Labels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """A set of recordings as one seed's networks see it.

    Attributes:
        names, digests: of the recordings.
        labels: as published, shape (recordings, 27).
        rule: the bradycardia rule, shape (recordings,).
        members: probabilities, shape (members, recordings, 27).
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    labels: Labels
    rule: Labels
    members: Floats

    def part(self, chosen: Labels) -> Scored:
        """The recordings chosen, shape (recordings,)."""
        kept = np.flatnonzero(chosen)
        names, digests = (tuple(values[i] for i in kept) for values in (self.names, self.digests))
        return Scored(names, digests, self.labels[kept], self.rule[kept], self.members[:, kept])

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
        return search_threshold(probabilities, Evidence(self.rule), self.labels, decision).threshold

    def _of(self, row: str) -> tuple[Floats, DecisionSettings]:
        """A row's probabilities, and how it decides."""
        members, rule = ROWS[row]
        return self.members[list(members)].mean(axis=0), DecisionSettings(bradycardia_rule=rule)

    def answers(self, row: str, threshold: float) -> Answers:
        """What a row of the table answers at a threshold."""
        probabilities, decision = self._of(row)
        labels = decide(probabilities, Evidence(self.rule), threshold, decision)
        weights = read_weights()
        return Answers(self.names, merge_equivalent(self.labels, weights), merge_equivalent(labels, weights))


@dataclass(frozen=True)
class Plan:
    """What is to be trained, and on which sets it is scored.

    Attributes:
        data: the folder of Challenge recordings.
        out: the folder of models and results.
        settings: of the trainings, but for the seed.
        seeds: how many trainings, of the seeds 0, 1, ...
        leave_out: a source of ``data`` that is scored and not trained on.
        external: folders of other recordings that are scored.
    """

    data: Path
    out: Path
    settings: Settings
    seeds: int
    leave_out: str | None
    external: tuple[Path, ...]


def options_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """The options of the experiments that train once per seed and score several sets."""
    parser = argparse.ArgumentParser(
        prog=f"python -m heartbeats.experiments.{module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of Challenge recordings")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for models and results")
    parser.add_argument("--leave-out", metavar="SOURCE", help="a source of DATA to score instead of to train on")
    parser.add_argument(
        "--external", type=Path, action="append", default=[], metavar="FOLDER", help="other recordings to score"
    )
    parser.add_argument("--config", type=Path, help="settings that differ from the paper's (TOML)")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="change one setting")
    return parser


@contextmanager
def reported(program: str) -> Iterator[None]:
    """Show the trainings' log on stderr, and end the program, with one line of reason, where one cannot be done."""
    log = logging.getLogger("heartbeats")
    log.setLevel(logging.INFO)
    log.addHandler(handler := logging.StreamHandler())
    try:
        yield
    except (CohortError, SettingsError, TrainingError, OSError) as error:
        sys.exit(f"{program}: {error}")
    finally:
        log.removeHandler(handler)


def plan_of(options: argparse.Namespace) -> Plan:
    """What the options ask for.

    Raises:
        SettingsError: the file cannot be read, a setting or its value is none, or there are not two members.
    """
    settings = with_changes(read_settings(options.config) if options.config else Settings(), options.set)
    if len(settings.training.seconds) != 2:
        raise SettingsError("training.seconds must name two members, the long and the short")
    cohort = dataclasses.replace(settings.cohort, store=STORE)
    if options.leave_out:
        cohort = dataclasses.replace(cohort, excluded_sources=(*cohort.excluded_sources, options.leave_out))
    settings = dataclasses.replace(settings, cohort=cohort)
    return Plan(options.data, options.out, settings, options.seeds, options.leave_out, tuple(options.external))


def with_changes(settings: Settings, changes: Iterable[str]) -> Settings:
    """Settings with others in their place, each written as in TOML: TABLE.KEY=VALUE.

    Raises:
        SettingsError: one is no TOML, or no setting.
    """
    tables = settings.to_dict()
    for text in changes:
        try:
            changed = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"--set {text}: {error}; give TABLE.KEY=VALUE, words in quotes") from error
        for table, values in changed.items():
            tables[table] = tables.get(table, {}) | values if isinstance(values, dict) else values
    return settings_from_dict(tables)


def scored_seeds(plan: Plan) -> list[dict[str, Scored]]:
    """Train what is missing, and let the networks of each seed see each of the sets.

    Raises:
        CohortError: a set holds no recordings, or none is left to train with.
        TrainingError: a network's loss, or what it answers, is no number.
        OSError: the data cannot be read, or the folder of models cannot be written.
    """
    externals = {folder.name: find_headers(folder) for folder in plan.external}
    if plan.leave_out:
        of_source = [path for path in find_headers(plan.data) if source_of(path.stem) == plan.leave_out]
        externals = {f"{plan.leave_out}, left out": of_source} | externals
    for name, header_files in externals.items():
        if not header_files:
            raise CohortError(f"{name}: no recordings to score")
    return [_seed_sets(plan, externals, seed) for seed in range(plan.seeds)]


def _seed_sets(plan: Plan, externals: dict[str, list[Path]], seed: int) -> dict[str, Scored]:
    """Train one seed, and let its networks see each of the sets."""
    settings = dataclasses.replace(plan.settings, training=dataclasses.replace(plan.settings.training, seed=seed))
    directory = plan.out / f"seed{seed}"
    classifier = train_entry(plan.data, directory, settings)
    full = _seen("training data", classifier, find_headers(plan.data), settings, directory)
    test = full.part(np.array([validates(digest, settings) for digest in full.digests]))
    everything = dataclasses.replace(settings, cohort=dataclasses.replace(settings.cohort, excluded_sources=()))
    scored = {name: _seen(name, classifier, files, everything, directory) for name, files in externals.items()}
    return {TEST: test, **scored, FULL: full}


def _seen(name: str, classifier: Classifier, header_files: list[Path], settings: Settings, directory: Path) -> Scored:
    """What the networks make of recordings with a scored label; those that cannot be used are left out."""
    selection = select_recordings(header_files, settings.cohort)
    if not selection.header_files:
        raise CohortError(f"{name}: no recordings with a scored label to score")
    prepared = stored(selection.header_files, directory / settings.cohort.store, settings.preparation)
    kept = np.array([isinstance(recording, Prepared) for recording in prepared])
    recordings = [recording for recording in prepared if isinstance(recording, Prepared)]
    signals = [recording.signal for recording in recordings]
    return Scored(
        names=tuple(recording.name for recording in recordings),
        digests=tuple(recording.digest for recording in recordings),
        labels=selection.labels[kept],
        rule=np.array([recording.bradycardia for recording in recordings], dtype=np.bool_),
        members=np.stack([m.inference.probabilities(signals, seconds=m.seconds) for m in classifier.members]),
    )


def answers(seeds: Sequence[dict[str, Scored]], row: str, name: str) -> dict[str, list[Answers]]:
    """What a row answers on one set, one item per seed, by where the threshold comes from."""
    as_paper = [sets[name].answers(row, sets[TEST].threshold(row)) for sets in seeds]
    if name == TEST:
        return {AS_PAPER: as_paper, UNSEEN: [_by_folds(sets[TEST], row) for sets in seeds]}
    if name != FULL:
        return {UNSEEN: as_paper}  # the 20 % are not scored here
    if externals := [other for other in seeds[0] if other not in (TEST, FULL)]:
        unseen = [sets[FULL].answers(row, sets[externals[0]].threshold(row)) for sets in seeds]
        return {AS_PAPER: as_paper, UNSEEN: unseen}
    return {AS_PAPER: as_paper}


def _by_folds(test: Scored, row: str) -> Answers:
    """Each tenth of the recordings answered at the threshold of the other nine."""
    tenths = [tenth.answers(row, others.threshold(row)) for tenth, others in test.folds()]
    return Answers(
        names=tuple(name for tenth in tenths for name in tenth.names),
        labels=np.concatenate([tenth.labels for tenth in tenths]),
        binary=np.concatenate([tenth.binary for tenth in tenths]),
    )


def command(module: str, options: argparse.Namespace) -> str:
    """The command that made a result, without the paths of the machine."""
    text = f"python -m heartbeats.experiments.{module} {options.data.name} OUT --seeds {options.seeds}"
    text += f" --config {options.config.name}" if options.config else ""
    text += f" --leave-out {options.leave_out}" if options.leave_out else ""
    text += "".join(f" --external {folder.name}" for folder in options.external)
    return text + "".join(f" --set '{changed}'" for changed in options.set)
