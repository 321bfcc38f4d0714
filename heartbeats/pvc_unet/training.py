"""Train the U-Net: windows, loss, loop, and the networks of three folds that set the threshold.

Few patients show only a few shapes of beats. A network that saw only these takes every wide beat for a premature one.
So training varies the lead and the shapes of a window and keeps its labels. Then a beat is premature only by its time
and by its difference from the patient's other beats.
"""

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import convolve1d, gaussian_filter1d
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from heartbeats.preparation.signals import SAMPLING_RATE
from heartbeats.pvc_unet import marking, unet
from heartbeats.pvc_unet.data import COUNTS, PREMATURE, Record, targets
from heartbeats.pvc_unet.evaluation import count_beats, measures
from heartbeats.pvc_unet.unet import WINDOW, UNet

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

FILTERED = 0.9  # the share of windows that are filtered
FILTER_LENGTHS = SAMPLING_RATE // 50, SAMPLING_RATE * 3 // 25  # 20 to 120 ms
POWER = 300.0  # microvolts, root mean square of a filtered window: a random filter has no gain of its own

SEED = 0
EPOCHS = 20
WINDOWS = 1024  # in an epoch
BATCH_SIZE = 32
LEARNING_RATE = 2e-3

FOLDS = 3
THRESHOLDS = tuple(i / 20 for i in range(1, 20))
AS_GOOD = 0.01  # a smaller difference in F1 is chance


def train_by_folds(ds1: Sequence[Record], challenge: Sequence[Record]) -> tuple[UNet, list[UNet], list[UNet]]:
    """Train one network without each fold, choose the threshold with them, and train the final one on all records.

    Args:
        ds1: record i goes to fold i modulo 3.
        challenge: training uses only those with ``teaches``.

    Returns:
        The final network, and for each record of ``ds1`` and ``challenge`` a network that was not trained on it.
    """
    records = [*ds1, *challenge]
    folds = [i % FOLDS for i in range(len(ds1))] + folds_of_neighbours([record.digest for record in challenge])
    learned = [(record, fold) for record, fold in zip(records, folds, strict=True) if record.teaches]
    networks = [train([record for record, fold in learned if fold != left_out]) for left_out in range(FOLDS)]
    unseen = [networks[fold] for fold in folds]
    threshold = best_threshold(ds1, unseen[: len(ds1)])
    kept = train([record for record, _ in learned])
    for network in (*networks, kept):
        network.threshold.fill_(threshold)
    return kept, unseen[: len(ds1)], unseen[len(ds1) :]


