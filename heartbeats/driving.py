"""The driver's job: with a model, a folder of recordings becomes a folder of outputs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from tqdm import tqdm

from heartbeats import collective, ranks
from heartbeats.classifier import Classifier
from heartbeats.diagnoses import CLASSES
from heartbeats.header import find_headers
from heartbeats.outputs import Diagnosis, unclassified, write_output
from heartbeats.prepared import Failure, Prepared, prepare_file
from heartbeats.read_ahead import read_ahead

__all__ = ["classify_folder", "say"]

BATCH_SIZE = 64  # recordings taken at once, for the networks to sort by length


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
        OSError: there are no recordings, the output folder cannot be written, or the GPU has failed.
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
                say(f"{path.stem}: {path} is not classified: {first[path.stem]} has the same name")
    # Shares are of all names, not of those that are left: while one process looks, others write.
    share = sorted(first.items())[ranks.rank() :: ranks.world_size()]
    left = [path for name, path in share if not (resume and (output_directory / f"{name}.csv").exists())]
    classified = 0
    prepared = read_ahead(partial(prepare_file, settings=classifier.settings.preparation), left)
    with tqdm(total=len(left), desc="classifying", unit="recording", disable=ranks.bar_disabled()) as bar:
        while batch := list(islice(prepared, BATCH_SIZE)):
            for answer in _answers(classifier, batch):
                if isinstance(answer, Failure):
                    failed += 1
                    say(f"{answer.name}: not classified: {answer.reason}")
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
            say(f"{item.name}: {warning}")
    yield from (item for item in batch if isinstance(item, Failure))
    alone = len(prepared) == 1
    try:
        yield from classifier.classify(prepared)
    except RuntimeError as error:
        if isinstance(error, torch.AcceleratorError) or (alone and isinstance(error, torch.OutOfMemoryError)):
            # No recording's fault, and every later one would fail too.
            raise OSError(f"the GPU cannot go on ({error}): start again with --resume") from error
        if alone:
            yield Failure(prepared[0].name, f"the networks failed: {error}")
    else:
        return
    if not alone:  # not in the clause above, where the error holds the batch's tensors
        for item in prepared:
            yield from _answers(classifier, [dataclasses.replace(item, warnings=())])


def say(message: str) -> None:
    """Write a line to stderr. Where nobody takes it any more (a closed pipe, a full disk) the outputs still say it."""
    with suppress(OSError):
        tqdm.write(message, file=sys.stderr)
