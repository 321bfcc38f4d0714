"""Peak memory of the driver, workers included, with one half-hour recording at 1000 Hz among 199 others.

    python -m benchmarks.driver_memory [--config configs/paper.toml]

The recordings are simulated; the model has the config's networks with random weights, since memory does not depend on
training. The figure is the largest sum, over the driver's processes, of their proportional set sizes (Linux), read
every 50 ms.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.io

from benchmarks.measuring import machine, watch
from heartbeats.classification.ensemble import Classifier, Member, save
from heartbeats.common.settings import read_settings
from heartbeats.networks.se_resnet import SEResNet
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
    print(f"{machine()}: {written} recordings in {seconds:.0f} s, peak memory {peak / 2**20:.0f} MiB")


def lengthen(header_file: Path) -> None:
    """Make a recording half an hour long at 1000 Hz."""
    signal = scipy.io.loadmat(header_file.with_suffix(".mat"))["val"]
    times = 1_800_000 // signal.shape[1]
    scipy.io.savemat(header_file.with_suffix(".mat"), {"val": np.tile(signal, times)}, format="4")
    text = header_file.read_text()
    header_file.write_text(text.replace(f" 500 {signal.shape[1]}", f" 1000 {times * signal.shape[1]}", 1))


if __name__ == "__main__":
    main()
