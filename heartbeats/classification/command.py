"""The command ``driver.py``: its options and its last lines."""

import argparse
import sys
from dataclasses import replace

from heartbeats.classification.folder import classify_folder
from heartbeats.classification.model_folder import load_model
from heartbeats.classification.threshold import read_thresholds
from heartbeats.common.console import path_argument, print_line
from heartbeats.common.errors import one_line_errors


def run(description: str | None) -> None:
    """Run the command, and exit."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=path_argument, help="folder written by train_model.py, or pretrained")
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
        if options.table and options.table == options.embeddings:
            parser.error("--table and --embeddings must name two files")
    except SystemExit as ended:
        sys.exit(1 if ended.code else 0)  # argparse's own status is 2
    with one_line_errors("driver.py", interrupted="interrupted; run the same command with --resume to continue"):
        model = load_model(options.model)
        if options.thresholds:
            model = replace(model, thresholds=read_thresholds(options.thresholds, model.classes))
        outcome = classify_folder(
            model,
            options.data,
            options.out,
            table=options.table,
            embeddings=options.embeddings,
            scheduler=options.scheduler,
            resume=options.resume,
        )
    skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
    print_line(f"{outcome.classified} recordings classified, {outcome.failed} not{skipped}")
    if outcome.seen:
        print_line(f"{outcome.seen} of them trained the model or chose its threshold: do not quote a score on them")
    sys.exit(1 if outcome.failed and not (outcome.classified or outcome.skipped) else 0)
