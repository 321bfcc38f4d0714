"""What the U-Net's experiment writes: figures as Markdown, counts and marks as CSV; the marks are read back."""

from __future__ import annotations

import csv
import dataclasses
import platform
from collections.abc import Sequence
from pathlib import Path

import torch

from heartbeats.common.errors import HeartBeatsError
from heartbeats.common.files import csv_text
from heartbeats.preparation.prepared import Failure
from heartbeats.pvc_unet.labels import PVC_CODES
from heartbeats.pvc_unet.measures import (
    Counts,
    Marked,
    RecordCounts,
    beat_measures,
    share,
    window_measures,
    with_intervals,
)

__all__ = ["left_out", "marked_csv", "read_marked", "records_csv", "report"]

# As their abstracts have it; both classify beats of two leads at the R marks of the annotations, and train on 201 too.
PUBLISHED = """\
Published, trained on DS1 and tested on DS2, ventricular ectopic beats (V and E; F and Q passed over):

| | sensitivity | positive predictive value |
| --- | --- | --- |
| de Chazal, O'Dwyer and Reilly 2004, IEEE Trans Biomed Eng 51:1196-1206 | 0.777 | 0.819 |
| Llamedo and Martínez 2011, IEEE Trans Biomed Eng 58:616-625 | 0.81 | 0.87 |
"""


def report(
    records: Sequence[RecordCounts], marked: Sequence[Marked], failures: Sequence[Failure], made: str, threshold: float
) -> list[str]:
    """All that is measured, as Markdown.

    Args:
        made: when and by which command.
        failures: Challenge recordings that could not be marked.
    """
    lines = [
        "# Premature ventricular beats by a U-Net on lead II",
        "",
        f"{made}, {platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, one thread. "
        f"Threshold {threshold:g}. Brackets are 95 % intervals: bootstrap over records on MIT-BIH, Wilson's on "
        "Challenge recordings.",
        "",
        "## DS1, each record marked by a network that was trained on other patients",
        "",
        *_measures([record for record in records if record.data == "DS1"]),
        "## DS2",
        "",
        *_measures([record for record in records if record.data == "DS2"]),
        PUBLISHED,
    ]
    if marked:
        title = "## Challenge recordings, first 30 s, each marked by a network that was trained on others"
        lines += [title, "", *_of_recordings(marked, failures)]
    return lines


def _measures(records: Sequence[RecordCounts]) -> list[str]:
    """The measures per beat and per window, and the counts of each record."""
    lines = ["| per beat | positive | sensitivity | positive predictive value | F1 |", "|" + " --- |" * 5]
    ways = {"V against all others": [record.beats for record in records]}
    ways["V and E; F and Q passed over"] = [record.aami for record in records]
    ways["V against all others, both leads"] = [record.both_beats for record in records]
    ways["V and E; F and Q passed over, both leads"] = [record.both_aami for record in records]
    for counted, beats in ways.items():
        positive = sum(counts.tp + counts.fn for counts in beats)
        lines.append(f"| {counted} | {positive} | {' | '.join(with_intervals(beats, beat_measures))} |")
    windows = [record.windows for record in records]
    sensitivity, specificity = with_intervals(windows, window_measures)
    return [
        *lines,
        "",
        f"Windows of 10 s, any sample marked: sensitivity {sensitivity} of {sum(w.tp + w.fn for w in windows)} with a "
        f"V, specificity {specificity} of {sum(w.tn + w.fp for w in windows)} without; "
        f"{sum(record.unclear for record in records)} unclear ones are left out.",
        "",
        *_of_records(records),
    ]


def _of_records(records: Sequence[RecordCounts]) -> list[str]:
    """Each record's counts per beat; records without a V and without an error in one line."""
    lines = ["| record | V found | falsely found | V missed |", "|" + " --- |" * 4]
    clean = [record.record for record in records if record.beats == Counts()]
    lines += [
        f"| {record.record} | {record.beats.tp} | {record.beats.fp} | {record.beats.fn} |"
        for record in records
        if record.beats != Counts()
    ]
    return [*lines, "", f"No V and nothing found: {', '.join(clean) or 'none'}.", ""]


def _of_recordings(marked: Sequence[Marked], failures: Sequence[Failure]) -> list[str]:
    """Sensitivity and specificity on Challenge recordings, with Wilson's intervals."""
    groups = {"all": list(marked)}
    for recording in marked:
        groups.setdefault(recording.source, []).append(recording)
    groups["all, asked on all leads"] = [dataclasses.replace(each, marked=each.marked_on_all) for each in marked]
    lines = ["| recordings | labelled | marked of these | not labelled | marked of these | sensitivity | specificity |"]
    lines.append("|" + " --- |" * 7)
    for name, group in groups.items():
        labelled, others = ([each.marked for each in group if bool(each.codes) == has] for has in (True, False))
        counts = f"{len(labelled)} | {sum(labelled)} | {len(others)} | {sum(others)}"
        shares = f"{share(sum(labelled), len(labelled))} | {share(len(others) - sum(others), len(others))}"
        lines.append(f"| {name} | {counts} | {shares} |")
    for code in PVC_CODES:
        group = [recording for recording in marked if code in recording.codes]
        found = sum(recording.marked for recording in group)
        lines.append(f"| labelled {code} | {len(group)} | {found} | | | {share(found, len(group))} | |")
    return [*lines, "", *left_out("Challenge recordings", [f"{each.name}: {each.reason}" for each in failures])]


def left_out(what: str, reasons: Sequence[str]) -> list[str]:
    """What could not be used: counted and, with the reason of each, named."""
    return [f"Left out, {len(reasons)} {what}:", "", *(f"- {reason}" for reason in reasons), ""] if reasons else []


def records_csv(records: Sequence[RecordCounts]) -> str:
    """A row of counts for each record of MIT-BIH."""
    ways = ("beats", "aami", "both_beats", "both_aami")
    heading = ["data", "record", *(f"{way}_{kind}" for way in ways for kind in ("tp", "fp", "fn"))]
    heading += [f"windows_{kind}" for kind in ("tp", "fp", "fn", "tn", "unclear")]
    rows = []
    for record in records:
        beats = [number for way in ways for number in dataclasses.astuple(getattr(record, way))[:3]]
        windows = record.windows
        of_windows = [windows.tp, windows.fp, windows.fn, windows.tn, record.unclear]
        rows.append([record.data, record.record, *beats, *of_windows])
    return csv_text(heading, rows)


def marked_csv(marked: Sequence[Marked]) -> str:
    """A row for each Challenge recording: its PVC codes, and whether it is marked."""
    rows = [
        [each.source, each.record, " ".join(sorted(each.codes)), int(each.marked), int(each.marked_on_all)]
        for each in marked
    ]
    return csv_text(["source", "record", "codes", "marked", "marked_on_all_leads"], rows)


def read_marked(path: Path) -> dict[str, bool]:
    """Whether each recording is marked, by its name, as :func:`marked_csv` wrote it.

    Raises:
        OSError: the file cannot be read.
        HeartBeatsError: it is not such a file.
    """
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return {row["record"]: {"0": False, "1": True}[row["marked"]] for row in csv.DictReader(file)}
    except (KeyError, csv.Error) as error:
        raise HeartBeatsError(f"{path} is no table of marked recordings, pvc_unet_challenge.csv") from error
