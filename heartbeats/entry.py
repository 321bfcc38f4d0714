"""The entry's two jobs: a folder of recordings becomes a model folder; with it, another becomes a folder of outputs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from heartbeats import __version__, collective, ranks
from heartbeats.classifier import MODEL_FILE, Classifier, Evidence, Member, ModelError, load, save, search_threshold
from heartbeats.cohort import Cohort, CohortError, build_cohort, describe_cohort
from heartbeats.diagnoses import CLASSES, read_weights
from heartbeats.files import code_digest, locked, write_text
from heartbeats.header import find_headers
from heartbeats.inference import InferenceNetwork
from heartbeats.outputs import Diagnosis, unclassified, write_output
from heartbeats.prepared import Failure, Prepared, prepare_file
from heartbeats.read_ahead import read_ahead
from heartbeats.relabelling import relabel
from heartbeats.scoring import merge_equivalent, output_matrices, score
from heartbeats.settings import Settings
from heartbeats.training import CHECKPOINTS, EPOCH_LOG, train_network, training_identity
from heartbeats.validation import VALIDATION_FILE, Validation, write_validation

__all__ = ["REPORT_FILE", "classify_folder", "train_entry"]

log = logging.getLogger(__name__)

REPORT_FILE = "report.html"
BATCH_SIZE = 64  # recordings taken at once, for the networks to sort by length


def train_entry(data_directory: Path, model_directory: Path, settings: Settings) -> Classifier:
    """Train both networks on a folder of Challenge recordings and write a model folder.

    Prepared signals and checkpoints go to the model folder too; the same call after a kill goes on from them, and after
    the end it finds nothing to do but the report, where that is missing. A report that cannot be made is logged with
    the reason and raises nothing: the model is complete without it.

    Raises:
        CohortError: the folder holds no recordings to train with.
        InUseError: another process trains into the model folder.
        OSError: the data cannot be read, or the model folder cannot be written.
    """
    if not find_headers(data_directory):  # before anything is written: the arguments may be swapped
        raise CohortError(f"{data_directory}: no recordings (.hea) to train with")
    with collective.joined():
        if ranks.is_first():
            model_directory.mkdir(parents=True, exist_ok=True)
            with locked(model_directory):
                for half_written in model_directory.rglob(".*.tmp"):  # of a run that was killed
                    half_written.unlink()
                _train(data_directory, model_directory, settings)
                _write_report(model_directory)
        else:
            _train(data_directory, model_directory, settings)
        return load(model_directory, device=collective.device())


def _train(data_directory: Path, model_directory: Path, settings: Settings) -> None:
    log.info("HeartBeats %s on %s trains on %s", __version__, _describe_device(), data_directory)
    log.info("settings: %s", json.dumps(settings.to_dict()))
    store = model_directory / settings.cohort.store
    with collective.first_before_others():
        cohort = build_cohort(data_directory, store, settings)
    identity = _identity(cohort, settings)
    if collective.broadcast(np.array([_is_finished(model_directory, identity)]))[0]:
        log.info("%s holds the model of these recordings and settings already", model_directory)
        return
    if ranks.is_first() and not (model_directory / CHECKPOINTS).exists():
        (model_directory / EPOCH_LOG).unlink(missing_ok=True)  # another model's
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
    with collective.first_before_others():
        if ranks.is_first():
            classifier, found, validation = _with_threshold(Classifier(tuple(members), math.nan, settings), cohort)
            described = {
                "identity": identity,
                "cohort": describe_cohort(cohort),
                "relabelling": {"added": added},
                "training": {
                    "seconds": _training_seconds(model_directory),
                    "device": _describe_device(),
                    "processes": ranks.world_size(),
                },
                "versions": _describe_versions(),
                **found,
            }
            for name in (MODEL_FILE, REPORT_FILE):  # an earlier model's, which the table would not be of
                (model_directory / name).unlink(missing_ok=True)
            write_validation(model_directory / VALIDATION_FILE, validation)
            save(classifier, model_directory, described)
            shutil.rmtree(model_directory / CHECKPOINTS)
            log.info("model written to %s", model_directory)


def _write_report(model_directory: Path) -> None:
    """Make the report of a complete model where it is missing; it costs nothing but itself if that fails."""
    if (path := model_directory / REPORT_FILE).exists():
        return
    try:
        # Drawing and templates take a second to load, which classification and workers need not wait for.
        from heartbeats.pages.training_report import training_report  # noqa: PLC0415

        write_text(path, training_report(model_directory))
        log.info("report written to %s", path)
    except Exception:  # after days of training, a fault in a picture must not look like a failed training
        log.exception("%s could not be made; the model is complete. The same command tries again", path)


def _identity(cohort: Cohort, settings: Settings) -> str:
    """SHA-256 of all that a model follows from."""
    networks = training_identity("", cohort.recordings, cohort.labels, settings, 0)
    modules = (
        "cohort",
        "relabelling",
        "heart_rate",
        "inference",
        "unet",
        "scoring",
        "classifier",
        "validation",
        "entry",
    )
    decisions = code_digest(*modules)
    return hashlib.sha256(f"{networks} {decisions} {json.dumps(settings.to_dict())}".encode()).hexdigest()


def _is_finished(model_directory: Path, identity: str) -> bool:
    """Whether an earlier run finished and nothing has changed since: a kill may come after the end."""
    try:
        load(model_directory, device=collective.device())
        model = json.loads((model_directory / MODEL_FILE).read_text(encoding="utf-8"))
    except ModelError:
        return False
    return bool(model.get("identity") == identity)


def _training_seconds(model_directory: Path) -> float:
    """What the epochs took, those before an interruption included."""
    lines = (model_directory / EPOCH_LOG).read_text(encoding="utf-8").splitlines()
    return round(sum(float(json.loads(line)["seconds"]) for line in lines), 1)


def classify_folder(
    classifier: Classifier, data_directory: Path, output_directory: Path, *, resume: bool = False
) -> tuple[int, int]:
    """Write an output file for every recording below a folder; returns how many were classified and how many not.

    The next recordings are read and prepared while the networks run. One that cannot be classified gets labels 0 and
    probabilities NaN, and is named with the reason on stderr. Of several recordings of one name the first is taken.
    Under torchrun each process takes its share of the names, and the counts are those of all; if one ends and all are
    started again, they go on as with ``resume``.

    Args:
        resume: leave out recordings whose output file is there already, and do not count them.

    Raises:
        OSError: there are no recordings, or the output folder cannot be written.
    """
    header_files = find_headers(data_directory)
    if not header_files:
        raise FileNotFoundError(f"{data_directory}: no recordings (.hea) to classify")
    output_directory.mkdir(parents=True, exist_ok=True)
    first = {path.stem: path for path in reversed(header_files)}
    failed = 0
    if ranks.is_first():
        for path in header_files:
            if first[path.stem] != path:
                failed += 1
                _complain(f"{path.stem}: {path} is not classified: {first[path.stem]} has the same name")
    # Shares are of all names, not of those that are left: while one process looks, others write.
    share = sorted(first.items())[ranks.rank() :: ranks.world_size()]
    left = [path for name, path in share if not (resume and (output_directory / f"{name}.csv").exists())]
    classified = 0
    prepared = read_ahead(left, prepare=partial(prepare_file, settings=classifier.settings.preparation))
    with tqdm(total=len(left), desc="classifying", unit="recording", disable=not ranks.is_first() or None) as bar:
        while batch := list(islice(prepared, BATCH_SIZE)):
            for answer in _answers(classifier, batch):
                if isinstance(answer, Failure):
                    failed += 1
                    _complain(f"{answer.name}: not classified: {answer.reason}")
                else:
                    classified += 1
                diagnosis = unclassified(answer.name, CLASSES) if isinstance(answer, Failure) else answer
                write_output(output_directory / f"{diagnosis.name}.csv", diagnosis)
            bar.update(len(batch))
    classified, failed = map(int, collective.summed([classified, failed]))
    return classified, failed


def _answers(classifier: Classifier, batch: Sequence[Prepared | Failure]) -> Iterator[Diagnosis | Failure]:
    """The diagnoses of a batch, the failures in it passed on; what breaks the networks fails alone."""
    prepared = [item for item in batch if isinstance(item, Prepared)]
    for item in prepared:
        for warning in item.warnings:
            _complain(f"{item.name}: {warning}")
    yield from (item for item in batch if isinstance(item, Failure))
    try:
        yield from classifier.classify(prepared)
    except RuntimeError as error:
        if len(prepared) == 1:
            yield Failure(prepared[0].name, f"the networks failed: {error}")
        else:
            for item in prepared:
                yield from _answers(classifier, [dataclasses.replace(item, warnings=())])


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
    added: dict[str, int] = {}
    if ranks.is_first():
        signals = [recordings[i].signal for i in np.flatnonzero(is_cpsc)]
        probabilities = np.zeros(labels.shape)
        probabilities[is_cpsc] = InferenceNetwork(network).probabilities(signals, seconds=seconds)
        labels, added = relabel(labels, probabilities, is_cpsc, probability=settings.relabelling.probability)
    labels = collective.broadcast(labels)
    named = ", ".join(f"{name} {count}" for name, count in added.items()) or "nothing"
    log.info("relabelling: added to %d CPSC recordings: %s", np.sum(is_cpsc), named)
    return labels, added


def _with_threshold(classifier: Classifier, cohort: Cohort) -> tuple[Classifier, dict[str, Any], Validation]:
    """The classifier with the threshold searched on the validation recordings, and what to tell of that and them."""
    recordings = [cohort.recordings[i] for i in np.flatnonzero(cohort.validation)]
    labels = cohort.labels[cohort.validation]
    decision = classifier.settings.decision
    probabilities = classifier.probabilities(recordings)
    evidence = Evidence.of(recordings, decision)
    search = search_threshold(probabilities, evidence, labels, decision)
    if np.isnan(search.challenge_scores).all():
        log.info("threshold: %.2f, the paper's: validation recordings tell no better one", search.threshold)
    else:
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
        log.info("validation: challenge score %.3f (the threshold was chosen for it)", scores.challenge_metric)
    names = tuple(recording.name for recording in recordings)
    return classifier, found, Validation(names, labels, probabilities, evidence)


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


def _describe_device() -> str:
    device = collective.device()
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"


def _describe_versions() -> dict[str, str]:
    packages: Iterable[str] = ("torch", "numpy", "scipy", "wfdb", "sleepecg", "safetensors")
    return {"heartbeats": __version__, "python": platform.python_version()} | {p: version(p) for p in packages}
