"""Classify one recording in memory: the organisers' ``run_model``."""

from collections.abc import Sequence

import numpy.typing as npt

from heartbeats.challenge.outputs import Prediction, unclassified
from heartbeats.classification.ensemble import Classifier
from heartbeats.classification.folder import classify_prepared, print_answer
from heartbeats.ecg.header import parse_header
from heartbeats.ecg.recording import recording_from_samples
from heartbeats.preparation.workers import Failure, attempt


def run_classifier(
    model: Classifier, header: str | Sequence[str], recording: npt.ArrayLike
) -> tuple[list[str], list[int], list[float]]:
    """Classify one recording.

    If the recording cannot be classified, its labels are 0, its probabilities are NaN, and the reason is printed to
    stderr.

    Args:
        model: from ``load_model``.
        header: the header file's text, or its lines.
        recording: ADC units, shape (leads, samples), rows in the header's order of leads.

    Returns:
        The 27 SNOMED CT codes, a label 0 or 1 for each, and a probability for each.

    Raises:
        OSError: the GPU fails.
    """
    text = header if isinstance(header, str) else "\n".join(line.rstrip("\r\n") for line in header)
    parsed = parse_header(text)
    prepared = attempt(parsed.name, lambda: model.prepare(recording_from_samples(parsed, recording)))
    answer: Prediction | Failure
    answer = prepared if isinstance(prepared, Failure) else classify_prepared(model, [prepared])[0]
    print_answer(answer)
    if isinstance(answer, Failure):
        answer = unclassified(parsed.name, model.classes.codes)
    return list(answer.classes), list(answer.labels), list(answer.probabilities)
