"""Rows as sparse records in frames, which `container.formats.recordio.records` reads."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from container.formats.recordio.wire import (
    ENTRY_KEY,
    ENTRY_VALUE,
    FEATURES,
    FLOAT32_TENSOR,
    HEADER_BYTES,
    KEYS,
    MAGIC,
    ROW_NAME,
    SHAPE,
    VALUES,
    tag,
)
from kmeans.kernels.jit import kernel
from kmeans.kernels.packed import ByteArray, Integer
from kmeans.types import FloatArray, LabelArray

# More than a sparse record holds in addition to its keys and numbers.
_OVERHEAD_BYTES: Final = 96

_MAGIC = np.int64(MAGIC)
_HEADER = np.int64(HEADER_BYTES)
_NAME = np.frombuffer(ROW_NAME, np.uint8)
_VALUES, _KEYS, _SHAPE = map(tag, (VALUES, KEYS, SHAPE))


def sparse_frames(rows: FloatArray) -> NDArray[np.uint8]:
    """Return rows in frames, as sparse records: the numbers that are not zero, and their columns.

    Parameters
    ----------
    rows : ndarray of float32, shape (n, d)
        C-contiguous.

    Returns
    -------
    ndarray of uint8, shape (bytes,)
    """
    n, n_features = rows.shape
    # Pages that no byte is written to take no memory.
    out = np.empty(n * (n_features * (4 + _varint_bytes(n_features)) + _OVERHEAD_BYTES), np.uint8)
    return out[: _frames(rows, rows.view(np.uint8), np.empty(n_features, np.int64), out)]


@kernel("int64(int64)")
def _varint_bytes(value: Integer) -> Integer:
    """Return the bytes of a varint."""
    count = np.int64(1)
    while value > 127:
        value >>= 7
        count += 1
    return count


@kernel("int64(uint8[::1], int64, int64)")
def _put_varint(out: ByteArray, p: Integer, value: Integer) -> Integer:
    """Write a varint at p; return the offset behind it."""
    while value > 127:
        out[p] = np.uint8(value & 127 | 128)
        value >>= 7
        p += 1
    out[p] = np.uint8(value)
    return np.int64(p + 1)


@kernel("int64(uint8[::1], int64, int64, int64)")
def _put_field(out: ByteArray, p: Integer, field: Integer, length: Integer) -> Integer:
    """Write the tag and the length of a field that holds bytes; return the offset behind them."""
    out[p] = np.uint8(field)
    return _put_varint(out, p + 1, length)


@kernel("int64(float32[:, ::1], uint8[:, ::1], int64[::1], uint8[::1])")
def _frames(
    rows: FloatArray,  # IN (n, d)
    row_bytes: ByteArray,  # IN (n, 4 d), the same memory
    columns: LabelArray,  # scratch (d,): where a row is not zero
    out: ByteArray,  # OUT
) -> Integer:
    """Write the frames of all rows; return their bytes. The lengths of nested messages go from the inside out."""
    p: Integer = np.int64(0)
    n_features = np.int64(rows.shape[1])
    shape_bytes = _varint_bytes(n_features)
    for row in range(rows.shape[0]):
        count = np.int64(0)
        for column in range(n_features):
            columns[count] = column
            count += rows[row, column] != 0.0
        key_bytes = np.int64(0)
        for i in range(count):
            key_bytes += _varint_bytes(columns[i])
        # Float32Tensor: values, keys and shape; the first two are left out when they are empty.
        tensor = 1 + _varint_bytes(shape_bytes) + shape_bytes
        if count > 0:
            tensor += 1 + _varint_bytes(4 * count) + 4 * count + 1 + _varint_bytes(key_bytes) + key_bytes
        value = 1 + _varint_bytes(tensor) + tensor
        entry = 2 + len(_NAME) + 1 + _varint_bytes(value) + value
        record = 1 + _varint_bytes(entry) + entry

        for shift in range(0, 32, 8):
            out[p + shift // 8] = np.uint8(_MAGIC >> shift & 255)
            out[p + 4 + shift // 8] = np.uint8(record >> shift & 255)
        end = p + _HEADER + record
        p = _put_field(out, p + _HEADER, np.int64(FEATURES), entry)
        p = _put_field(out, p, np.int64(ENTRY_KEY), np.int64(len(_NAME)))
        for letter in _NAME:
            out[p] = letter
            p += 1
        p = _put_field(out, p, np.int64(ENTRY_VALUE), value)
        p = _put_field(out, p, np.int64(FLOAT32_TENSOR), tensor)
        if count > 0:
            p = _put_field(out, p, np.int64(_VALUES), 4 * count)
            for i in range(count):
                for byte in range(4):
                    out[p + byte] = row_bytes[row, 4 * columns[i] + byte]
                p += 4
            p = _put_field(out, p, np.int64(_KEYS), key_bytes)
            for i in range(count):
                p = _put_varint(out, p, columns[i])
        p = _put_field(out, p, np.int64(_SHAPE), shape_bytes)
        p = _put_varint(out, p, np.int64(n_features))
        while p < end + (-record & 3):
            out[p] = np.uint8(0)
            p += 1
    return p
