"""Compare the compact network with another library's network, on the same recordings and with the same training time.

    python -m benchmarks.peer DATA OUT [--config configs/compact.toml] [--minutes 30]

The other network is ECG_CRNN of torch_ecg with its published configuration for 12 leads. The library adjusts its
filters to the settings' sampling rate. DATA has train/ (with the folds of the settings), test/ and patients.csv. Each
training takes the given minutes, with the settings' loss, batch size and one cycle, and the same signals. The settings'
learning rate was chosen for our network. The other one trains at two, and the validation fold chooses. That fold also
gives the threshold. test/ is scored, with intervals over patients. torch_ecg needs NumPy 1, so it has
its own environment:

    pip install torch==2.13.0 'numpy<2' 'pandas<3' torch_ecg==0.0.30 peakutils
    pip install safetensors joblib sleepecg filelock PyWavelets soundfile tqdm
    pip install --no-deps wfdb==4.3.1
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch_ecg.model_configs import ECG_CRNN_CONFIG
from torch_ecg.models import ECG_CRNN
from torch_ecg.utils.utils_nn import adjust_cnn_filter_lengths

from benchmarks.measuring import ROOT, arguments, machine
from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.challenge.scoring import Submission, challenge_metric, submission
from heartbeats.classification.decision import Evidence, decide
from heartbeats.classification.threshold import search_threshold
from heartbeats.common.bootstrap import interval_over, with_interval
from heartbeats.common.settings import Settings, read_settings
from heartbeats.ecg.header import find_headers
from heartbeats.experiments.command import with_changes
from heartbeats.experiments.trainings import frequent_auroc
from heartbeats.networks.inference import InferenceNetwork
from heartbeats.networks.losses import LOSSES
from heartbeats.networks.se_resnet import Decimation, SEResNet, twelve_leads
from heartbeats.preparation.prepared import PreparedRecording, prepare_files
from heartbeats.preparation.signals import SAMPLING_RATE
from heartbeats.training.augmentation import augment
from heartbeats.training.batches import Batches
from heartbeats.training.cohort import Cohort, build_cohort, select_recordings
from heartbeats.training.groups import read_groups
from heartbeats.training.loop import learning_rate, training_step

OURS, THEIRS = "HeartBeats", "torch_ecg"
RATES = {OURS: (4e-3,), THEIRS: (4e-3, 1e-3)}


class Peer(nn.Module):
    """torch_ecg's network behind the interface of ours: eight leads in mV at 500 Hz to 27 logits."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        rate = settings.network.sampling_rate
        self.decimation = Decimation(SAMPLING_RATE // rate)
        self.register_buffer("combinations", twelve_leads())
        self.network = ECG_CRNN(
            classes=list(CLASSES), n_leads=12, config=adjust_cnn_filter_lengths(ECG_CRNN_CONFIG, rate)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map signals in mV, shape (batch, 8, samples), to logits, shape (batch, 27)."""
        logits: Tensor = self.network(self.combinations @ self.decimation(x))
        return logits


def main() -> None:
    options = arguments(__doc__, "data", "out", config=ROOT / "configs/compact.toml", minutes=30)
    print(f"{machine()}; {options.config.name}, {options.minutes} minutes of training each")
    settings = read_settings(options.config)
    cohort = build_cohort(options.data / "train", options.out / "prepared", settings)
    as_published = with_changes(settings, ["cohort.also_pvc=[]"]).cohort
    selection = select_recordings(find_headers(options.data / "test"), as_published)
    prepared = prepare_files(selection.header_files, options.out / "prepared", settings.preparation)
    usable = [isinstance(each, PreparedRecording) for each in prepared]
    test = [each for each in prepared if isinstance(each, PreparedRecording)]
    groups = read_groups(options.data / "patients.csv")
    patients = np.array([groups[each.name].patient for each in test])
    for name, rates in RATES.items():
        tried = [fit(name, rate, cohort, settings, options.minutes) for rate in rates]
        best = max(tried, key=lambda fitted: fitted.score)
        started = time.monotonic()
        probabilities = best.inference.probabilities([each.signal for each in test])
        speed = len(test) / (time.monotonic() - started)
        evidence = Evidence.of(test, settings.decision)
        decided = decide(probabilities, evidence, best.threshold, settings.decision)
        answers = submission([each.name for each in test], selection.labels[usable], decided, probabilities)
        score = partial(challenge_score, answers)
        auroc = partial(frequent_auroc, answers.labels, answers.scalar)
        for measure, function in (("challenge score", score), ("AUROC of frequent classes", auroc)):
            rows = np.arange(len(test))
            print(f"{name}: {measure} {with_interval(function(rows), *interval_over(patients, function))}")
        fold = ", ".join(f"{rate:g}: {each.score:.3f}" for rate, each in zip(rates, tried, strict=True))
        print(f"{name}: {best.weights / 1e6:.2f} million weights, {best.epochs:.1f} epochs, {speed:.0f} recordings/s")
        print(f"{name}: challenge score on the validation fold by learning rate {fold}", flush=True)


def challenge_score(answers: Submission, rows: np.ndarray) -> float:
    return challenge_metric(answers.labels[rows], answers.binary[rows], answers.weights)


class Fitted(NamedTuple):
    """A trained network, its best threshold and score on the validation fold, its number of weights, its epochs."""

    inference: InferenceNetwork
    threshold: float
    score: float
    weights: int
    epochs: float


def fit(name: str, rate: float, cohort: Cohort, settings: Settings, minutes: float) -> Fitted:
    """Train a network with a learning rate, and search its threshold on the validation fold."""
    settings = with_changes(settings, [f"training.learning_rate={rate}"])
    torch.manual_seed(0)
    network = SEResNet(settings.network) if name == OURS else Peer(settings)
    epochs = train(network, *cohort.side(validating=False), settings, 60.0 * minutes)
    (seconds,) = settings.training.seconds
    inference = InferenceNetwork(network, seconds=seconds)
    validating, labels = cohort.side(validating=True)
    probabilities = inference.probabilities([each.signal for each in validating])
    found = search_threshold(probabilities, Evidence.of(validating, settings.decision), labels, settings.decision)
    weights = sum(parameter.numel() for parameter in network.parameters())
    return Fitted(inference, found.threshold, max(found.challenge_scores), weights, epochs)


def train(
    network: nn.Module, recordings: Sequence[PreparedRecording], labels: np.ndarray, settings: Settings, budget: float
) -> float:
    """Train a network for ``budget`` seconds with one cycle; return the number of epochs."""
    training = settings.training
    (seconds,) = training.seconds
    batches = Batches(recordings, round(seconds * SAMPLING_RATE), torch.device("cpu"))
    truth = torch.from_numpy(labels.astype(np.float32))
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=training.weight_decay)
    network.train()
    started, seen = time.monotonic(), 0
    while True:
        for chosen in torch.split(torch.randperm(len(truth)), training.batch_size):
            done = (time.monotonic() - started) / budget
            if done >= 1:
                return seen / len(truth)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(training, done * training.epochs)
            x = augment(batches.batch(chosen), settings.augmentation)
            training_step(network, optimizer, LOSSES[training.loss], x, truth[chosen])
            seen += len(chosen)


if __name__ == "__main__":
    main()
