"""The paper's Table 1: the 30 s network, the 10 s network, both, and both with the bradycardia rule, on three sets.

    python -m heartbeats.experiments.table1 DATA OUT [--external FOLDER]... [--leave-out SOURCE] [--config FILE]
        [--seeds N] [--set TABLE.KEY=VALUE]...

Trains once per seed into OUT/seed0, OUT/seed1, ... (what is trained already is taken as it is; an interrupted run goes
on where it stopped) and scores

- "20 % test": the recordings that the cohort's rule sets aside, as the paper did;
- external sets: the recordings of each FOLDER, and of a source of DATA (georgia, ptb_xl, ...) that is left out of the
  training: what entries scored on the Challenge's hidden sets followed this and not the random split;
- "full training": training recordings and the 20 % together.

The sinus rhythm fallback is on in all, as in the paper. The paper searched its threshold on the 20 % that it then
scored: column "as the paper". Beside it stands the score with a threshold from recordings that are not scored: for the
20 % one from either half for the other, for external sets one from the 20 %, which is the paper's too, for the full
training set one from the first external set. Recordings without one of the 27 labels are left out, as in the paper.

Writes OUT/table1.csv, OUT/table1.md and OUT/table1.svg. --set changes any setting; those that readers of the paper
ask about are in heartbeats.experiments.ablations.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import logging
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from heartbeats.classifier import Classifier, Evidence, decide, search_threshold
from heartbeats.cohort import CohortError, is_validation, select_recordings
from heartbeats.diagnoses import read_weights
from heartbeats.entry import train_entry
from heartbeats.experiments.intervals import Answers, Estimate, estimate
from heartbeats.files import replace_file, write_text
from heartbeats.header import find_headers, source_of
from heartbeats.prepared import Prepared
from heartbeats.scoring import merge_equivalent
from heartbeats.settings import DecisionSettings, Settings, SettingsError, read_settings, settings_from_dict
from heartbeats.store import stored

mpl.use("svg")  # it needs no screen
from matplotlib import pyplot as plt

__all__ = ["TEST", "UNSEEN", "Scored", "answers", "command", "main", "parser", "scored_seeds", "settings_of"]

TEST, EXTERNAL, FULL = "20 % test", "external", "full training"
AS_PAPER, UNSEEN = "threshold as the paper", "threshold from other recordings"
# Table 1 of the paper; its external set was Hefei's.
PAPER = {
    "30 s": {TEST: 0.674, EXTERNAL: 0.300, FULL: 0.805},
    "10 s": {TEST: 0.674, EXTERNAL: 0.236, FULL: 0.782},
    "30 s + 10 s": {TEST: 0.680, EXTERNAL: 0.305, FULL: 0.883},
    "30 s + 10 s + rule": {TEST: 0.683, EXTERNAL: 0.319, FULL: 0.885},
}
# Which members, and whether the rule, make a row.
ROWS = {
    "30 s": ((0,), False),
    "10 s": ((1,), False),
    "30 s + 10 s": ((0, 1), False),
    "30 s + 10 s + rule": ((0, 1), True),
}
HALVES_SEED = 2  # of the rule that halves the 20 %, another than the split's

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, score, and write the table."""
    options = parser("table1", __doc__).parse_args(arguments)
    log = logging.getLogger("heartbeats")
    log.setLevel(logging.INFO)
    log.addHandler(handler := logging.StreamHandler())
    try:
        seeds = scored_seeds(options)
    except (CohortError, SettingsError, OSError) as error:
        sys.exit(f"table1: {error}")
    finally:
        log.removeHandler(handler)
    table = {
        row: {name: {key: estimate(runs) for key, runs in answers(seeds, row, name).items()} for name in seeds[0]}
        for row in ROWS
    }
    counts = {name: round(np.mean([len(sets[name].names) for sets in seeds])) for name in seeds[0]}
    options.out.mkdir(parents=True, exist_ok=True)
    write_text(options.out / "table1.csv", _csv(table))
    text = _markdown(table, counts, options, settings_of(options))
    write_text(options.out / "table1.md", text)
    replace_file(options.out / "table1.svg", lambda path: _plot(table, path))
    print(text)


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
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


