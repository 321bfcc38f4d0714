"""Describe a training for ``model.json`` and its report: cohort, threshold, scores, versions."""

import math
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt

from heartbeats import __version__
from heartbeats.classification.threshold import ThresholdSearch
from heartbeats.training.cohort import Cohort, warnings_by_text

POINTS = np.arange(1, 50) / 50  # thresholds of operating points
PACKAGES = ("torch", "numpy", "scipy", "PyWavelets", "wfdb", "sleepecg", "safetensors")


def describe_cohort(cohort: Cohort) -> dict[str, Any]:
    """Return counts of a cohort, in types that JSON has.

    ``training`` and ``validation`` count recordings and labels per source and class. ``particulars`` counts sampling
    rates (Hz), lengths (whole seconds), ages (whole years) and sexes per source. ``left_out`` and ``warned`` name
    recordings by reason.
    """
    sources = cohort.sources
    return {
        "training": _describe_side(cohort, ~cohort.validation),
        "validation": _describe_side(cohort, cohort.validation),
        "particulars": {source: _particulars(cohort, source) for source in sorted(set(sources.tolist()))},
        "left_out": cohort.left_out,
        "warned": warnings_by_text(cohort.recordings),
    }


def _describe_side(cohort: Cohort, chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
    def per_class(rows: npt.NDArray[np.bool_]) -> dict[str, int]:
        return dict(zip(cohort.classes.abbreviations, cohort.labels[rows].sum(axis=0).tolist(), strict=True))

    per_source = _counts(cohort.sources[chosen].tolist())
    labels = {source: per_class(chosen & (cohort.sources == source)) for source in per_source}
    return {"sources": per_source, "classes": per_class(chosen), "labels": labels}


def _particulars(cohort: Cohort, source: str) -> dict[str, dict[str, int]]:
    headers = list(compress(cohort.headers, cohort.sources == source))
    return {
        "sampling_rates": _counts(header.sampling_rate for header in headers),
        "seconds": _counts(
            round(header.samples / header.sampling_rate) if header.samples and header.sampling_rate else None
            for header in headers
        ),
        "ages": _counts(None if math.isnan(header.age) else int(header.age) for header in headers),
        "sexes": _counts(header.sex for header in headers),
    }


def _counts(values: Iterable[float | str | None]) -> dict[str, int]:
    """Count each value, in ascending order; ``unknown`` comes last."""
    counted = Counter(values)
    known = sorted((value for value in counted if value is not None), key=lambda v: (isinstance(v, str), v))
    named = {value if isinstance(value, str) else f"{value:g}": counted[value] for value in known}
    return named | ({"unknown": counted[None]} if counted[None] else {})


def describe_threshold(search: ThresholdSearch) -> dict[str, Any]:
    """Return all thresholds and their challenge scores."""
    return {"thresholds": search.thresholds, "challenge_scores": [_number(score) for score in search.challenge_scores]}


def describe_scores(measures: Mapping[str, float]) -> dict[str, float | None]:
    """Return measures by name."""
    return {name: _number(value) for name, value in measures.items()}


def describe_operating_points(
    labels: npt.NDArray[np.bool_], probabilities: npt.NDArray[np.floating], abbreviations: Sequence[str]
) -> dict[str, Any]:
    """Return sensitivity and specificity of each class over thresholds.

    Args:
        labels: of the validation recordings, shape (recordings, classes).
        probabilities: of the same recordings and classes, before rule and fallback.
        abbreviations: of the classes.
    """
    above = probabilities[:, :, None] >= POINTS
    classes = {}
    for abbreviation, label, positive in zip(abbreviations, labels.T, above.swapaxes(0, 1), strict=True):
        if label.any() and not label.all():
            sensitivity, specificity = positive[label].mean(axis=0), 1 - positive[~label].mean(axis=0)
            points = {"sensitivity": sensitivity.round(4).tolist(), "specificity": specificity.round(4).tolist()}
            classes[abbreviation] = {"positive": int(label.sum())} | points
    return {"thresholds": POINTS.tolist(), "classes": classes}


def describe_versions() -> dict[str, str]:
    """Return the versions of this package, Python and the packages that a result depends on."""
    own = {"heartbeats": __version__, "python": platform.python_version()}
    return own | {package: version(package) for package in PACKAGES}


def _number(value: float) -> float | None:
    """Return ``None`` for NaN, which JSON lacks."""
    return None if math.isnan(value) else value
