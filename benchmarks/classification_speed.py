"""Measure the speed of classification: the ensemble against its plain form, and the driver against the ensemble.

    python -m benchmarks.classification_speed [--config configs/paper.toml] [--recordings 64] [--repeats 8]

- The ensemble (heartbeats.networks.inference), compared with the plain ``forward`` of the same networks.
- The driver's share: the time of the ensemble divided by that of ``classify_folder``, from files to output files.

The recordings are simulated, 10 s long, and the networks have random weights. PyTorch uses one thread.
"""

import contextlib
import io
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.measuring import ROOT, arguments, machine, median, times
from heartbeats.classification.ensemble import Classifier, Member, ensemble
from heartbeats.classification.folder import classify_folder
from heartbeats.common.settings import read_settings
from heartbeats.ecg.header import STANDARD_LEADS, find_headers
from heartbeats.ecg.recording import Recording, read_recording
from heartbeats.ecg.writing import write_record
from heartbeats.networks.se_resnet import SEResNet
from heartbeats.simulation.heart_vector import simulate_recording
from heartbeats.simulation.rhythm import Code


def main() -> None:
    options = arguments(__doc__, config=ROOT / "configs/paper.toml", recordings=64, repeats=8)
    print(machine())
    torch.set_num_threads(1)
    torch.manual_seed(0)
    settings = read_settings(options.config)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    networks = [SEResNet(settings.network).to(device) for _ in settings.training.seconds]
    classifier = Classifier(tuple(map(Member, settings.training.seconds, networks)), 0.5, settings)
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary, "data")
        write_recordings(data, options.recordings)
        recordings = [classifier.prepare(read_recording(path)) for path in find_headers(data)]
        plain_members = [Member(member.seconds, member.network) for member in classifier.members]
        for member in plain_members:
            member.inference.exact = False
        plain = partial(ensemble, plain_members, recordings)
        fast = partial(ensemble, classifier.members, recordings)
        driver = partial(classify_folder, classifier, data, Path(temporary, "outputs"))
        with contextlib.redirect_stderr(io.StringIO()):
            seconds = times(options.repeats, plain, fast, driver)
    difference = np.abs(plain() - fast()).max()
    print("recordings per second, plain, ensemble, driver:", *(len(recordings) / np.median(seconds, axis=1)).round(1))
    print(f"ensemble over plain: {median(seconds[0] / seconds[1])} times faster; they differ by {difference:.0e}")
    print(f"driver's share of the ensemble's rate: {median(seconds[1] / seconds[2])}")


def write_recordings(folder: Path, count: int) -> None:
    """Write simulated recordings of 10 s in sinus rhythm."""
    folder.mkdir()
    for i in range(count):
        rng, diagnoses = np.random.default_rng(i), {Code.SINUS_RHYTHM}
        signal = simulate_recording(rng, diagnoses=diagnoses, sampling_rate=500, seconds=10)
        write_record(folder, Recording(f"A{i:04d}", signal, 500, STANDARD_LEADS, 60, "Male", ("426783006",)))


if __name__ == "__main__":
    main()
