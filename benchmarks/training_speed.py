"""How fast networks are trained on this machine's device, and what feeding them costs.

    python -m benchmarks.training_speed [--config configs/paper.toml] [--recordings 512] [--repeats 5] [--train DATA]

For each length of the config: the recordings per second of the training's own steps (heartbeats.training.loop, fed by
heartbeats.training.feed); of the same steps on tensors that lie ready; and of a plain loop over a DataLoader, measured in turn;
and what feeding alone takes, against the steps on tensors that lie ready. The share of the device's rate is that of the
network's multiplications and additions (counted by PyTorch, forwards and backwards) per second in the measured rate of
one large matrix product, in bfloat16 on a GPU, in single precision on a CPU. On a GPU two variants of the step are
tried as well: the network's kernels as one CUDA graph, and torch.compile. At the end, the time that 43,101 recordings
would take: three networks (relabelling, 30 s, 10 s) of 80 % of them.

Signals are random, of 10 s. --train DATA also trains the whole entry on a folder of recordings with the config.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import torch
from heartbeats.training.feed import Feed, make_feed
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measuring import interleaved, machine, ratio
from heartbeats.common import collective
from heartbeats.common.settings import Settings, read_settings
from heartbeats.networks.losses import sign_loss
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.preparation.signals import SAMPLING_RATE, fixed_length
from heartbeats.training.loop import training_step

ROOT = Path(__file__).parents[1]
COHORT, SHARE = 43_101, 0.8
READY, LOADER, FEEDING = "on tensors that lie ready", "a plain loop over a DataLoader", "feeding alone"
TIMED = 2  # batches, on a CPU; a GPU takes all recordings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "configs/paper.toml")
    parser.add_argument("--recordings", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--train", type=Path, metavar="DATA")
    options = parser.parse_args()
    settings = read_settings(options.config)
    rate = matrix_rate(collective.device())
    print(f"{machine()}; matrix product {rate / 1e12:.2f} TFLOP/s")
    rng = np.random.default_rng(0)
    signals = [rng.integers(-1000, 1000, (8, 10 * SAMPLING_RATE)).astype(np.int16) for _ in range(options.recordings)]
    lengths = settings.training.seconds
    each = {seconds: measure(settings, signals, seconds, rate, options.repeats) for seconds in lengths}
    passes = settings.training.epochs * COHORT * SHARE
    if settings.relabelling.seconds in each:
        hours = sum(passes / each[seconds] for seconds in (settings.relabelling.seconds, *lengths)) / 3600
        print(f"{COHORT} recordings, prepared, three networks of {settings.training.epochs} epochs: {hours:.2f} hours")
    if options.train:
        train(options.train, options.config)


def measure(settings: Settings, signals: list[np.ndarray], seconds: float, rate: float, repeats: int) -> float:
    """Print the figures of one length; returns the recordings per second of the training's own steps."""
    device, samples = collective.device(), round(seconds * SAMPLING_RATE)
    batch_size = settings.training.batch_size
    count = len(signals) if device.type == "cuda" else min(len(signals), TIMED * batch_size)
    truth = (torch.rand(len(signals), 27) < 0.1).float().to(device)
    feed = make_feed(signals, samples, device)
    torch.manual_seed(0)
    network = SEResNet(settings.network).to(device).train()
    step = partial(training_step, network, adam(network), sign_loss)
    ready = feed.batch(torch.arange(min(batch_size, len(signals)), device=feed.index_device))
    operations = count_operations(network, ready)
    own = partial(fed, feed, truth, count, batch_size)
    runs: dict[str, Callable[[], float]] = {
        "training": partial(timed, step, own),
        READY: partial(timed, step, partial(lying, ready, truth, count, batch_size)),
        LOADER: partial(timed, step, partial(loaded, signals[:count], truth, batch_size, samples)),
        FEEDING: partial(timed, feeding, own),
    }
    for run in runs.values():
        run()  # whatever is chosen on the first call
    if device.type == "cuda":
        batches = partial(lying, ready, truth, count, batch_size)
        for name, make in {"one CUDA graph, ready": graphed, "torch.compile, ready": compiled}.items():
            try:
                variant = make(deepcopy(network), ready)
                run = partial(timed, partial(training_step, variant, adam(variant), sign_loss), batches)
                run()  # captures, or compiles
                runs[name] = run
            except Exception as error:  # no compiler, or not this torch: the other figures are worth having
                print(f"{seconds:g} s, {name}: not to be had: {error}")
    took = dict(zip(runs, zip(*interleaved(repeats, *runs.values()), strict=True), strict=True))
    print(f"{seconds:g} s: feeding over the steps on tensors that lie ready: {ratio(took.pop(FEEDING), took[READY])}")
    for name, column in took.items():
        done = count / float(np.median(column))
        print(f"{seconds:g} s, {name}: {done:.1f} recordings/s, {operations * done / rate:.0%} of the matrix rate")
        if name != "training":
            print(f"    training's time over this: {ratio(took['training'], column)}")
    return count / float(np.median(took["training"]))


