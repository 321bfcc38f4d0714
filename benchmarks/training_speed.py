"""Measure how fast the networks train on this machine's device.

    python -m benchmarks.training_speed [--config configs/paper.toml] [--recordings 1024] [--epochs 6]

For each input length, it trains on noise and prints the recordings per second, without the first epoch (a warm-up).
Then the share of the matrix rate: the network's operations, forwards and backwards, divided by those of a large matrix
product in the same time, both in bfloat16 where the device has it. Last, the time of the whole entry: three networks
(relabelling, 30 s, 10 s) on 80 % of 43,101 recordings. On a CPU, use --recordings 32 --epochs 2.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measuring import ROOT, arguments, machine, median
from heartbeats.common.settings import Settings, read_settings
from heartbeats.experiments.command import with_changes
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.preparation.leads import Floats
from heartbeats.preparation.prepared import PreparedRecording
from heartbeats.preparation.signals import SAMPLING_RATE
from heartbeats.training.epoch_log import Epoch
from heartbeats.training.loop import has_bfloat16, train_network


def main() -> None:
    options = arguments(__doc__, config=ROOT / "configs/paper.toml", recordings=1024, epochs=6)
    settings = read_settings(options.config)
    device = matrix_rate()
    print(f"{machine()}; matrix product {device / 1e12:.2f} TFLOP/s")
    rates = {}
    for seconds in sorted({*settings.training.seconds, settings.relabelling.seconds}):
        measured = train(settings, seconds, options.recordings, options.epochs)
        rates[seconds] = float(np.median(measured))
        share = rates[seconds] * operations(settings, seconds) / device
        print(f"{seconds:g} s: {median(measured)} recordings/s, {share:.0%} of the matrix rate")
    passes = settings.training.epochs * 0.8 * 43_101
    hours = sum(passes / rates[s] for s in (settings.relabelling.seconds, *settings.training.seconds)) / 3600
    print(f"43101 recordings, prepared, {settings.training.epochs} epochs of each network: {hours:.2f} hours")


def train(settings: Settings, seconds: float, count: int, epochs: int) -> Floats:
    """Train a network on noise. Return the recordings per second of each epoch except the first."""
    rng = np.random.default_rng(0)
    signals = rng.integers(-1000, 1000, (count, 8, 10 * SAMPLING_RATE), dtype=np.int16)
    recordings = [PreparedRecording(str(i), signal, False, "", (), i) for i, signal in enumerate(signals)]
    settings = with_changes(settings, [f"training.epochs={epochs}"])
    with tempfile.TemporaryDirectory() as folder:
        labels = rng.random((count, 27)) < 0.1
        log: list[Epoch] = []
        train_network("noise", recordings, labels, settings, seconds=seconds, directory=Path(folder), epochs=log)
        return np.array([epoch.recordings_per_second for epoch in log[1:]])


def operations(settings: Settings, seconds: float) -> float:
    """Return the floating-point operations of one recording, forwards and backwards."""
    network = SEResNet(settings.network)
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 8, round(seconds * SAMPLING_RATE))).sum().backward()
    return float(counter.get_total_flops())


def matrix_rate() -> float:
    """Return the floating-point operations per second of a large matrix product."""
    size, device = (8192, "cuda") if torch.cuda.is_available() else (2048, "cpu")
    kind = torch.bfloat16 if has_bfloat16(device) else torch.float32
    matrix = torch.randn(size, size, device=device, dtype=kind)
    timer = Timer("matrix @ matrix", globals={"matrix": matrix}, num_threads=torch.get_num_threads())
    return 2 * size**3 / min(timer.blocked_autorange(min_run_time=1).times)


if __name__ == "__main__":
    main()