def scored_seeds(options: argparse.Namespace, store: str = "../prepared") -> list[dict[str, Scored]]:
    """Train what is missing, and let the networks of each seed see each of the sets.

    Args:
        store: the folder of prepared signals that all seeds share, seen from a model's folder.

    Raises:
        CohortError, SettingsError, OSError: that cannot be done.
    """
    settings = settings_of(options)
    settings = dataclasses.replace(settings, cohort=dataclasses.replace(settings.cohort, store=store))
    return [_seed_sets(options, settings, seed) for seed in range(options.seeds)]


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that the options make.

    Raises:
        SettingsError: the file cannot be read, a setting or its value is none, or there are not two members.
    """
    settings = read_settings(options.config) if options.config else Settings()
    tables = settings.to_dict()
    for text in options.set:
        try:
            changed = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"--set {text}: {error}; give TABLE.KEY=VALUE, words in quotes") from error
        for table, values in changed.items():
            tables[table] = tables.get(table, {}) | values if isinstance(values, dict) else values
    if options.leave_out:
        tables["cohort"]["excluded_sources"] = (*tables["cohort"]["excluded_sources"], options.leave_out)
    settings = settings_from_dict(tables)
    if len(settings.training.seconds) != 2:
        raise SettingsError("training.seconds must name two members, the long and the short")
    return settings


def _seed_sets(options: argparse.Namespace, settings: Settings, seed: int) -> dict[str, Scored]:
    """Train one seed, and let its networks see each of the sets."""
    settings = dataclasses.replace(settings, training=dataclasses.replace(settings.training, seed=seed))
    directory = options.out / f"seed{seed}"
    classifier = train_entry(options.data, directory, settings)
    full = _seen(classifier, find_headers(options.data), settings, directory)
    fraction = settings.cohort.validation_fraction
    test = full.part(np.array([is_validation(digest, fraction, seed=seed) for digest in full.digests]))
    everything = dataclasses.replace(settings, cohort=dataclasses.replace(settings.cohort, excluded_sources=()))
    externals = {folder.name: find_headers(folder) for folder in options.external}
    if options.leave_out:
        of_source = [path for path in find_headers(options.data) if source_of(path.stem) == options.leave_out]
        externals = {f"{options.leave_out}, left out": of_source} | externals
    scored = {name: _seen(classifier, header_files, everything, directory) for name, header_files in externals.items()}
    return {TEST: test, **scored, FULL: full}


def _seen(classifier: Classifier, header_files: list[Path], settings: Settings, directory: Path) -> Scored:
    """What the networks make of recordings with a scored label; those that cannot be used are left out."""
    selected, labels, *_ = select_recordings(header_files, settings.cohort)
    if not selected:
        raise CohortError("no recordings with a scored label to score")
    prepared = stored(selected, directory / settings.cohort.store, settings.preparation)
    kept = np.array([isinstance(recording, Prepared) for recording in prepared])
    recordings = [recording for recording in prepared if isinstance(recording, Prepared)]
    signals = [recording.signal for recording in recordings]
    return Scored(
        names=tuple(recording.name for recording in recordings),
        digests=tuple(recording.digest for recording in recordings),
        labels=labels[kept],
        rule=np.array([recording.bradycardia for recording in recordings], dtype=np.bool_),
        members=np.stack([m.inference.probabilities(signals, seconds=m.seconds) for m in classifier.members]),
    )


def answers(seeds: Sequence[dict[str, Scored]], row: str, name: str) -> dict[str, list[Answers]]:
    """What a row answers on one set, an item a seed, by where the threshold comes from."""
    as_paper = [sets[name].answers(row, sets[TEST].threshold(row)) for sets in seeds]
    if name == TEST:
        return {AS_PAPER: as_paper, UNSEEN: [_by_halves(sets[TEST], row) for sets in seeds]}
    if name != FULL:
        return {UNSEEN: as_paper}  # the 20 % are not scored here
    if externals := [other for other in seeds[0] if other not in (TEST, FULL)]:
        unseen = [sets[FULL].answers(row, sets[externals[0]].threshold(row)) for sets in seeds]
        return {AS_PAPER: as_paper, UNSEEN: unseen}
    return {AS_PAPER: as_paper}


def _paper(row: str, name: str) -> float:
    """The paper's figure; its one external set was Hefei's."""
    return PAPER[row].get(name, PAPER[row][EXTERNAL])


def _by_halves(test: Scored, row: str) -> Answers:
    """Each half of the recordings answered at the threshold of the other half."""
    first = np.array([is_validation(digest, 0.5, seed=HALVES_SEED) for digest in test.digests])
    one, two = test.part(first), test.part(~first)
    halves = one.answers(row, two.threshold(row)), two.answers(row, one.threshold(row))
    return Answers(
        names=halves[0].names + halves[1].names,
        labels=np.concatenate([half.labels for half in halves]),
        binary=np.concatenate([half.binary for half in halves]),
    )


Table = dict[str, dict[str, dict[str, Estimate]]]


def _csv(table: Table) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["model", "set", "threshold", "challenge score", "low", "high", "paper"])
    for row, sets in table.items():
        for name, cell in sets.items():
            for threshold, e in cell.items():
                figures = [f"{value:.4f}" for value in (e.mean, e.low, e.high)]
                writer.writerow([row, name, threshold, *figures, _paper(row, name)])
    return written.getvalue()


def _markdown(table: Table, counts: dict[str, int], options: argparse.Namespace, settings: Settings) -> str:
    """A table a set, with the command, the date and the paper's figures."""
    lines = [
        "# Table 1",
        "",
        f"    {command('table1', options)}",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}; width {settings.network.width}, {settings.training.epochs} epochs. Challenge "
        "scores, the mean over the seeds; in brackets 95 % intervals of a bootstrap over seeds and recordings.",
        "The paper's figures are of other recordings: 7,544, 6,500 (Hefei's) and 37,716.",
    ]
    for name, count in counts.items():
        thresholds = list(next(iter(table.values()))[name])
        lines += [
            "",
            f"## {name[0].upper()}{name[1:]}: {count} recordings",
            "",
            f"| model | {' | '.join(thresholds)} | paper |",
            "| --- |" + " --- |" * (len(thresholds) + 1),
        ]
        for row, sets in table.items():
            figures = " | ".join(str(sets[name][threshold]) for threshold in thresholds)
            lines.append(f"| {row} | {figures} | {_paper(row, name):.3f} |")
    return "\n".join(lines) + "\n"


