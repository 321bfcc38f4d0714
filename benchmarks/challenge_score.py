"""Measure the challenge score of the whole entry on real recordings that it has not seen.

    python -m benchmarks.challenge_score DATA [--config configs/quick.toml] [--seeds 3]

Each seed sets 20 % of the recordings aside. The choice depends only on their samples. Training sees the other 80 %, and
uses 20 % of them to search the threshold. All recordings set aside are scored, also those without a scored label, as
the organisers do. Always answering sinus rhythm scores 0. The 95 % interval is a bootstrap over seeds and recordings.
"""

import tempfile
from pathlib import Path

from benchmarks.measuring import ROOT, arguments, machine
from heartbeats.challenge.scoring import read_submission
from heartbeats.classification.folder import classify_folder
from heartbeats.common.errors import one_line_errors
from heartbeats.common.settings import Settings, read_settings
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import RecordingError, read_recording, signal_files
from heartbeats.experiments.command import with_changes
from heartbeats.experiments.trainings import Answers, estimate
from heartbeats.training.cohort import draw
from team_code import load_model, training_code


def main() -> None:
    options = arguments(__doc__, "data", config=ROOT / "configs/quick.toml", seeds=3)
    print(f"{machine()}; {options.config.name}")
    runs = []
    with one_line_errors("challenge_score"):
        settings = read_settings(options.config)
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory() as folder:
                set_aside(options.data, Path(folder), seed)
                runs.append(run := train_and_answer(Path(folder), settings, seed))
            print(f"seed {seed}: challenge score {run.score():.3f} on {len(run.names)} unseen recordings", flush=True)
    print(f"mean and 95 % interval: {estimate(runs)}")


def set_aside(data: Path, folder: Path, seed: int) -> None:
    """Link 20 % of the recordings into ``folder/unseen`` and the others into ``folder/training``."""
    (folder / "unseen").mkdir()
    (folder / "training").mkdir()
    for header_file in find_headers(data):
        try:
            # Not the seed with which training draws its validation recordings.
            unseen = draw(read_recording(header_file).digest, seed=1000 + seed) < 0.2
        except RecordingError as error:
            print(f"{header_file} is left out: {error}")
            continue
        for file in (header_file, *signal_files(header_file)):
            (folder / ("unseen" if unseen else "training") / file.name).symlink_to(file.resolve())


def train_and_answer(folder: Path, settings: Settings, seed: int) -> Answers:
    """Train on ``folder/training`` and classify ``folder/unseen``."""
    seeded = with_changes(settings, [f"cohort.seed={seed}", f"training.seed={seed}"])
    training_code(folder / "training", folder / "model", seeded)
    classify_folder(load_model(folder / "model"), folder / "unseen", folder / "outputs")
    submission = read_submission(folder / "unseen", folder / "outputs")
    return Answers(submission.names, submission.names, submission.labels, submission.binary, submission.scalar)


if __name__ == "__main__":
    main()
