"""The public benchmark of PTB-XL: 71 SCP statements, macro AUC on fold 10, beside the published figures.

It trains the network of --config with an output for each statement on folds 1 to 8, once per seed, into OUT/seed0,
OUT/seed1, ... (run the same command again to resume). DATA has the recordings, ptbxl_database.csv and
scp_statements.csv. As in the benchmark, a task's AUC is the mean over its statements that occur in the fold, on the
recordings that have one of them. A network that trains on crops answers by the mean over crops that overlap by half
(the benchmark's code takes their maximum). --fold 9 scores the fold on which settings are chosen.

Published figures: Strodthoff, Wagner, Schaeffter and Samek, IEEE JBHI 2021;25:1519; helme/ecg_ptbxl_benchmarking. They
are of single networks and of PTB-XL 1.0.1, whose fold 10 has a few duplicates more.
"""

import csv
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.scoring import mean_of_defined, ranking_areas
from heartbeats.common.bootstrap import interval_over, with_interval
from heartbeats.common.errors import HeartBeatsError, one_line_errors
from heartbeats.common.settings import PreparationSettings, Settings, SettingsError
from heartbeats.datasets.ptbxl import parse_statements
from heartbeats.ecg.header import find_headers
from heartbeats.experiments.command import RESUME, baseline_settings, options_parser, with_changes, write_results
from heartbeats.networks.inference import InferenceNetwork
from heartbeats.preparation.prepared import PreparedRecording, prepare_files
from heartbeats.preparation.signals import SAMPLING_RATE
from heartbeats.training.loop import train_network

# The best published network of each task, its macro AUC, and in brackets the uncertainty of the last digits.
PUBLISHED = {
    "all": "xresnet1d101 0.925(07)",
    "diagnostic": "xresnet1d101 0.937(08)",
    "form": "inception1d 0.899(22)",
    "rhythm": "xresnet1d101 0.957(19)",
}
TRAINING_FOLDS = range(1, 9)
MADE = """\
macro AUC; in brackets 95 % intervals of a bootstrap over patients. A statement that a draw lacks is not in its mean.
Published networks are single; those of the tasks other than "all" were trained for their task alone. Here one network
answers all tasks."""


