"""The base class of this package's errors, and one-line error messages for commands."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from heartbeats.common.console import printable


class HeartBeatsError(Exception):
    """An input cannot be used. The message says which file or setting, what is wrong, and what to do.

    Two other kinds of errors leave this package: ``ValueError`` and ``TypeError`` for arguments out of range, and
    ``OSError`` for what the operating system refuses.
    """


@contextmanager
def one_line_errors(program: str, *, interrupted: str = "interrupted") -> Iterator[None]:
    """End the program with one line on stderr and status 1 after a bad input, a refused file or Ctrl-C.

    Other exceptions are faults of the program and keep their traceback.

    Args:
        program: the first word of the line.
        interrupted: the message after Ctrl-C.

    Raises:
        SystemExit: with the line.
    """
    try:
        yield
    except (HeartBeatsError, OSError) as error:
        sys.exit(f"{program}: {printable(str(error))}")
    except KeyboardInterrupt:
        sys.exit(f"{program}: {interrupted}")
