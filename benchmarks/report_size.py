"""How large the reports become with the Challenge's 43,101 recordings, and how long it takes to make them.

    python -m benchmarks.report_size [--recordings 43101]

The recordings are spread over the sources as in the Challenge, and a fifth of them validate. The files of a model
folder that a report follows from are made here, with drawn labels, probabilities, ages and sexes, without a network.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from heartbeats.training.cohort_summary import describe_cohort

from benchmarks.measuring import machine
from heartbeats.challenge.diagnoses import CLASSES, read_weights
from heartbeats.challenge.scoring import Submission, merge_equivalent
from heartbeats.classification.decision import Evidence
from heartbeats.classification.model_folder import MODEL_FILE
from heartbeats.classification.threshold import search_threshold
from heartbeats.common.settings import Settings
from heartbeats.reports.score_report import score_report
from heartbeats.reports.training_report import training_report
from heartbeats.training.cohort import Cohort, Particulars
from heartbeats.training.epoch_log import EpochLine
from heartbeats.training.validation_table import VALIDATION_FILE, Validation, write_validation

# Recordings of the Challenge of 2020 by the letters of their names; 74 more, of INCART, are left out.
SOURCES = {"A": 6877, "E": 10_344, "HR": 21_837, "Q": 3453, "S": 516}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=43_101)
    recordings = parser.parse_args().recordings
    rng = np.random.default_rng(0)
    letters = rng.choice(list(SOURCES), size=recordings, p=np.array(list(SOURCES.values())) / sum(SOURCES.values()))
    names = tuple(f"{letter}{i:05d}" for i, letter in enumerate(letters))
    labels, probabilities = answers(recordings, rng)
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        model = Path(temporary)
        write_model(model, names, labels, probabilities, rng)
        measure(f"training report, {recordings} recordings", lambda: training_report(model))
    weights = read_weights()
    true, binary = (merge_equivalent(each, weights) for each in (labels, probabilities > 0.5))
    scalar = np.stack([probabilities[:, CLASSES.index(codes[0])] for codes in weights.classes], axis=1)
    submission = Submission(names, true, binary, scalar, np.zeros(recordings, dtype=np.bool_), weights)
    measure(f"score report, {recordings} recordings", lambda: score_report(submission, model, model))


def answers(recordings: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Labels with the Challenge's shares of frequent and rare classes, and probabilities that follow them loosely."""
    labels = rng.random((recordings, len(CLASSES))) < np.geomspace(0.4, 0.005, len(CLASSES))
    return labels, np.clip(rng.normal(np.where(labels, 0.6, 0.25), 0.15), 0, 1)


def write_model(
    folder: Path,
    names: tuple[str, ...],
    labels: npt.NDArray[np.bool_],
    probabilities: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Write what a training's report follows from, thousands of recordings left out among it."""
    count = len(names)
    ages, women = rng.integers(1, 95, size=count), rng.random(count) < 0.5
    headers = zip(ages.tolist(), women.tolist(), rng.choice([10.0, 10.0, 10.0, 5.0, 60.0], count).tolist(), strict=True)
    cohort = Cohort(
        recordings=tuple(PreparedRecording(name, np.empty((8, 0), dtype=np.int16), False, "", ()) for name in names),
        labels=labels,
        validation=rng.random(count) < 0.2,
        particulars=tuple(Particulars(500.0, s, age, "Female" if woman else "Male") for age, woman, s in headers),
        left_out={"no scored label": list(names[::12]), "source incart": [f"I{i:04d}" for i in range(1, 75)]},
    )
    settings, chosen = Settings(), cohort.validation
    evidence = Evidence(rng.random(chosen.sum()) < 0.1)
    search = search_threshold(probabilities[chosen], evidence, labels[chosen], settings.decision)
    validating = tuple(np.array(names)[chosen].tolist())
    write_validation(folder / VALIDATION_FILE, Validation(validating, labels[chosen], probabilities[chosen], evidence))
    epochs = [
        dataclasses.asdict(EpochLine(network, epoch, 0.3 / epoch, 1e-3 if epoch < 13 else 1e-4, 10.0, 4000.0, 0.0))
        for network in ("relabelling", "30s", "10s")
        for epoch in range(1, settings.training.epochs + 1)
    ]
    described = {
        "threshold": search.threshold,
        "settings": settings.to_dict(),
        "cohort": describe_cohort(cohort),
        "relabelling": {"added": {"IRBBB": 12}},
        "training": {"seconds": 600.0, "epochs": epochs, "device": "none", "processes": 1},
        "versions": {"heartbeats": "simulated"},
        "threshold_search": {"thresholds": search.thresholds, "challenge_scores": search.challenge_scores},
    }
    (folder / MODEL_FILE).write_text(json.dumps(described))


def measure(what: str, make: Callable[[], str]) -> None:
    """Make a page and print its bytes and seconds."""
    started = time.perf_counter()
    page = make()
    seconds = time.perf_counter() - started
    print(f"{what}: {len(page.encode()) / 1e6:.2f} MB in {seconds:.1f} s, {page.count('<')} tags")


if __name__ == "__main__":
    main()
