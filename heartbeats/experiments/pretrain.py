"""Train a small model to share.

    python -m heartbeats.experiments.pretrain PTBXL CHALLENGE OUT --config configs/compact.toml

PTBXL has train/ (folds 1 to 9), test/ (fold 10) and patients.csv. CHALLENGE has a folder of recordings for each other
source; its folder ptb_xl is not used, because PTBXL has the same patients. A fifth of each other source is held out.

OUT/data/train and OUT/data/test then have links to the recordings (those of the other sources that are held out are in
OUT/data/test/others). OUT/model is the trained model, and OUT/pretrained the same model with weights of 16 bits and
without the names of recordings. Run the same command again to resume.
"""

import argparse
import json
import logging
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from heartbeats.classification.model_folder import MODEL_FILE, load_model, save_model
from heartbeats.common.console import path_argument, print_line
from heartbeats.common.errors import one_line_errors
from heartbeats.common.settings import read_settings
from heartbeats.ecg.header import find_headers
from heartbeats.ecg.recording import read_recording, signal_files
from heartbeats.experiments.command import RESUME
from heartbeats.preparation.workers import Failure, attempt
from heartbeats.training.cohort import draw
from heartbeats.training.pipeline import train_model

HELD_OUT = 0.2
PTB_XL = "ptb_xl"
KEPT = ("cohort", "operating_points", "threshold_search", "training", "validation_scores", "versions")  # of model.json


def main(arguments: Sequence[str] | None = None) -> None:
    """Link the recordings, train, and write the small model folder."""
    parser = argparse.ArgumentParser(
        prog="python -m heartbeats.experiments.pretrain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("ptbxl", type=path_argument, metavar="PTBXL")
    parser.add_argument("challenge", type=path_argument, metavar="CHALLENGE")
    parser.add_argument("out", type=path_argument, metavar="OUT")
    parser.add_argument("--config", type=path_argument, required=True, help="settings (TOML)")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with one_line_errors("pretrain", interrupted=RESUME):
        settings = read_settings(options.config)
        link_recordings(options.ptbxl, options.challenge, options.out / "data")
        train_model(options.out / "data/train", options.out / "model", settings)
        write_small(options.out / "model", options.out / "pretrained")


def link_recordings(ptbxl: Path, challenge: Path, out: Path) -> None:
    """Link the training and the test recordings into ``out``; write PTB-XL's patients there.

    A recording of another source is held out by a draw that depends on its samples alone.
    """
    for side in ("train", "test"):
        for header_file in find_headers(ptbxl / side):
            _link(header_file, out / side / PTB_XL)
    shutil.copyfile(ptbxl / "patients.csv", out / "patients.csv")
    for source in challenge.iterdir():
        if source.is_dir() and source.name != PTB_XL:
            for header_file in find_headers(source):
                recording = attempt(header_file.stem, partial(read_recording, header_file))
                if isinstance(recording, Failure):
                    print_line(f"{header_file}: left out: {recording.reason}")
                    continue
                held_out = draw(recording.digest, seed="held out") < HELD_OUT
                _link(header_file, out / ("test/others" if held_out else "train") / source.name)


def _link(header_file: Path, folder: Path) -> None:
    """Link a recording's files into a folder, if they are not yet there."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in (header_file, *dict.fromkeys(signal_files(header_file))):
        link = folder / file.name
        if not link.is_symlink():
            link.symlink_to(file.absolute())


def write_small(model: Path, out: Path) -> None:
    """Write a model folder with weights of 16 bits and the counts of its training, without names of recordings."""
    classifier = load_model(model, device=torch.device("cpu"))
    described = json.loads((model / MODEL_FILE).read_text(encoding="utf-8"))
    report = {key: described[key] for key in KEPT}
    for named in ("left_out", "warned"):
        report["cohort"][named] = {reason: len(names) for reason, names in report["cohort"][named].items()}
    for member in classifier.members:
        member.network.half()
    save_model(classifier, out, report)


if __name__ == "__main__":
    main()
