#!/usr/bin/env python
"""Classify a folder of recordings: python driver.py MODEL DATA [OUT] [--table FILE] [--scheduler ADDRESS] [--resume]

It writes OUT/NAME.csv for every recording NAME, or a table, or both. If a recording cannot be classified, its labels
are 0, its probabilities are nan, and the reason is printed to stderr. The exit status is 1 if no recording could be
classified, an argument is wrong or a file cannot be written. After a kill, use --resume to continue.
"""

import argparse
import sys
from dataclasses import replace

from heartbeats.classification.folder import classify_folder
from heartbeats.classification.threshold import read_thresholds
from heartbeats.common.console import path_argument, print_line
from heartbeats.common.errors import one_line_errors
from team_code import load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=path_argument, help="folder written by train_model.py")
    parser.add_argument("data", type=path_argument, help="folder of recordings, sub-folders included")
    parser.add_argument("out", type=path_argument, nargs="?", help="folder for the output files, made if missing")
    parser.add_argument("--table", type=path_argument, help="a table of all answers: FILE.csv or FILE.parquet")
    parser.add_argument("--embeddings", type=path_argument, help="a table of the vectors before the head: FILE.parquet")
    parser.add_argument("--scheduler", help="classify on a Dask cluster: tcp://HOST:8786, or local for this machine")
    parser.add_argument(
        "--thresholds", type=path_argument, help="thresholds of your own: a CSV file of class,threshold"
    )
    parser.add_argument("--resume", action="store_true", help="skip recordings that are classified already")
    try:
        options = parser.parse_args()
        if not (options.out or options.table or options.embeddings):
            parser.error("name a folder OUT, or --table FILE")
    except SystemExit as ended:
        sys.exit(1 if ended.code else 0)  # argparse's own status is 2
    with one_line_errors("driver.py", interrupted="interrupted; run the same command with --resume to continue"):
        model = load_model(options.model)
        if options.thresholds:
            model = replace(model, thresholds=read_thresholds(options.thresholds))
        named = {name: getattr(options, name) for name in ("table", "embeddings", "scheduler", "resume")}
        outcome = classify_folder(model, options.data, options.out, **named)
    skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
    print_line(f"{outcome.classified} recordings classified, {outcome.failed} not{skipped}")
    if outcome.seen:
        print_line(f"{outcome.seen} of them made the model (training or threshold): do not quote a score on them")
    sys.exit(1 if outcome.failed and not (outcome.classified or outcome.skipped) else 0)


if __name__ == "__main__":
    main()
