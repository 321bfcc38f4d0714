"""Print one line at a time, with control characters escaped."""

import argparse
import sys
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm


def printable(text: str) -> str:
    """Return ``text`` on one line, with control and other non-printable characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_line(message: str) -> None:
    """Print a line to stderr, above a progress bar if there is one.

    A closed pipe or a full disk is ignored: output files hold the same facts.
    """
    with suppress(OSError):
        tqdm.write(printable(message), file=sys.stderr)


def path_argument(text: str) -> Path:
    """Convert a command-line argument to a path. It is a ``type`` for argparse.

    Raises:
        ArgumentTypeError: the argument is empty, for example because a shell variable is not set.
    """
    if not text:
        raise argparse.ArgumentTypeError("an empty path; is a shell variable not set?")
    return Path(text)
