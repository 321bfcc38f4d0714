"""What the benchmarks share: the machine in words, a ratio with its interval, a curve as SVG."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import torch
from joblib import cpu_count

mpl.use("svg")  # it needs no screen
from matplotlib import pyplot as plt

__all__ = ["curve", "interleaved", "machine", "ratio", "watch"]


def machine() -> str:
    """The machine and what measures on it, in words."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    device = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{platform.machine()}, {cpu_count()} CPUs, {versions}{device}"


def interleaved(repeats: int, *measurements: Callable[[], float]) -> list[tuple[float, ...]]:
    """Measurements taken in turn, so that what disturbs the machine for a while disturbs them alike."""
    return [tuple(measurement() for measurement in measurements) for _ in range(repeats)]


def ratio(numerators: npt.ArrayLike, denominators: npt.ArrayLike) -> str:
    """The median of paired ratios, and the 95 % interval of that median (bootstrap over the pairs)."""
    ratios = np.divide(numerators, denominators)
    drawn = np.random.default_rng(0).choice(ratios, (10_000, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return f"{np.median(ratios):.2f} ({low:.2f} to {high:.2f}, {len(ratios)} pairs)"


def watch(command: Sequence[str], folder: Path) -> tuple[int, float]:
    """Run a command; the peak of its processes' memory in bytes, and the seconds it took."""
    started, peak = time.monotonic(), 0
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, sum(map(proportional_set_size, family(process.pid))))
        time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return peak, time.monotonic() - started


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(member for child in children for member in family(int(child)))]


def proportional_set_size(pid: int) -> int:
    """Bytes of a process, what it shares counted by its share; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def curve(path: Path, x: Sequence[float], lines: Mapping[str, Sequence[float]], *, xlabel: str, ylabel: str) -> None:
    """Draw lines over ``x``, both axes logarithmic where the values span more than a factor of five."""
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name, values in lines.items():
        axes.plot(x, values, marker="o", label=name)
    lowest, highest = min(map(min, lines.values())), max(map(max, lines.values()))
    axes.set_xscale("log")
    axes.set_xticks(x, labels=[f"{value:,}" for value in x])
    axes.minorticks_off()
    if highest > 5 * lowest:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.15 * highest)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    with plt.rc_context({"svg.hashsalt": "heartbeats", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
