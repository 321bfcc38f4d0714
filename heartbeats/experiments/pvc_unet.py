"""Train the U-Net that marks premature ventricular beats (heartbeats/unet.py), and measure it on patients unseen by it.

    python -m heartbeats.experiments.pvc_unet MITDB OUT [--challenge DATA] [--epochs N] [--seed N]

MITDB is the MIT-BIH Arrhythmia Database as PhysioNet has it (mitdb 1.0.0), DATA a folder of Challenge recordings. OUT
gets pvc_unet.safetensors, pvc_unet.md (all that is printed) and pvc_unet.csv (the counts of every record).

Training takes DS1 of de Chazal, O'Dwyer and Reilly 2004, testing their DS2, and, as the paper's did, recordings of DATA
that are not labelled with premature ventricular beats. The threshold is that of the best F1 on DS1, each record marked
by a network that was trained on other patients (three folds); so are the recordings of DATA, in thirds of neighbours,
who may be one patient. The network that is kept has then been trained on all of both, and DS2 is looked at once. On a
CPU the same seed gives the same weights.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import io
import logging
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from heartbeats import unet
from heartbeats.checkpoints import save_tensors
from heartbeats.experiments.mit_bih import DS1, DS2, Annotated, read_records, truth
from heartbeats.experiments.pvc_labels import Labelled, annotated_without_pvc, labelled_recordings
from heartbeats.experiments.pvc_measures import (
    Row,
    beat_counts,
    beat_measures,
    challenge_lines,
    challenge_rows,
    mitdb_lines,
    table,
    window_counts,
)
from heartbeats.experiments.pvc_windows import draw_windows
from heartbeats.files import write_text
from heartbeats.prepared import Failure
from heartbeats.recording import RecordingError
from heartbeats.unet import UNet

__all__ = ["main", "train"]

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.floating]

DATA = "MIT-BIH Arrhythmia Database 1.0.0 (Moody and Mark 2001), lead MLII, annotations V; ODC-By 1.0"
CHALLENGE_DATA = "PhysioNet/Computing in Cardiology Challenges 2020 and 2021; CC BY 4.0"
FOLDS = 3
THRESHOLDS = tuple(i / 20 for i in range(1, 20))

# As their abstracts have it; both classify beats of two leads at the R marks of the annotations, and train on 201 too.
PUBLISHED = """\
Published, trained on DS1 and tested on DS2, ventricular ectopic beats (V and E; F and Q passed over):

