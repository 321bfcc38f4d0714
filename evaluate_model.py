#!/usr/bin/env python
"""Score output files against the labels in the headers, with the Challenge's reward weights of 2020.

python evaluate_model.py LABELS OUTPUTS                               prints the seven measures
python evaluate_model.py LABELS OUTPUTS SCORES.csv                    writes them
python evaluate_model.py LABELS OUTPUTS SCORES.csv CLASS_SCORES.csv   and three measures per class
python evaluate_model.py LABELS OUTPUTS --report REPORT.html          also writes a page of scores with intervals
"""

import argparse

from heartbeats.challenge.scoring import read_submission
from heartbeats.common.console import path_argument
from heartbeats.common.errors import one_line_errors
from heartbeats.common.files import write_to


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=path_argument, help="folder of header files, sub-folders included")
    parser.add_argument("outputs", type=path_argument, help="folder of output files, NAME.csv for each header NAME.hea")
    parser.add_argument("scores", type=path_argument, nargs="?", help="file for the seven measures (default: printed)")
    parser.add_argument("class_scores", type=path_argument, nargs="?", help="file for three measures per class")
    parser.add_argument("--report", type=path_argument, help="HTML file for scores and charts with intervals")
    options = parser.parse_intermixed_args()
    with one_line_errors("evaluate_model.py"):
        submission = read_submission(options.labels, options.outputs)
        scores = submission.score()
        write_to(options.scores, scores.table()) if options.scores else print(scores.table())
        if options.class_scores:
            write_to(options.class_scores, scores.class_table())
        if options.report:
            from heartbeats.reports.score_report import score_report  # noqa: PLC0415 - slower to load than scoring is

            write_to(options.report, score_report(submission, options.labels, options.outputs))


if __name__ == "__main__":
    main()
