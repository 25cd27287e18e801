"""The matrix of an MXNet NDArray file, the format of a K-means model, read without mxnet.

All numbers are little-endian. A file is a header, a count and that many arrays, a count and that many names. Arrays
have one of four layouts: V2, written since MXNet 0.12; V3, the same with NumPy's shapes; V1, without a storage type;
and the oldest, whose leading number is the number of dimensions itself.
"""

import math
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_FILE_MAGIC: Final = 0x112
_V1_MAGIC: Final = 0xF993FAC8
# V2 and V3, which state how an array is stored.
_STORAGE_MAGICS: Final = (0xF993FAC9, 0xF993FACA)
_DENSE: Final = 0
_DTYPES: Final = ("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8")


class NDArrayFormatError(ValueError):
    """The bytes are no NDArray file of one matrix; the text says what was expected and what was found."""


def matrix(data: bytes | bytearray) -> NDArray[Any]:
    """Decode a file that holds one matrix of numbers.

    Parameters
    ----------
    data : bytes or bytearray
        The whole file. Lengths in it are checked against the bytes that are there before anything is allocated.

    Returns
    -------
    ndarray, shape (n, d)
        A read-only view of `data`.

    Raises
    ------
    NDArrayFormatError
        If it is something else, ends early, or does not end where it should.
    """
    reader = _Reader(data)
    magic = reader.number("Q")
    if magic != _FILE_MAGIC:
        raise NDArrayFormatError(f"expected an MXNet NDArray file, which begins with 0x112, got 0x{magic:x}")
    reader.number("Q")
    arrays = reader.number("Q")
    if arrays != 1:
        raise NDArrayFormatError(f"expected one array, got {arrays}")
    values = _array(reader)
    for _ in range(reader.count(min_bytes=8)):
        reader.take(reader.number("Q"))
    if reader.left:
        raise NDArrayFormatError(f"expected the end of the file, got {reader.left} more bytes")
    return values


class _Reader:
    """Bytes taken from the front, never more than there are."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = memoryview(data)
        self._position = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def take(self, size: int) -> memoryview:
        if size > self.left:
            raise NDArrayFormatError(f"byte {self._position}: expected {size} more bytes, got {self.left}")
        self._position += size
        return self._data[self._position - size : self._position]

    def number(self, code: str) -> int:
        (value,) = struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))
        return int(value)

    def count(self, min_bytes: int) -> int:
        value = self.number("Q")
        if value > self.left // min_bytes:
            raise NDArrayFormatError(f"expected at most {self.left // min_bytes} names, got {value}")
        return value


def _array(reader: _Reader) -> NDArray[Any]:
    magic = reader.number("I")
    if magic in _STORAGE_MAGICS and (storage := reader.number("i")) != _DENSE:
        raise NDArrayFormatError(f"expected a dense array (storage type 0), got storage type {storage}")
    if magic in (_V1_MAGIC, *_STORAGE_MAGICS):
        dimensions, code = reader.number("i"), "q"
    else:
        dimensions, code = magic, "I"
    if dimensions != 2:
        raise NDArrayFormatError(f"expected a matrix, got {dimensions} dimensions")
    shape = (reader.number(code), reader.number(code))
    if min(shape) < 1:
        raise NDArrayFormatError(f"expected dimensions of 1 or more, got {shape}")
    reader.take(8)  # the device
    flag = reader.number("i")
    if not 0 <= flag < len(_DTYPES):
        raise NDArrayFormatError(f"expected a number type from 0 to {len(_DTYPES) - 1}, got {flag}")
    dtype = np.dtype(_DTYPES[flag])
    return np.frombuffer(reader.take(math.prod(shape) * dtype.itemsize), dtype=dtype).reshape(shape)
