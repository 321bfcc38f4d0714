"""Whole files or none, written under a temporary name and then renamed; one writer at a time; and which code wrote.

Names and texts of files may hold anything: :func:`printable` makes them fit to be shown.
"""

from __future__ import annotations

import argparse
import ast
import csv
import errno
import fcntl
import hashlib
import io
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

__all__ = [
    "SOURCES",
    "InUseError",
    "code_digest",
    "csv_text",
    "locked",
    "named_path",
    "naming",
    "printable",
    "read_bytes",
    "remove_half_written",
    "replace_file",
    "write_text",
    "write_where_told",
]


# The code of this package as it was when it was loaded: what a file holds later is not what runs.
SOURCES = {path.stem: path.read_bytes() for path in Path(__file__).parent.glob("*.py")}
# What leads to an open file, which is neither to be replaced nor cut.
_STREAM = re.compile(r"/dev/(stdout|stderr|fd/\d+)|/proc/(self|\d+)/fd/\d+")
LARGEST_TEXT = 16 * 2**20  # bytes; the Challenge's headers have one or two thousand


class InUseError(OSError):
    """Another process has the lock; the message names what it is of."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a folder; the system lets it go however the process ends.

    Raises:
        InUseError: another process holds it.
        OSError: there is no such folder.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUseError(
                f"{directory} is in use by another process: wait for it, or name another folder"
            ) from error
        yield
    finally:
        os.close(descriptor)


def read_bytes(path: Path | str) -> bytes:
    """A text file's content; scoring reads 86,202 files, and making paths takes longer than that.

    Raises:
        OSError: it cannot be read, is not a file (a pipe would be waited for), or is larger than :data:`LARGEST_TEXT`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a file", str(path))
        if status.st_size > LARGEST_TEXT:
            raise OSError(errno.EFBIG, f"{status.st_size} bytes are no header, label or output", str(path))
        return b"".join(iter(partial(os.read, descriptor, status.st_size + 1), b""))
    finally:
        os.close(descriptor)


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file under a temporary name in ``path``'s folder, then give it its name.

    A killed or failing process leaves the earlier file, or none, but never half of one. A link is replaced and not
    followed: nothing beyond the folder is written, whoever made the link.

    Raises:
        OSError: the folder cannot be written, or the disk is full. What was half-written is removed.
    """
    # Names end at 255 bytes. Containers on one folder have processes of the same number, and names may begin alike.
    temporary = path.with_name(f".{path.name[:50]}.{secrets.token_hex(8)}.tmp")
    try:
        with naming(path, instead_of=temporary):
            write(temporary)
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path, *, instead_of: Path | None = None) -> Iterator[None]:
    """What the system refuses within is told with the name of the file that means something to whoever reads it.

    A full disk gives none.
    """
    try:
        yield
    except OSError as error:
        if error.errno and error.filename in (None, str(instead_of)):
            error.filename = str(path)
        raise


def remove_half_written(folder: Path) -> None:
    """Remove what killed processes left of files that :func:`replace_file` was making in a folder, if there is one.

    Raises:
        OSError: a file cannot be removed.
    """
    for path in folder.glob(".*.tmp"):
        if re.fullmatch(r"\..+\.[0-9a-f]{16}\.tmp", path.name) and path.is_file():
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with plain newlines, whole or not at all (see :func:`replace_file`).

    Bytes of file names that are not UTF-8 are written as they are.
    """
    content = text.encode("utf-8", "surrogateescape")
    replace_file(path, lambda temporary: temporary.write_bytes(content))


def csv_text(heading: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table as a CSV file's text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([heading, *rows])
    return text.getvalue()


def write_where_told(path: Path, text: str) -> None:
    """Write ``text`` where the user said: into a pipe, a device or /dev/stdout, else whole, and where a link leads.

    What may follow in a pipe, a device or /dev/stdout begins on a line of its own.

    Raises:
        OSError: it cannot be written.
    """
    if _STREAM.fullmatch(str(path)) or (path.exists() and not path.is_file()):
        with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text if text.endswith("\n") else f"{text}\n")
        return
    try:
        place = path.resolve()
    except RuntimeError as error:
        raise OSError(f"{path} is a loop of links") from error
    write_text(place, text)


def named_path(text: str) -> Path:
    """The path that an argument of a command names; for ``argparse``.

    Raises:
        ArgumentTypeError: it is empty, as of a shell variable that is not set; a ``Path`` of it is the current folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("an empty name; is a variable not set?")
    return Path(text)


def printable(text: str) -> str:
    """``text`` on one line: what has no picture, or would steer a terminal, is written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def code_digest(*modules: str) -> str:
    """SHA-256 of the code of modules of this package, without comments, docstrings and layout.

    What was stored or half-trained by other code is not taken for this code's: a researcher who changes a loss or a
    filter gets what the change gives, without a version number to remember. It is the code that runs: a file that is
    edited meanwhile counts from the next start on.
    """
    return _digest(tuple(SOURCES[name] for name in modules))


@cache
def _digest(sources: tuple[bytes, ...]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                del node.body[0]
        digest.update(ast.unparse(tree).encode())
    return digest.hexdigest()
