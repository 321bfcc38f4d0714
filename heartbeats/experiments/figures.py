"""Measure a trained model on sets of recordings, as an organiser would: the driver answers, the scorer scores.

    python -m heartbeats.experiments.figures MODEL OUT --set ptb_xl=FOLDER --set ludb=FOLDER [--groups patients.csv]

Each set is a folder of labelled recordings that the model has not seen. --lead-sets also answers from the lead sets of
2021 (6, 4, 3 and 2 leads). With --also-pvc CODE, the tables have a second line, in which this unscored code counts as
PVC. --same compares the answers to the recordings that two folders have under the same names, such as
at 500 and at 100 Hz. The command writes OUT/figures.md and OUT/figures.csv; the outputs go to OUT/outputs.
"""

import argparse
import dataclasses
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import PVC
from heartbeats.challenge.scoring import Submission, read_submission
from heartbeats.classification.folder import classify_folder
from heartbeats.classification.model_folder import load_model
from heartbeats.common.bootstrap import interval_over, with_interval
from heartbeats.common.console import path_argument
from heartbeats.common.errors import one_line_errors
from heartbeats.ecg.header import find_headers, parse_diagnoses, read_header_text
from heartbeats.ecg.recording import read_recording
from heartbeats.experiments.command import write_results
from heartbeats.experiments.trainings import frequent, frequent_auroc
from heartbeats.reports.page import abbreviation
from heartbeats.reports.score_report import evaluation
from heartbeats.training.groups import Group, read_groups

# The lead sets of the Challenge of 2021.
LEAD_SETS = {
    "12": None,
    "6": ("I", "II", "III", "aVR", "aVL", "aVF"),
    "4": ("I", "II", "III", "V2"),
    "3": ("I", "II", "V2"),
    "2": ("I", "II"),
}
PVC_NAME = abbreviation(*PVC)
MADE = """\
answers of driver.py, scored by the Challenge's rules of 2020. In brackets 95 % intervals of a bootstrap over patients.
"AUROC, frequent" is the mean over classes with at least 20 positive recordings, whose number follows."""


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
    parser.add_argument("--also-pvc", metavar="CODE", help="an unscored code of PVC")
    parser.add_argument(
        "--same", nargs=2, type=path_argument, metavar="FOLDER", help="the same recordings in two forms"
    )
    parser.add_argument("--lead-sets", action="store_true", help="also answer from 6, 4, 3 and 2 leads")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with one_line_errors("figures"):
        groups = read_groups(options.groups) if options.groups else {}
        csv: list[dict[str, object]] = []
        tables: dict[str, list[list[str]]] = {}
        for name, folder in options.set:
            tables |= _measure(options, name, folder, groups, csv)
        if options.same:
            tables |= _compare(options)
        write_results("figures", "Figures", arguments, options.out, MADE, csv, tables)


def _measure(
    options: argparse.Namespace, name: str, folder: Path, groups: dict[str, Group], csv: list[dict[str, object]]
) -> dict[str, list[list[str]]]:
    """Answer and score a set from each lead set; add the rows to ``csv`` and return the tables."""
    rows: list[list[str]] = []
    tables: dict[str, list[list[str]]] = {}
    for leads, chosen in LEAD_SETS.items() if options.lead_sets else [("12", None)]:
        outputs = options.out / "outputs" / name / leads
        classify_folder(load_model(options.model, chosen), folder, outputs)
        submission = read_submission(folder, outputs)
        patients = np.array([groups[each].patient if each in groups else each for each in submission.names])
        values = evaluation(submission, patients)
        measures = {"leads": leads} | {measure: _text(*pair) for measure, *pair in values["measures"]}
        measures["AUROC, frequent"] = _frequent(submission, patients)
        rows += [[*measures.values()]] if rows else [[*measures], [*measures.values()]]
        csv.append({"set": name, "recordings": len(submission.names)} | measures)
        if chosen is None:
            classes = _classes(values)
            if options.also_pvc:
                counted = also_pvc(submission, folder, options.also_pvc)
                wider = evaluation(counted, patients)
                line = next(row for row in _classes(wider) if row[0] == PVC_NAME)
                classes.append([f"{line[0]}, {options.also_pvc}", *line[1:]])
                measures = {"leads": f"12; {options.also_pvc} counts as PVC"}
                measures |= {measure: _text(*pair) for measure, *pair in wider["measures"]}
                rows.append([*measures.values(), _frequent(counted, patients)])
            count = len(submission.names)
            tables = {f"{name}: {count}": rows, f"{name}, by class: {count}": classes}
            tables[f"{name}, calibration: {count}"] = _calibration(values)
    return tables


def _named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    return name, path_argument(folder)


def _compare(options: argparse.Namespace) -> dict[str, list[list[str]]]:
    """Answer the recordings that two folders have under the same names, and return a table of the differences."""
    model = load_model(options.model)
    files = [{path.stem: path for path in find_headers(folder)} for folder in options.same]
    names = sorted(set(files[0]) & set(files[1]))
    forms = [model.classify([model.prepare(read_recording(each[name])) for name in names]) for each in files]
    probabilities = np.array([[answer.probabilities for answer in form] for form in forms])
    labels = np.array([[answer.labels for answer in form] for form in forms])
    differences = np.abs(probabilities[0] - probabilities[1])
    rows = [
        ["mean difference of probabilities", "largest", "recordings with the same labels"],
        [f"{differences.mean():.4f}", f"{differences.max():.4f}", str((labels[0] == labels[1]).all(axis=1).sum())],
    ]
    return {f"{options.same[0].name} and {options.same[1].name}: {len(names)}": rows}


def _frequent(submission: Submission, patients: npt.NDArray[np.str_]) -> str:
    """Return the mean AUROC of the frequent classes, its interval and their number, as text."""
    if not (count := frequent(submission.labels).sum()):
        return ""
    auroc = partial(frequent_auroc, submission.labels, submission.scalar)
    return f"{with_interval(auroc(), *interval_over(patients, auroc, draws=500))}; {count} classes"


def also_pvc(submission: Submission, folder: Path, code: str) -> Submission:
    """Return the submission with PVC as a label of the recordings whose headers have a code."""
    labels = submission.labels.copy()
    having = [code in parse_diagnoses(read_header_text(path)) for path in find_headers(folder)]
    labels[having, submission.weights.classes.index(PVC)] = True
    return dataclasses.replace(submission, labels=labels)


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