def feeding(x: Tensor, _y: Tensor, _batch_size: int) -> Tensor:
    """No step at all."""
    return x[0, 0, 0]


def adam(network: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), fused=next(network.parameters()).is_cuda)


def graphed(network: SEResNet, ready: Tensor) -> nn.Module:
    """The network's kernels, forwards and backwards, launched as one CUDA graph."""
    with torch.autocast("cuda", dtype=torch.bfloat16, cache_enabled=False):
        made: nn.Module = torch.cuda.make_graphed_callables(network, (ready,))  # type: ignore[assignment]
    return made


def compiled(network: SEResNet, _ready: Tensor) -> nn.Module:
    """The network by torch.compile, which needs a C compiler."""
    made: nn.Module = torch.compile(network)  # type: ignore[assignment]
    return made


def fed(feed: Feed, truth: Tensor, count: int, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches as the training takes them."""
    order = torch.randperm(count)
    rows, numbers = order.to(truth.device), order.to(feed.index_device)
    for start in range(0, count, batch_size):
        part = slice(start, start + batch_size)
        yield feed.batch(numbers[part]), truth[rows[part]]


def lying(ready: Tensor, truth: Tensor, count: int, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """As many batches, all of the same tensors."""
    for _ in range(-(-count // batch_size)):
        yield ready, truth[: len(ready)]


class Recordings(Dataset[tuple[Tensor, Tensor]]):
    """Recordings one by one, as a first version of any training has them."""

    def __init__(self, signals: list[np.ndarray], truth: Tensor, samples: int) -> None:
        self.signals, self.truth, self.samples = signals, truth.cpu(), samples

    def __len__(self) -> int:
        return len(self.signals)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(fixed_length([self.signals[i]], self.samples)[0]), self.truth[i]


def loaded(signals: list[np.ndarray], truth: Tensor, batch_size: int, samples: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of a DataLoader, moved to the device one after the other."""
    for x, y in DataLoader(Recordings(signals, truth, samples), batch_size, shuffle=True):
        yield x.to(truth.device), y.to(truth.device)


def timed(step: Callable[..., Tensor], batches: Callable[[], Iterator[tuple[Tensor, Tensor]]]) -> float:
    """Seconds that a step on each of the batches takes."""
    started = time.perf_counter()
    for x, y in batches():
        loss = step(x, y, len(x))
    loss.item()  # waits for the device
    return time.perf_counter() - started


def count_operations(network: SEResNet, batch: Tensor) -> float:
    """Floating-point operations, forwards and backwards, for one recording."""
    with FlopCounterMode(display=False) as counter:
        network(batch).sum().backward()
    return float(counter.get_total_flops()) / len(batch)


def matrix_rate(device: torch.device) -> float:
    """Floating-point operations a second in one large matrix product, the best of several."""
    size, kind = (8192, torch.bfloat16) if device.type == "cuda" else (2048, torch.float32)
    a = torch.randn(size, size, device=device, dtype=kind)
    best, products = math.inf, 10
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(products):  # one after the other, and the device waited for once
            product = a @ a
        product[0, 0].item()
        best = min(best, time.perf_counter() - started)
    return float(products * 2 * size**3 / best)


def train(data: Path, config: Path) -> None:
    """Train the whole entry, and print its epochs."""
    with tempfile.TemporaryDirectory() as model:
        subprocess.run([sys.executable, "train_model.py", data, model, "--config", config], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
