"""What each of the paper's choices brings: trainings without it beside trainings with all of them.

    python -m heartbeats.experiments.ablations DATA OUT [--only NAME]... [--external FOLDER]... [--leave-out SOURCE]
        [--config FILE] [--seeds N] [--set TABLE.KEY=VALUE]...

Trains as heartbeats.experiments.table1 does, each ablation into a folder of its own (OUT/paper, OUT/bce, ...; prepared
signals are in OUT/prepared), and compares "30 s + 10 s + rule" at thresholds from recordings that are not scored. A
difference is taken seed by seed on the same recordings, its interval by bootstrap over seeds and recordings. Writes
OUT/ablations.md and OUT/ablations.csv.

How the three losses relate is said in heartbeats/sign_loss.py.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from heartbeats.experiments.intervals import Answers, Estimate, estimate, estimate_difference
from heartbeats.experiments.plan import STORE, Plan, command, options_parser, plan_of, reported, with_changes
from heartbeats.experiments.trainings import FULL, UNSEEN, scored_seeds
from heartbeats.files import write_text
from heartbeats.settings import Settings

__all__ = ["main"]

PAPER = "paper"
ABLATIONS = {
    PAPER: (),
    "bce": ('training.loss="bce"',),
    "focal": ('training.loss="focal"',),
    "no-denoising": ("preparation.denoising=false",),
    "12-leads": ("network.leads=12",),
    "no-relabelling": ("relabelling.enabled=false",),
    "no-se": ("network.squeeze_excitation=false",),
}
ROW = "30 s + 10 s + rule"


@dataclass(frozen=True)
class Line:
    """An ablation on one set: its score, and how much more than the paper's that is."""

    ablation: str
    set_name: str
    score: Estimate
    difference: Estimate


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, compare, and write the table."""
    parser = options_parser("ablations", __doc__)
    parser.add_argument("--only", choices=list(ABLATIONS)[1:], action="append", help="this one; default: all")
    options = parser.parse_args(arguments)
    with reported("ablations"):
        plan = plan_of(options)
        found = {name: _answers(plan, name) for name in (PAPER, *(options.only or list(ABLATIONS)[1:]))}
    lines = [
        Line(ablation, name, estimate(runs), estimate_difference(runs, found[PAPER][name]))
        for ablation, sets in found.items()
        for name, runs in sets.items()
    ]
    text = _markdown(lines, options, plan.settings)
    write_text(plan.out / "ablations.csv", _csv(lines))
    write_text(plan.out / "ablations.md", text)
    print(text, end="")


def _answers(plan: Plan, ablation: str) -> dict[str, list[Answers]]:
    """What an ablation's trainings answer on each set but that with training recordings, an item per seed."""
    settings = with_changes(plan.settings, [f'cohort.store="../{STORE}"', *ABLATIONS[ablation]])
    seeds = scored_seeds(dataclasses.replace(plan, out=plan.out / ablation, settings=settings))
    answers = [sets.answers(ROW) for sets in seeds]
    return {name: [sets[name][UNSEEN] for sets in answers] for name in answers[0] if name != FULL}


def _csv(lines: Sequence[Line]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    estimates = [f"{what}{end}" for what in ("challenge score", "difference") for end in ("", " low", " high")]
    writer.writerow(["ablation", "set", "recordings", *estimates])
    for line in lines:
        figures = [f"{value:.4f}" for e in (line.score, line.difference) for value in (e.mean, e.low, e.high)]
        writer.writerow([line.ablation, line.set_name, line.score.recordings, *figures])
    return written.getvalue()


def _markdown(lines: Sequence[Line], options: argparse.Namespace, settings: Settings) -> str:
    names = dict.fromkeys(line.set_name for line in lines)
    text = [
        "# Ablations",
        "",
        f"    {command('ablations', options)}" + "".join(f" --only {name}" for name in options.only or ()),
        "",
        f"{datetime.now(UTC):%Y-%m-%d}; width {settings.network.width}, {settings.training.epochs} epochs. Challenge "
        f'scores of "{ROW}" at thresholds from recordings that are not scored, the mean over the seeds; below, how '
        "much more than with all of the paper's choices. In brackets 95 % intervals of a bootstrap over seeds and "
        "recordings.",
    ]
    for name in names:
        of_set = [line for line in lines if line.set_name == name]
        text += ["", f"## {name[0].upper()}{name[1:]}: {of_set[0].score.recordings} recordings", ""]
        text += ["| ablation | settings | challenge score | difference |", "|" + " --- |" * 4]
        for line in of_set:
            changed = " ".join(f"`{setting}`" for setting in ABLATIONS[line.ablation])
            difference = "" if line.ablation == PAPER else str(line.difference)
            text.append(f"| {line.ablation} | {changed} | {line.score} | {difference} |")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    main()
