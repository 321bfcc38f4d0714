"""Train the U-Net that marks premature ventricular beats (heartbeats/pvc_unet/unet.py), and measure it on patients unseen by it.

    python -m heartbeats.pvc_unet.train MITDB OUT [--challenge DATA] [--epochs N] [--seed N]

MITDB is the MIT-BIH Arrhythmia Database as PhysioNet has it (mitdb 1.0.0), DATA a folder of Challenge recordings. OUT
gets pvc_unet.safetensors, pvc_unet.md (all that is printed), pvc_unet.csv (the counts of every record) and, with DATA,
pvc_unet_challenge.csv (which recordings are marked).

Training takes DS1 of de Chazal, O'Dwyer and Reilly 2004, testing their DS2, and, as the paper's did, recordings of DATA
that are not labelled with premature ventricular beats. The threshold is that of the best F1 on DS1, each record marked
by a network that was trained on other patients (three folds); so are the recordings of DATA, in thirds of neighbours,
who may be one patient. Records are also marked by both their leads, and recordings of DATA by all eight, with the same
network and threshold. The network that is kept has then been trained on all of both, and DS2 is looked at once. On a
CPU the same seed gives the same weights.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from heartbeats.common.console import path_argument
from heartbeats.common.errors import one_line_errors
from heartbeats.common.files import write_text
from heartbeats.pvc_unet import unet
from heartbeats.pvc_unet.labels import Labelled, annotated_without_pvc, labelled_recordings
from heartbeats.pvc_unet.measures import Counts, beat_counts, count_record, f1, mark_recordings
from heartbeats.pvc_unet.mit_bih import COUNTS, DS1, DS2, PREMATURE, AnnotatedRecord, read_records, truth
from heartbeats.pvc_unet.report import left_out, marked_csv, records_csv, report
from heartbeats.pvc_unet.unet import UNet
from heartbeats.pvc_unet.windows import draw_windows
from heartbeats.training.checkpoints import save_tensors

__all__ = ["main", "train"]

log = logging.getLogger(__name__)

DATA = "MIT-BIH Arrhythmia Database 1.0.0 (Moody and Mark 2001), lead MLII, annotations V; ODC-By 1.0"
CHALLENGE_DATA = "PhysioNet/Computing in Cardiology Challenges 2020 and 2021; CC BY 4.0"
FOLDS = 3
THRESHOLDS = tuple(i / 20 for i in range(1, 20))
AS_GOOD = 0.01  # of F1: less is chance

EPOCHS = 20
WINDOWS = 1024  # an epoch
BATCH_SIZE = 32
LEARNING_RATE = 2e-3


def train(records: Sequence[AnnotatedRecord], *, epochs: int, seed: int) -> UNet:
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
            windows, targets = draw_windows(records, truths, draws, BATCH_SIZE)
            loss = segmentation_loss(network(torch.from_numpy(windows)), torch.from_numpy(targets))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item() * BATCH_SIZE / WINDOWS
        log.info("epoch %d/%d: loss %.4f, %.0f s", epoch, epochs, total, time.monotonic() - started)
    return network.eval()


def segmentation_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of both outputs plus 1 - Dice of the first, a scalar, over the samples that count.

    Dice, the overlap of answer and truth, does not mind how few samples are premature ventricular beats.

    Args:
        logits: shape (batch, 2, samples).
        targets: as :func:`heartbeats.pvc_unet.mit_bih.truth`, shape (batch, 3, samples).
    """
    counts = targets[:, COUNTS]
    entropy = F.binary_cross_entropy_with_logits(logits, targets[:, :COUNTS], weight=counts.unsqueeze(1))
    p, y = torch.sigmoid(logits[:, PREMATURE]) * counts, targets[:, PREMATURE] * counts
    return entropy + 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)


