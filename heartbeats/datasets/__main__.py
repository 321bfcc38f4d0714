"""Write a data set in the Challenge's format: python -m heartbeats.datasets hefei|ptbxl|ludb SOURCE OUT."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from heartbeats.challenge.diagnoses import ABBREVIATIONS
from heartbeats.common.console import path_argument, printable
from heartbeats.common.errors import one_line_errors
from heartbeats.datasets.challenge_format import Report
from heartbeats.datasets.hefei import HEFEI, convert_hefei
from heartbeats.datasets.ludb import LUDB, convert_ludb
from heartbeats.datasets.ptbxl import PTB_XL, convert_ptbxl


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert a set; return the exit status, 1 where not one recording was written.

    What is wrong with single recordings is named on stderr and costs no other.
    """
    options = _parser().parse_args(arguments)
    with one_line_errors("heartbeats.datasets"):
        if options.set == HEFEI.key:
            report = convert_hefei(options.source, options.out)
        elif options.set == LUDB.key:
            report = convert_ludb(options.source, options.out)
        else:
            report = convert_ptbxl(
                options.source, options.out, sampling_rate=options.rate, least_likelihood=options.likelihood
            )
    _tell(report, options.out)
    return 0 if report.written else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m heartbeats.datasets",
        description="Turn a data set, as its owner publishes it, into a folder in the Challenge's format.",
    )
    sets = parser.add_subparsers(dest="set", required=True, metavar="SET")
    for data_set in (HEFEI, PTB_XL, LUDB):
        one = sets.add_parser(data_set.key, help=data_set.title, description=f"{data_set.title}: {data_set.page}")
        one.add_argument(
            "source", type=path_argument, metavar="SOURCE", help="the folder of the set, as it was unpacked"
        )
        one.add_argument("out", type=path_argument, metavar="OUT", help="a new or an empty folder")
        if data_set is PTB_XL:
            one.add_argument(
                "--rate", type=int, choices=(500, 100), default=500, help="Hz: records500 or records100 (default: 500)"
            )
            one.add_argument(
                "--likelihood",
                type=float,
                default=0.0,
                metavar="PERCENT",
                help="leave out statements that are known to be less likely (default: 0, none is left out)",
            )
    return parser


def _tell(report: Report, out: Path) -> None:
    """What was wrong to stderr, then what was written and which terms have no code to stdout."""
    for problem in report.problems:
        _say(f"{problem.recording}: {problem.outcome}: {problem.reason}", sys.stderr)
    for note in report.notes:
        _say(note, sys.stderr)
    _say(f"{out}: {report.summary()}", sys.stdout)
    counts = [f"{name} {report.codes[code]}" for code, name in ABBREVIATIONS.items() if report.codes[code]]
    _say(f"scored diagnoses: {', '.join(counts) or 'none'}", sys.stdout)
    if report.unmapped:
        _say("terms without a code, and in how many recordings (reasons in unmapped.csv):", sys.stdout)
    for term, count in report.unmapped.most_common():
        _say(f"{count:7d}  {term}{'' if term in report.reasons else '  (unknown)'}", sys.stdout)


def _say(text: str, stream: TextIO) -> None:
    """Print a line; what the terminal has no character for, and what would steer it, is written as an escape."""
    encoding = stream.encoding or "utf-8"
    print(printable(text).encode(encoding, "backslashreplace").decode(encoding), file=stream)


if __name__ == "__main__":
    sys.exit(main())
