"""What each of the paper's choices brings: trainings without it beside trainings with all of them.

    python -m heartbeats.experiments.ablations DATA OUT [--only NAME]... [--compare FILE]... [--external FOLDER]...
        [--leave-out SOURCE] [--config FILE] [--seeds N] [--set TABLE.KEY=VALUE]...

Trains the baseline, which is the paper's entry or that of --config and --set, and each ablation of it, as
heartbeats.experiments.table1 does, into a folder of its own (OUT/baseline, OUT/bce, ...; prepared signals are in
OUT/prepared). --compare takes settings of one's own in the place of the ablations, in a file such as --config takes.

Scored are whole entries, at thresholds from recordings that are not scored. A difference is taken seed by seed on the
same recordings, its interval by bootstrap over seeds and recordings. Writes OUT/ablations.md and OUT/ablations.csv.

How the three losses relate is said in heartbeats/networks/losses.py.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from heartbeats.common.console import path_argument
from heartbeats.common.files import csv_text, write_text
from heartbeats.common.settings import Settings, SettingsError, read_settings
from heartbeats.experiments.intervals import Answers, Estimate, estimate, estimate_difference
from heartbeats.experiments.plan import (
    STORE,
    Plan,
    command,
    experiment,
    of_experiment,
    options_parser,
    plan_of,
    with_changes,
)
from heartbeats.experiments.trainings import ENTRY, FULL, UNSEEN, scored_seeds

__all__ = ["main"]

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
    """An entry that is compared: how it differs from the baseline, in words, and its settings."""

    difference: str
    settings: Settings


@dataclass(frozen=True)
class Line:
    """An entry on one set: its score, and how much more than the baseline's that is."""

    name: str
    set_name: str
    score: Estimate
    difference: Estimate


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, compare, and write the table."""
    parser = options_parser("ablations", __doc__)
    parser.add_argument("--only", choices=list(ABLATIONS), action="append", default=[], help="this one; default: all")
    parser.add_argument(
        "--compare",
        type=path_argument,
        action="append",
        default=[],
        metavar="FILE",
        help="settings to compare (TOML)",
    )
    options = parser.parse_args(arguments)
    with experiment("ablations"):
        plan = plan_of(options)
        arms = _arms(plan, options)
        found = {name: _answers(plan, name, arm.settings) for name, arm in arms.items()}
        lines = [
            Line(name, set_name, estimate(runs), estimate_difference(runs, found[BASELINE][set_name]))
            for name, sets in found.items()
            for set_name, runs in sets.items()
        ]
        text = _markdown(lines, arms, options)
        write_text(plan.out / "ablations.csv", _csv(lines))
        write_text(plan.out / "ablations.md", text)
        print(text, end="")


def _arms(plan: Plan, options: argparse.Namespace) -> dict[str, Arm]:
    """The baseline and what is compared with it, by name.

    Raises:
        SettingsError: a file cannot be read, or its cohort is another: the same recordings are to be compared.
    """
    store = f"../{STORE}"  # an arm's models lie one folder deeper
    baseline = of_experiment(plan.settings, None, store=store)
    arms = {BASELINE: Arm("", baseline)}
    for name in options.only or (() if options.compare else ABLATIONS):
        arms[name] = Arm(f"`{ABLATIONS[name]}`", with_changes(baseline, [ABLATIONS[name]]))
    for file in options.compare:
        settings = of_experiment(read_settings(file), plan.leave_out, store=store)
        if settings.cohort != baseline.cohort:
            raise SettingsError(f"{file}: [cohort] must be the baseline's: the same recordings are compared")
        if file.stem in arms:
            raise SettingsError(f"{file}: {file.stem} is the name of another entry that is compared")
        arms[file.stem] = Arm(file.name, settings)
    return arms


def _answers(plan: Plan, name: str, settings: Settings) -> dict[str, list[Answers]]:
    """What an arm's trainings answer on each set but that with training recordings, an item per seed."""
    seeds = scored_seeds(dataclasses.replace(plan, out=plan.out / name, settings=settings))
    answers = [sets.answers(ENTRY) for sets in seeds]
    return {set_name: [sets[set_name][UNSEEN] for sets in answers] for set_name in answers[0] if set_name != FULL}


def _csv(lines: Sequence[Line]) -> str:
    estimates = [f"{what}{end}" for what in ("challenge score", "difference") for end in ("", " low", " high")]
    rows = []
    for line in lines:
        figures = [f"{value:.4f}" for e in (line.score, line.difference) for value in (e.mean, e.low, e.high)]
        rows.append([line.name, line.set_name, line.score.recordings, *figures])
    return csv_text(["ablation", "set", "recordings", *estimates], rows)


def _markdown(lines: Sequence[Line], arms: dict[str, Arm], options: argparse.Namespace) -> str:
    settings = arms[BASELINE].settings
    made = command("ablations", options) + "".join(f" --only {name}" for name in options.only)
    text = [
        "# Ablations",
        "",
        f"    {made}" + "".join(f" --compare {file.name}" for file in options.compare),
        "",
        f"{datetime.now(UTC):%Y-%m-%d}; width {settings.network.width}, {settings.training.epochs} epochs. Challenge "
        "scores of whole entries at thresholds from recordings that are not scored, the mean over the seeds, and how "
        "much more than the baseline's they are. In brackets 95 % intervals of a bootstrap over seeds and recordings.",
    ]
    for set_name in dict.fromkeys(line.set_name for line in lines):
        of_set = [line for line in lines if line.set_name == set_name]
        text += ["", f"## {set_name[0].upper()}{set_name[1:]}: {of_set[0].score.recordings} recordings", ""]
        text += ["| ablation | settings | challenge score | difference |", "|" + " --- |" * 4]
        for line in of_set:
            difference = "" if line.name == BASELINE else str(line.difference)
            text.append(f"| {line.name} | {arms[line.name].difference} | {line.score} | {difference} |")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    main()
