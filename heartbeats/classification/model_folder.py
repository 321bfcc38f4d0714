"""The model folder: a safetensors file per network, and ``model.json`` with the rest.

It has no pickles: loading a model runs no code from its folder.
"""

import dataclasses
import hashlib
import json
import logging
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from heartbeats.challenge.diagnoses import SCORED, Classes
from heartbeats.classification.ensemble import Classifier, Member
from heartbeats.common.digest import code_digest
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import replace_file, write_text
from heartbeats.common.settings import settings_from_dict
from heartbeats.ecg.header import STANDARD_LEADS, canonical_lead
from heartbeats.networks.se_resnet import SEResNet

log = logging.getLogger(__name__)

MODEL_FILE = "model.json"
PRETRAINED = "pretrained"  # the name of the model that comes with the package, and its folder in it
SEEN_FILE = "seen.txt"  # marks of the recordings that trained it or chose its threshold
FORMAT, FORMAT_VERSION = "heartbeats-model", 1
ROOMS = ("ecg", "preparation", "networks", "classification", "challenge")  # the rooms that compute labels


class ModelError(HeartBeatsError):
    """A model folder is damaged, incomplete or from another program; the message names the file."""


def save_model(classifier: Classifier, directory: Path, report: dict[str, Any]) -> None:
    """Write a model folder, made if missing.

    Args:
        classifier: its networks, threshold and settings are written.
        directory: the model folder. Other networks of an earlier model are removed.
        report: more entries of ``model.json``, about the training; :func:`load_model` ignores them.

    Raises:
        OSError: the folder cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    members = []
    for number, member in enumerate(classifier.members):
        copy = number % classifier.settings.training.networks
        path = directory / f"se_resnet_{member.seconds:g}s{f'-{copy + 1}' if copy else ''}.safetensors"
        content = save_tensors({key: value.cpu() for key, value in member.network.state_dict().items()})
        replace_file(path, partial(Path.write_bytes, data=content))
        digest = hashlib.sha256(content).hexdigest()
        members.append({"seconds": member.seconds, "weights": path.name, "sha256": digest})
    model = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "classes": classifier.classes.codes,
        "class_table": dataclasses.asdict(classifier.classes),
        "threshold": classifier.threshold,
        "members": members,
        "settings": classifier.settings.to_dict(),
        "code": code_digest(*ROOMS),
    }
    write_text(directory / SEEN_FILE, "".join(f"{mark}\n" for mark in sorted(classifier.seen)))
    write_text(directory / MODEL_FILE, json.dumps(model | report, indent=2) + "\n")
    kept = {member["weights"] for member in members}
    for path in directory.glob("se_resnet_*.safetensors"):
        if re.fullmatch(r"se_resnet_[\d.e+-]+s(-\d+)?", path.stem) and path.name not in kept:
            path.unlink()


def load_model(
    model_directory: Path | str = PRETRAINED,
    leads: Sequence[str] | str | None = None,
    *,
    device: torch.device | None = None,
) -> Classifier:
    """Load a model folder. If other code wrote it, log a warning: its results may differ.

    Args:
        model_directory: as written by :func:`save_model`; ``pretrained`` is the model that comes with the package.
        leads: use only these leads (the lead sets of 2021); all leads by default.
        device: where the networks compute; by default a GPU if there is one.

    Raises:
        ModelError: a file is missing, damaged or from another program.
        ValueError: ``leads`` names a lead that is not standard.
    """
    shipped = Path(__file__).parents[1] / PRETRAINED
    if Path(model_directory) == Path(PRETRAINED) and Path(PRETRAINED, MODEL_FILE).exists():
        raise ModelError(f"{Path(PRETRAINED).absolute()} has the name of the model that comes with the code: rename it")
    directory = shipped if Path(model_directory) == Path(PRETRAINED) else Path(model_directory)
    model = read_model_file(directory)
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    classifier = load_classifier(directory, model, device)
    # A test checks the answers of the model that comes with the code.
    if directory != shipped and model.get("code") != code_digest(*ROOMS):
        log.warning(
            "%s was written by other code of HeartBeats, or another Python: its results may differ; train again",
            directory,
        )
    leads = (leads,) if isinstance(leads, str) else leads
    leads = None if leads is None else tuple(leads)
    if unknown := [lead for lead in leads or () if canonical_lead(lead) not in STANDARD_LEADS]:
        raise ValueError(f"no standard leads: {', '.join(unknown)}; their names are {', '.join(STANDARD_LEADS)}")
    return dataclasses.replace(classifier, leads=leads, directory=directory.absolute())


def load_classifier(directory: Path, model: dict[str, Any], device: torch.device) -> Classifier:
    """Load the networks that a ``model.json`` describes.

    Raises:
        ModelError: a file is missing, damaged or from another program.
    """
    path = directory / MODEL_FILE
    try:
        classes = _classes(model)
        settings = settings_from_dict(model["settings"])
        training = settings.training
        expected = [seconds for seconds in training.seconds for _ in range(training.networks)]
        if [member["seconds"] for member in model["members"]] != expected:
            raise ModelError(f"{path} names other networks than its settings: train again")
        members = tuple(
            _load_member(directory, member, SEResNet(settings.network, len(classes.codes)), device)
            for member in model["members"]
        )
        threshold = float(model["threshold"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{path} lacks an entry or has a damaged one ({error!r}): train again") from error
    if not 0 <= threshold <= 1:
        raise ModelError(f"{path} has a threshold outside 0 to 1: train again")
    seen = directory / SEEN_FILE  # models of version 0.1 have none
    marks = frozenset(seen.read_text(encoding="ascii", errors="replace").split()) if seen.exists() else frozenset()
    return Classifier(members, threshold, settings, classes, seen=marks)


def _classes(model: dict[str, Any]) -> Classes:
    """Return the classes of a model.json. Models of version 0.1 have only the codes of the Challenge's 27."""
    if tuple(model["classes"]) == SCORED.codes:
        return SCORED
    table = model["class_table"]
    classes = Classes(tuple(table["abbreviations"]), tuple(tuple(group) for group in table["groups"]))
    if classes.codes != tuple(model["classes"]) or len(classes.abbreviations) != len(classes.groups):
        raise ValueError("classes and class_table differ")
    return classes


def read_model_file(directory: Path) -> dict[str, Any]:
    """Return the content of ``model.json``.

    Raises:
        ModelError: the file is missing, damaged or from another program.
    """
    path = directory / MODEL_FILE
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing: train_model.py has not finished in this folder") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged, not JSON ({error}): train again") from error
    if not isinstance(model, dict) or (model.get("format"), model.get("format_version")) != (FORMAT, FORMAT_VERSION):
        raise ModelError(f"{path} is not of the format {FORMAT} {FORMAT_VERSION}: train again")
    return model


def _load_member(directory: Path, entry: dict[str, Any], network: SEResNet, device: torch.device) -> Member:
    # Only the name: a foreign model.json must not open files outside its folder.
    path = directory / Path(entry["weights"]).name
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise ModelError(f"{path} is not the file that {MODEL_FILE} describes (damaged or replaced): train again")
        network.load_state_dict(load_tensors(content))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path} does not hold this network's weights ({reason}): train again") from error
    if not all(torch.isfinite(values).all() for values in network.state_dict().values()):
        raise ModelError(f"{path} holds weights that are not finite: train again")
    return Member(float(entry["seconds"]), network.to(device).eval())
