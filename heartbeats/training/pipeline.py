"""Training the entry (paper, Figure 1): a folder of recordings becomes a model folder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from heartbeats import __version__
from heartbeats.challenge.diagnoses import WEIGHTS_FILE, read_weights
from heartbeats.challenge.scoring import submission
from heartbeats.classification.classifier import (
    MODEL_FILE,
    Classifier,
    Evidence,
    Member,
    ModelError,
    ThresholdSearch,
    decide,
    ensemble,
    load,
    save,
    search_threshold,
)
from heartbeats.common import collective, ranks
from heartbeats.common.digest import code_digest
from heartbeats.common.files import locked, remove_half_written, write_text
from heartbeats.common.settings import Settings
from heartbeats.ecg.header import find_headers
from heartbeats.pvc_unet import unet
from heartbeats.training.checkpoints import CHECKPOINTS, has_checkpoints, remove_checkpoints
from heartbeats.training.cohort import Cohort, CohortError, build_cohort
from heartbeats.training.cohort_summary import describe_cohort
from heartbeats.training.epoch_log import keep_epochs, read_epochs
from heartbeats.training.loop import TrainingError, data_digest, train_network
from heartbeats.training.relabelling import RELABELLING, train_and_relabel
from heartbeats.training.validation_table import VALIDATION_FILE, Validation, write_validation

__all__ = ["train_entry"]

log = logging.getLogger(__name__)

REPORT_FILE = "report.html"
SOME = 16  # recordings on which networks are tried that no recording validates

# What model.json says of networks, kept where only the decision has changed.
OF_NETWORKS = ("relabelling", "training")


def train_entry(data_directory: Path, model_directory: Path, settings: Settings) -> Classifier:
    """Train both networks on a folder of Challenge recordings and write a model folder.

    Prepared signals and checkpoints go to the model folder too; the same call after a kill goes on from them, and after
    the end it finds nothing to do but the report, where that is missing. Where only the decision has changed, its code
    or its settings, the networks are kept, and the threshold is searched anew. A report that cannot be made is logged
    with the reason and raises nothing: the model is complete without it.

    Raises:
        CohortError: the folder holds no recordings to train with, or processes of torchrun see different ones.
        TrainingError: a network's loss, or what it answers, is no number.
        WeightsError: weights.csv is no reward matrix.
        InUseError: another process trains into the model folder.
        ModelError: a process of torchrun does not find the model that the first one wrote: the folder is not shared.
        OSError: the data cannot be read, or the model folder cannot be written.
    """
    read_weights()  # now, and not after days of training
    if not find_headers(data_directory):  # before anything is written: the arguments may be swapped
        raise CohortError(f"{data_directory}: no recordings (.hea) to train with")
    with collective.joined():
        if ranks.is_first():
            model_directory.mkdir(parents=True, exist_ok=True)
            with locked(model_directory):
                for folder in (model_directory, model_directory / CHECKPOINTS):
                    remove_half_written(folder)
                _train(data_directory, model_directory, settings)
                _write_report(model_directory)
        else:
            _train(data_directory, model_directory, settings)
        return load(model_directory, device=collective.device())


def _train(data_directory: Path, model_directory: Path, settings: Settings) -> None:
    """Prepare, relabel, train, search the threshold and write the model; in every process, the first one writing."""
    log.info("HeartBeats %s on %s trains on %s", __version__, _describe_device(), data_directory)
    if torch.version.cuda and not torch.cuda.is_available() and Path("/proc/driver/nvidia").exists():
        log.warning("torch (CUDA %s) sees no GPU, though there is an NVIDIA driver; is it too old?", torch.version.cuda)
    log.info("settings: %s", json.dumps(settings.to_dict()))
    store = model_directory / settings.cohort.store
    with collective.first_before_others():
        cohort = build_cohort(data_directory, store, settings)
    identities = _identities(cohort, settings)
    if not collective.all_have(identities["identity"]):
        raise CohortError(f"{data_directory}: the processes see different recordings; start again when none is added")
    earlier, described = _earlier_model(model_directory)
    same = [described.get(name) == identity for name, identity in identities.items()]
    same_networks, same_model = collective.broadcast(np.array(same))  # as the first process finds it
    if same_model:
        log.info("%s holds the model of these recordings and settings already", model_directory)
        return
    if same_networks:
        log.info("%s holds the networks of these recordings and settings already", model_directory)
        members, of_networks = earlier, {name: described.get(name) for name in OF_NETWORKS}
    else:
        members, of_networks = _train_networks(cohort, settings, model_directory)
    if ranks.is_first():
        _write_model(model_directory, members, cohort, settings, identities | of_networks, kept=bool(same_networks))
    collective.wait_for_all()


def _train_networks(
    cohort: Cohort, settings: Settings, model_directory: Path
) -> tuple[tuple[Member, ...], dict[str, Any]]:
    """The members, and what model.json says of their training."""
    names = [f"{seconds:g}s" for seconds in settings.training.seconds]
    if ranks.is_first():
        own = {*names, RELABELLING} if settings.relabelling.enabled else {*names}
        going_on = has_checkpoints(model_directory)
        keep_epochs(model_directory, lambda line: going_on and line.network in own)  # others are another model's
    recordings, labels = cohort.side(validating=False)
    added: dict[str, int] = {}
    if settings.relabelling.enabled:
        labels, added = train_and_relabel(recordings, labels, settings, model_directory)
    members = []
    for name, seconds in zip(names, settings.training.seconds, strict=True):
        network = train_network(name, recordings, labels, settings, seconds=seconds, directory=model_directory)
        members.append(Member(seconds, network))
    epochs = read_epochs(model_directory) if ranks.is_first() else []  # those before an interruption included
    training = {
        "seconds": round(sum(line.seconds for line in epochs), 1),
        "epochs": [dataclasses.asdict(line) for line in epochs],
        "device": _describe_device(),
        "processes": ranks.world_size(),
    }
    return tuple(members), {"relabelling": {"added": added}, "training": training}


def _write_model(
    model_directory: Path,
    members: tuple[Member, ...],
    cohort: Cohort,
    settings: Settings,
    described: dict[str, Any],
    *,
    kept: bool,
) -> None:
    """Search the threshold and write the model folder.

    Args:
        described: what is known already for model.json.
        kept: whether the networks are those of the model that is there.
    """
    classifier, search, validation = _with_threshold(members, cohort, settings)
    described = {
        **described,
        "cohort": describe_cohort(cohort),
        "versions": _describe_versions(),
        **_describe_threshold(search, validation, settings),
    }
    # What tells of other networks must not stand beside this model's files, should a kill come now.
    for name in (REPORT_FILE,) if kept else (REPORT_FILE, MODEL_FILE):
        (model_directory / name).unlink(missing_ok=True)
    write_validation(model_directory / VALIDATION_FILE, validation)
    save(classifier, model_directory, described)
    remove_checkpoints(model_directory)
    log.info("model written to %s", model_directory)


def _write_report(model_directory: Path) -> None:
    """Make the report of a complete model where it is missing; it costs nothing but itself if that fails."""
    if (path := model_directory / REPORT_FILE).exists():
        return
    try:
        # Drawing and templates take a second to load, which classification and workers need not wait for.
        from heartbeats.reports.training_report import training_report  # noqa: PLC0415

        write_text(path, training_report(model_directory))
        log.info("report written to %s", path)
    except Exception:  # after days of training, a fault in a picture must not look like a failed training
        log.exception("%s could not be made; the model is complete. The same command tries again", path)


def _identities(cohort: Cohort, settings: Settings) -> dict[str, str]:
    """SHA-256 of all that the networks follow from, and of all that the model does.

    Networks: recordings, labels, who trains, settings, code. The model besides: what the bradycardia rule says, the
    settings and the code of the decision, and the files which that reads.
    """
    tables = settings.to_dict()
    del tables["cohort"]["store"]  # where signals lie changes nothing
    decision = tables.pop("decision")
    data, sides = data_digest(cohort.recordings, cohort.labels), _packed(cohort.validation)
    networks = hashlib.sha256(
        f"{data} {sides} {code_digest('networks', 'training')} {json.dumps(tables)}".encode()
    ).hexdigest()
    rule = _packed([recording.bradycardia for recording in cohort.recordings])
    model = hashlib.sha256(
        f"{networks} {rule} {code_digest('classification', 'challenge')} {json.dumps(decision)}".encode()
    )
    for path in (WEIGHTS_FILE, unet.WEIGHTS_FILE):
        model.update(path.read_bytes())
    return {"networks": networks, "identity": model.hexdigest()}


def _packed(answers: npt.ArrayLike) -> str:
    """Answers of yes or no as hexadecimal digits."""
    return np.packbits(np.asarray(answers, dtype=np.bool_)).tobytes().hex()


def _earlier_model(model_directory: Path) -> tuple[tuple[Member, ...], dict[str, Any]]:
    """The networks of the model that an earlier run left, and its model.json; nothing where there is no whole one."""
    try:
        members = load(model_directory, device=collective.device()).members
        return members, json.loads((model_directory / MODEL_FILE).read_text(encoding="utf-8"))
    except ModelError:
        return (), {}


def _with_threshold(
    members: tuple[Member, ...], cohort: Cohort, settings: Settings
) -> tuple[Classifier, ThresholdSearch, Validation]:
    """The classifier with its threshold, the search for that on the validation recordings, and what it rests on."""
    recordings, labels = cohort.side(validating=True)
    probabilities = ensemble(members, recordings)
    some = probabilities if recordings else ensemble(members, cohort.recordings[:SOME])
    if not np.isfinite(some).all():
        raise TrainingError("the networks' probabilities are no numbers: lower training.learning_rate")
    evidence = Evidence.of(recordings, settings.decision)
    search = search_threshold(probabilities, evidence, labels, settings.decision)
    if search.undecided:
        log.info("threshold: %.2f, the paper's: validation recordings tell no better one", search.threshold)
    else:
        log.info("threshold: %.2f, searched on %d validation recordings", search.threshold, len(recordings))
    names = tuple(recording.name for recording in recordings)
    return Classifier(members, search.threshold, settings), search, Validation(names, labels, probabilities, evidence)


def _describe_threshold(search: ThresholdSearch, validation: Validation, settings: Settings) -> dict[str, Any]:
    """How the threshold was searched and, where there are validation recordings, what they score at it."""
    thresholds, scores = search.thresholds, [_number(score) for score in search.challenge_scores]
    described: dict[str, Any] = {"threshold_search": {"thresholds": thresholds, "challenge_scores": scores}}
    if validation.names:
        answered = decide(validation.probabilities, validation.evidence, search.threshold, settings.decision)
        scored = submission(validation.names, validation.labels, answered, validation.probabilities).score()
        described["validation_scores"] = {name: _number(value) for name, value in scored.measures().items()}
        if not search.undecided:
            log.info("validation: challenge score %.3f (the threshold was chosen for it)", scored.challenge_metric)
    return described


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


def _describe_device() -> str:
    device = collective.device()
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"


def _describe_versions() -> dict[str, str]:
    packages: Iterable[str] = ("torch", "numpy", "scipy", "wfdb", "sleepecg", "safetensors")
    return {"heartbeats": __version__, "python": platform.python_version()} | {p: version(p) for p in packages}
