#!/usr/bin/env python
"""Score output files against the labels in the headers, with weights.csv beside this script.

    python evaluate_model.py LABELS OUTPUTS                               prints the seven measures
    python evaluate_model.py LABELS OUTPUTS SCORES.csv                    writes them
    python evaluate_model.py LABELS OUTPUTS SCORES.csv CLASS_SCORES.csv   and three measures per class

LABELS is a folder of header files, OUTPUTS a folder of NAME.csv files.
"""

import argparse
import sys
from pathlib import Path

from heartbeats.files import write_text
from heartbeats.outputs import OutputError
from heartbeats.scoring import evaluate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, nargs in (("labels", None), ("outputs", None), ("scores", "?"), ("class_scores", "?")):
        parser.add_argument(name, type=Path, nargs=nargs)
    arguments = parser.parse_args()
    try:
        scores = evaluate(arguments.labels, arguments.outputs)
        if arguments.scores is None:
            print(scores.table())
        else:
            write_text(arguments.scores, scores.table())
        if arguments.class_scores is not None:
            write_text(arguments.class_scores, scores.class_table())
    except (OutputError, OSError, ValueError) as error:
        print(f"evaluate_model.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
