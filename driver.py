#!/usr/bin/env python
"""Classify a folder of recordings with a trained model.

    python driver.py MODEL DATA OUT

Writes OUT/NAME.csv for every recording NAME. A recording that cannot be classified gets labels 0 and probabilities NaN;
its name and the reason go to stderr. The exit status is 1 only when nothing could be classified.
"""

import argparse
import sys
from pathlib import Path

from heartbeats.classifier import ModelError
from heartbeats.entry import classify_folder
from team_code import load_model


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder written by train_model.py")
    parser.add_argument("data", help="folder of recordings, sub-folders included")
    parser.add_argument("out", help="folder for the output files, made if missing")
    arguments = parser.parse_args()
    try:
        classified, failed = classify_folder(load_model(arguments.model), Path(arguments.data), Path(arguments.out))
    except (ModelError, OSError) as error:
        print(f"driver.py: {error}", file=sys.stderr)
        return 1
    print(f"{classified} recordings classified, {failed} not", file=sys.stderr)
    return 0 if classified else 1


if __name__ == "__main__":
    sys.exit(main())
