"""MXNet's NDArray list files, the format of the built-in's model, written and read without mxnet.

All numbers are little-endian. A file is a header, a count and that many arrays, a count and that many names. There are
four layouts of an array: V2, written since MXNet 0.12; V3, the same with NumPy's meaning of a shape without dimensions;
V1, without a storage type; and the original one, whose first number is the number of dimensions itself.
"""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.files.atomic import replacing

_FILE_MAGIC = 0x112
_V1_MAGIC = 0xF993FAC8
_V2_MAGIC = 0xF993FAC9
_V3_MAGIC = 0xF993FACA
_DENSE = 0
_CPU = 1
_DTYPES = tuple(np.dtype(code) for code in ("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8", "?"))
_MAX_DIMENSIONS = 32
_MIN_ARRAY_BYTES = 4
_MIN_NAME_BYTES = 8


class NDArrayFormatError(ValueError):
    """The bytes are no NDArray list file; the text says what was expected, what was found and at which byte."""


def dumps(array: NDArray[Any]) -> bytes:
    """Encode one array as ``mxnet.ndarray.save(path, [array])`` of MXNet 1.9.1 does, bit for bit.

    Parameters
    ----------
    array : ndarray
        An array of one or more dimensions, none of them 0. Its dtype is float16, float32, float64, uint8, int8, int32,
        int64 or bool.

    Returns
    -------
    bytes
        The content of the file.

    Raises
    ------
    ValueError
        If the format has no such dtype or shape.
    """
    stored = array.dtype.newbyteorder("<")
    if stored not in _DTYPES:
        raise ValueError(f"expected an array of one of {', '.join(map(str, _DTYPES))}, got {array.dtype}")
    if array.size == 0 or array.ndim == 0:
        raise ValueError(f"expected one dimension or more, none of them 0, got shape {array.shape}")
    return b"".join(
        (
            struct.pack("<QQQ", _FILE_MAGIC, 0, 1),
            struct.pack("<Iii", _V2_MAGIC, _DENSE, array.ndim),
            struct.pack(f"<{array.ndim}q", *array.shape),
            struct.pack("<iii", _CPU, 0, _DTYPES.index(stored)),
            array.astype(stored, copy=False).tobytes(),
            struct.pack("<Q", 0),
        )
    )


def write(path: Path, array: NDArray[Any]) -> None:
    """Write one array as a list file, whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write.
    array : ndarray
        The array, as for `dumps`.
    """
    with replacing(path) as file:
        file.write(dumps(array))


def loads(data: bytes | bytearray | memoryview) -> list[NDArray[Any]]:
    """Decode a list file of any version.

    Parameters
    ----------
    data : bytes-like
        The whole file. Every length in it is checked against the actual size before anything is allocated.

    Returns
    -------
    list of ndarray
        The arrays in the order of the file, as copies, each with its own dtype. Names are checked and dropped. An array
        that was saved empty has shape (0,).

    Raises
    ------
    NDArrayFormatError
        If the bytes are no list file, end early, have trailing bytes, or contain a sparse array.
    """
    reader = _Reader(data)
    magic = reader.number("Q", "the file's header")
    if magic != _FILE_MAGIC:
        raise NDArrayFormatError(f"expected an MXNet NDArray file, which begins with 0x112, got 0x{magic:x}")
    reader.number("Q", "the reserved number")
    arrays = [_array(reader) for _ in range(reader.count("arrays", _MIN_ARRAY_BYTES))]
    for _ in range(reader.count("names", _MIN_NAME_BYTES)):
        reader.take(reader.number("Q", "the length of a name"), "a name")
    reader.end()
    return arrays


class _Reader:
    """Reads bytes from the front, and fails instead of reading beyond the end."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data).cast("B")
        self._position = 0

    def take(self, size: int, what: str) -> memoryview:
        left = len(self._data) - self._position
        if size > left:
            raise self.fault(f"{size} bytes for {what}", f"{left}, the end of the file")
        start = self._position
        self._position += size
        return self._data[start : self._position]

    def number(self, code: str, what: str) -> int:
        size = struct.calcsize(f"<{code}")
        (value,) = struct.unpack(f"<{code}", self.take(size, what))
        return int(value)

    def count(self, what: str, least_bytes: int) -> int:
        value = self.number("Q", f"the number of {what}")
        most = (len(self._data) - self._position) // least_bytes
        if value > most:
            raise self.fault(f"at most {most} {what} in the bytes that are left", str(value))
        return value

    def end(self) -> None:
        left = len(self._data) - self._position
        if left:
            raise self.fault("the end of the file", f"{left} more bytes")

    def fault(self, expected: str, got: str) -> NDArrayFormatError:
        return NDArrayFormatError(f"byte {self._position}: expected {expected}, got {got}")


def _array(reader: _Reader) -> NDArray[Any]:
    """Read one array of any version."""
    magic = reader.number("I", "an array's first number")
    empty_dimensions = 0
    if magic in (_V2_MAGIC, _V3_MAGIC):
        stype = reader.number("i", "the storage type")
        if stype != _DENSE:
            raise reader.fault("a dense array (storage type 0)", f"storage type {stype}")
        # In V3 a shape without dimensions is a scalar, and -1 stands for no array.
        empty_dimensions = -1 if magic == _V3_MAGIC else 0
        dimensions, code = reader.number("i", "the number of dimensions"), "q"
    elif magic == _V1_MAGIC:
        dimensions, code = reader.number("i", "the number of dimensions"), "q"
    else:
        dimensions, code = magic, "I"
    if dimensions == empty_dimensions:
        return np.empty(0, dtype=np.float32)
    if not 0 <= dimensions <= _MAX_DIMENSIONS:
        raise reader.fault(f"up to {_MAX_DIMENSIONS} dimensions", str(dimensions))
    shape = tuple(reader.number(code, "a dimension") for _ in range(dimensions))
    if any(size < 1 for size in shape):
        raise reader.fault("dimensions of 1 or more", str(shape))
    reader.take(8, "the device")
    flag = reader.number("i", "the type of the numbers")
    if not 0 <= flag < len(_DTYPES):
        raise reader.fault(f"a number type from 0 to {len(_DTYPES) - 1}", str(flag))
    dtype = _DTYPES[flag]
    values = reader.take(math.prod(shape) * dtype.itemsize, f"the numbers of an array of shape {shape}")
    if dtype == np.bool_:
        # Any byte but 0 is true; NumPy's booleans must be 0 or 1.
        return np.frombuffer(values, dtype=np.uint8).reshape(shape).astype(np.bool_)
    return np.frombuffer(values, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="))
