"""Helpers of the benchmarks: arguments, machine, times of works that take turns, medians with intervals."""

import argparse
import platform
from collections.abc import Callable
from pathlib import Path
from timeit import timeit

import numpy as np
import numpy.typing as npt
import torch
from joblib import cpu_count

from heartbeats.common.bootstrap import bootstrap_interval

ROOT = Path(__file__).parents[1]


def arguments(description: str | None, *paths: str, **defaults: int | Path | None) -> argparse.Namespace:
    """Return the arguments of a script: required paths, and options with defaults. ``None`` is an optional path."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in paths:
        parser.add_argument(name, type=Path)
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default) if default is not None else Path, default=default)
    return parser.parse_args()


def machine() -> str:
    """Return the machine and the versions, in words."""
    device = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{platform.machine()}, {cpu_count()} CPUs{device}, {versions}"


def times(repeats: int, *works: Callable[[], object]) -> npt.NDArray[np.float64]:
    """Return the seconds of each work, shape (works, repeats).

    The works take turns, so a slow moment of the machine affects all. Each work first runs once to warm up.
    """
    for work in works:
        work()
    return np.array([[timeit(work, number=1) for work in works] for _ in range(repeats)]).T


def median(values: npt.NDArray[np.float64]) -> str:
    """Return the median of measurements and its 95 % bootstrap interval."""
    low, high = bootstrap_interval(lambda rows: np.median(values[rows]), len(values))
    return f"{np.median(values):.2f} ({low:.2f} to {high:.2f}, n = {len(values)})"
