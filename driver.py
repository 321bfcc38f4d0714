#!/usr/bin/env python
"""Classify a folder of recordings: python driver.py MODEL DATA [OUT] [--table FILE] [--scheduler ADDRESS] [--resume]

It writes OUT/NAME.csv for every recording NAME, or a table, or both. If a recording cannot be classified, its labels
are 0, its probabilities are nan, and the reason is printed to stderr. The exit status is 1 if no recording could be
classified, an argument is wrong or a file cannot be written. After a kill, use --resume to continue.
"""

import argparse
import sys

from heartbeats.classification.folder import classify_folder
from heartbeats.common.console import path_argument, print_line
from heartbeats.common.errors import one_line_errors
from team_code import load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=path_argument, help="folder written by train_model.py")
    parser.add_argument("data", type=path_argument, help="folder of recordings, sub-folders included")
    parser.add_argument("out", type=path_argument, nargs="?", help="folder for the output files, made if missing")
    parser.add_argument("--table", type=path_argument, help="a table of all answers: FILE.csv or FILE.parquet")
    parser.add_argument("--scheduler", help="classify on a Dask cluster: tcp://HOST:8786, or local for this machine")
    parser.add_argument("--resume", action="store_true", help="skip recordings that are classified already")
    try:
        options = parser.parse_args()
        if not (options.out or options.table):
            parser.error("name a folder OUT, or --table FILE")
    except SystemExit as ended:
        sys.exit(1 if ended.code else 0)  # argparse's own status is 2
    with one_line_errors("driver.py", interrupted="interrupted; run the same command with --resume to continue"):
        places = {"output_directory": options.out, "table": options.table}
        outcome = classify_folder(
            load_model(options.model), options.data, **places, scheduler=options.scheduler, resume=options.resume
        )
    skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
    print_line(f"{outcome.classified} recordings classified, {outcome.failed} not{skipped}")
    if outcome.seen:
        print_line(f"{outcome.seen} of them made the model (training or threshold): do not quote a score on them")
    sys.exit(1 if outcome.failed and not (outcome.classified or outcome.skipped) else 0)


if __name__ == "__main__":
    main()
