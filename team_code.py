"""The functions that the Challenge's organisers call to train, load and run this entry.

The organisers' harness of 2021 calls ``training_code``, then ``load_model`` once per lead set, then ``run_model`` per
recording. A loop of 2020 calls ``load_model`` once and ``run_classifier``, the same function, per recording.
"""

import logging
import os
from pathlib import Path

from heartbeats.classification.ensemble import Classifier
from heartbeats.classification.model_folder import load_model
from heartbeats.classification.run import run_classifier
from heartbeats.common.settings import Settings
from heartbeats.training.log import training_log
from heartbeats.training.parallel import is_first
from heartbeats.training.pipeline import train_model

__all__ = ["load_model", "run_classifier", "run_model", "training_code"]
Folder = str | os.PathLike[str]
run_model = run_classifier


def training_code(
    data_directory: Folder, model_directory: Folder, settings: Settings | None = None, start: Classifier | None = None
) -> None:
    """Train on a folder of Challenge recordings, and write a model folder with its report; by default, as the paper.

    :func:`~heartbeats.training.pipeline.train_model` has the arguments and the errors. A failed report is only logged.
    """
    directory = Path(model_directory)
    with training_log(directory):
        train_model(Path(data_directory), directory, settings or Settings(), start)
        if is_first():
            try:
                from heartbeats.reports.training_report import write_training_report  # noqa: PLC0415 - slow to load

                write_training_report(directory)
            except Exception:
                logging.getLogger("heartbeats").exception("the report could not be made; train again to try again")
