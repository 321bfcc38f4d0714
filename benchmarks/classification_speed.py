"""How fast an ensemble classifies: as its layers are written, with less work, and in the whole driver.

    python -m benchmarks.classification_speed [--config configs/paper.toml] [--recordings 128] [--repeats 5]

The recordings are simulated, 10 s long; the networks have random weights, since speed does not depend on training.
Timed in turn are the plain ensemble (batches of 16, zeros appended), the ensemble of heartbeats.networks.inference on the same
prepared signals, and driver.py's work on the recordings' files, the worker processes being up. The largest difference
between the two ensembles' probabilities is printed too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.measuring import interleaved, machine, ratio
from heartbeats.classification.ensemble import Classifier, Member
from heartbeats.classification.folder import classify_folder
from heartbeats.common import collective
from heartbeats.common.settings import read_settings
from heartbeats.ecg.header import find_headers
from heartbeats.networks.inference import BATCH_SIZE
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.preparation.prepared import PreparedRecording, prepare_file
from heartbeats.preparation.signals import SAMPLING_RATE, fixed_length
from heartbeats.simulation import simulate_cohort

ROOT = Path(__file__).parents[1]
SAMPLES = 10 * SAMPLING_RATE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "configs/paper.toml")
    parser.add_argument("--recordings", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    torch.manual_seed(0)
    settings = read_settings(options.config)
    networks = (SEResNet(settings.network).to(collective.device()).eval() for _ in settings.training.seconds)
    members = tuple(map(Member, settings.training.seconds, networks))
    classifier = Classifier(members, 0.5, settings)
    with tempfile.TemporaryDirectory() as temporary:
        data, out = Path(temporary, "data"), Path(temporary, "out")
        recordings = ten_second_recordings(data, options.recordings)
        driver = partial(classify_folder, classifier, data, out)
        with contextlib.redirect_stderr(io.StringIO()):
            driver()  # the workers are up
            measured = interleaved(
                options.repeats,
                partial(seconds, partial(plain, members, recordings)),
                partial(seconds, partial(classifier.probabilities, recordings)),
                partial(seconds, driver),
            )
    difference = np.abs(plain(members, recordings) - classifier.probabilities(recordings)).max()
    as_written, less_work, driven = (np.array(column) for column in zip(*measured, strict=True))
    for name, column in (("ensemble as written", as_written), ("ensemble", less_work), ("driver", driven)):
        print(f"{name}: {len(recordings) / np.median(column):.1f} recordings a second")
    print(f"ensemble over ensemble as written: {ratio(as_written, less_work)} times faster, by {difference:.0e} other")
    print(f"driver's share of the ensemble's rate: {ratio(less_work, driven)}")


def ten_second_recordings(folder: Path, count: int) -> list[PreparedRecording]:
    """Simulate into ``folder`` until that many of 10 s are there, and remove the others."""
    simulate_cohort(folder, records=2 * count, seed=0)
    found: list[PreparedRecording] = []
    for header_file in find_headers(folder):
        prepared = prepare_file(header_file)
        if len(found) < count and isinstance(prepared, PreparedRecording) and prepared.signal.shape[1] == SAMPLES:
            found.append(prepared)
        else:
            header_file.unlink()
    return found


def plain(members: tuple[Member, ...], recordings: list[PreparedRecording]) -> npt.NDArray[np.float64]:
    """The ensemble's probabilities, every layer as it is written."""
    each = []
    with torch.inference_mode():
        for member in members:
            samples = round(member.seconds * SAMPLING_RATE)
            for start in range(0, len(recordings), BATCH_SIZE):
                batch = fixed_length([r.signal for r in recordings[start : start + BATCH_SIZE]], samples)
                logits = member.network(torch.from_numpy(batch).to(collective.device()))
                each.append(torch.sigmoid(logits).cpu().numpy())
    mean: npt.NDArray[np.float64] = np.concatenate(each).reshape(len(members), len(recordings), -1).mean(axis=0)
    return mean


def seconds(work: Callable[[], object]) -> float:
    """What some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