def best_threshold(records: Sequence[AnnotatedRecord], networks: Sequence[UNet]) -> float:
    """The threshold of best F1 over all beats of the records, in steps of 0.05; of all within 0.01, the middle one.

    Smaller differences are chance, and where F1 hardly changes with the threshold, its very best may lie at either end.

    Args:
        networks: for each record one that was not trained on it.
    """
    counts: dict[float, list[Counts]] = {threshold: [] for threshold in THRESHOLDS}
    for record, network in zip(records, networks, strict=True):
        p = unet.agreed_probabilities(network, record.leads[0])
        for threshold, of_records in counts.items():
            of_records.append(beat_counts(record, unet.marked_runs(p, threshold))[0])
    scores = np.array([f1(of_records) for of_records in counts.values()])
    best = np.flatnonzero(scores >= scores.max() - AS_GOOD)
    return THRESHOLDS[int(best[(len(best) - 1) // 2])]


@dataclass(frozen=True)
class Trained:
    """The networks of an experiment, each with the threshold.

    Attributes:
        kept: trained on all.
        for_ds1, for_challenge: of each record, and of each recording, one that was not trained on it.
        learned: how many Challenge recordings were learned from.
    """

    kept: UNet
    for_ds1: tuple[UNet, ...]
    for_challenge: tuple[UNet, ...]
    learned: int

    @property
    def threshold(self) -> float:
        """The threshold of all."""
        return self.kept.threshold.item()


def train_all(ds1: Sequence[AnnotatedRecord], labelled: Labelled, *, epochs: int, seed: int) -> Trained:
    """Train a network without each fold, find the threshold by them, and train one on all.

    Args:
        ds1: in the order in which they are dealt to the folds.
    """
    without = [annotated_without_pvc(*pair) for pair in zip(labelled.recordings, labelled.codes, strict=True)]
    folds = [i % FOLDS for i in range(len(ds1))], _thirds([recording.digest for recording in labelled.recordings])
    dealt = list(zip([*ds1, *without], [*folds[0], *folds[1]], strict=True))

    def trained(left_out: int | None) -> UNet:
        learned = [record for record, fold in dealt if record and fold != left_out]
        return train(learned, epochs=epochs, seed=seed)

    networks = [trained(fold) for fold in range(FOLDS)]
    for_ds1, for_challenge = (tuple(networks[fold] for fold in each) for each in folds)
    threshold = best_threshold(ds1, for_ds1)
    kept = trained(None)
    for network in (*networks, kept):
        network.threshold.fill_(threshold)
    return Trained(kept, for_ds1, for_challenge, sum(record is not None for record in without))


def dealing_order(record: AnnotatedRecord) -> tuple[str, int, str]:
    """In this order records are dealt to the folds: each is to have bundle branch blocks, and few V and many."""
    symbols, counts = np.unique(record.symbols, return_counts=True)
    return str(symbols[counts.argmax()]), int((record.symbols == "V").sum()), record.name


def _thirds(digests: Sequence[str]) -> list[int]:
    """The fold of each recording: neighbours, who may be one patient, together, and so are two of the same samples."""
    first = {digest: i for i, digest in reversed(list(enumerate(digests)))}
    return [first[digest] * FOLDS // len(digests) for digest in digests]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mitdb", type=path_argument, metavar="MITDB")
    parser.add_argument("out", type=path_argument, metavar="OUT")
    parser.add_argument("--challenge", type=path_argument, metavar="DATA", help="recordings to learn from and mark")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    options = parser.parse_args(arguments)
    if options.epochs < 1 or options.seed < 0:
        parser.error("--epochs must be at least 1, --seed at least 0")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)  # other numbers of threads add in another order, and give other weights
    with one_line_errors("pvc_unet"):
        options.out.mkdir(parents=True, exist_ok=True)
        (ds1, without1), (ds2, without2) = (read_records(options.mitdb, names) for names in (DS1, DS2))
        ds1.sort(key=dealing_order)
        labelled, failures = labelled_recordings(options.challenge) if options.challenge else (Labelled((), ()), [])
        trained = train_all(ds1, labelled, epochs=options.epochs, seed=options.seed)
        made = save(trained, options)
        records = [count_record("DS1", *pair) for pair in zip(ds1, trained.for_ds1, strict=True)]
        records += [count_record("DS2", record, trained.kept) for record in ds2]
        marked = mark_recordings(labelled, trained.for_challenge)
        lines = report(records, marked, failures, made, trained.threshold)
        lines += left_out("records of MIT-BIH", without1 + without2)
        text = "\n".join(lines).rstrip() + "\n"
        print(text, end="")
        write_text(options.out / "pvc_unet.md", text)
        write_text(options.out / "pvc_unet.csv", records_csv(records))
        if options.challenge:
            write_text(options.out / "pvc_unet_challenge.csv", marked_csv(marked))


def save(trained: Trained, options: argparse.Namespace) -> str:
    """Write the kept network with its provenance; returns when, by which command and on what it was trained.

    Raises:
        OSError: the folder cannot be written.
    """
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    command = f"python -m heartbeats.pvc_unet.train MITDB OUT --epochs {options.epochs} --seed {options.seed}"
    command += " --challenge DATA" * bool(options.challenge)
    data, split = DATA, f"trained on {' '.join(DS1)}"
    if trained.learned:
        data += f"; {CHALLENGE_DATA}"
        split += f" and {trained.learned} Challenge recordings without premature ventricular beats"
    metadata = {"data": data, "split": split, "command": command, "date": date}
    save_tensors(options.out / unet.WEIGHTS_FILE.name, trained.kept.state_dict(), metadata)
    return f"{date}, `{command}`, {split}"


if __name__ == "__main__":
    main()
