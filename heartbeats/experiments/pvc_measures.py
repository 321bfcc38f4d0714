"""How often beats, windows and recordings are marked rightly, and the tables that say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import scipy.stats

from heartbeats import unet
from heartbeats.experiments.mit_bih import Annotated, truth
from heartbeats.experiments.pvc_labels import PVC_CODES, Labelled
from heartbeats.header import source_of
from heartbeats.prepared import Failure
from heartbeats.preprocessing import SAMPLING_RATE
from heartbeats.unet import LEAD, WINDOW, UNet

__all__ = [
    "Row",
    "beat_counts",
    "beat_measures",
    "beats_marked",
    "challenge_lines",
    "challenge_rows",
    "mitdb_lines",
    "share",
    "table",
    "window_counts",
]

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]
Row = dict[str, int | str]

TOLERANCE = 0.150  # s (ANSI/AAMI EC57)
BOOTSTRAPS = 2000


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


def beat_counts(record: Annotated, marks: Bools) -> dict[str, int]:
    """True positives, false positives and false negatives among a record's beats, by the two ways of counting.

    ``beats``: V annotations against all other beats. ``aami``: as the published figures are counted (ANSI/AAMI EC57),
    V and E against the rest, while a fusion (F) or unclassified beat (Q) that is marked is not an error. What is marked
    in ventricular flutter, where no beats are annotated, is passed over by both.
    """
    marked, strays = beats_marked(unet.spans(marks & ~record.flutter), record.beats)
    counts = {}
    for way, positive, passed_over in (("beats", "V", ""), ("aami", "VE", "FQ")):
        is_positive = np.isin(record.symbols, list(positive))
        is_negative = ~np.isin(record.symbols, list(positive + passed_over))
        counts[f"{way}_tp"] = int((marked & is_positive).sum())
        counts[f"{way}_fp"] = int((marked & is_negative).sum()) + strays
        counts[f"{way}_fn"] = int((~marked & is_positive).sum())
    return counts


def window_counts(record: Annotated, network: UNet) -> dict[str, int]:
    """How often the network is right about windows of 10 s, each marked as if it were a recording.

    A window is positive if it holds the R mark of a V, unclear if it only holds a part of such a beat's span, or
    samples that do not count (:func:`truth`).
    """
    counts = dict.fromkeys(("windows_tp", "windows_fp", "windows_fn", "windows_tn", "windows_unclear"), 0)
    answers = truth(record)
    premature = record.beats[record.symbols == "V"]
    for start in range(0, record.leads.shape[1] - WINDOW + 1, WINDOW):
        window = slice(start, start + WINDOW)
        positive = bool(((premature >= start) & (premature < start + WINDOW)).any())
        if not positive and (answers[0, window].any() or not answers[2, window].all()):
            counts["windows_unclear"] += 1
        else:
            counts[_outcome(positive, bool(unet.mark(network, record.leads[0, window]).any()))] += 1
    return counts


def _outcome(positive: bool, answered: bool) -> str:
    return f"windows_{'t' if positive == answered else 'f'}{'p' if answered else 'n'}"


def table(rows: Sequence[Row], way: str, kinds: Sequence[str] = ("tp", "fp", "fn")) -> Floats:
    """Records' counts, shape (records, kinds)."""
    return np.array([[float(row.get(f"{way}_{kind}", 0)) for kind in kinds] for row in rows])


def beat_measures(counts: Floats) -> Floats:
    """Sensitivity, positive predictive value and F1, shape (..., 3), of counts of records, shape (..., records, 3)."""
    tp, fp, fn = np.moveaxis(counts.sum(axis=-2), -1, 0)
    return np.stack([_ratio(tp, tp + fn), _ratio(tp, tp + fp), _ratio(2 * tp, 2 * tp + fp + fn)], axis=-1)


def challenge_rows(labelled: Labelled, networks: Sequence[UNet]) -> list[Row]:
    """A row a recording: whether its network's PVC, any sample of the first 30 s marked, is that of the labels."""
    rows: list[Row] = []
    for recording, codes, network in zip(labelled.recordings, labelled.pvc_codes, networks, strict=True):
        marked = bool(unet.mark(network, recording.signal[LEAD]).any())
        row: Row = {"data": source_of(recording.name), "record": recording.name, "codes": " ".join(sorted(codes))}
        rows.append({**row, _outcome(bool(codes), marked): 1})
    return rows


