"""Train the whole entry (paper, Figure 1): a folder of recordings becomes a model folder."""

import dataclasses
import hashlib
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from heartbeats import __version__
from heartbeats.challenge.diagnoses import SCORED, WEIGHTS_FILE, Classes
from heartbeats.challenge.scoring import f_measures, mean_of_defined, ranking_areas, submission
from heartbeats.classification.decision import Evidence, decide
from heartbeats.classification.ensemble import Classifier, Member, ensemble, marks
from heartbeats.classification.model_folder import (
    ROOMS,
    ModelError,
    load_classifier,
    load_model,
    read_model_file,
    save_model,
)
from heartbeats.classification.threshold import ThresholdSearch, search_threshold
from heartbeats.common.digest import code_digest
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import locked, remove_half_written
from heartbeats.common.settings import Settings
from heartbeats.ecg.header import find_headers
from heartbeats.training import parallel
from heartbeats.training.checkpoints import CHECKPOINTS
from heartbeats.training.cohort import Cohort, build_cohort
from heartbeats.training.description import (
    describe_cohort,
    describe_operating_points,
    describe_scores,
    describe_threshold,
    describe_versions,
)
from heartbeats.training.epoch_log import Epoch, write_epochs
from heartbeats.training.loop import data_digest, train_network, weights_digest
from heartbeats.training.relabelling import train_and_relabel
from heartbeats.training.validation_table import VALIDATION_FILE, Validation, write_validation

log = logging.getLogger(__name__)

REPORT_FILE = "report.html"
Weights = Mapping[str, torch.Tensor]
SOME = 16  # recordings for the check of probabilities, if none are for validation


def train_model(
    data_directory: Path, model_directory: Path, settings: Settings, start: Classifier | None = None
) -> Classifier:
    """Train the entry on a folder of Challenge recordings and write a model folder.

    After a kill, the same call resumes from the cache and the checkpoints. A complete model is kept. If only the
    decision's code or settings changed, only the threshold is searched again.

    Args:
        data_directory: recordings with headers in the Challenge's format, sub-folders included.
        model_directory: made if missing.
        settings: the paper's are ``Settings()``.
        start: a model whose weights the training starts from; its networks' settings and lengths replace those of
            ``settings``. For other classes, the networks get a new head.

    Raises:
        HeartBeatsError: there are no recordings to train with, the processes of torchrun see different ones, the table
            of patients cannot be read, or a network's loss or probabilities are not finite.
        InUseError: another process uses the model folder.
        ModelError: a process of torchrun does not find the model, because the folder is not shared.
        OSError: the data cannot be read, or the model folder cannot be written.
    """
    if not find_headers(data_directory):  # check before writing: the arguments may be swapped
        raise HeartBeatsError(f"{data_directory}: no recordings (.hea) to train with")
    if start:
        of_start = start.settings.training
        training = dataclasses.replace(settings.training, seconds=of_start.seconds, networks=of_start.networks)
        preparation, network = start.settings.preparation, start.settings.network
        settings = dataclasses.replace(settings, preparation=preparation, network=network, training=training)
    with parallel.process_group():
        if parallel.is_first():
            model_directory.mkdir(parents=True, exist_ok=True)
        with locked(model_directory) if parallel.is_first() else nullcontext():
            _train(data_directory, model_directory, settings, start)
        return load_model(model_directory, device=parallel.device())