@dataclass(frozen=True)
class Statements:
    """The recordings of PTB-XL with their SCP statements.

    Attributes:
        recordings: prepared.
        labels: bool, shape (recordings, statements).
        folds, patients: of the recordings, shape (recordings,).
        tasks: which statements belong to a task, bool, shape (statements,), by name.
        superclasses: the same for the diagnostic superclasses (MI, HYP, ...).
    """

    recordings: list[PreparedRecording]
    labels: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.intp]
    patients: npt.NDArray[np.str_]
    tasks: dict[str, npt.NDArray[np.bool_]]
    superclasses: dict[str, npt.NDArray[np.bool_]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, score, and write the table."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = options_parser("ptbxl_benchmark", __doc__, sets=False)
    parser.add_argument("--fold", type=int, choices=(9, 10), default=10, help="the fold to score (default: 10)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with one_line_errors("ptbxl_benchmark", interrupted=RESUME):
        settings = baseline_settings(options)
        if len(settings.training.seconds) != 1:
            raise SettingsError("training.seconds must name one length, as in configs/leaderboard.toml")
        data = read_statements(options.data, options.out / "prepared", settings.preparation)
        scored = data.folds == options.fold
        networks = [
            _answers(data, scored, settings, options.out / f"seed{seed}", seed) for seed in range(options.seeds)
        ]
        answers = {f"seed {seed}": network for seed, network in enumerate(networks)}
        if options.seeds > 1:
            answers[f"mean of {options.seeds} networks"] = np.mean(networks, axis=0)
        published = options.fold == 10
        rows, table = [["task", "recordings", "statements", *answers, *["published"] * published]], []
        for task, chosen in data.tasks.items():
            labels = data.labels[scored][:, chosen]
            kept = labels.any(axis=1) | (task == "all")
            counts = [str(kept.sum()), str(labels[kept].any(axis=0).sum())]
            patients = data.patients[scored][kept]
            aucs = {name: _macro_auc(labels[kept], p[kept][:, chosen], patients) for name, p in answers.items()}
            rows.append([task, *counts, *aucs.values(), *[PUBLISHED[task]] * published])
            table.append({"task": task, "recordings": counts[0], "statements": counts[1]} | aucs)
        tables = {f"fold {options.fold}: {scored.sum()}": rows}
        write_results("ptbxl_benchmark", "PTB-XL's benchmark", arguments, options.out, MADE, table, tables)


def read_statements(data: Path, cache: Path, preparation: PreparationSettings) -> Statements:
    """Read and prepare PTB-XL's recordings, with the statements that its database gives them at any likelihood.

    Raises:
        HeartBeatsError: a recording cannot be read, or a table is missing.
    """
    try:
        with (data / "scp_statements.csv").open(encoding="utf-8", newline="") as file:
            statements = {row[""]: row for row in csv.DictReader(file)}
        with (data / "ptbxl_database.csv").open(encoding="utf-8", newline="") as file:
            rows = {f"HR{int(row['ecg_id']):05}": row for row in csv.DictReader(file)}
    except OSError as error:
        raise HeartBeatsError(f"{error.filename}: {error.strerror}") from error
    files = [path for path in find_headers(data) if path.stem in rows]
    recordings = []
    for prepared in prepare_files(files, cache, preparation):
        if not isinstance(prepared, PreparedRecording):
            raise HeartBeatsError(f"{prepared.name}: {prepared.reason}")
        recordings.append(prepared)
    if not recordings:
        raise HeartBeatsError(f"{data}: no recordings of ptbxl_database.csv")
    names = list(statements)
    labels = np.zeros((len(recordings), len(names)), dtype=np.bool_)
    for row, recording in zip(labels, recordings, strict=True):
        row[[names.index(code) for code in parse_statements(rows[recording.name]["scp_codes"])]] = True
    superclass = np.array([statements[name]["diagnostic_class"] for name in names])
    kinds = {kind: np.array([bool(statements[name][kind]) for name in names]) for kind in list(PUBLISHED)[1:]}
    return Statements(
        recordings,
        labels,
        folds=np.array([int(rows[recording.name]["strat_fold"]) for recording in recordings]),
        patients=np.array([rows[recording.name]["patient_id"] for recording in recordings]),
        tasks={"all": np.ones(len(names), np.bool_)} | kinds,
        superclasses={name: superclass == name for name in np.unique(superclass[superclass != ""]).tolist()},
    )


def _answers(
    data: Statements, scored: npt.NDArray[np.bool_], settings: Settings, directory: Path, seed: int
) -> npt.NDArray[np.float64]:
    """Train on folds 1 to 8 and return the probabilities of the scored fold, shape (recordings, statements)."""
    (seconds,) = settings.training.seconds
    learns = np.isin(data.folds, TRAINING_FOLDS)
    training = list(compress(data.recordings, learns))
    seeded = with_changes(settings, [f"training.seed={seed}"])
    network = train_network(
        "statements", training, data.labels[learns], seeded, seconds=seconds, directory=directory, epochs=[]
    )
    signals = [recording.signal for recording in compress(data.recordings, scored)]
    crop = settings.augmentation.crop or seconds
    inference, length = InferenceNetwork(network, seconds=crop), round(crop * SAMPLING_RATE)
    starts = range(0, round(seconds * SAMPLING_RATE) - length + 1, length // 2)
    crops = [inference.probabilities([signal[:, start : start + length] for signal in signals]) for start in starts]
    mean: npt.NDArray[np.float64] = np.mean(crops, axis=0)
    return mean


def _macro_auc(labels: npt.NDArray[np.bool_], scalar: npt.NDArray[np.float64], patients: npt.NDArray[np.str_]) -> str:
    """Return the mean AUC of the statements that occur, with its interval, as text."""

    def macro(rows: npt.NDArray[np.intp]) -> float:
        return mean_of_defined(ranking_areas(labels[rows], scalar[rows])[0])

    return with_interval(macro(np.arange(len(labels))), *interval_over(patients, macro))


if __name__ == "__main__":
    main()
