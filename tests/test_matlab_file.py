"""MATLAB files of versions 4 and 5 are read; damaged and hostile files are refused and do no harm."""

import random
import struct
import zlib

import numpy as np
import pytest
import scipy.io

from heartbeats.ecg import matlab_file
from heartbeats.ecg.matlab_file import MatlabFileError, read_matlab_variable

SIGNAL = np.arange(-30, 30, dtype=np.int16).reshape(3, 20)
NUMBERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "A0001.mat"


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("compressed", [False, True])
def test_version_5_is_read_as_scipy_reads_it(path, number, compressed):
    variables = {"before": np.zeros((2, 2)), "val": SIGNAL.astype(number), "text": "other"}
    scipy.io.savemat(path, variables, do_compression=compressed)
    np.testing.assert_array_equal(read_matlab_variable(path, "val"), scipy.io.loadmat(path)["val"])


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (12, 1), (2, 3, 4)])
def test_shapes_survive(path, shape):
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    scipy.io.savemat(path, {"val": values})
    np.testing.assert_array_equal(read_matlab_variable(path, "val"), values)


@pytest.mark.parametrize("number", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_version_4_is_read(path, number):
    variables = {"before": np.zeros((2, 2)) * 1j, "text": "other", "val": SIGNAL.astype(number)}
    scipy.io.savemat(path, variables, format="4")
    read = read_matlab_variable(path, "val")
    assert read.dtype == number
    np.testing.assert_array_equal(read, SIGNAL.astype(number))


def test_version_4_of_the_other_byte_order_is_read(path):
    path.write_bytes(struct.pack(">5i", 1030, 3, 20, 0, 4) + b"val\0" + SIGNAL.astype(">i2").tobytes("F"))
    np.testing.assert_array_equal(read_matlab_variable(path, "val"), SIGNAL)


def test_samples_of_version_4_are_not_taken_for_the_mark_of_version_5(path):
    scipy.io.savemat(path, {"val": np.full((3, 40), 0x4D49, np.int16)}, format="4")
    assert path.read_bytes()[126:128] == b"IM"
    assert set(read_matlab_variable(path, "val").ravel()) == {0x4D49}


@pytest.mark.parametrize(
    ("variable", "versions"),
    [({"value": SIGNAL}, "45"), ({"val": "text"}, "45"), ({"val": SIGNAL * 1j}, "45"), ({"val": {"a": 1}}, "5")],
)
def test_a_file_without_such_an_array_is_refused(path, variable, versions):
    for version in versions:
        scipy.io.savemat(path, variable, format=version)
        with pytest.raises(MatlabFileError, match=r"no variable 'val'|not an array of real numbers"):
            read_matlab_variable(path, "val")


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\0" * 20, b"\0" * 10**7, b"not a MATLAB file" * 20, b"MATLAB 7.3 MAT-file" + b" " * 200]
)
def test_other_files_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(MatlabFileError):
        read_matlab_variable(path, "val")


def test_a_variable_that_expands_beyond_the_limit_is_refused(path, monkeypatch):
    scipy.io.savemat(path, {"val": np.zeros((12, 100_000))}, do_compression=True)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(matlab_file, "LARGEST", 1_000_000)
    with pytest.raises(MatlabFileError, match="expands to more than the 1000000 bytes"):
        read_matlab_variable(path, "val")


def test_a_file_beyond_the_limit_is_refused_unread(path):
    with path.open("wb") as file:
        file.truncate(matlab_file.LARGEST + 1)
    with pytest.raises(MatlabFileError, match="more than"):
        read_matlab_variable(path, "val")


@pytest.mark.parametrize(("version", "compressed"), [("4", False), ("5", False), ("5", True)])
def test_any_single_damaged_byte_gives_an_array_or_an_error(path, version, compressed):
    """scipy.io.loadmat crashes on some of these files."""
    scipy.io.savemat(path, {"val": SIGNAL[:, :6]}, format=version, do_compression=compressed)
    whole = path.read_bytes()
    draws = random.Random(0)
    for position in range(120 if version == "5" else 0, len(whole)):
        for value in (0, 1, 14, 15, 127, 255, draws.randrange(256)):
            path.write_bytes(whole[:position] + bytes([value]) + whole[position + 1 :])
            try:
                read = read_matlab_variable(path, "val")
            except MatlabFileError:
                continue
            assert read.size <= 18


@pytest.mark.parametrize("version", ["4", "5"])
def test_a_file_cut_short_at_any_length_is_refused(path, version):
    scipy.io.savemat(path, {"val": SIGNAL}, format=version)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(MatlabFileError):
            read_matlab_variable(path, "val")


def test_damaged_compression_is_refused(path):
    scipy.io.savemat(path, {"val": SIGNAL}, do_compression=True)
    whole = path.read_bytes()
    path.write_bytes(whole[:140] + zlib.compress(b"other")[:4] + whole[144:])
    with pytest.raises(MatlabFileError):
        read_matlab_variable(path, "val")
