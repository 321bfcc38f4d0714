"""Measure the speed of classification: the ensemble against its plain form, and the driver against the ensemble.

    python -m benchmarks.classification_speed [--config configs/paper.toml] [--against FILE] [--recordings 64]

- The ensemble (heartbeats.networks.inference), compared with the plain ``forward`` of the same networks and, with
  --against, with the ensemble of other settings.
- The driver's share: the time of the ensemble divided by that of ``classify_folder``, from files to output files.
- The driver on all cores, compared with reading, preparing and the ensemble one after the other on one core, divided by
  the number of cores. It needs several batches: --recordings 512.

The recordings are simulated, 10 s long, and the networks have random weights. PyTorch uses one thread, except that
--against compares the two ensembles on all cores, and in the last figure.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from joblib import cpu_count

from benchmarks.measuring import ROOT, arguments, machine, median, times
from heartbeats.classification.ensemble import Classifier, Member, ensemble
from heartbeats.classification.folder import classify_folder
from heartbeats.common.settings import read_settings
from heartbeats.ecg.header import STANDARD_LEADS, find_headers
from heartbeats.ecg.recording import Recording, read_recording
from heartbeats.ecg.writing import write_record
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.preparation.prepared import PreparedRecording
from heartbeats.simulation.heart_vector import simulate_recording
from heartbeats.simulation.rhythm import Code


def main() -> None:
    options = arguments(__doc__, config=ROOT / "configs/paper.toml", against=None, recordings=64, repeats=8)
    print(machine())
    classifier = untrained(options.config)
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary, "data")
        write_recordings(data, options.recordings)
        files = find_headers(data)
        recordings = prepare_all(classifier, files)
        if options.against:
            both = [partial(ensemble, each.members, recordings) for each in (classifier, untrained(options.against))]
            ours, others = times(options.repeats, *both)
            print(
                "recordings per second on all cores:", *(len(recordings) / np.median([ours, others], axis=1)).round(1)
            )
            print(f"ensemble over that of {options.against.name}: {median(others / ours)} times faster")
        torch.set_num_threads(1)
        plain_members = [Member(member.seconds, member.network) for member in classifier.members]
        for member in plain_members:
            member.inference.cuts = False
        plain = partial(ensemble, plain_members, recordings)
        fast = partial(ensemble, classifier.members, recordings)
        driver = partial(classify_folder, classifier, data, Path(temporary, "outputs"))
        preparing = partial(prepare_all, classifier, files)
        works: list[Callable[[], object]] = [plain, fast, driver, preparing, lambda: on_all_cores(driver)]
        with contextlib.redirect_stderr(io.StringIO()):
            seconds = times(options.repeats, *works)
    difference = np.abs(plain() - fast()).max()
    print(
        "recordings per second, plain, ensemble, driver:", *(len(recordings) / np.median(seconds[:3], axis=1)).round(1)
    )
    print(f"ensemble over plain: {median(seconds[0] / seconds[1])} times faster; they differ by {difference:.0e}")
    print(f"driver's share of the ensemble's rate: {median(seconds[1] / seconds[2])}")
    together = (seconds[3] + seconds[1]) / cpu_count()
    print(f"driver, of the rate of preparing and the ensemble on {cpu_count()} cores: {median(together / seconds[4])}")


def untrained(config: Path) -> Classifier:
    """Return a classifier with random weights."""
    torch.manual_seed(0)
    settings = read_settings(config)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lengths = [seconds for seconds in settings.training.seconds for _ in range(settings.training.networks)]
    return Classifier(tuple(Member(s, SEResNet(settings.network).to(device)) for s in lengths), 0.5, settings)


def on_all_cores(work: Callable[[], object]) -> None:
    """Do work with a thread for each core."""
    torch.set_num_threads(cpu_count())
    work()
    torch.set_num_threads(1)


def prepare_all(classifier: Classifier, header_files: list[Path]) -> list[PreparedRecording]:
    """Read and prepare recordings in this process."""
    return [classifier.prepare(read_recording(path)) for path in header_files]


def write_recordings(folder: Path, count: int) -> None:
    """Write simulated recordings of 10 s in sinus rhythm."""
    folder.mkdir()
    for i in range(count):
        rng, diagnoses = np.random.default_rng(i), {Code.SINUS_RHYTHM}
        signal = simulate_recording(rng, diagnoses=diagnoses, sampling_rate=500, seconds=10)
        write_record(folder, Recording(f"A{i:04d}", signal, 500, STANDARD_LEADS, 60, "Male", ("426783006",)))


if __name__ == "__main__":
    main()
