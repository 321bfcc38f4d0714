"""The contract with the Challenge's organisers: how to train, load and run this entry.

Their harness of 2021 calls ``training_code``, ``load_model`` once per lead set, and ``run_model`` per recording; a loop
of 2020 calls ``load_model`` once, and ``run_classifier``, the same function, with the header as lines.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy.typing as npt

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.challenge.outputs import Prediction, unclassified
from heartbeats.classification.classifier import Classifier, load
from heartbeats.classification.folder import classify_alone
from heartbeats.common import collective, ranks
from heartbeats.common.console import print_line
from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.settings import Settings
from heartbeats.ecg.header import parse_header
from heartbeats.ecg.recording import recording_from_samples
from heartbeats.preparation.prepared import Failure, Prepared, attempt
from heartbeats.training.pipeline import train_entry

__all__ = ["load_model", "run_classifier", "run_model", "training_code"]


LOG_FILE = "training.log"

log = logging.getLogger("heartbeats")


def training_code(
    data_directory: str | os.PathLike[str], model_directory: str | os.PathLike[str], settings: Settings | None = None
) -> None:
    """Train on a folder of Challenge recordings and write a model folder; the log goes to stdout and ``training.log``.

    Under torchrun its processes train together, and the first of them writes.

    Args:
        settings: other than the paper's.

    Raises:
        CohortError: the folder holds no recordings to train with.
        TrainingError: a network's loss, or what it answers, is no number.
        WeightsError: weights.csv is no reward matrix.
        ModelError: a process of torchrun does not find the model that the first one wrote: the folder is not shared.
        OSError: the data cannot be read, or the model folder cannot be written.
    """
    directory = Path(model_directory)
    handlers: list[logging.Handler] = [logging.NullHandler()]
    if ranks.is_first():
        screen = logging.StreamHandler(sys.stdout)
        screen.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
        # delay: the folder may not exist yet.
        file = logging.FileHandler(directory / LOG_FILE, encoding="utf-8", delay=True, errors="backslashreplace")
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        handlers = [screen, file]
    with _log_to(*handlers):
        try:
            train_entry(Path(data_directory), directory, settings or Settings())
        except BaseException as error:
            if (directory / LOG_FILE).exists():  # else the training has not begun, and nothing is to be written
                foreseen = isinstance(error, (HeartBeatsError, OSError, KeyboardInterrupt))
                log.critical("the training has ended: %s", str(error) or type(error).__name__, exc_info=not foreseen)
            raise


@contextmanager
def _log_to(*handlers: logging.Handler) -> Iterator[None]:
    """Send the entry's log to ``handlers``, and close them in the end."""
    log.setLevel(logging.INFO)
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()


def load_model(model_directory: str | os.PathLike[str], leads: Sequence[str] | None = None) -> Classifier:
    """Load a model folder that ``training_code`` wrote.

    Args:
        leads: the only leads that the model may read (2021's lead sets), or one; all that a recording has if ``None``.

    Raises:
        ModelError: the folder is damaged or not one of this program; the message names the file.
        OSError: torchrun started more processes than there are GPUs.
    """
    return load(Path(model_directory), device=collective.device(), leads=[leads] if isinstance(leads, str) else leads)


def run_classifier(
    model: Classifier, header: str | Sequence[str], recording: npt.ArrayLike
) -> tuple[list[str], list[int], list[float]]:
    """Classify one recording.

    Args:
        header: the header file's text, or its lines.
        recording: ADC units, shape (leads, samples), rows in the header's order of leads.

    Returns:
        The 27 SNOMED CT codes, a label 0 or 1 for each, and a probability for each. A recording that cannot be
        classified, whose reason goes to stderr, has labels 0 and probabilities NaN: one bad recording stops no run.

    Raises:
        OSError: the GPU has failed.
    """
    text = header if isinstance(header, str) else "\n".join(line.rstrip("\r\n") for line in header)
    parsed = parse_header(text)
    answer: Prepared | Prediction | Failure
    answer = attempt(parsed.name, lambda: model.prepare(recording_from_samples(parsed, recording)))
    if isinstance(answer, Prepared):
        for warning in answer.warnings:
            print_line(f"{parsed.name}: {warning}")
        answer = classify_alone(model, answer)
    if isinstance(answer, Failure):
        print_line(f"{parsed.name}: not classified: {answer.reason}")
        answer = unclassified(parsed.name, CLASSES)
    return list(answer.classes), list(answer.labels), list(answer.probabilities)


run_model = run_classifier