def folds_of_neighbours(digests: list[str]) -> list[int]:
    """Return each recording's fold. Neighbours (they may be one patient) and copies of one signal share a fold."""
    return [digests.index(digest) * FOLDS // len(digests) for digest in digests]


def best_threshold(records: Sequence[Record], networks: Sequence[UNet]) -> float:
    """Return the threshold with the best F1 on lead II, in steps of 0.05, over the beats of all records.

    It is the middle of all thresholds within 0.01 of the best F1, because smaller differences are chance.
    ``networks`` has one network for each record, not trained on it.
    """
    counts = np.empty((len(THRESHOLDS), len(records), 3))
    for i, (record, network) in enumerate(zip(records, networks, strict=True)):
        log_odds = marking.agreed_log_odds(network, record.leads[:1])
        counts[:, i] = [count_beats(record, marking.marked_runs(log_odds, threshold)) for threshold in THRESHOLDS]
    f1 = np.array([measures(of_threshold)[2] for of_threshold in counts])
    best = np.flatnonzero(f1 >= f1.max() - AS_GOOD)
    return THRESHOLDS[int(best[(len(best) - 1) // 2])]


def train(records: Sequence[Record]) -> UNet:
    """Train a network on records with AdamW and one cycle of learning rates up to 0.002."""
    torch.manual_seed(SEED)
    draws = np.random.default_rng(SEED)
    answers = [targets(record) for record in records]
    network = UNet()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
    steps = EPOCHS * (WINDOWS // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    for step in range(1, steps + 1):
        x, y = draw_windows(records, answers, draws, BATCH_SIZE)
        loss = segmentation_loss(network(torch.from_numpy(x)), torch.from_numpy(y))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % (WINDOWS // BATCH_SIZE) == 0:
            log.info("step %d of %d: loss %.4f", step, steps, loss.item())
    return network.eval()


def segmentation_loss(logits: Tensor, y: Tensor) -> Tensor:
    """Return the cross-entropy of both outputs plus 1 - Dice of the first, a scalar, over the samples that count.

    Dice is the overlap of answer and truth. It does not depend on how rare premature beats are.

    Args:
        logits: shape (batch, 2, samples).
        y: as :func:`heartbeats.pvc_unet.data.targets`, shape (batch, 3, samples).
    """
    counts = y[:, COUNTS]
    entropy = F.binary_cross_entropy_with_logits(logits, y[:, :COUNTS], weight=counts.unsqueeze(1))
    p, true = torch.sigmoid(logits[:, PREMATURE]) * counts, y[:, PREMATURE] * counts
    return entropy + 1 - (2 * (p * true).sum() + 1) / (p.sum() + true.sum() + 1)


def draw_windows(
    records: Sequence[Record], answers: Sequence[Floats], draws: np.random.Generator, size: int
) -> tuple[Floats, Floats]:
    """Return a batch: scaled windows, shape (size, samples), and their targets, shape (size, 3, samples).

    Every second window holds a premature beat. Its record is drawn with a weight: the root of its number of such beats.
    Other windows lie anywhere; the weight is the root of the record's length. Half of all windows get white noise.
    """
    premature = [record.beats[record.symbols == "V"] for record in records]
    by_beats = np.sqrt([len(beats) for beats in premature])
    by_length = np.sqrt([record.leads.shape[1] for record in records])
    windows, y = [], []
    for i in range(size):
        shares = by_beats if i % 2 else by_length
        chosen = int(draws.choice(len(records), p=shares / shares.sum()))
        leads = records[chosen].leads
        if i % 2:
            start = int(draws.choice(premature[chosen])) - int(draws.integers(WINDOW))
        else:
            start = int(draws.integers(leads.shape[1]))
        start = min(max(start, 0), leads.shape[1] - WINDOW)
        windows.append(varied_window(leads[:, start : start + WINDOW], draws))
        y.append(answers[chosen][:, start : start + WINDOW])
    gain = draws.uniform(0.7, 1.4, (size, 1))
    noise = draws.integers(2, size=(size, 1)) * draws.uniform(0, 0.1, (size, 1))
    x = unet.scaled(np.stack(windows)) * gain + noise * draws.standard_normal((size, WINDOW))
    return x.astype(np.float32), np.stack(y)


def varied_window(leads: npt.NDArray[np.int16], draws: np.random.Generator) -> Floats:
    """Mix several leads, shape (leads, samples), into one of shape (samples,), all in microvolts.

    Half of the windows are the first lead. Half mix it with another lead at a random angle, as if electrodes moved.
    Nine of ten then pass a random filter of 20 to 120 ms, smoothed noise that fades at both ends. It changes the
    shape of all beats and makes most of them wider.
    """
    angle = draws.uniform(-np.pi / 2, np.pi / 2) if draws.integers(2) else 0.0
    lead, other = leads[[0, int(draws.integers(1, len(leads)))]].astype(np.float32)
    window: npt.NDArray[np.floating] = np.cos(angle) * lead + np.sin(angle) * other
    if draws.random() < FILTERED:
        taps = int(draws.integers(*FILTER_LENGTHS, endpoint=True))
        noise = gaussian_filter1d(draws.standard_normal(taps), draws.uniform(1.0, taps / 6), mode="constant")
        window = convolve1d(window - np.median(window), noise * np.hanning(taps + 2)[1:-1], mode="nearest")
        window *= POWER / max(np.sqrt(np.mean(window**2)), 1)
    return window.astype(np.float32)
