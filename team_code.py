"""The contract with the Challenge's organisers: how to train, load and run this entry.

The organisers' harness of 2021 calls ``training_code``, then ``load_model`` once per lead set, then ``run_model`` per
recording. A loop of 2020 calls ``load_model`` once and ``run_classifier``, the same function, per recording.
"""

import os
from pathlib import Path

from heartbeats.classification.model_folder import load_model
from heartbeats.classification.run import run_classifier
from heartbeats.common.settings import Settings
from heartbeats.training.log import training_log
from heartbeats.training.parallel import is_first
from heartbeats.training.pipeline import train_model

__all__ = ["load_model", "run_classifier", "run_model", "training_code"]

PathLike = str | os.PathLike[str]

run_model = run_classifier


def training_code(data_directory: PathLike, model_directory: PathLike, settings: Settings | None = None) -> None:
    """Train on a folder of Challenge recordings, and write a model folder with its report.

    The default settings are the paper's. :func:`heartbeats.training.pipeline.train_model` lists the errors.
    """
    directory = Path(model_directory)
    with training_log(directory):
        train_model(Path(data_directory), directory, settings or Settings())
        if is_first():
            # Only here: the driver starts faster without the drawing library.
            from heartbeats.reports.training_report import write_training_report  # noqa: PLC0415

            write_training_report(directory)
