"""Compare the compact network with another library's network, on the same recordings and with the same training time.

    python -m benchmarks.peer DATA OUT [--config configs/compact.toml] [--minutes 30]

The other network is ECG_CRNN of torch_ecg with its published configuration for 12 leads.
DATA has train/ (with the folds of the settings) and test/. Each network trains for the given minutes with the settings'
loss, batch size and one cycle, and reads the same signals at the settings' sampling rate. The threshold is searched on
the validation fold; test/ is scored. torch_ecg needs NumPy 1, so run this in an environment of its own:

    pip install torch==2.13.0 'numpy<2' 'pandas<3' torch_ecg==0.0.30 peakutils
    pip install safetensors joblib sleepecg filelock PyWavelets
"""

import time
from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn
from torch_ecg.model_configs import ECG_CRNN_CONFIG
from torch_ecg.models import ECG_CRNN

from benchmarks.measuring import ROOT, arguments, machine
from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.challenge.scoring import submission
from heartbeats.classification.decision import Evidence, decide
from heartbeats.classification.threshold import search_threshold
from heartbeats.common.settings import Settings, read_settings
from heartbeats.ecg.header import find_headers
from heartbeats.experiments.command import with_changes
from heartbeats.networks.inference import InferenceNetwork
from heartbeats.networks.losses import LOSSES
from heartbeats.networks.se_resnet import Decimation, SEResNet, twelve_leads
from heartbeats.preparation.prepared import PreparedRecording, prepare_files
from heartbeats.preparation.signals import SAMPLING_RATE
from heartbeats.training.augmentation import augment
from heartbeats.training.batches import Batches
from heartbeats.training.cohort import build_cohort, select_recordings
from heartbeats.training.loop import learning_rate, training_step


class Peer(nn.Module):
    """torch_ecg's network behind the interface of ours: eight leads in mV at 500 Hz to 27 logits."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.decimation = Decimation(SAMPLING_RATE // settings.network.sampling_rate)
        self.register_buffer("combinations", twelve_leads())
        self.network = ECG_CRNN(classes=list(CLASSES), n_leads=12, config=deepcopy(ECG_CRNN_CONFIG))

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
    for network in (SEResNet(settings.network), Peer(settings)):
        torch.manual_seed(0)
        epochs = train(network, *cohort.side(validating=False), settings, 60.0 * options.minutes)
        (seconds,) = settings.training.seconds
        inference = InferenceNetwork(network, seconds=seconds)
        validating, labels = cohort.side(validating=True)
        found = search_threshold(
            inference.probabilities([each.signal for each in validating]),
            Evidence.of(validating, settings.decision),
            labels,
            settings.decision,
        )
        started = time.monotonic()
        probabilities = inference.probabilities([each.signal for each in test])
        rate = len(test) / (time.monotonic() - started)
        decided = decide(probabilities, Evidence.of(test, settings.decision), found.threshold, settings.decision)
        scores = submission([each.name for each in test], selection.labels[usable], decided, probabilities).score()
        weights = sum(parameter.numel() for parameter in network.parameters())
        figures = f"challenge score {scores.challenge_metric:.3f}, AUROC {scores.auroc:.3f} on {len(test)} recordings"
        size = f"{weights / 1e6:.2f} million weights, {epochs:.1f} epochs, answers {rate:.0f} recordings/s"
        print(f"{type(network).__name__}: {figures}; {size}", flush=True)


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
