"""What commands print: one line at a time, safe for a terminal."""

import argparse
import sys
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm


def printable(text: str) -> str:
    """Return ``text`` on one line, with an escape for each character that cannot be printed or steers a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_line(message: str) -> None:
    """Print a line to stderr, above a progress bar if there is one.

    A closed pipe or a full disk raises nothing: output files hold the same facts.
    """
    with suppress(OSError):
        tqdm.write(printable(message), file=sys.stderr)


def path_argument(text: str) -> Path:
    """Return the path that a command's argument names; the ``type`` of an argparse argument.

    Raises:
        ArgumentTypeError: the argument is empty, for example because a shell variable is not set.
    """
    if not text:
        raise argparse.ArgumentTypeError("an empty path; is a shell variable not set?")
    return Path(text)
