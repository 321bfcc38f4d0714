"""How often beats, windows and recordings are marked rightly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt
import scipy.stats

from heartbeats.challenge.scoring import ratio
from heartbeats.ecg.header import source_of
from heartbeats.preparation.preprocessing import SAMPLING_RATE
from heartbeats.pvc_unet import unet
from heartbeats.pvc_unet.labels import Labelled
from heartbeats.pvc_unet.mit_bih import COUNTS, PREMATURE, AnnotatedRecord, truth
from heartbeats.pvc_unet.unet import WINDOW, UNet

__all__ = [
    "Counts",
    "Marked",
    "RecordCounts",
    "beat_counts",
    "beat_measures",
    "beats_marked",
    "count_record",
    "f1",
    "mark_recordings",
    "share",
    "window_counts",
    "window_measures",
    "with_intervals",
]

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]

TOLERANCE = 0.150  # s (ANSI/AAMI EC57)
BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Counts:
    """True and false positives, false and true negatives; beats have no true negatives that would say anything."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0


@dataclass(frozen=True)
class RecordCounts:
    """All counts of a record of MIT-BIH.

    Attributes:
        data: DS1 or DS2.
        beats, aami: its beats by the two ways of counting (:func:`beat_counts`).
        both_beats, both_aami: the same where the network is asked on both leads.
        windows, unclear: its windows of 10 s (:func:`window_counts`).
    """

    data: str
    record: str
    beats: Counts
    aami: Counts
    both_beats: Counts
    both_aami: Counts
    windows: Counts
    unclear: int


@dataclass(frozen=True)
class Marked:
    """Whether a Challenge recording's network marks any sample of its first 30 s, beside its labels' PVC codes.

    Attributes:
        marked: asked on lead II.
        marked_on_all: asked on all leads.
    """

    source: str
    record: str
    codes: frozenset[str]
    marked: bool
    marked_on_all: bool


def count_record(data: str, record: AnnotatedRecord, network: UNet) -> RecordCounts:
    """All counts of what a network marks in a record."""
    beats = beat_counts(record, unet.mark(network, record.leads[0]))
    on_both = beat_counts(record, unet.mark(network, record.leads))
    return RecordCounts(data, record.name, *beats, *on_both, *window_counts(record, network))


def mark_recordings(labelled: Labelled, networks: Sequence[UNet]) -> list[Marked]:
    """What each recording's network makes of it."""
    return [
        Marked(
            source_of(recording.name),
            recording.name,
            codes,
            bool(unet.mark(network, recording.signal[unet.LEAD]).any()),
            bool(unet.mark(network, recording.signal[unet.ALL_LEADS]).any()),
        )
        for recording, codes, network in zip(labelled.recordings, labelled.pvc_codes, networks, strict=True)
    ]


def beats_marked(found: npt.NDArray[np.intp], beats: npt.NDArray[np.intp]) -> tuple[Bools, int]:
    """Which beats spans mark, shape (beats,), and how many spans mark none.

    A span marks every beat whose R mark it covers; if it covers none, the nearest one within 150 ms. So a long span
    over several beats, only one of them premature, is an error for each of the others.
    """
    marked = np.zeros(len(beats), dtype=np.bool_)
    strays = 0
    for start, end in found:
        first, after = np.searchsorted(beats, [start, end])
        if first < after:
            marked[first:after] = True
            continue
        distances = np.maximum(start - beats, beats - (end - 1))
        if len(beats) and distances.min() <= TOLERANCE * SAMPLING_RATE:
            marked[distances.argmin()] = True
        else:
            strays += 1
    return marked, strays


