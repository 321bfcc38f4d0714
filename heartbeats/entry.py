"""The entry's two jobs: a folder of recordings becomes a model folder; with it, another becomes a folder of outputs."""

from __future__ import annotations

import dataclasses
import logging
import math
import platform
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from heartbeats import __version__
from heartbeats.classifier import Classifier, Member, save, search_threshold
from heartbeats.cohort import Cohort, build_cohort
from heartbeats.diagnoses import ABBREVIATIONS, CLASSES, read_weights
from heartbeats.outputs import unclassified, write_output
from heartbeats.read_ahead import Failure, read_ahead
from heartbeats.recording import find_headers
from heartbeats.relabelling import relabel
from heartbeats.scoring import merge_equivalent, output_matrices, score
from heartbeats.se_resnet import predict
from heartbeats.settings import Settings
from heartbeats.training import best_device, train_network

__all__ = ["classify_folder", "train_entry"]

log = logging.getLogger(__name__)

BATCH_SIZE = 16  # recordings classified at once


def train_entry(data_directory: Path, model_directory: Path, settings: Settings) -> Classifier:
    """Train both networks on a folder of Challenge recordings and write a model folder.

    Prepared signals and checkpoints go to the model folder too; the same call after a kill goes on from them.

    Raises:
        CohortError: the folder holds no recordings to train with.
        OSError: the data cannot be read, or the model folder cannot be written.
    """
    started = time.monotonic()
    store = model_directory / settings.cohort.store
    cohort = build_cohort(data_directory, store, settings.cohort, seed=settings.training.seed)
    train = np.flatnonzero(~cohort.validation)
    recordings = [cohort.recordings[i] for i in train]
    labels = cohort.labels[train]
    added: dict[str, int] = {}
    if settings.relabelling.enabled:
        labels, added = _relabelled(cohort, train, settings, model_directory)
    members = []
    for seconds in settings.training.seconds:
        name = f"{seconds:g}s"
        network = train_network(name, recordings, labels, settings, seconds=seconds, directory=model_directory)
        members.append(Member(seconds, network))

    classifier, found = _with_threshold(Classifier(tuple(members), math.nan, settings), cohort)
    report = {
        **found,
        "cohort": _describe_cohort(cohort),
        "relabelling": {"added": added},
        "training": {"seconds": round(time.monotonic() - started, 1), "device": _describe_device()},
        "versions": _describe_versions(),
    }
    save(classifier, model_directory, report)
    shutil.rmtree(model_directory / "checkpoints")
    log.info("model written to %s", model_directory)
    return classifier


def classify_folder(classifier: Classifier, data_directory: Path, output_directory: Path) -> tuple[int, int]:
    """Write an output file for every recording below a folder; returns how many were classified and how many not.

    The next recordings are read and prepared while the networks run. One that cannot be classified gets labels 0 and
    probabilities NaN, and is named with the reason on stderr. Of several recordings of one name the first is taken.

    Raises:
        OSError: the data cannot be found, or the output folder cannot be written.
    """
    header_files = find_headers(data_directory)
    output_directory.mkdir(parents=True, exist_ok=True)
    first = {path.stem: path for path in reversed(header_files)}
    for path in header_files:
        if first[path.stem] != path:
            _complain(f"{path.stem}: {path} is not classified: {first[path.stem]} has the same name")
    failed = len(header_files) - len(first)
    prepared = read_ahead(sorted(first.values()))
    with tqdm(total=len(first), desc="classifying", unit="recording", disable=None) as bar:
        while batch := list(islice(prepared, BATCH_SIZE)):
            for diagnosis in classifier.classify([item for item in batch if not isinstance(item, Failure)]):
                write_output(output_directory / f"{diagnosis.name}.csv", diagnosis)
            for item in batch:
                if isinstance(item, Failure):
                    failed += 1
                    write_output(output_directory / f"{item.name}.csv", unclassified(item.name, CLASSES))
                    _complain(f"{item.name}: not classified: {item.reason}")
                else:
                    for warning in item.warnings:
                        _complain(f"{item.name}: {warning}")
            bar.update(len(batch))
    return len(header_files) - failed, failed


def _complain(message: str) -> None:
    tqdm.write(message, file=sys.stderr)


def _relabelled(
    cohort: Cohort, train: npt.NDArray[np.intp], settings: Settings, directory: Path
) -> tuple[npt.NDArray[np.bool_], dict[str, int]]:
    """The training recordings' labels after relabelling, and how many were added per class.

    Validation recordings keep their published labels: those are what the Challenge scores.
    """
    labels, is_cpsc = cohort.labels[train], cohort.sources[train] == "cpsc"
    if not is_cpsc.any():
        log.info("relabelling: no CPSC recordings to relabel")
        return labels, {}
    recordings = [cohort.recordings[i] for i in train]
    seconds = settings.relabelling.seconds
    network = train_network("relabelling", recordings, labels, settings, seconds=seconds, directory=directory)
    signals = [recordings[i].signal for i in np.flatnonzero(is_cpsc)]
    probabilities = np.zeros(labels.shape)
    probabilities[is_cpsc] = predict(network, signals, seconds=seconds)
    labels, added = relabel(labels, probabilities, is_cpsc, probability=settings.relabelling.probability)
    named = ", ".join(f"{name} {count}" for name, count in added.items()) or "nothing"
    log.info("relabelling: added to %d CPSC recordings: %s", np.sum(is_cpsc), named)
    return labels, added


def _with_threshold(classifier: Classifier, cohort: Cohort) -> tuple[Classifier, dict[str, Any]]:
    """The classifier with the threshold searched on the validation recordings, and what to report of that."""
    recordings = [cohort.recordings[i] for i in np.flatnonzero(cohort.validation)]
    labels = cohort.labels[cohort.validation]
    rule = np.array([recording.bradycardia for recording in recordings], dtype=np.bool_)
    probabilities = classifier.probabilities(recordings)
    search = search_threshold(probabilities, rule, labels, classifier.settings.decision)
    log.info("threshold: %.2f, searched on %d validation recordings", search.threshold, len(recordings))
    classifier = dataclasses.replace(classifier, threshold=search.threshold)
    found: dict[str, Any] = {
        "threshold_search": {
            "thresholds": search.thresholds,
            "challenge_scores": [_number(score) for score in search.challenge_scores],
        }
    }
    if recordings:
        weights = read_weights()
        outputs = output_matrices(classifier.diagnoses(recordings, probabilities), weights)
        scores = score(merge_equivalent(labels, weights), *outputs, weights)
        found["validation_scores"] = {name: _number(value) for name, value in scores.measures().items()}
        log.info("validation: challenge score %.3f", scores.challenge_metric)
    return classifier, found


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


def _describe_cohort(cohort: Cohort) -> dict[str, Any]:
    def counts(chosen: npt.NDArray[np.bool_]) -> dict[str, dict[str, int]]:
        per_class = cohort.labels[chosen].sum(axis=0).tolist()
        return {
            "sources": dict(sorted(Counter(cohort.sources[chosen].tolist()).items())),
            "classes": dict(zip(ABBREVIATIONS.values(), per_class, strict=True)),
        }

    return {
        "training": counts(~cohort.validation),
        "validation": counts(cohort.validation),
        "left_out": cohort.left_out,
    }


def _describe_device() -> str:
    device = best_device()
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"


def _describe_versions() -> dict[str, str]:
    packages: Iterable[str] = ("torch", "numpy", "scipy", "PyWavelets", "wfdb", "sleepecg", "safetensors")
    return {"heartbeats": __version__, "python": platform.python_version()} | {p: version(p) for p in packages}
