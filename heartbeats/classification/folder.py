"""Classify a folder of recordings and write a folder of output files, as ``driver.py`` does."""

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
from heartbeats.classification.ensemble import Classifier
from heartbeats.common.console import print_line
from heartbeats.ecg.header import find_headers
from heartbeats.preparation.prepared import Failure, PreparedRecording, map_recordings, prepare_file

BATCH_SIZE = 64  # recordings


@dataclass(frozen=True)
class Outcome:
    """The numbers of recordings: classified, not classified, and classified by an earlier run."""

    classified: int
    failed: int
    skipped: int


def classify_folder(
    classifier: Classifier, data_directory: Path | str, output_directory: Path | str, *, resume: bool = False
) -> Outcome:
    """Write an output file for every recording below a folder.

    If a recording cannot be classified, its labels are 0, its probabilities are NaN, and the reason is printed to
    stderr. If several recordings have one name, only the first is classified.

    Args:
        classifier: the trained entry.
        data_directory: the folder of recordings.
        output_directory: the folder of output files, made if missing.
        resume: skip recordings that an earlier run has classified, by this or another model.

    Raises:
        OSError: there are no recordings, the output folder cannot be written, or the GPU fails.
    """
    header_files = find_headers(data_directory)
    if not header_files:
        raise FileNotFoundError(f"{data_directory}: no recordings (.hea) to classify")
    output_directory = Path(output_directory)
    output_directory.mkdir(parents=True, exist_ok=True)
    by_name = {path.stem: path for path in reversed(header_files)}
    classified = failed = 0
    for path in header_files:
        if by_name[path.stem] != path:
            failed += 1
            print_line(f"{path.stem}: {path} is not classified: {by_name[path.stem]} has the same name")
    left = [path for name, path in by_name.items() if not (resume and is_classified(output_directory / f"{name}.csv"))]
    for answer in _answers(classifier, sorted(left)):
        if isinstance(answer, Failure):
            failed += 1
            print_line(f"{answer.name}: not classified: {answer.reason}")
            write_output(output_directory / f"{answer.name}.csv", unclassified(answer.name, CLASSES))
        else:
            classified += 1
            write_output(output_directory / f"{answer.name}.csv", answer)
    return Outcome(classified, failed, len(by_name) - len(left))


def _answers(classifier: Classifier, header_files: Sequence[Path]) -> Iterator[Prediction | Failure]:
    """Yield one answer per recording. Workers prepare the next recordings while the networks compute."""
    function = partial(prepare_file, settings=classifier.settings.preparation, leads=classifier.leads)
    prepared = map_recordings(function, header_files)
    with tqdm(total=len(header_files), desc="classifying", unit="recording", disable=None) as bar:
        while batch := list(islice(prepared, BATCH_SIZE)):
            usable = [item for item in batch if isinstance(item, PreparedRecording)]
            yield from (item for item in batch if isinstance(item, Failure))
            yield from classify_prepared(classifier, usable)
            bar.update(len(batch))


def classify_prepared(
    classifier: Classifier, recordings: Sequence[PreparedRecording]
) -> Sequence[Prediction | Failure]:
    """Classify prepared recordings, in order, and print their warnings.

    If the networks fail on the batch, they classify each recording alone.

    Raises:
        OSError: the GPU fails.
    """
    for recording in recordings:
        for warning in recording.warnings:
            print_line(f"{recording.name}: {warning}")
    try:
        return [_checked(prediction) for prediction in classifier.classify(recordings)] if recordings else []
    except torch.AcceleratorError as error:
        raise OSError(f"the GPU failed ({error}): run the driver again with --resume") from error
    except RuntimeError:
        pass  # first free the batch's tensors, then try the recordings alone
    return [_classify_alone(classifier, recording) for recording in recordings]


def _classify_alone(classifier: Classifier, recording: PreparedRecording) -> Prediction | Failure:
    try:
        return _checked(classifier.classify([recording])[0])
    except (torch.AcceleratorError, torch.OutOfMemoryError) as error:
        raise OSError(f"the GPU failed ({error}): run the driver again with --resume") from error
    except RuntimeError as error:
        return Failure(recording.name, f"the networks failed: {error}")


def _checked(prediction: Prediction) -> Prediction | Failure:
    if all(map(math.isfinite, prediction.probabilities)):
        return prediction
    return Failure(prediction.name, "the networks failed: their probabilities are not finite")