def beat_counts(record: AnnotatedRecord, marks: Bools) -> tuple[Counts, Counts]:
    """Counts of a record's beats by two ways of counting: V against all other beats, and AAMI's.

    AAMI's (ANSI/AAMI EC57) is that of the published figures: V and E against the rest, while a fusion (F) or
    unclassified beat (Q) that is marked is not an error. What is marked in ventricular flutter, where no beats are
    annotated, is passed over by both.
    """
    marked, strays = beats_marked(unet.spans(marks & ~record.flutter), record.beats)

    def counts(positive: str, passed_over: str) -> Counts:
        is_positive = np.isin(record.symbols, list(positive))
        is_negative = ~np.isin(record.symbols, list(positive + passed_over))
        return Counts(
            tp=int((marked & is_positive).sum()),
            fp=int((marked & is_negative).sum()) + strays,
            fn=int((~marked & is_positive).sum()),
        )

    return counts("V", ""), counts("VE", "FQ")


def window_counts(record: AnnotatedRecord, network: UNet) -> tuple[Counts, int]:
    """How often the network is right about windows of 10 s, each marked as if it were a recording; unclear ones apart.

    A window is positive if it holds the R mark of a V, unclear if it only holds a part of such a beat's span, or
    samples that do not count (:func:`truth`).
    """
    outcomes, unclear = [], 0
    targets = truth(record)
    premature = record.beats[record.symbols == "V"]
    for start in range(0, record.leads.shape[1] - WINDOW + 1, WINDOW):
        window = slice(start, start + WINDOW)
        positive = bool(((premature >= start) & (premature < start + WINDOW)).any())
        if not positive and (targets[PREMATURE, window].any() or not targets[COUNTS, window].all()):
            unclear += 1
        else:
            outcomes.append(_outcome(positive, bool(unet.mark(network, record.leads[0, window]).any())))
    return Counts(*_table(outcomes).sum(axis=0).astype(int).tolist()), unclear


def _outcome(positive: bool, marked: bool) -> Counts:
    return Counts(
        tp=int(positive and marked),
        fp=int(marked and not positive),
        fn=int(positive and not marked),
        tn=int(not positive and not marked),
    )


def _table(counts: Sequence[Counts]) -> Floats:
    """Shape (counts, 4)."""
    return np.array([astuple(each) for each in counts], dtype=np.float64).reshape(-1, 4)


def beat_measures(counts: Floats) -> Floats:
    """Sensitivity, positive predictive value and F1, shape (..., 3), of records' counts, shape (..., records, 4)."""
    tp, fp, fn, _ = np.moveaxis(counts.sum(axis=-2), -1, 0)
    return np.stack([ratio(tp, tp + fn), ratio(tp, tp + fp), ratio(2 * tp, 2 * tp + fp + fn)], axis=-1)


def f1(counts: Sequence[Counts]) -> float:
    """F1 of records' counts of beats together; NaN where there is nothing to find and nothing found."""
    return float(beat_measures(_table(counts))[2])


def window_measures(counts: Floats) -> Floats:
    """Sensitivity and specificity, shape (..., 2), of records' counts, shape (..., records, 4)."""
    tp, fp, fn, tn = np.moveaxis(counts.sum(axis=-2), -1, 0)
    return np.stack([ratio(tp, tp + fn), ratio(tn, tn + fp)], axis=-1)


def with_intervals(counts: Sequence[Counts], measures: Callable[[Floats], Floats]) -> list[str]:
    """Measures of records' counts, in words, each with its 95 % bootstrap interval over records."""
    table = _table(counts)
    draws = np.random.default_rng(0).integers(len(table), size=(BOOTSTRAPS, len(table)))
    texts = []
    for measure, drawn in zip(measures(table), measures(table[draws]).T, strict=True):
        defined = drawn[~np.isnan(drawn)]
        interval = "({:.3f} to {:.3f})".format(*np.percentile(defined, [2.5, 97.5])) if len(defined) else ""
        texts.append(f"{measure:.3f} {interval}")
    return texts


def share(part: int, whole: int) -> str:
    """A share with its Wilson 95 % interval, in words; a dash where there is nothing to share."""
    if not whole:
        return "-"
    interval = scipy.stats.binomtest(part, whole).proportion_ci(method="wilson")
    return f"{part / whole:.3f} ({interval.low:.3f} to {interval.high:.3f})"
