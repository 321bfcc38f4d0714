"""The driver's job: with a model, a folder of recordings becomes a folder of outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from tqdm import tqdm

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.challenge.outputs import Prediction, is_classified, unclassified, write_output
from heartbeats.classification.classifier import Classifier
from heartbeats.common import collective, ranks
from heartbeats.common.console import print_line
from heartbeats.ecg.header import find_headers
from heartbeats.preparation.prepared import Failure, Prepared, prepare_file
from heartbeats.preparation.read_ahead import read_ahead

__all__ = ["Outcome", "classify_alone", "classify_folder"]

BATCH_SIZE = 64  # recordings taken at once, for the networks to sort by length


@dataclass(frozen=True)
class Outcome:
    """How many recordings were classified, how many could not be, and how many had been before."""

    classified: int
    failed: int
    passed_over: int


def classify_folder(
    classifier: Classifier, data_directory: Path | str, output_directory: Path | str, *, resume: bool = False
) -> Outcome:
    """Write an output file for every recording below a folder.

    The next recordings are read and prepared while the networks run. One that cannot be classified gets labels 0 and
    probabilities NaN, and is named with the reason on stderr. Of several recordings of one name the first is taken.
    Under torchrun each process takes its share of the names, and the counts are those of all; if one ends and all are
    started again, they go on as with ``resume``.

    Args:
        resume: pass over recordings that have an output file, of whichever model; those that could not be classified
            are tried again.

    Raises:
        OSError: there are no recordings, the output folder cannot be written, or the GPU has failed.
    """
    header_files = find_headers(data_directory)
    if not header_files:
        raise FileNotFoundError(f"{data_directory}: no recordings (.hea) to classify")
    output_directory = Path(output_directory)
    output_directory.mkdir(parents=True, exist_ok=True)
    first = {path.stem: path for path in reversed(header_files)}
    resume = resume or ranks.restarts() > 0
    classified = failed = 0
    if ranks.is_first():
        for path in header_files:
            if first[path.stem] != path:
                failed += 1
                print_line(f"{path.stem}: {path} is not classified: {first[path.stem]} has the same name")
    share = [(name, path) for name, path in sorted(first.items()) if ranks.takes(name)]
    left = [path for name, path in share if not (resume and is_classified(output_directory / f"{name}.csv"))]
    prepared = read_ahead(partial(prepare_file, settings=classifier.settings.preparation), left)
    with tqdm(total=len(left), desc="classifying", unit="recording", disable=ranks.bar_disabled()) as bar:
        while batch := list(islice(prepared, BATCH_SIZE)):
            for answer in _answers(classifier, batch):
                if isinstance(answer, Failure):
                    failed += 1
                    print_line(f"{answer.name}: not classified: {answer.reason}")
                else:
                    classified += 1
                diagnosis = unclassified(answer.name, CLASSES) if isinstance(answer, Failure) else answer
                write_output(output_directory / f"{diagnosis.name}.csv", diagnosis)
            bar.update(len(batch))
    return Outcome(*map(int, collective.summed([classified, failed, len(share) - len(left)])))


def _answers(classifier: Classifier, batch: Sequence[Prepared | Failure]) -> Iterator[Prediction | Failure]:
    """The diagnoses of a batch, the failures in it passed on; what breaks the networks fails alone."""
    prepared = [item for item in batch if isinstance(item, Prepared)]
    for item in prepared:
        for warning in item.warnings:
            print_line(f"{item.name}: {warning}")
    yield from (item for item in batch if isinstance(item, Failure))
    together = _classified_together(classifier, prepared)
    yield from (classify_alone(classifier, item) for item in prepared) if together is None else map(_known, together)


def _classified_together(classifier: Classifier, prepared: Sequence[Prepared]) -> list[Prediction] | None:
    """The diagnoses of several recordings, or ``None`` where they break the networks or the memory together.

    The error ends here, and with it what it holds: the batch's tensors.
    """
    try:
        return classifier.classify(prepared)
    except torch.AcceleratorError as error:
        raise _gpu_failed(error) from error
    except RuntimeError:
        return None


def classify_alone(classifier: Classifier, prepared: Prepared) -> Prediction | Failure:
    """The diagnosis of one recording, or why the networks cannot make one.

    Raises:
        OSError: the GPU has failed, or has too little memory: that is no recording's fault.
    """
    try:
        return _known(classifier.classify([prepared])[0])
    except (torch.AcceleratorError, torch.OutOfMemoryError) as error:
        raise _gpu_failed(error) from error
    except RuntimeError as error:
        return Failure(prepared.name, f"the networks failed: {error}")


def _known(diagnosis: Prediction) -> Prediction | Failure:
    """A diagnosis with its probabilities, or that it has none."""
    if all(map(math.isfinite, diagnosis.probabilities)):
        return diagnosis
    return Failure(diagnosis.name, "the networks failed: what they answer is no number")


def _gpu_failed(error: RuntimeError) -> OSError:
    """Every later recording would fail too."""
    return OSError(f"the GPU cannot go on ({error}): start again with --resume")
