#!/usr/bin/env python
"""Classify a folder of recordings: python driver.py MODEL DATA [OUT] [--table FILE] [--scheduler ADDRESS] [--resume]

MODEL is a folder written by train_model.py, or the word pretrained: the model that comes with this code. The command
writes OUT/NAME.csv for every recording NAME, or a table, or both. If a recording cannot be classified, its labels are
0, its probabilities are nan, and the reason is printed to stderr. The exit status is 1 if no recording could be
classified, an argument is wrong or a file cannot be written. After a kill, use --resume to continue.
"""

from heartbeats.classification.command import run


def main() -> None:
    run(__doc__)


if __name__ == "__main__":
    main()