| | sensitivity | positive predictive value |
| --- | --- | --- |
| de Chazal, O'Dwyer and Reilly 2004, IEEE Trans Biomed Eng 51:1196-1206 | 0.777 | 0.819 |
| Llamedo and Martínez 2011, IEEE Trans Biomed Eng 58:616-625 | 0.81 | 0.87 |
"""


EPOCHS = 20
WINDOWS = 1024  # an epoch
BATCH_SIZE = 32
LEARNING_RATE = 2e-3


def train(records: Sequence[Annotated], *, epochs: int, seed: int) -> UNet:
    """A network trained on records by AdamW.

    The rate rises from 0.00008 to 0.002 over the first tenth of the steps, and falls to almost 0 along a cosine.
    """
    torch.manual_seed(seed)
    draws = np.random.default_rng(seed)
    truths = [truth(record) for record in records]
    network = UNet()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
    steps = epochs * (WINDOWS // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    started = time.monotonic()
    for epoch in range(1, epochs + 1):
        total = 0.0
        for _ in range(WINDOWS // BATCH_SIZE):
            windows, answers = draw_windows(records, truths, draws, BATCH_SIZE)
            loss = segmentation_loss(network(torch.from_numpy(windows)), torch.from_numpy(answers))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item() * BATCH_SIZE / WINDOWS
        log.info("epoch %d/%d: loss %.4f, %.0f s", epoch, epochs, total, time.monotonic() - started)
    return network.eval()


def segmentation_loss(logits: Tensor, answers: Tensor) -> Tensor:
    """Cross-entropy of both outputs plus 1 - Dice of the first, a scalar, over the samples that count.

    Dice, the overlap of answer and truth, does not mind how few samples are premature ventricular beats.

    Args:
        logits: shape (batch, 2, samples).
        answers: as :func:`truth`, shape (batch, 3, samples).
    """
    counts = answers[:, 2]
    entropy = F.binary_cross_entropy_with_logits(logits, answers[:, :2], weight=counts.unsqueeze(1))
    p, y = torch.sigmoid(logits[:, 0]) * counts, answers[:, 0] * counts
    return entropy + 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)


def best_threshold(records: Sequence[Annotated], networks: Sequence[UNet]) -> float:
    """The threshold of best F1 over all beats of the records, in steps of 0.05; of several, the middle one.

    Args:
        networks: for each record one that was not trained on it.
    """
    rows: dict[float, list[Row]] = {threshold: [] for threshold in THRESHOLDS}
    for record, network in zip(records, networks, strict=True):
        p = unet.probabilities(network, record.leads[0])
        for threshold, found in rows.items():
            found.append({**beat_counts(record, unet.above(p, threshold))})
    scores = np.array([beat_measures(table(found, "beats"))[2] for found in rows.values()])
    best = np.flatnonzero(scores == scores.max())
    return THRESHOLDS[int(best[(len(best) - 1) // 2])]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, measure, write; return 2, after one line of reason, where the data cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mitdb", type=Path, metavar="MITDB")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--challenge", type=Path, metavar="DATA", help="Challenge recordings to learn from and mark")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)  # other numbers of threads add in another order, and give other weights
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        lines, rows = experiment(options)
    except (OSError, ValueError, RecordingError) as error:
        print(f"heartbeats.experiments.pvc_unet: {error}", file=sys.stderr)
        return 2
    report = "\n".join(lines).rstrip() + "\n"
    print(report, end="")
    write_text(options.out / "pvc_unet.md", report)
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(options.out / "pvc_unet.csv", sheet.getvalue())
    return 0


def experiment(options: argparse.Namespace) -> tuple[list[str], list[Row]]:
    """The whole experiment; its report as Markdown and a row of counts for each record. Writes the weights."""
    (ds1, left_out1), (ds2, left_out2) = (read_records(options.mitdb, names) for names in (DS1, DS2))
    ds1.sort(key=_common_beat)
    labelled, failures = labelled_recordings(options.challenge) if options.challenge else (Labelled((), ()), [])
    without = [annotated_without_pvc(*pair) for pair in zip(labelled.recordings, labelled.codes, strict=True)]
    fold_of = [i % FOLDS for i in range(len(ds1))] + _thirds([recording.digest for recording in labelled.recordings])
    folds = [
        train(
            [record for record, other in zip([*ds1, *without], fold_of, strict=True) if record and other != fold],
            epochs=options.epochs,
            seed=options.seed,
        )
        for fold in range(FOLDS)
    ]
    unseeing = [folds[fold] for fold in fold_of]
    threshold = best_threshold(ds1, unseeing[: len(ds1)])
    learned = [record for record in without if record]
    network = train([*ds1, *learned], epochs=options.epochs, seed=options.seed)
    for trained in (*folds, network):
        trained.threshold.fill_(threshold)
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    command = f"python -m heartbeats.experiments.pvc_unet MITDB OUT --epochs {options.epochs} --seed {options.seed}"
    command += " --challenge DATA" * bool(options.challenge)
    data, split = DATA, f"trained on {' '.join(DS1)}"
    if learned:
        data += f"; {CHALLENGE_DATA}"
        split += f" and {len(learned)} Challenge recordings without premature ventricular beats"
    metadata = {"data": data, "split": split, "command": command, "date": date}
    save_tensors(options.out / unet.WEIGHTS_FILE.name, network.state_dict(), metadata)

    rows = [mitdb_row("DS1", *pair) for pair in zip(ds1, unseeing[: len(ds1)], strict=True)]
    rows += [mitdb_row("DS2", record, network) for record in ds2]
    rows += challenge_rows(labelled, unseeing[len(ds1) :])
    unusable = [f"Left out: {reason}" for reason in left_out1 + left_out2]
    return [*report(rows, failures, f"{date}, `{command}`, {split}", threshold), *unusable], rows


def report(rows: Sequence[Row], failures: Sequence[Failure], made: str, threshold: float) -> list[str]:
    """All that is measured, as Markdown."""
    challenge = [row for row in rows if row["data"] not in ("DS1", "DS2")]
    lines = [
        "# Premature ventricular beats by a U-Net on lead II",
        "",
        f"{made}, {platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, one thread. "
        f"Threshold {threshold:g}. Brackets are 95 % intervals: bootstrap over records on MIT-BIH, Wilson's on "
        "Challenge recordings.",
        "",
        "## DS1, each record marked by a network that was trained on other patients",
        "",
        *mitdb_lines([row for row in rows if row["data"] == "DS1"]),
        "## DS2",
        "",
        *mitdb_lines([row for row in rows if row["data"] == "DS2"]),
        PUBLISHED,
    ]
    if challenge:
        title = "## Challenge recordings, first 30 s, each marked by a network that was trained on others"
        lines += [title, "", *challenge_lines(challenge, failures)]
    return lines


def _common_beat(record: Annotated) -> tuple[str, int, str]:
    """By this the records are dealt to the folds: each is to have bundle branch blocks, and few and many V."""
    symbols, counts = np.unique(record.symbols, return_counts=True)
    return str(symbols[counts.argmax()]), int((record.symbols == "V").sum()), record.name


def _thirds(digests: Sequence[str]) -> list[int]:
    """The fold of each recording: neighbours, who may be one patient, together, and so are two of the same samples."""
    first = {digest: i for i, digest in reversed(list(enumerate(digests)))}
    return [first[digest] * FOLDS // len(digests) for digest in digests]


def mitdb_row(data: str, record: Annotated, network: UNet) -> Row:
    """All counts of one record."""
    marks = unet.mark(network, record.leads[0])
    return {"data": data, "record": record.name, **beat_counts(record, marks), **window_counts(record, network)}


if __name__ == "__main__":
    sys.exit(main())
