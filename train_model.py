#!/usr/bin/env python
"""Train the entry on a folder of Challenge recordings.

    python train_model.py DATA MODEL                                the paper (configs/paper.toml)
    python train_model.py DATA MODEL --config configs/quick.toml    minutes on two CPU cores
    python train_model.py DATA MODEL --from pretrained              start from the weights of another model

    torchrun --standalone --nproc-per-node=N train_model.py DATA MODEL      one process per GPU

It uses a GPU if there is one. After a kill, run the same command again to resume from the last finished epoch.
"""

import argparse

from heartbeats.common.console import path_argument
from heartbeats.common.errors import one_line_errors
from heartbeats.common.settings import Settings, read_settings
from team_code import load_model, training_code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=path_argument, help="folder of recordings, sub-folders included")
    parser.add_argument("model", type=path_argument, help="folder for the model, made if missing")
    parser.add_argument("--config", type=path_argument, help="settings that differ from the paper's (TOML)")
    parser.add_argument("--from", dest="start", type=path_argument, help="a model folder, or pretrained")
    arguments = parser.parse_args()
    with one_line_errors("train_model.py", interrupted="interrupted; run the same command again to resume"):
        settings = read_settings(arguments.config) if arguments.config else Settings()
        start = load_model(arguments.start) if arguments.start else None
        training_code(arguments.data, arguments.model, settings, start=start)


if __name__ == "__main__":
    main()
