"""What a command tells the user who can mend it: one line, without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from heartbeats.files import printable

__all__ = ["HeartBeatsError", "reported"]


class HeartBeatsError(Exception):
    """What was given cannot be used; the message says which file or setting, what is wrong with it, and what to do.

    All errors of this package are of this class, but for arguments of functions that are out of range (``ValueError``,
    ``TypeError``) and for what the system refuses (``OSError``).
    """


@contextmanager
def reported(program: str, *, interrupted: str = "interrupted") -> Iterator[None]:
    """End the program with one line on stderr and status 1 where its input, the system or Ctrl-C ends what is within.

    Whatever else is raised is a fault of the program, and keeps its traceback.

    Args:
        program: begins the line.
        interrupted: what is said after Ctrl-C.

    Raises:
        SystemExit: with the line.
    """
    try:
        yield
    except (HeartBeatsError, OSError) as error:
        sys.exit(f"{program}: {printable(str(error))}")
    except KeyboardInterrupt:
        sys.exit(f"{program}: {interrupted}")