def command(module: str, options: argparse.Namespace) -> str:
    """The command that made a result, without the paths of the machine."""
    text = f"python -m heartbeats.experiments.{module} {options.data.name} OUT --seeds {options.seeds}"
    text += f" --config {options.config.name}" if options.config else ""
    text += f" --leave-out {options.leave_out}" if options.leave_out else ""
    text += "".join(f" --external {folder.name}" for folder in options.external)
    return text + "".join(f" --set '{changed}'" for changed in options.set)


def _plot(table: Table, path: Path) -> None:
    """A panel a set: each row's estimates with their intervals, and the paper's figures as crosses."""
    names = list(next(iter(table.values())))
    figure, panels = plt.subplots(1, len(names), figsize=(3.2 * len(names), 3), sharey=True, layout="constrained")
    for panel, name in zip(np.atleast_1d(panels), names, strict=True):
        for offset, colour, threshold in ((0.12, "C0", AS_PAPER), (-0.12, "C1", UNSEEN)):
            cells = [(i, table[row][name][threshold]) for i, row in enumerate(table) if threshold in table[row][name]]
            if cells:
                x = np.array([e.mean for _, e in cells])
                bars = np.abs([[e.mean - e.low for _, e in cells], [e.high - e.mean for _, e in cells]])
                panel.errorbar(
                    x, [-i + offset for i, _ in cells], xerr=bars, fmt="o", color=colour, capsize=3, label=threshold
                )
        panel.plot(
            [_paper(row, name) for row in table], [-i for i in range(len(table))], "kx", label="paper, other data"
        )
        panel.set(title=name, xlabel="challenge score")
        panel.grid(alpha=0.3)
    first = np.atleast_1d(panels)[0]
    first.set_yticks([-i for i in range(len(table))], labels=list(table))
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    with plt.rc_context({"svg.hashsalt": "heartbeats", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
