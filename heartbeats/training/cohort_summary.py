"""A cohort in counts, as ``model.json`` has it and the training report shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.diagnoses import ABBREVIATIONS
from heartbeats.training.cohort import Cohort, warned

__all__ = ["describe_cohort"]


def describe_cohort(cohort: Cohort) -> dict[str, Any]:
    """A cohort in counts, as JSON takes them: who trains, who validates, who is left out, and their particulars.

    ``left_out`` and ``warned`` have the names of recordings by reason.

    ``labels`` has a count per source and class, ``particulars`` per source how many recordings have each sampling rate
    (Hz), length (whole seconds), age (whole years) and sex, ``unknown`` where the header does not say.
    """
    sources = cohort.sources

    def counts(chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
        def per_class(rows: npt.NDArray[np.bool_]) -> dict[str, int]:
            return dict(zip(ABBREVIATIONS.values(), cohort.labels[rows].sum(axis=0).tolist(), strict=True))

        of_source = _counts(sources[chosen].tolist())
        return {
            "sources": of_source,
            "classes": per_class(chosen),
            "labels": {source: per_class(chosen & (sources == source)) for source in of_source},
        }

    def particulars(source: str) -> dict[str, dict[str, int]]:
        of_source = list(compress(cohort.particulars, sources == source))
        return {
            "sampling_rates": _counts(each.sampling_rate for each in of_source),
            "seconds": _counts(each.seconds and round(each.seconds) for each in of_source),
            "ages": _counts(each.age and int(each.age) for each in of_source),
            "sexes": _counts(each.sex for each in of_source),
        }

    return {
        "training": counts(~cohort.validation),
        "validation": counts(cohort.validation),
        "particulars": {source: particulars(source) for source in sorted(set(sources.tolist()))},
        "left_out": cohort.left_out,
        "warned": warned(cohort.recordings),
    }


def _counts(values: Iterable[float | str | None]) -> dict[str, int]:
    """How often each value is there, in rising order, with the values as text."""
    counted = Counter(values)
    known = sorted((value for value in counted if value is not None), key=lambda v: (isinstance(v, str), v))
    named = {value if isinstance(value, str) else f"{value:g}": counted[value] for value in known}
    return named | ({"unknown": counted[None]} if counted[None] else {})
