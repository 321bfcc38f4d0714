"""The paper's Table 1: the 30 s network, the 10 s network, both, and both with the bradycardia rule, on three sets.

    python -m heartbeats.experiments.table1 DATA OUT [--external FOLDER]... [--leave-out SOURCE] [--config FILE]
        [--seeds N] [--set TABLE.KEY=VALUE]...

It trains once per seed into OUT/seed0, OUT/seed1, ... (run the same command again to resume) and scores

- "20 % test": the recordings that the cohort sets aside, as in the paper;
- external sets: each FOLDER, and a source of DATA (georgia, ptb_xl, ...) that is left out of training. Scores on the
  Challenge's hidden sets were like these, not like those of the random split;
- "full training": the training recordings and the 20 % together.

The paper searched its threshold on the 20 % that it then scored: column "threshold as the paper". The other column has
a threshold from recordings that are not scored: each tenth of the 20 % uses one from the other nine tenths, external
sets use one from the 20 %, and the full training set uses one from the first external set. Each row has its own
threshold; the paper names one, 0.36. Recordings without one of the 27 labels are left out, as in the paper.

It writes OUT/table1.csv, OUT/table1.md and OUT/table1.svg.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np

from heartbeats.common.files import csv_text, replace_file, write_text
from heartbeats.common.settings import SettingsError
from heartbeats.experiments.plan import experiment, heading, options_parser, plan_of
from heartbeats.experiments.trainings import AS_PAPER, FULL, ROWS, TEST, UNSEEN, Estimate, estimate, scored_seeds

mpl.use("svg")  # needs no screen
from matplotlib import pyplot as plt

# The paper's Table 1, by row; its external set was Hefei's.
PAPER_TEST = (0.674, 0.674, 0.680, 0.683)
PAPER_EXTERNAL = (0.300, 0.236, 0.305, 0.319)
PAPER_FULL = (0.805, 0.782, 0.883, 0.885)


@dataclass(frozen=True)
class Cell:
    """A score of Table 1: the row, its set, the source of its threshold, and the paper's score."""

    model: str
    set_name: str
    threshold: str
    estimate: Estimate
    paper: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, score, and write the table."""
    options = options_parser("table1", __doc__).parse_args(arguments)
    with experiment("table1"):
        plan = plan_of(options)
        seconds = plan.settings.training.seconds
        if len(seconds) != 2 or seconds[0] <= seconds[1]:
            raise SettingsError("training.seconds must name two members, the longer one first")
        seeds = scored_seeds(plan)
        table = []
        for i, row in enumerate(ROWS):
            answers = [sets.answers(row) for sets in seeds]
            for name, thresholds in answers[0].items():
                paper = {TEST: PAPER_TEST, FULL: PAPER_FULL}.get(name, PAPER_EXTERNAL)[i]
                for threshold in thresholds:
                    found = estimate([one[name][threshold] for one in answers])
                    table.append(Cell(row.format(*seconds), name, threshold, found, paper))
        text = "\n".join([*heading("Table 1", "table1", options, plan.settings), *_tables(table)]) + "\n"
        write_text(plan.out / "table1.csv", _csv(table))
        write_text(plan.out / "table1.md", text)
        replace_file(plan.out / "table1.svg", lambda path: _plot(table, path))
        print(text)


def _csv(table: Sequence[Cell]) -> str:
    columns = ["model", "set", "threshold", "challenge score", "low", "high", "paper"]
    rows = []
    for cell in table:
        figures = [f"{value:.4f}" for value in (cell.estimate.mean, cell.estimate.low, cell.estimate.high)]
        rows.append([cell.model, cell.set_name, cell.threshold, *figures, cell.paper])
    return csv_text(columns, rows)


def _tables(table: Sequence[Cell]) -> list[str]:
    """Return the lines of one Markdown table per set."""
    lines = [
        "Challenge scores, means over the seeds; in brackets 95 % intervals of a bootstrap over seeds and recordings.",
        "The paper's figures are of other recordings: 7,544, 6,500 (Hefei's) and 37,716.",
    ]
    for name in dict.fromkeys(cell.set_name for cell in table):
        cells = [cell for cell in table if cell.set_name == name]
        thresholds = list(dict.fromkeys(cell.threshold for cell in cells))
        lines += ["", f"## {name[0].upper()}{name[1:]}: {cells[0].estimate.recordings} recordings", ""]
        lines += [f"| model | {' | '.join(thresholds)} | paper |", "| --- |" + " --- |" * (len(thresholds) + 1)]
        for model in dict.fromkeys(cell.model for cell in cells):
            row = [cell for cell in cells if cell.model == model]
            figures = " | ".join(str(cell.estimate) for cell in row)
            lines.append(f"| {model} | {figures} | {row[0].paper:.3f} |")
    return lines


def _plot(table: Sequence[Cell], path: Path) -> None:
    """Draw a panel per set: estimates with their intervals, and the paper's scores as crosses."""
    names, models = (
        list(dict.fromkeys(values)) for values in zip(*((c.set_name, c.model) for c in table), strict=True)
    )
    figure, panels = plt.subplots(1, len(names), figsize=(3.2 * len(names), 3), sharey=True, layout="constrained")
    for panel, name in zip(panels, names, strict=True):
        for offset, colour, threshold in ((0.12, "C0", AS_PAPER), (-0.12, "C1", UNSEEN)):
            cells = [cell for cell in table if (cell.set_name, cell.threshold) == (name, threshold)]
            y = [offset - models.index(cell.model) for cell in cells]
            mean, low, high = (np.array([getattr(c.estimate, end) for c in cells]) for end in ("mean", "low", "high"))
            bars = np.abs([mean - low, high - mean])
            panel.errorbar(mean, y, xerr=bars, fmt="o", color=colour, capsize=3, label=threshold)
        of_set = [cell for cell in table if cell.set_name == name]
        panel.plot([c.paper for c in of_set], [-models.index(c.model) for c in of_set], "kx", label="paper, other data")
        panel.set(title=name, xlabel="challenge score")
        panel.grid(alpha=0.3)
    panels[0].set_yticks([-i for i in range(len(models))], labels=models)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    with plt.rc_context({"svg.hashsalt": "heartbeats", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
