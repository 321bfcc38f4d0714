"""The challenge score of the whole entry on real recordings that it has not seen: train, drive, score, per seed.

    python -m benchmarks.challenge_score DATA [--config configs/quick.toml] [--seeds 3] [--work FOLDER]

For each seed a rule of the recordings' samples alone (that of the cohort, under another seed) sets 20 % of them
aside. The other 80 % are all that training sees: it takes its own 20 % for the threshold out of them. All that is set
aside is scored, recordings without a scored label included, as the organisers do. Always answering sinus rhythm scores
0. Printed are the score of each seed, their mean, and a 95 % bootstrap interval of that mean over both the seeds and
the recordings; a recording that several seeds set aside is drawn for all of them or for none.
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

from benchmarks.measuring import machine
from heartbeats.challenge.diagnoses import label_matrix, read_weights
from heartbeats.challenge.outputs import read_output
from heartbeats.challenge.scoring import output_matrices
from heartbeats.classification.folder import classify_folder
from heartbeats.common.errors import one_line_errors
from heartbeats.common.settings import Settings, read_settings
from heartbeats.ecg.header import find_headers, parse_diagnoses, read_header_text
from heartbeats.ecg.recording import RecordingError, read_recording, signal_files
from heartbeats.experiments.trainings import Answers, estimate
from heartbeats.training.cohort import drawn
from team_code import load_model, training_code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--config", type=Path, default=Path(__file__).parents[1] / "configs/quick.toml")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for models and outputs (default: a temporary one)")
    arguments = parser.parse_args()
    with one_line_errors("challenge_score"):
        settings = read_settings(arguments.config)
        with tempfile.TemporaryDirectory() as temporary:
            work = arguments.work or Path(temporary)
            runs = [train_and_drive(arguments.data, work, settings, seed) for seed in range(arguments.seeds)]

    print(f"{machine()}; {arguments.config.name}")
    for seed, run in enumerate(runs):
        print(f"seed {seed}: challenge score {run.score():.3f} on {len(run.names)} unseen recordings")
    print(f"mean and 95 % interval: {estimate(runs)}")


def train_and_drive(data: Path, work: Path, settings: Settings, seed: int) -> Answers:
    """Train on 80 % of the recordings and classify the other 20 %."""
    sides = {"training": work / f"seed{seed}/training", "unseen": work / f"seed{seed}/unseen"}
    for side in sides.values():
        side.mkdir(parents=True, exist_ok=True)
        for link in side.iterdir():  # of an earlier run, maybe on other data
            link.unlink()
    for header_file in find_headers(data):
        try:
            unseen = drawn(read_recording(header_file).digest, by=1000 + seed) < 0.2
        except RecordingError as error:
            print(f"{header_file.stem} is left out: {error}")
            continue
        side = sides["unseen" if unseen else "training"]
        if (side / header_file.name).exists():
            print(f"{header_file} is left out: another recording has its name")
            continue
        for file in (header_file, *signal_files(header_file)):
            if not (side / file.name).exists():  # several headers may name one file
                (side / file.name).symlink_to(file.resolve())
    model, outputs = work / f"seed{seed}/model", work / f"seed{seed}/outputs"
    settings = dataclasses.replace(settings, training=dataclasses.replace(settings.training, seed=seed))
    training_code(sides["training"], model, settings)
    classify_folder(load_model(model), sides["unseen"], outputs)
    weights = read_weights()
    headers = find_headers(sides["unseen"])
    labels = label_matrix([parse_diagnoses(read_header_text(path)) for path in headers], weights.classes)
    binary, _ = output_matrices([read_output(outputs / f"{path.stem}.csv") for path in headers], weights)
    return Answers(tuple(path.stem for path in headers), labels, binary)


if __name__ == "__main__":
    main()
