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
20 % each tenth at one from the other nine, for external sets one from the 20 %, which is the paper's too, for the full
training set one from the first external set. Each row has a threshold of its own; the paper names one, 0.36.
Recordings without one of the 27 labels are left out, as in the paper.

Writes OUT/table1.csv, OUT/table1.md and OUT/table1.svg. --set changes any setting; those that readers of the paper
ask about are in heartbeats.experiments.ablations.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np

from heartbeats.common.files import csv_text, replace_file, write_text
from heartbeats.common.settings import Settings, SettingsError
from heartbeats.experiments.intervals import Answers, Estimate, estimate
from heartbeats.experiments.plan import command, experiment, options_parser, plan_of
from heartbeats.experiments.trainings import AS_PAPER, FULL, ROWS, TEST, UNSEEN, scored_seeds

mpl.use("svg")  # it needs no screen
from matplotlib import pyplot as plt

__all__ = ["main"]

Cells = dict[str, dict[str, Estimate]]  # by set, and where the threshold comes from

EXTERNAL = "external"
# The rows of Table 1 of the paper; its external set was Hefei's.
PAPER_FIGURES = (
    {TEST: 0.674, EXTERNAL: 0.300, FULL: 0.805},
    {TEST: 0.674, EXTERNAL: 0.236, FULL: 0.782},
    {TEST: 0.680, EXTERNAL: 0.305, FULL: 0.883},
    {TEST: 0.683, EXTERNAL: 0.319, FULL: 0.885},
)


@dataclass(frozen=True)
class Row:
    """A row of the table: its name, its estimates, and the paper's figures by set."""

    name: str
    cells: Cells
    papers: dict[str, float]

    def paper(self, set_name: str) -> float:
        """The paper's figure; its one external set was Hefei's."""
        return self.papers.get(set_name, self.papers[EXTERNAL])


Table = Sequence[Row]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, score, and write the table."""
    options = options_parser("table1", __doc__).parse_args(arguments)
    with experiment("table1"):
        plan = plan_of(options)
        seconds = plan.settings.training.seconds
        if len(seconds) != 2 or seconds[0] <= seconds[1]:
            raise SettingsError("training.seconds must name two members, the long and then the short")
        seeds = scored_seeds(plan)
        table = [
            Row(row.format(*seconds), _estimates([sets.answers(row) for sets in seeds]), papers)
            for row, papers in zip(ROWS, PAPER_FIGURES, strict=True)
        ]
        plan.out.mkdir(parents=True, exist_ok=True)
        write_text(plan.out / "table1.csv", _csv(table))
        text = _markdown(table, options, plan.settings)
        write_text(plan.out / "table1.md", text)
        replace_file(plan.out / "table1.svg", lambda path: _plot(table, path))
        print(text)


def _estimates(seeds: Sequence[dict[str, dict[str, Answers]]]) -> Cells:
    """The estimates of a row from what each seed answers."""
    return {
        name: {threshold: estimate([answers[name][threshold] for answers in seeds]) for threshold in thresholds}
        for name, thresholds in seeds[0].items()
    }


def _csv(table: Table) -> str:
    return csv_text(
        ["model", "set", "threshold", "challenge score", "low", "high", "paper"],
        (
            [row.name, name, threshold, f"{e.mean:.4f}", f"{e.low:.4f}", f"{e.high:.4f}", row.paper(name)]
            for row in table
            for name, cell in row.cells.items()
            for threshold, e in cell.items()
        ),
    )


def _markdown(table: Table, options: argparse.Namespace, settings: Settings) -> str:
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
    for name, cell in table[0].cells.items():
        thresholds = list(cell)
        lines += [
            "",
            f"## {name[0].upper()}{name[1:]}: {cell[thresholds[0]].recordings} recordings",
            "",
            f"| model | {' | '.join(thresholds)} | paper |",
            "| --- |" + " --- |" * (len(thresholds) + 1),
        ]
        for row in table:
            figures = " | ".join(str(row.cells[name][threshold]) for threshold in thresholds)
            lines.append(f"| {row.name} | {figures} | {row.paper(name):.3f} |")
    return "\n".join(lines) + "\n"


def _plot(table: Table, path: Path) -> None:
    """A panel a set: each row's estimates with their intervals, and the paper's figures as crosses."""
    names = list(table[0].cells)
    figure, panels = plt.subplots(1, len(names), figsize=(3.2 * len(names), 3), sharey=True, layout="constrained")
    for panel, name in zip(np.atleast_1d(panels), names, strict=True):
        for offset, colour, threshold in ((0.12, "C0", AS_PAPER), (-0.12, "C1", UNSEEN)):
            cells = [(i, row.cells[name][threshold]) for i, row in enumerate(table) if threshold in row.cells[name]]
            if cells:
                x = np.array([e.mean for _, e in cells])
                bars = np.abs([[e.mean - e.low for _, e in cells], [e.high - e.mean for _, e in cells]])
                panel.errorbar(
                    x, [-i + offset for i, _ in cells], xerr=bars, fmt="o", color=colour, capsize=3, label=threshold
                )
        panel.plot([row.paper(name) for row in table], [-i for i in range(len(table))], "kx", label="paper, other data")
        panel.set(title=name, xlabel="challenge score")
        panel.grid(alpha=0.3)
    first = np.atleast_1d(panels)[0]
    first.set_yticks([-i for i in range(len(table))], labels=[row.name for row in table])
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    with plt.rc_context({"svg.hashsalt": "heartbeats", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