def with_intervals(counts: Floats, measures: Callable[[Floats], Floats]) -> list[str]:
    """Measures of records' counts, shape (records, kinds), each with its 95 % bootstrap interval over records."""
    draws = np.random.default_rng(0).integers(len(counts), size=(BOOTSTRAPS, len(counts)))
    texts = []
    for measure, drawn in zip(measures(counts), measures(counts[draws]).T, strict=True):
        defined = drawn[~np.isnan(drawn)]
        interval = "({:.3f} to {:.3f})".format(*np.percentile(defined, [2.5, 97.5])) if len(defined) else ""
        texts.append(f"{measure:.3f} {interval}")
    return texts


def window_measures(counts: Floats) -> Floats:
    """Sensitivity and specificity, shape (..., 2), of counts of records, shape (..., records, 4)."""
    tp, fp, fn, tn = np.moveaxis(counts.sum(axis=-2), -1, 0)
    return np.stack([_ratio(tp, tp + fn), _ratio(tn, tn + fp)], axis=-1)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """NaN where there is nothing to have a part of."""
    ratio: Floats = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return ratio


def mitdb_lines(rows: Sequence[Row]) -> list[str]:
    """The measures per beat and per window on records of MIT-BIH, and the counts of each record, as Markdown."""
    lines = ["| per beat | positive | sensitivity | positive predictive value | F1 |", "|" + " --- |" * 5]
    for way, counted in (("beats", "V against all others"), ("aami", "V and E; F and Q passed over")):
        counts = table(rows, way)
        figures = " | ".join(with_intervals(counts, beat_measures))
        lines.append(f"| {counted} | {counts[:, 0].sum() + counts[:, 2].sum():.0f} | {figures} |")
    counts = table(rows, "windows", ("tp", "fp", "fn", "tn"))
    tp, fp, fn, tn = counts.sum(axis=0)
    unclear = sum(int(row["windows_unclear"]) for row in rows)
    sensitivity, specificity = with_intervals(counts, window_measures)
    return [
        *lines,
        "",
        f"Windows of 10 s, any sample marked: sensitivity {sensitivity} of {tp + fn:.0f} with a V, specificity "
        f"{specificity} of {tn + fp:.0f} without; {unclear} unclear ones are left out.",
        "",
        *record_lines(rows),
    ]


def record_lines(rows: Sequence[Row]) -> list[str]:
    """Each record's counts per beat, as Markdown; records without a V and without an error in one line."""
    keys = ("beats_tp", "beats_fp", "beats_fn")
    lines = ["| record | V found | falsely found | V missed |", "|" + " --- |" * 4]
    lines += [
        f"| {row['record']} | {' | '.join(str(row[key]) for key in keys)} |" for row in rows if any(map(row.get, keys))
    ]
    clean = [str(row["record"]) for row in rows if not any(map(row.get, keys))]
    return [*lines, "", f"No V and nothing found: {', '.join(clean) or 'none'}.", ""]


def challenge_lines(rows: Sequence[Row], failures: Sequence[Failure]) -> list[str]:
    """Sensitivity and specificity on Challenge recordings, with Wilson's 95 % intervals, as Markdown."""
    groups = {"all": list(rows)}
    for row in rows:
        groups.setdefault(str(row["data"]), []).append(row)
    lines = ["| recordings | labelled | marked of these | not labelled | marked of these | sensitivity | specificity |"]
    lines.append("|" + " --- |" * 7)
    for name, group in groups.items():
        tp, fp, fn, tn = table(group, "windows", ("tp", "fp", "fn", "tn")).sum(axis=0).astype(int)
        shares = f"{share(tp, tp + fn)} | {share(tn, tn + fp)}"
        lines.append(f"| {name} | {tp + fn} | {tp} | {tn + fp} | {fp} | {shares} |")
    for code in PVC_CODES:
        group = [row for row in rows if code in str(row["codes"]).split()]
        found = sum("windows_tp" in row for row in group)
        lines.append(f"| labelled {code} | {len(group)} | {found} | | | {share(found, len(group))} | |")
    return [*lines, "", *(f"Left out: {failure.name}: {failure.reason}" for failure in failures), ""]


def share(part: int, whole: int) -> str:
    """A share with its Wilson 95 % interval, in words; a dash where there is nothing to share."""
    if not whole:
        return "-"
    interval = scipy.stats.binomtest(part, whole).proportion_ci(method="wilson")
    return f"{part / whole:.3f} ({interval.low:.3f} to {interval.high:.3f})"
