"""Classify a folder of recordings, as ``driver.py`` does: an output file per recording, or one table."""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from tqdm import tqdm

from heartbeats.challenge.outputs import Prediction, is_classified, unclassified, write_output
from heartbeats.classification.ensemble import Classifier
from heartbeats.classification.table import Table, open_table
from heartbeats.common.console import print_line, printable
from heartbeats.common.errors import needs_extra
from heartbeats.ecg.header import find_headers
from heartbeats.preparation.prepared import PreparedRecording, prepare_file
from heartbeats.preparation.workers import Failure, map_recordings

BATCH_SIZE = 64  # recordings


@dataclass(frozen=True)
class Outcome:
    """The numbers of recordings: classified, not classified, classified by an earlier run; and seen in training."""

    classified: int
    failed: int
    skipped: int
    seen: int = 0


def classify_folder(
    classifier: Classifier,
    data_directory: Path | str,
    output_directory: Path | str | None = None,
    *,
    table: Path | None = None,
    embeddings: Path | None = None,
    scheduler: str | None = None,
    resume: bool = False,
) -> Outcome:
    """Classify every recording below a folder. Write an output file for each, a table of all, or both.

    If a recording cannot be classified, its labels are 0, its probabilities are NaN, and the reason is printed to
    stderr. If several recordings have one name, only the first is classified.

    Args:
        classifier: the trained entry.
        data_directory: the folder of recordings.
        output_directory: the folder of output files, made if missing.
        table: the table (see :mod:`heartbeats.classification.table`).
        embeddings: the table of embeddings.
        scheduler: classify on the Dask cluster of this address, or "local" (see
            :mod:`heartbeats.classification.cluster`).
        resume: skip recordings that an earlier run has classified, by this or another model.

    Raises:
        OSError: there are no recordings, an output cannot be written, or the GPU fails.
        HeartBeatsError: the table is damaged or of an unknown kind, or the cluster cannot be used.
    """
    header_files = find_headers(data_directory)
    if not header_files:
        raise FileNotFoundError(f"{data_directory}: no recordings (.hea) to classify")
    out = Path(output_directory) if output_directory is not None else None
    if out:
        out.mkdir(parents=True, exist_ok=True)
    files = _one_per_name(header_files)
    classified, failed, seen = 0, len(header_files) - len(files), 0
    wanted = [(path, embeds) for path, embeds in ((table, False), (embeddings, True)) if path]
    with ExitStack() as stack:
        tables = [
            stack.enter_context(open_table(path, classifier.classes, resume=resume, embeddings=embeds))
            for path, embeds in wanted
        ]
        left = [path for path in files if not (resume and _is_done(path.stem, out, tables))]
        answers = _answers(stack, scheduler, replace(classifier, embeds=embeddings is not None), left, out)
        for answer in tqdm(answers, total=len(left), desc="classifying", unit="recording", disable=None):
            print_answer(answer)
            for rows in tables:
                rows.add(answer)
            if isinstance(answer, Failure):
                failed += 1
            else:
                classified += 1
                seen += answer.seen
    return Outcome(classified, failed, len(files) - len(left), seen)


def _one_per_name(header_files: Sequence[Path]) -> list[Path]:
    """Return the first file of each name, sorted, and print the others."""
    first = {path.stem: path for path in reversed(header_files)}
    for path in header_files:
        if first[path.stem] != path:
            print_line(f"{path.stem}: {path} is not classified: {first[path.stem]} has the same name")
    return sorted(first.values())


def _answers(
    stack: ExitStack, scheduler: str | None, classifier: Classifier, left: Sequence[Path], out: Path | None
) -> Iterator[Prediction | Failure]:
    """Return the answers of this machine or of a cluster, one per recording. ``stack`` ends the cluster's work."""
    if not scheduler:
        return classify_files(classifier, left, out)
    with needs_extra("cluster"):
        from heartbeats.classification.cluster import classify_on_cluster  # noqa: PLC0415
    return stack.enter_context(classify_on_cluster(scheduler, classifier, left, out))


def _is_done(name: str, out: Path | None, tables: Sequence[Table]) -> bool:
    """Return whether an earlier run has classified a recording, in each place that is written."""
    in_tables = all(printable(name) in rows.classified for rows in tables)
    return in_tables and (not out or is_classified(out / f"{name}.csv"))


def classify_files(
    classifier: Classifier, header_files: Sequence[Path], out: Path | None
) -> Iterator[Prediction | Failure]:
    """Yield one answer per recording. Worker processes prepare the next recordings while the networks compute."""
    function = partial(prepare_file, settings=classifier.settings.preparation, leads=classifier.leads)
    prepared = map_recordings(function, header_files)
    while batch := list(islice(prepared, BATCH_SIZE)):
        yield from classify_batch(classifier, batch, out)


def classify_batch(
    classifier: Classifier, batch: Sequence[PreparedRecording | Failure], out: Path | None
) -> list[Prediction | Failure]:
    """Return one answer per recording, and write the output files if ``out`` is a folder."""
    answers: list[Prediction | Failure] = [item for item in batch if isinstance(item, Failure)]
    answers += classify_prepared(classifier, [item for item in batch if isinstance(item, PreparedRecording)])
    if out:
        for answer in answers:
            output = unclassified(answer.name, classifier.classes.codes) if isinstance(answer, Failure) else answer
            write_output(out / f"{answer.name}.csv", output)
    return answers


def classify_prepared(
    classifier: Classifier, recordings: Sequence[PreparedRecording]
) -> Sequence[Prediction | Failure]:
    """Classify prepared recordings, in order. If the networks fail on the batch, they classify each recording alone.

    Raises:
        OSError: the GPU fails.
    """
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


def print_answer(answer: Prediction | Failure) -> None:
    """Print a recording's warnings, or why it is not classified, to stderr."""
    if isinstance(answer, Failure):
        print_line(f"{answer.name}: not classified: {answer.reason}")
        return
    for warning in answer.warnings:
        print_line(f"{answer.name}: {warning}")
