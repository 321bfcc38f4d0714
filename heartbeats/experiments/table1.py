"""Make the paper's Table 1: the 30 s network, the 10 s network, both, and both with the bradycardia rule.

It trains once per seed into OUT/seed0, OUT/seed1, ... (run the same command again to resume) and scores

- "20 % test": the recordings that do not train, as in the paper;
- external sets: each FOLDER, and the source of --leave-out (georgia, ptb_xl, ...). In 2020, scores on the hidden sets
  were like these, not like those of a random split;
- "full training": the training recordings and the 20 % together.

The paper searched its threshold on the 20 % that it then scored: column "threshold as the paper". The other column has
a threshold from recordings that are not scored. Each tenth of the 20 % uses the threshold of the other nine tenths.
External sets use that of the 20 %. The full training set uses that of the first external set. Each row has its own
threshold; the paper gives only one, 0.36. Recordings without one of the 27 labels are left out, as in the paper.

It writes OUT/table1.csv, OUT/table1.md and OUT/table1.svg.
"""

import dataclasses
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from heartbeats.common.errors import one_line_errors
from heartbeats.common.files import replace_file
from heartbeats.common.settings import SettingsError
from heartbeats.experiments import trainings
from heartbeats.experiments.command import RESUME, baseline_settings, options_parser, write_results
from heartbeats.experiments.trainings import Estimate, Scored, answers_by_set, estimate, train_seeds


class Row(NamedTuple):
    """A row of Table 1: its networks, whether it uses the bradycardia rule, and the paper's scores.

    In ``name``, {0} and {1} are the seconds of the two networks. The paper's external set was Hefei's.
    """

    name: str
    members: list[int]
    rule: bool
    paper_test: float
    paper_external: float
    paper_full: float

    def of(self, scored: Scored) -> Scored:
        """Return the set with the networks and the decision of this row."""
        decision = dataclasses.replace(scored.decision, bradycardia_rule=self.rule)
        return dataclasses.replace(scored, members=scored.members[self.members], decision=decision)


ROWS = (
    Row("{0:g} s", [0], False, 0.674, 0.300, 0.805),
    Row("{1:g} s", [1], False, 0.674, 0.236, 0.782),
    Row("{0:g} s + {1:g} s", [0, 1], False, 0.680, 0.305, 0.883),
    Row("{0:g} s + {1:g} s + rule", [0, 1], True, 0.683, 0.319, 0.885),
)
MADE = """\
challenge scores, means over the seeds; in brackets 95 % intervals of a bootstrap over seeds and patients;
with one seed, they do not contain the differences between trainings. The paper's figures are of other recordings:
7,544 of the 20 %, Hefei's 6,500, and 37,716."""


class Cell(NamedTuple):
    """A score of Table 1: the row, its set, the source of its threshold, and the paper's score."""

    model: str
    set_name: str
    threshold: str
    score: Estimate
    paper: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, score, and write the table."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = options_parser("table1", __doc__).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with one_line_errors("table1", interrupted=RESUME):
        settings = baseline_settings(options)
        seconds = settings.training.seconds
        if len(seconds) != 2 or seconds[0] <= seconds[1]:
            raise SettingsError("training.seconds must name two members, the longer one first")
        seeds = train_seeds(options, settings, options.out)
        table = []
        for row in ROWS:
            answers = [answers_by_set({name: row.of(scored) for name, scored in sets.items()}) for sets in seeds]
            for name, threshold in answers[0]:
                paper = {trainings.TEST: row.paper_test, trainings.FULL: row.paper_full}.get(name, row.paper_external)
                score = estimate([one[name, threshold] for one in answers])
                table.append(Cell(row.name.format(*seconds), name, threshold, score, paper))
        csv = [
            {"model": model, "set": name, "threshold": threshold}
            | score.columns("challenge score", "low", "high")
            | {"paper": paper}
            for model, name, threshold, score, paper in table
        ]
        write_results("table1", "Table 1", arguments, options.out, MADE, csv, _tables(table))
        replace_file(options.out / "table1.svg", lambda path: _plot(table, path))


def _tables(table: Sequence[Cell]) -> dict[str, list[list[str]]]:
    """Return the rows of one table per set."""
    tables: dict[str, list[list[str]]] = {}
    for name in dict.fromkeys(cell.set_name for cell in table):
        cells = [cell for cell in table if cell.set_name == name]
        thresholds = list(dict.fromkeys(cell.threshold for cell in cells))
        paper = "paper" if name in (trainings.TEST, trainings.FULL) else "paper, Hefei"
        rows = tables[f"{name}: {cells[0].score.recordings}"] = [["model", *thresholds, paper]]
        for model in dict.fromkeys(cell.model for cell in cells):
            row = [cell for cell in cells if cell.model == model]
            rows.append([model, *(str(cell.score) for cell in row), f"{row[0].paper:.3f}"])
    return tables


def _plot(table: Sequence[Cell], path: Path) -> None:
    """Draw a panel for each set: scores with their intervals, and the paper's scores as crosses."""
    names, models = (list(dict.fromkeys(cell[i] for cell in table)) for i in (1, 0))
    figure = Figure(figsize=(3.2 * len(names), 3), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True)
    for panel, name in zip(panels, names, strict=True):
        of_set = [cell for cell in table if cell.set_name == name]
        for offset, colour, threshold in ((0.12, "C0", trainings.AS_PAPER), (-0.12, "C1", trainings.UNSEEN)):
            cells = [cell for cell in of_set if cell.threshold == threshold]
            y = [offset - models.index(cell.model) for cell in cells]
            mean, low, high = np.array([cell.score[:3] for cell in cells]).reshape(-1, 3).T
            panel.errorbar(mean, y, xerr=np.abs([mean - low, high - mean]), fmt="o", color=colour, label=threshold)
        panel.plot([c.paper for c in of_set], [-models.index(c.model) for c in of_set], "kx", label="paper, other data")
        panel.set(title=name, xlabel="challenge score")
    panels[0].set_yticks([-i for i in range(len(models))], labels=models)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    with mpl.rc_context({"svg.hashsalt": "heartbeats", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
