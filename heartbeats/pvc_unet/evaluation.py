"""Measure the U-Net: count beats and recordings, compute measures, and write the report."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from heartbeats.common.bootstrap import bootstrap_interval, with_interval
from heartbeats.preparation.signals import SAMPLING_RATE
from heartbeats.pvc_unet import marking
from heartbeats.pvc_unet.data import PVC_CODES, Record
from heartbeats.pvc_unet.unet import UNet

TOLERANCE = 0.150 * SAMPLING_RATE  # samples (ANSI/AAMI EC57)

HEADER = """\
# Premature ventricular beats marked by the U-Net

{made}

DS1 and DS2 are the beats of MIT-BIH records with two leads, Challenge is recordings with eight. Networks of three folds
mark DS1 and Challenge, each trained without the records that it marks; the kept network marks DS2. Brackets are 95 %
intervals, by bootstrap over records.

| marked | with PVC | found | falsely found | sensitivity | positive predictive value | F1 | specificity |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


# The columns of the counts. DS1 and DS2 count the beats of a record, the Challenge counts recordings.
COLUMNS = (
    *("data", "record", "lead_ii_found", "lead_ii_false", "lead_ii_missed"),
    *("all_leads_found", "all_leads_false", "all_leads_missed"),
)
Row = tuple[str, str, *tuple[int, ...]]


def count_record(data: str, record: Record, network: UNet) -> Row:
    """Count what a network marks in a record, by lead II (its first lead) and by all its leads."""
    count = count_recording if data == "Challenge" else count_beats
    lead_ii, all_leads = (count(record, marking.mark(network, leads)) for leads in (record.leads[:1], record.leads))
    return (data, record.name, *lead_ii, *all_leads)


def count_recording(record: Record, marks: npt.NDArray[np.bool_]) -> tuple[int, int, int]:
    """Return 0 or 1 for found, falsely found and missed. The recording's codes are the truth."""
    has_pvc, marked = bool(record.codes & PVC_CODES), bool(marks.any())
    return int(marked and has_pvc), int(marked and not has_pvc), int(has_pvc and not marked)


def count_beats(record: Record, marks: npt.NDArray[np.bool_]) -> tuple[int, int, int]:
    """Count the beats V found, the other beats or places falsely found, and the beats V missed.

    A span of marks finds all beats whose R mark it covers. If it covers none, it finds the nearest beat within 150 ms.
    Marks in flutter do not count.
    """
    beats = record.beats
    marked = np.zeros(len(beats), dtype=np.bool_)
    strays = 0
    for start, end in marking.spans(marks & ~record.flutter):
        distances = np.maximum(0.0, np.maximum(start - beats, beats - (end - 1)))  # 0 for the beats that it covers
        nearest = distances.min(initial=np.inf)
        if nearest == 0:
            marked[distances == 0] = True
        elif nearest <= TOLERANCE:
            marked[distances.argmin()] = True
        else:
            strays += 1
    premature = record.symbols == "V"
    return int((marked & premature).sum()), int((marked & ~premature).sum()) + strays, int((~marked & premature).sum())


def measures(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return sensitivity, positive predictive value, F1 and specificity, shape (4,), of counts, shape (records, 3).

    Specificity has a meaning only for counts of recordings. A measure without cases is NaN.
    """
    found, false, missed = counts.sum(axis=0)
    without = len(counts) - found - missed
    right = np.array([found, found, 2 * found, without - false])
    whole = np.array([found + missed, found + false, 2 * found + false + missed, without])
    measured: npt.NDArray[np.float64] = np.divide(right, whole, out=np.full(4, np.nan), where=whole != 0)
    return measured


def report(made: str, counts: Sequence[Row]) -> str:
    """Return all measures as Markdown; ``made`` says when, how and on which data the networks were trained."""
    text = HEADER.format(made=made)
    for data in dict.fromkeys(row[0] for row in counts):
        table = np.array([row[2:] for row in counts if row[0] == data], dtype=np.float64)
        text += _row(f"{data}, lead II", table[:, :3]) + _row(f"{data}, all leads", table[:, 3:])
    return text


def _row(name: str, counts: npt.NDArray[np.float64]) -> str:
    low, high = bootstrap_interval(lambda rows: measures(counts[rows]), len(counts))
    cells = [with_interval(*each) for each in zip(measures(counts), low, high, strict=True)]
    if not name.startswith("Challenge"):
        cells[-1] = "-"
    found, false, missed = counts.sum(axis=0)
    return f"| {name} | {found + missed:g} | {found:g} | {false:g} | {' | '.join(cells)} |\n"
