"""The base class of this package's errors, and one-line error messages for commands."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from heartbeats.common.console import printable


class HeartBeatsError(Exception):
    """An input cannot be used. The message says which file or setting, what is wrong, and what to do.

    This package also raises ``ValueError`` and ``TypeError`` for wrong arguments, and ``OSError`` for system errors.
    """


@contextmanager
def one_line_errors(program: str, *, interrupted: str = "interrupted") -> Iterator[None]:
    """Exit with status 1 and one line on stderr after a HeartBeatsError, an OSError or Ctrl-C.

    Other exceptions are bugs and keep their traceback.

    Args:
        program: the first word of the line.
        interrupted: the message after Ctrl-C.

    Raises:
        SystemExit: the line is its argument.
    """
    try:
        yield
    except (HeartBeatsError, OSError) as error:
        sys.exit(f"{program}: {printable(str(error))}")
    except KeyboardInterrupt:
        sys.exit(f"{program}: {interrupted}")


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Name the extra to install, if an import fails.

    Raises:
        HeartBeatsError: a package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        said = f"the package {error.name} is missing: in your clone of HeartBeats, run pip install '.[{extra}]'"
        raise HeartBeatsError(said) from error