def _train(data_directory: Path, model_directory: Path, settings: Settings, start: Classifier | None) -> None:
    """Prepare, relabel, train, search the threshold and write the model. Rank 0 writes."""
    log.info("HeartBeats %s on %s trains on %s", __version__, _describe_device(), data_directory)
    if torch.version.cuda and not torch.cuda.is_available() and Path("/proc/driver/nvidia").exists():
        log.warning("torch (CUDA %s) finds no GPU, but there is an NVIDIA driver; is it too old?", torch.version.cuda)
    log.info("settings: %s", json.dumps(settings.to_dict()))
    if start:
        log.info("the networks start from the weights of %s", start.directory)
    if parallel.is_first():
        remove_half_written(model_directory)
        remove_half_written(model_directory / CHECKPOINTS)
    if not parallel.is_first():
        parallel.broadcast(None)  # wait until rank 0 has filled the cache
    cohort = build_cohort(data_directory, model_directory / settings.cohort.store, settings)
    if parallel.is_first():
        parallel.broadcast(None)
    starts = _starts(start, cohort.classes)
    identity = Identity.of(cohort, settings, starts)
    if identity != parallel.broadcast(identity):
        raise HeartBeatsError(
            f"{data_directory}: the processes see different recordings; start again when no files are being added"
        )
    members, earlier = _earlier_model(model_directory, identity)
    if parallel.broadcast(earlier.get("model") == identity.model):
        log.info("%s already holds the model of these recordings and settings", model_directory)
        return
    if parallel.broadcast(bool(members)):
        log.info("%s already holds the networks of these recordings and settings", model_directory)
        description = {name: earlier.get(name) for name in ("relabelling", "training")}
    else:
        members, description = _train_networks(cohort, settings, model_directory, starts)
    if parallel.is_first():
        _write_model(model_directory, members, cohort, settings, description | dataclasses.asdict(identity))
    parallel.broadcast(None)


@dataclass(frozen=True)
class Identity:
    """Digests of all that determines a model.

    Attributes:
        networks: recordings, labels, split, settings, first weights, and the code of the networks and the training.
        model: ``networks``, the bradycardia rule's results, and the decision's settings, code and reward weights.
    """

    networks: str
    model: str

    @classmethod
    def of(cls, cohort: Cohort, settings: Settings, starts: Sequence[Weights] = ()) -> Self:
        """Return the identity of the model from these recordings, settings and weights."""
        tables = settings.to_dict()
        del tables["cohort"]["store"]  # the location of the cache does not matter
        decision = tables.pop("decision")
        networks = _sha256(
            data_digest(cohort.recordings, cohort.labels),
            _packed(cohort.validation),
            code_digest("networks", "training"),
            json.dumps(tables),
            *map(weights_digest, starts),
        )
        model = _sha256(
            networks,
            _packed([recording.bradycardia for recording in cohort.recordings]),
            code_digest(*ROOMS, *(["pvc_unet"] if settings.decision.pvc != "networks" else [])),
            json.dumps([decision, dataclasses.asdict(cohort.classes)]),
            WEIGHTS_FILE.read_text(encoding="utf-8"),
        )
        return cls(networks, model)


def _starts(start: Classifier | None, classes: Classes) -> list[Weights]:
    """Return the weights that the networks start from; without those of the head, if the classes differ."""
    weights = [member.network.state_dict() for member in start.members] if start else []
    same = start is not None and start.classes == classes
    return [{name: each for name, each in one.items() if same or not name.startswith("head.")} for one in weights]


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _packed(answers: npt.ArrayLike) -> str:
    """Return a bool array as hexadecimal digits."""
    return np.packbits(np.asarray(answers, dtype=np.bool_)).tobytes().hex()


def _earlier_model(model_directory: Path, identity: Identity) -> tuple[tuple[Member, ...], dict[str, Any]]:
    """Return the networks and the model.json of an earlier run, both empty if the networks must be trained."""
    try:
        model = read_model_file(model_directory)
        if model.get("networks") == identity.networks:
            return load_classifier(model_directory, model, parallel.device()).members, model
        log.info(
            "%s holds a model of other recordings, settings or code: its networks are trained again", model_directory
        )
    except ModelError:
        log.info("%s holds no complete model", model_directory)
    return (), {}


