"""What each of the paper's choices brings: train without it, and compare with a training that has them all.

    python -m heartbeats.experiments.ablations DATA OUT [--only NAME]... [--compare FILE]... [--external FOLDER]...
        [--leave-out SOURCE] [--config FILE] [--seeds N] [--set TABLE.KEY=VALUE]...

The baseline is the paper's entry, or that of --config and --set. The baseline and each ablation train into their own
folders (OUT/baseline, OUT/bce, ...), as in heartbeats.experiments.table1. --compare takes a settings file of your own
instead of the ablations.

Scores are of whole entries, at thresholds from recordings that are not scored. Differences are taken seed by seed on
the same recordings. It writes OUT/ablations.md and OUT/ablations.csv.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from heartbeats.common.console import path_argument
from heartbeats.common.files import csv_text, write_text
from heartbeats.common.settings import Settings, SettingsError, read_settings
from heartbeats.experiments.plan import Plan, experiment, heading, of_experiment, options_parser, plan_of, with_changes
from heartbeats.experiments.trainings import ENTRY, FULL, UNSEEN, Answers, Estimate, estimate, scored_seeds

BASELINE = "baseline"
ABLATIONS = {
    "bce": 'training.loss="bce"',
    "focal": 'training.loss="focal"',
    "no-denoising": "preparation.denoising=false",
    "12-leads": "network.leads=12",
    "no-relabelling": "relabelling.enabled=false",
    "no-se": "network.squeeze_excitation=false",
}


@dataclass(frozen=True)
class Arm:
    """An entry to compare: its settings, and in words how they differ from the baseline's."""

    change: str
    settings: Settings


@dataclass(frozen=True)
class Line:
    """The score of an entry on one set, and its difference from the baseline's."""

    name: str
    change: str
    set_name: str
    score: Estimate
    difference: Estimate


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, compare, and write the table."""
    parser = options_parser("ablations", __doc__)
    parser.add_argument("--only", choices=list(ABLATIONS), action="append", default=[], help="this one; default: all")
    parser.add_argument(
        "--compare", type=path_argument, action="append", default=[], metavar="FILE", help="settings to compare (TOML)"
    )
    options = parser.parse_args(arguments)
    with experiment("ablations"):
        plan = plan_of(options)
        arms = _arms(plan.settings, options)
        found = {name: _answers(plan, name, arm.settings) for name, arm in arms.items()}
        lines = [
            Line(name, arms[name].change, set_name, estimate(runs), estimate(runs, found[BASELINE][set_name]))
            for name, sets in found.items()
            for set_name, runs in sets.items()
        ]
        more = "".join(f" --only {name}" for name in options.only)
        more += "".join(f" --compare {file.name}" for file in options.compare)
        first = heading("Ablations", "ablations", options, plan.settings, more)
        text = "\n".join([*first, *_tables(lines)]) + "\n"
        write_text(plan.out / "ablations.csv", _csv(lines))
        write_text(plan.out / "ablations.md", text)
        print(text, end="")


def _arms(baseline: Settings, options: argparse.Namespace) -> dict[str, Arm]:
    """Return the baseline and the entries to compare with it, by name.

    Raises:
        SettingsError: a file cannot be read, has another cohort, or has the name of another entry.
    """
    arms = {BASELINE: Arm("", baseline)}
    for name in options.only or (() if options.compare else ABLATIONS):
        arms[name] = Arm(f"`{ABLATIONS[name]}`", with_changes(baseline, [ABLATIONS[name]]))
    for file in options.compare:
        settings = of_experiment(read_settings(file), options.leave_out)
        if settings.cohort != baseline.cohort:
            raise SettingsError(f"{file}: [cohort] must be the baseline's, because the same recordings are compared")
        if file.stem in arms:
            raise SettingsError(f"{file}: another entry to compare is called {file.stem}: rename the file")
        arms[file.stem] = Arm(file.name, settings)
    return arms


def _answers(plan: Plan, name: str, settings: Settings) -> dict[str, list[Answers]]:
    """Return the answers of an entry on each set without training recordings, one per seed."""
    seeds = scored_seeds(dataclasses.replace(plan, out=plan.out / name, settings=settings))
    answers = [sets.answers(ENTRY) for sets in seeds]
    return {set_name: [sets[set_name][UNSEEN] for sets in answers] for set_name in answers[0] if set_name != FULL}


def _csv(lines: Sequence[Line]) -> str:
    columns = [f"{what}{end}" for what in ("challenge score", "difference") for end in ("", " low", " high")]
    rows = []
    for line in lines:
        figures = [f"{value:.4f}" for e in (line.score, line.difference) for value in (e.mean, e.low, e.high)]
        rows.append([line.name, line.set_name, line.score.recordings, *figures])
    return csv_text(["ablation", "set", "recordings", *columns], rows)


def _tables(lines: Sequence[Line]) -> list[str]:
    """Return the lines of one Markdown table per set."""
    text = [
        "Challenge scores of whole entries at thresholds from recordings that are not scored: means over the seeds,",
        "and differences from the baseline's. In brackets 95 % intervals of a bootstrap over seeds and recordings.",
    ]
    for set_name in dict.fromkeys(line.set_name for line in lines):
        of_set = [line for line in lines if line.set_name == set_name]
        text += ["", f"## {set_name[0].upper()}{set_name[1:]}: {of_set[0].score.recordings} recordings", ""]
        text += ["| ablation | settings | challenge score | difference |", "|" + " --- |" * 4]
        for line in of_set:
            difference = "" if line.name == BASELINE else str(line.difference)
            text.append(f"| {line.name} | {line.change} | {line.score} | {difference} |")
    return text


if __name__ == "__main__":
    main()
