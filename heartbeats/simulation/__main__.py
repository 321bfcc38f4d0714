"""Write a folder of simulated recordings: python -m heartbeats.simulation OUT --records 300 --seed 0."""

import argparse
from collections.abc import Sequence

from heartbeats import simulation
from heartbeats.common.console import path_argument
from heartbeats.common.errors import one_line_errors
from heartbeats.simulation.cohort import simulate_cohort


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate a cohort."""
    parser = argparse.ArgumentParser(prog="python -m heartbeats.simulation", description=simulation.__doc__)
    parser.add_argument("out", type=path_argument, metavar="OUT", help="a new or empty folder")
    parser.add_argument("--records", type=int, default=300, help="number of recordings (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal files (default: %(default)s)")
    options = parser.parse_args(arguments)
    with one_line_errors("heartbeats.simulation"):
        simulate_cohort(options.out, records=options.records, seed=options.seed)
    print(f"{options.out}: {options.records} simulated recordings, not of patients")


if __name__ == "__main__":
    main()
