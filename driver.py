#!/usr/bin/env python
"""Classify a folder of recordings with a trained model.

    python driver.py MODEL DATA OUT [--resume]
    torchrun --standalone --nproc-per-node=N driver.py MODEL DATA OUT      the same by N processes, one per GPU

Writes OUT/NAME.csv for every recording NAME. A recording that cannot be classified gets labels 0 and probabilities NaN;
its name and the reason go to stderr. The exit status is 1 when nothing could be classified, an argument is wrong or a
file cannot be written. After a kill, --resume does what is left: recordings with an output file, of whichever model,
are passed over, and count as classified for the exit status; those that could not be classified are tried again.
"""

import argparse
import sys

from heartbeats.classification.folder import classify_folder
from heartbeats.common import collective, ranks
from heartbeats.common.console import path_argument, print_line
from heartbeats.common.errors import one_line_errors
from team_code import load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=path_argument, help="folder written by train_model.py")
    parser.add_argument("data", type=path_argument, help="folder of recordings, sub-folders included")
    parser.add_argument("out", type=path_argument, help="folder for the output files, made if missing")
    parser.add_argument("--resume", action="store_true", help="pass over recordings that are classified already")
    try:
        arguments = parser.parse_args()
    except SystemExit as ended:
        sys.exit(1 if ended.code else 0)  # argparse's own is 2
    with one_line_errors("driver.py", interrupted="interrupted; the same command with --resume does what is left"):
        model = load_model(arguments.model)
        with collective.joined():
            outcome = classify_folder(model, arguments.data, arguments.out, resume=arguments.resume)
    if ranks.is_first():
        before = f", {outcome.passed_over} before" if outcome.passed_over else ""
        print_line(f"{outcome.classified} recordings classified, {outcome.failed} not{before}")
    sys.exit(1 if outcome.failed and not (outcome.classified or outcome.passed_over) else 0)


if __name__ == "__main__":
    main()
