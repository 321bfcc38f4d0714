"""Measure the effect of each of the paper's choices: train without it, and compare with the full entry.

The baseline is the paper's entry, or the entry of --config and --set. --compare takes the name of an ablation (bce,
focal, no-denoising, 12-leads, no-relabelling, no-se, threshold-per-class), a setting (TABLE.KEY=VALUE) or your own
settings file. Without --compare, all ablations run. Each entry trains into its own folder (OUT/baseline, OUT/bce, ...),
as in heartbeats.experiments.table1.

Each score is of a whole entry, with a threshold from recordings that are not scored. The AUROC is the mean over classes
with at least 20 positive recordings. Differences are computed for each seed on the same recordings. The command writes
OUT/ablations.md and OUT/ablations.csv.
"""

import argparse
import dataclasses
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from heartbeats.common.console import path_argument
from heartbeats.common.errors import one_line_errors
from heartbeats.common.settings import Settings, SettingsError, read_settings
from heartbeats.experiments import command
from heartbeats.experiments.trainings import UNSEEN, Answers, answers_by_set, estimate, frequent, train_seeds

BASELINE = "baseline"
PER_CLASS = "threshold-per-class"  # needs no training
ABLATIONS = {
    "bce": 'training.loss="bce"',
    "focal": 'training.loss="focal"',
    "no-denoising": "preparation.denoising=false",
    "12-leads": "network.leads=12",
    "no-relabelling": "relabelling.enabled=false",
    "no-se": "network.squeeze_excitation=false",
}
MADE = """\
challenge scores of whole entries at thresholds from recordings that are not scored, and the mean
AUROC of the classes with at least 20 positive recordings: means over the seeds, and differences from the baseline's.
In brackets 95 % intervals of a bootstrap over seeds and patients; with one seed, they do not contain the differences
between trainings."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, compare, and write the table."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = command.options_parser("ablations", __doc__)
    said = "an ablation, a setting or a settings file (TOML); default: all ablations"
    parser.add_argument(
        "--compare", type=path_argument, action="append", metavar="NAME|TABLE.KEY=VALUE|FILE", help=said
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with one_line_errors("ablations", interrupted=command.RESUME):
        entries = _entries(command.baseline_settings(options), options)
        answers = {name: _answers(options, name, settings) for name, (_, settings) in entries.items()}
        csv: list[dict[str, object]] = []
        tables = {}
        for set_name, baseline in answers[BASELINE].items():
            auroc = f"AUROC, {frequent(baseline[0].labels).sum()} classes"
            rows = [["ablation", "settings", "challenge score", "difference", auroc, "difference"]]
            for name, (change, _) in entries.items():
                runs = answers[name][set_name]
                columns: dict[str, str] = {}
                cells = []
                for measure, function in (("challenge score", Answers.score), ("AUROC", Answers.auroc)):
                    score, difference = estimate(runs, (), function), estimate(runs, baseline, function)
                    columns |= score.columns(measure, f"{measure} low", f"{measure} high")
                    names = (f"{measure} difference{end}" for end in ("", " low", " high"))
                    columns |= difference.columns(*names)
                    cells += [str(score), "" if name == BASELINE else str(difference)]
                csv.append({"ablation": name, "set": set_name, "recordings": score.recordings} | columns)
                rows.append([name, change, *cells])
            tables[f"{set_name}: {score.recordings}"] = rows
        command.write_results("ablations", "Ablations", arguments, options.out, MADE, csv, tables)


def _entries(baseline: Settings, options: argparse.Namespace) -> dict[str, tuple[str, Settings]]:
    """Return the baseline and the entries to compare with it. Each has its difference in words, and its settings.

    Raises:
        SettingsError: a file cannot be read, has another cohort, or has the name of another entry.
    """
    entries = {BASELINE: ("", baseline)}
    for file in options.compare or map(Path, [*ABLATIONS, PER_CLASS]):
        if file.name == PER_CLASS:
            entries[PER_CLASS] = "searched where the one threshold is", baseline
            continue
        if file.stem in entries:
            raise SettingsError(f"{file}: another entry is called {file.stem}: rename the file")
        if change := ABLATIONS.get(str(file), str(file) if "=" in str(file) else ""):
            entries[str(file).replace('"', "")] = f"`{change}`", command.with_changes(baseline, [change])
            continue
        settings = command.leaving_out(options.leave_out, read_settings(file))
        if settings.cohort != baseline.cohort:
            raise SettingsError(f"{file}: [cohort] must be the baseline's, because the same recordings are compared")
        entries[file.stem] = file.name, settings
    return entries


def _answers(options: argparse.Namespace, name: str, settings: Settings) -> dict[str, list[Answers]]:
    """Return the answers of an entry on each set without training recordings, one per seed."""
    folder = options.out / (BASELINE if name == PER_CLASS else name)
    seeds = []
    for sets in train_seeds(options, settings, folder, full=False):
        changed = {key: dataclasses.replace(scored, per_class=name == PER_CLASS) for key, scored in sets.items()}
        seeds.append(answers_by_set(changed))
    unseen = [name for name, threshold in seeds[0] if threshold == UNSEEN]
    return {name: [answers[name, UNSEEN] for answers in seeds] for name in unseen}


if __name__ == "__main__":
    main()