def _train_networks(
    cohort: Cohort, settings: Settings, model_directory: Path, starts: Sequence[Weights]
) -> tuple[tuple[Member, ...], dict[str, Any]]:
    """Relabel and train; return the networks and the entries of model.json about their training."""
    recordings, labels = cohort.side(validating=False)
    epochs: list[Epoch] = []
    added: dict[str, int] = {}
    if settings.relabelling.enabled and cohort.classes == SCORED and not starts:
        labels, added = train_and_relabel(recordings, labels, settings, model_directory, epochs)
    members: list[Member] = []
    for seconds in settings.training.seconds:
        for number in range(settings.training.networks):
            name = f"{seconds:g}s" if number == 0 else f"{seconds:g}s-{number + 1}"
            start = starts[len(members)] if starts else None
            network = train_network(
                name,
                recordings,
                labels,
                settings,
                seconds=seconds,
                directory=model_directory,
                epochs=epochs,
                start=start,
            )
            members.append(Member(seconds, network))
    if parallel.is_first():
        write_epochs(model_directory, epochs)  # an earlier run may have ended after its last checkpoint, before this
    training = {
        "seconds": round(sum(epoch.seconds for epoch in epochs), 1),
        "epochs": [dataclasses.asdict(epoch) for epoch in epochs],
        "device": _describe_device(),
        "processes": parallel.world_size(),
    }
    return tuple(members), {"relabelling": {"added": added}, "training": training}


def _write_model(
    model_directory: Path, members: tuple[Member, ...], cohort: Cohort, settings: Settings, description: dict[str, Any]
) -> None:
    """Search the threshold and write the model folder."""
    search, validation = _search_threshold(members, cohort, settings)
    seen = frozenset(mark for recording in cohort.recordings for mark in marks(recording))
    classifier = Classifier(members, search.threshold, settings, cohort.classes, seen=seen)
    report = {
        **description,
        "cohort": describe_cohort(cohort),
        "versions": describe_versions(),
        "threshold_search": describe_threshold(search),
    }
    if validation.names:
        report["validation_scores"] = scores = _score(validation, search.threshold, settings, cohort.classes)
        names = cohort.classes.abbreviations
        report["operating_points"] = describe_operating_points(validation.labels, validation.probabilities, names)
        measure = "challenge score" if cohort.classes == SCORED else "mean F-measure"
        *_, score = scores.values()
        log.info("validation: %s %.3f (the threshold was chosen for it)", measure, score or 0.0)
    (model_directory / REPORT_FILE).unlink(missing_ok=True)  # it describes another model
    write_validation(model_directory / VALIDATION_FILE, validation, cohort.classes.abbreviations)
    save_model(classifier, model_directory, report)
    shutil.rmtree(model_directory / CHECKPOINTS, ignore_errors=True)
    log.info("model written to %s", model_directory)


def _score(validation: Validation, threshold: float, settings: Settings, classes: Classes) -> dict[str, float | None]:
    """Return the Challenge's measures; for your own classes, mean AUROC and mean F-measure."""
    probabilities = validation.probabilities
    labels = decide(probabilities, validation.evidence, threshold, settings.decision, classes.codes)
    if classes == SCORED:
        answers = submission(validation.names, validation.labels, labels, probabilities)
        return describe_scores(answers.score().measures())
    auroc, _ = ranking_areas(validation.labels, probabilities)
    means = {"auroc": auroc, "f_measure": f_measures(validation.labels, labels)}
    return describe_scores({name: mean_of_defined(values) for name, values in means.items()})


def _search_threshold(
    members: tuple[Member, ...], cohort: Cohort, settings: Settings
) -> tuple[ThresholdSearch, Validation]:
    """Search the threshold on the validation recordings; return both."""
    recordings, labels = cohort.side(validating=True)
    probabilities = ensemble(members, recordings)
    some = probabilities if recordings else ensemble(members, cohort.recordings[:SOME])
    if not np.isfinite(some).all():
        raise HeartBeatsError("the networks' probabilities are not finite: lower training.learning_rate")
    evidence = Evidence.of(recordings, settings.decision)
    search = search_threshold(probabilities, evidence, labels, settings.decision, cohort.classes)
    how = "the paper's" if search.undecided else f"searched on {len(recordings)} validation recordings"
    log.info("threshold: %.2f, %s", search.threshold, how)
    return search, Validation(tuple(recording.name for recording in recordings), labels, probabilities, evidence)


def _describe_device() -> str:
    device = parallel.device()
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
