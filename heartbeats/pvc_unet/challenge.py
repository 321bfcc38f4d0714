"""Premature ventricular beats in Challenge recordings, with the U-Net and without it.

    python -m heartbeats.pvc_unet.challenge DATA OUT MARKED MODEL [MODEL...]

The answer of each MODEL's networks is set beside the U-Net's, on the recordings that the model was not trained on,
prepared as its own were. MARKED is pvc_unet_challenge.csv of heartbeats.pvc_unet.train, where a U-Net has marked
each recording of DATA (its first 30 s; any marked sample means PVC) that was not trained on it: the one that is kept
was trained on many of them. A recording counts as having PVC if it is labelled with any of three codes: 427172004 or
17338001, which the Challenge of 2020 scores as one class, or 164884008, CPSC's, which it does not score: CPSC's
recordings teach the networks nothing of it. Writes OUT/pvc_challenge.md and OUT/pvc_challenge.csv.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import CLASSES, CPSC_PVC, PVC, label_matrix
from heartbeats.classification.classifier import Classifier, load
from heartbeats.common import collective
from heartbeats.common.console import path_argument
from heartbeats.common.errors import HeartBeatsError, one_line_errors
from heartbeats.common.files import csv_text, write_text
from heartbeats.ecg.header import source_of
from heartbeats.preparation.prepared import Failure
from heartbeats.pvc_unet.labels import Labelled, labelled_recordings
from heartbeats.pvc_unet.measures import share
from heartbeats.pvc_unet.report import left_out, read_marked
from heartbeats.training.cohort import validates

__all__ = ["main"]

Bools = npt.NDArray[np.bool_]


def main(arguments: Sequence[str] | None = None) -> None:
    """Mark, compare, write."""
    parser = argparse.ArgumentParser(
        prog="python -m heartbeats.pvc_unet.challenge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=path_argument, metavar="DATA", help="folder of Challenge recordings")
    parser.add_argument("out", type=path_argument, metavar="OUT")
    parser.add_argument("marked", type=path_argument, metavar="MARKED", help="pvc_unet_challenge.csv")
    parser.add_argument(
        "models", type=path_argument, nargs="+", metavar="MODEL", help="folder written by train_model.py"
    )
    options = parser.parse_args(arguments)
    if len({path.name for path in options.models}) < len(options.models):
        parser.error("models are told apart by their folders' names, and two have the same")
    with one_line_errors("pvc_challenge"):
        models = {path.name: load(path, device=collective.device()) for path in options.models}
        preparations = {model.settings.preparation for model in models.values()}
        read = {settings: labelled_recordings(options.data, settings) for settings in preparations}
        labelled, failures = next(iter(read.values()))  # the same recordings, whatever their preparation
        if not labelled.recordings:
            raise FileNotFoundError(f"{options.data}: no recordings that can be marked")
        marked = _marked(options.marked, labelled)
        options.out.mkdir(parents=True, exist_ok=True)
        rows: list[Row] = []
        for name, model in models.items():
            labelled, _ = read[model.settings.preparation]
            rows += _rows_of(name, model, labelled, marked)
        command = f"python -m heartbeats.pvc_unet.challenge {options.data.name} OUT {options.marked.name}"
        command += "".join(f" {path.name}" for path in options.models)
        text = _markdown(rows, f"{datetime.now(UTC):%Y-%m-%d}, `{command}`.", failures)
        write_text(options.out / "pvc_challenge.md", text)
        heading = [field.name for field in dataclasses.fields(Row)]
        write_text(options.out / "pvc_challenge.csv", csv_text(heading, map(dataclasses.astuple, rows)))
        print(text, end="")


def _marked(path: Path, labelled: Labelled) -> Bools:
    """Whether the U-Net has marked each recording, shape (recordings,).

    Raises:
        OSError: the file cannot be read.
        HeartBeatsError: it is not such a file, or one of the recordings is not in it.
    """
    marked = read_marked(path)
    names = [recording.name for recording in labelled.recordings]
    if missing := [name for name in names if name not in marked]:
        raise HeartBeatsError(f"{path}: {missing[0]} is not in it; write it anew from the same recordings")
    return np.array([marked[name] for name in names], dtype=np.bool_)


@dataclass(frozen=True)
class Row:
    """Who answered for which recordings, and how often rightly."""

    who: str
    recordings: str
    labelled: int
    found: int
    unlabelled: int
    falsely_found: int


def _row(who: str, recordings: str, has_pvc: Bools, answered: Bools) -> Row:
    return Row(
        who, recordings, int(has_pvc.sum()), int((has_pvc & answered).sum()),
        int((~has_pvc).sum()), int((~has_pvc & answered).sum()),
    )  # fmt: skip


def _rows_of(name: str, classifier: Classifier, labelled: Labelled, marked: Bools) -> list[Row]:
    """A model's networks and the U-Net on the recordings that the model was not trained on.

    Args:
        labelled: prepared as the model's settings say.
        marked: by the U-Net, shape (recordings,).
    """
    settings = classifier.settings
    scored = np.any(label_matrix(labelled.codes), axis=1).tolist()  # others train nothing
    unseen = [
        i
        for i, recording in enumerate(labelled.recordings)
        if not scored[i]
        or source_of(recording.name) in settings.cohort.excluded_sources
        or validates(recording.digest, settings)
    ]
    decision = dataclasses.replace(settings.decision, pvc="networks")
    networks = dataclasses.replace(classifier, settings=dataclasses.replace(settings, decision=decision))
    diagnoses = networks.classify([labelled.recordings[i] for i in unseen])
    columns = [CLASSES.index(code) for code in PVC]
    answered = np.array([any(diagnosis.labels[j] for j in columns) for diagnosis in diagnoses], dtype=np.bool_)
    has_pvc = labelled.has_pvc[unseen]
    where = f"not trained on by {name}"
    return [_row("networks", where, has_pvc, answered), _row("U-Net", where, has_pvc, marked[unseen])]


def _markdown(rows: Sequence[Row], made: str, failures: Sequence[Failure]) -> str:
    lines = [
        "# Premature ventricular beats in Challenge recordings, with the U-Net and without it",
        "",
        f"{made} In brackets Wilson's 95 % intervals. Labelled are recordings with any of {', '.join(PVC)}, which are "
        f"scored as one, and CPSC's {CPSC_PVC}, which is not scored, so that the networks are never taught it. A label "
        "on a recording does not say where in it the beats are.",
        "",
        "| by | recordings | labelled | found | not labelled | falsely found | sensitivity | specificity |",
        "|" + " --- |" * 8,
    ]
    for row in rows:
        counts = f"{row.labelled} | {row.found} | {row.unlabelled} | {row.falsely_found}"
        right = share(row.unlabelled - row.falsely_found, row.unlabelled)
        lines.append(f"| {row.who} | {row.recordings} | {counts} | {share(row.found, row.labelled)} | {right} |")
    lines += ["", *left_out("recordings", [f"{failure.name}: {failure.reason}" for failure in failures])]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    main()
