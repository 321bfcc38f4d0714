"""Measure a trained model on sets of recordings, as an organiser would: the driver answers, the scorer scores.

    python -m heartbeats.experiments.figures MODEL OUT --set ptb_xl=FOLDER --set ludb=FOLDER [--groups patients.csv]

Each set is a folder of labelled recordings that the model has not seen. --lead-sets also answers from the lead sets of
2021 (6, 4, 3 and 2 leads). The command writes OUT/figures.md and OUT/figures.csv; the outputs go to OUT/outputs.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from heartbeats.challenge.scoring import Submission, mean_of_defined, ranking_areas, read_submission
from heartbeats.classification.folder import classify_folder
from heartbeats.classification.model_folder import load_model
from heartbeats.common.bootstrap import bootstrap_interval, rows_of_units
from heartbeats.common.console import path_argument
from heartbeats.common.errors import one_line_errors
from heartbeats.experiments.command import write_results
from heartbeats.reports.score_report import evaluation
from heartbeats.training.groups import Group, read_groups

# The lead sets of the Challenge of 2021.
LEAD_SETS = {
    "12 leads": None,
    "6 leads": ("I", "II", "III", "aVR", "aVL", "aVF"),
    "4 leads": ("I", "II", "III", "V2"),
    "3 leads": ("I", "II", "V2"),
    "2 leads": ("I", "II"),
}
OFTEN = 20  # positive recordings
MADE = """\
answers of driver.py, scored by the Challenge's rules of 2020. In brackets 95 % intervals of a bootstrap over patients.
"AUROC, frequent" is the mean over classes with at least 20 positive recordings."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer and score every set, and write the tables."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="python -m heartbeats.experiments.figures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=path_argument, metavar="MODEL")
    parser.add_argument("out", type=path_argument, metavar="OUT")
    parser.add_argument("--set", type=_named_folder, action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--groups", type=path_argument, help="table of recordings and patients (CSV)")
    parser.add_argument("--lead-sets", action="store_true", help="also answer from 6, 4, 3 and 2 leads")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with one_line_errors("figures"):
        groups = read_groups(options.groups) if options.groups else {}
        lead_sets = LEAD_SETS if options.lead_sets else {"12 leads": None}
        csv, tables = [], {}
        for name, folder in options.set:
            rows: list[list[str]] = []
            for leads, chosen in lead_sets.items():
                outputs = options.out / "outputs" / name / leads.replace(" ", "_")
                classify_folder(load_model(options.model, chosen), folder, outputs)
                submission = read_submission(folder, outputs)
                values = evaluation(submission, _patients(submission, groups))
                measures = {"leads": leads.split()[0]} | {m: _text(v, i) for m, v, i in values["measures"]}
                measures["AUROC, frequent"] = frequent_auroc(submission, groups)
                rows += [] if rows else [[*measures]]
                rows.append([*measures.values()])
                csv.append({"set": name, "recordings": len(submission.names)} | measures)
                if chosen is None:
                    tables[f"{name}: {len(submission.names)}"] = rows
                    tables[f"{name}, by class: {len(submission.names)}"] = _classes(values)
                    tables[f"{name}, calibration: {len(submission.names)}"] = _calibration(values)
        write_results("Figures", arguments, options.out, MADE, csv, tables)


def _named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    return name, path_argument(folder)


def _patients(submission: Submission, groups: dict[str, Group]) -> Any:
    return np.array([groups[name].patient if name in groups else name for name in submission.names])


def frequent_auroc(submission: Submission, groups: dict[str, Group]) -> str:
    """Return the mean AUROC of the classes with at least 20 positive recordings, and its interval, as text."""
    often = submission.labels.sum(axis=0) >= OFTEN
    if not often.any():
        return ""

    def mean(rows: Any) -> float:
        areas, _ = ranking_areas(submission.labels[rows][:, often], submission.scalar[rows][:, often])
        return mean_of_defined(areas)

    rows_of, count = rows_of_units(_patients(submission, groups))
    low, high = bootstrap_interval(lambda drawn: mean(rows_of(drawn)), count, draws=500)
    return _text(f"{mean(slice(None)):.3f}", f"{low:.3f} to {high:.3f}")


def _classes(values: dict[str, Any]) -> list[list[str]]:
    rows = [["class", "positive", "AUROC", "AUPRC", "F-measure"]]
    return rows + [
        [name, str(count), *(_text(*pair) for pair in measured)] for name, count, *measured in values["classes"]
    ]


def _calibration(values: dict[str, Any]) -> list[list[str]]:
    calibration = values["calibration"]
    rows = [["answers", "mean probability", "share with the label", "Brier score"]]
    numbers = (calibration[key] for key in ("mean", "rate", "brier"))
    return [*rows, [str(calibration["answers"]), *(f"{number:.4f}" for number in numbers)]]


def _text(value: str, interval: str) -> str:
    return f"{value} ({interval})" if interval else value


if __name__ == "__main__":
    main()
