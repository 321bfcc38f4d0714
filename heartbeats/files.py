"""Whole files or none: everything is written under a temporary name beside its place, then renamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["replace_file", "write_text"]


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file under a temporary name in ``path``'s folder, then give it its name.

    A killed or failing process leaves the earlier file, or none, but never half of one.

    Raises:
        OSError: the folder cannot be written, or the disk is full. What was half-written is removed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with plain newlines, whole or not at all (see :func:`replace_file`)."""
    replace_file(path, lambda temporary: temporary.write_bytes(text.encode("utf-8")))
