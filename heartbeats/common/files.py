"""Read small files safely, and write files atomically."""

import csv
import errno
import io
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import filelock

LARGEST_TEXT = 16 * 2**20  # bytes; a Challenge header has 1000 to 2000
# Paths of open streams. They are written to, not replaced.
_STREAM = re.compile(r"/dev/(stdout|stderr|fd/\d+)|/proc/(self|\d+)/fd/\d+")


class InUseError(OSError):
    """Another process holds the lock of a folder; the message names the folder."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a folder. The system releases it when the process ends.

    Raises:
        InUseError: another process holds it.
        OSError: the folder does not exist or cannot be written.
    """
    try:
        with filelock.FileLock(directory / ".lock", timeout=0):
            yield
    except filelock.Timeout as error:
        raise InUseError(f"{directory} is in use by another process: wait for it, or name another folder") from error


def read_bytes(path: Path | str) -> bytes:
    """Return the content of a small file, such as a header or an output file.

    Raises:
        OSError: the path cannot be read, is not a regular file, or is larger than 16 MiB.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # otherwise a pipe blocks
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a file", str(path))
        if status.st_size > LARGEST_TEXT:
            raise OSError(errno.EFBIG, f"{status.st_size} bytes are too many for a header or output file", str(path))
        return b"".join(iter(partial(os.read, descriptor, status.st_size + 1), b""))
    finally:
        os.close(descriptor)


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Replace a file atomically: ``write`` makes a temporary file, which is then renamed to ``path``.

    If the process fails or is killed, the old file stays as it was. A link is replaced, not followed.

    Raises:
        OSError: the folder cannot be written, or the disk is full. The temporary file is removed.
    """
    temporary = path.with_name(f".{path.name[:50]}.{secrets.token_hex(8)}.tmp")
    try:
        write(temporary)
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary)):
            error.filename = str(path)  # the user knows this one
        raise


def remove_half_written(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder (see :func:`replace_file`).

    Raises:
        OSError: a file cannot be removed.
    """
    for path in folder.glob(".*.tmp"):
        if re.fullmatch(r"\..+\.[0-9a-f]{16}\.tmp", path.name) and path.is_file():
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 without newline translation, atomically (see :func:`replace_file`)."""
    content = text.encode("utf-8", "surrogateescape")  # keeps file names that are not UTF-8
    replace_file(path, lambda temporary: temporary.write_bytes(content))


def csv_text(heading: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as the text of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([heading, *rows])
    return text.getvalue()


def write_to(path: Path, text: str) -> None:
    """Write text to a file, pipe or device. Files are written atomically; links are followed.

    Raises:
        OSError: the path cannot be written.
    """
    if _STREAM.fullmatch(str(path)) or (path.exists() and not path.is_file()):
        with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text if text.endswith("\n") else f"{text}\n")
        return
    write_text(Path(os.path.realpath(path)), text)


def make_empty_folder(folder: Path) -> None:
    """Make a folder to write recordings into.

    Raises:
        FileExistsError: the path is a file or a folder that is not empty.
        OSError: the folder cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: name a new folder, so that no recording is overwritten")
