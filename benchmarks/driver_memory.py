"""Peak memory of the driver, workers included, with one half-hour recording at 1000 Hz among 200 ordinary ones.

    python -m benchmarks.driver_memory [--config configs/paper.toml]

The recordings are simulated; the model has the config's networks with random weights, since memory does not depend on
training. The figure is the largest sum, over the driver's processes, of their proportional set sizes (Linux), read
every 50 ms.
"""

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.io

from heartbeats.classifier import Classifier, Member, save
from heartbeats.se_resnet import SEResNet
from heartbeats.settings import read_settings
from heartbeats.simulation import simulate_cohort

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "configs/paper.toml")
    settings = read_settings(parser.parse_args().config)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        simulate_cohort(work / "data", records=200, seed=0)
        lengthen(next((work / "data").glob("HR*.hea")))
        members = tuple(Member(seconds, SEResNet(settings.network)) for seconds in settings.training.seconds)
        save(Classifier(members, 0.5, settings), work / "model", {})
        peak, seconds = watch([sys.executable, str(ROOT / "driver.py"), "model", "data", "out"], work)
        written = len(list((work / "out").glob("*.csv")))
    print(f"{platform.machine()}: {written} recordings in {seconds:.0f} s, peak memory {peak / 2**20:.0f} MiB")


def lengthen(header_file: Path) -> None:
    """Make a recording half an hour long at 1000 Hz."""
    signal = scipy.io.loadmat(header_file.with_suffix(".mat"))["val"]
    times = 1_800_000 // signal.shape[1]
    scipy.io.savemat(header_file.with_suffix(".mat"), {"val": np.tile(signal, times)}, format="4")
    text = header_file.read_text()
    header_file.write_text(text.replace(f" 500 {signal.shape[1]}", f" 1000 {times * signal.shape[1]}", 1))


def watch(command: list[str], folder: Path) -> tuple[int, float]:
    """Run a command; the peak of its processes' memory in bytes, and the seconds it took."""
    started, peak = time.monotonic(), 0
    process = subprocess.Popen(command, cwd=folder)
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


if __name__ == "__main__":
    main()
