"""Read a numeric variable from a MATLAB file that may be damaged or hostile.

The Challenge's files have version 4; others may have version 5. ``scipy.io.loadmat`` is not safe for version 5: one
wrong byte can crash the process, and a compressed variable can fill the memory. For the formats, see "MAT-File Format"
(MathWorks): chapter 1, and the appendix on MATLAB 4.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from heartbeats.common.errors import HeartBeatsError

# Limit of a file and of a variable: 30 min of 15 leads at 2000 Hz in float64 are 432 MB.
LARGEST = 512 * 2**20  # bytes

_NUMBERS_4 = ("f8", "f4", "i4", "i2", "u2", "u1")
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC_CLASSES = range(6, 16)
_COMPLEX = 0x800


class MatlabFileError(HeartBeatsError):
    """A file is damaged or does not hold the variable; the message says what is wrong."""


def read_matlab_variable(path: Path, name: str) -> npt.NDArray[np.generic]:
    """Return a numeric variable with its stored shape and number type.

    Raises:
        MatlabFileError: the file is damaged, of another version, larger than :data:`LARGEST`, or lacks the variable.
        OSError: the file cannot be read.
    """
    if (size := path.stat().st_size) > LARGEST:
        raise MatlabFileError(f"{size} bytes are more than the {LARGEST} that are read")
    content = path.read_bytes()
    if content[:19] == b"MATLAB 7.3 MAT-file":
        raise MatlabFileError("MATLAB 7.3 files are not read: save as version 4, 6 or 7")
    if 0 in content[:4]:  # version 5 begins with text
        return _read_4(content, name)
    if content[126:128] in (b"IM", b"MI"):
        return _read_5(content, name)
    raise MatlabFileError("damaged, or not a MATLAB file")


def _read_4(content: bytes, name: str) -> npt.NDArray[np.generic]:
    """Read version 4: a variable has type, rows, columns, complex flag and name length, then name and numbers."""
    position = 0
    while position + 20 <= len(content):
        order = "<" if content[position + 2 : position + 4] == b"\0\0" else ">"  # the type is below 5000
        kind, rows, columns, imaginary, length = struct.unpack_from(f"{order}5i", content, position)
        machine, precision, form = kind // 1000, kind // 10 % 100, kind % 10
        if machine != (order == ">") or precision >= len(_NUMBERS_4) or min(kind, rows, columns, length - 1) < 0:
            raise MatlabFileError("damaged, or not a MATLAB file")
        start = position + 20 + length
        number = np.dtype(order + _NUMBERS_4[precision])
        position = start + rows * columns * number.itemsize * (2 if imaginary else 1)
        if position > len(content):
            raise MatlabFileError("damaged: cut short, or announces more data than it has")
        if content[start - length : start].rstrip(b"\0") == name.encode():
            if form != 0 or imaginary:  # 1 is text, 2 a sparse matrix
                raise MatlabFileError("not an array of real numbers")
            return np.frombuffer(content, number, rows * columns, start).reshape((rows, columns), order="F")
    raise MatlabFileError(f"no variable '{name}'" if position == len(content) else "damaged, or not a MATLAB file")


def _read_5(content: bytes, name: str) -> npt.NDArray[np.generic]:
    """Read version 5: a header of 128 bytes, then elements: variables or compressed variables."""
    order = "<" if content[126:128] == b"IM" else ">"
    for kind, element in _elements(content[128:], order):
        variable = element
        if kind == _COMPRESSED:
            kind, variable = next(_elements(_expanded(element), order), (0, b""))  # noqa: PLW2901
        if kind == _MATRIX:
            parts = [part for _, part in islice(_elements(variable, order), 3)]
            if len(parts) == 3 and parts[2] == name.encode():
                return _array(variable, order)
    raise MatlabFileError(f"no variable '{name}'")


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield the type and content of each data element. A small element has only eight bytes."""
    position = 0
    while position + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, position)
        start, following = position + 8, position + 8 + size
        if kind >> 16:
            kind, size, start, following = kind & 0xFFFF, kind >> 16, position + 4, position + 8
        elif kind != _COMPRESSED:
            following += -size % 8
        if start + size > len(content):
            raise MatlabFileError("cut short")
        yield kind, content[start : start + size]
        position = following


def _expanded(compressed: bytes) -> bytes:
    expander = zlib.decompressobj()
    try:
        expanded = expander.decompress(compressed, LARGEST)
    except zlib.error as error:
        raise MatlabFileError(f"damaged: {error}") from error
    if expander.unconsumed_tail:
        raise MatlabFileError(f"expands to more than the {LARGEST} bytes that are read")
    return expanded


def _array(variable: bytes, order: str) -> npt.NDArray[np.generic]:
    """Return the array of a matrix element: flags, dimensions, name, and the numbers column by column."""
    parts = list(islice(_elements(variable, order), 4))
    if len(parts) < 4 or len(parts[0][1]) < 4 or len(parts[1][1]) % 4:
        raise MatlabFileError("damaged: an array's parts are missing")
    (_, flags), (_, dimensions), _, (kind, numbers) = parts
    (flag,) = struct.unpack_from(f"{order}I", flags)
    if flag & 0xFF not in _NUMERIC_CLASSES or flag & _COMPLEX or kind not in _NUMBERS:
        raise MatlabFileError("not an array of real numbers")
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions)
    number = np.dtype(order + _NUMBERS[kind])
    if min(shape, default=-1) < 0 or math.prod(shape) * number.itemsize != len(numbers):
        raise MatlabFileError(f"damaged: {len(numbers)} bytes do not fit an array of shape {shape}")
    return np.frombuffer(numbers, number).reshape(shape, order="F")
