"""Convert a data set, or check a download of the Challenge's data.

python -m heartbeats.datasets hefei|ptbxl|ludb SOURCE OUT
python -m heartbeats.datasets check FOLDER
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from heartbeats.challenge.diagnoses import ABBREVIATIONS
from heartbeats.common.console import path_argument, print_line, printable
from heartbeats.common.errors import one_line_errors
from heartbeats.datasets.check import check_folder
from heartbeats.datasets.hefei import HEFEI, convert_hefei
from heartbeats.datasets.ludb import LUDB, convert_ludb
from heartbeats.datasets.ptbxl import PTB_XL, convert_ptbxl
from heartbeats.datasets.writer import UNKNOWN, Report


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert a data set, or check a folder. Return the exit status: 1 if no recording was written."""
    parser = argparse.ArgumentParser(
        prog="python -m heartbeats.datasets",
        description="Convert a published data set, or check a download of the Challenge's data.",
    )
    sets = parser.add_subparsers(required=True, metavar="SET")
    for data_set, convert in ((HEFEI, convert_hefei), (PTB_XL, convert_ptbxl), (LUDB, convert_ludb)):
        one = sets.add_parser(data_set.key, help=data_set.title, description=f"{data_set.title}: {data_set.page}")
        one.set_defaults(convert=convert)
        one.add_argument("source", type=path_argument, metavar="SOURCE", help="the unpacked folder of the set")
        one.add_argument("out", type=path_argument, metavar="OUT", help="a new or empty folder")
        if data_set is PTB_XL:
            one.add_argument("--rate", type=int, choices=(500, 100), help="Hz: records500 (default) or records100")
            one.add_argument(
                "--likelihood", type=float, metavar="PERCENT", help="omit statements that are less likely (default: 0)"
            )
    checking = sets.add_parser("check", help="count the recordings of the Challenge's sources, and read each")
    checking.add_argument("folder", type=path_argument, metavar="FOLDER")
    options = vars(parser.parse_args(arguments))
    if folder := options.get("folder"):
        with one_line_errors("heartbeats.datasets"):
            for line in check_folder(folder):
                print(printable(line))
        return 0
    convert = options.pop("convert")
    with one_line_errors("heartbeats.datasets"):
        report = convert(**{name: value for name, value in options.items() if value is not None})
    _print(report, options["out"])
    return 0 if report.written else 1


def _print(report: Report, out: Path) -> None:
    for problem in report.problems:
        print_line(f"{problem.recording}: {problem.outcome}: {problem.reason}")
    print_line(f"{out}: {report.summary()}")
    counts = [f"{name} {report.codes[code]}" for code, name in ABBREVIATIONS.items() if report.codes[code]]
    print_line(f"scored diagnoses: {', '.join(counts) or 'none'}")
    if report.unmapped:
        print_line("terms without a code, and their number of recordings (unmapped.csv has the reasons):")
    for term, count in report.unmapped.most_common():
        print_line(f"{count:7d}  {term}{'  (unknown)' if report.reasons[term] == UNKNOWN else ''}")


if __name__ == "__main__":
    sys.exit(main())
