"""Many rows at once to framed RecordIO-protobuf, the bytes that `container.formats.recordio` would write."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from container.channels.wire_kernel import ByteArray, Integer
from container.formats.recordio import HEADER_BYTES, MAGIC, dense_record, frame
from kmeans.jit import kernel
from kmeans.types import FloatArray

# More than a sparse record holds beside its keys and numbers.
_OVERHEAD_BYTES: Final = 96

_MAGIC = np.int64(MAGIC)
_HEADER = np.int64(HEADER_BYTES)


def dense(rows: FloatArray) -> NDArray[np.uint8]:
    """Frame rows as dense records: all alike but for their numbers, which are copied into place.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
        C-contiguous.

    Returns
    -------
    ndarray of shape (n, bytes of a frame), uint8
    """
    n, n_features = rows.shape
    zeros = dense_record(np.zeros(n_features, np.float32)).SerializeToString()
    template = np.frombuffer(frame(zeros), np.uint8)
    begin = HEADER_BYTES + len(zeros) - 4 * n_features
    frames = np.empty((n, len(template)), np.uint8)
    frames[:, :begin] = template[:begin]
    frames[:, begin : begin + 4 * n_features] = rows.view(np.uint8)
    frames[:, begin + 4 * n_features :] = 0
    return frames


def sparse(rows: FloatArray) -> NDArray[np.uint8]:
    """Frame rows as sparse records, which hold the numbers that are not zero and their columns.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
        C-contiguous.

    Returns
    -------
    ndarray of shape (bytes,), uint8
    """
    key_bytes = len(_varint(rows.shape[1]))
    room = int(np.count_nonzero(rows)) * (4 + key_bytes) + len(rows) * _OVERHEAD_BYTES
    out = np.empty(room, np.uint8)
    return out[: _sparse(rows, rows.view(np.uint8), out)]


def _varint(value: int) -> bytes:
    """Write a varint."""
    digits = [value >> shift & 127 for shift in range(0, max(1, value.bit_length()), 7)]
    return bytes([*(digit | 128 for digit in digits[:-1]), digits[-1]])


@kernel("int64(int64)")
def _varint_bytes(value: Integer) -> Integer:
    """Count the bytes of a varint."""
    count = np.int64(1)
    while value > 127:
        value >>= 7
        count += 1
    return count


@kernel("int64(uint8[::1], int64, int64)")
def _put_varint(out: ByteArray, p: Integer, value: Integer) -> Integer:
    """Write a varint at p; give the offset behind it."""
    while value > 127:
        out[p] = np.uint8(value & 127 | 128)
        value >>= 7
        p += 1
    out[p] = np.uint8(value)
    return np.int64(p + 1)


@kernel("int64(uint8[::1], int64, int64, int64)")
def _put_field(out: ByteArray, p: Integer, number: Integer, length: Integer) -> Integer:
    """Write the tag and the length of a field that holds bytes; give the offset behind them."""
    out[p] = np.uint8(number << 3 | 2)
    return _put_varint(out, p + 1, length)


@kernel("int64(float32[:, ::1], uint8[:, ::1], uint8[::1])")
def _sparse(
    rows: FloatArray,  # IN (n, d)
    row_bytes: ByteArray,  # IN (n, 4 d), the same memory
    out: ByteArray,  # OUT
) -> Integer:
    """Write the frames of all rows and give their bytes. The lengths of nested messages go from the inside out."""
    p: Integer = np.int64(0)
    n_features = np.int64(rows.shape[1])
    shape_bytes = _varint_bytes(n_features)
    for row in range(rows.shape[0]):
        count = np.int64(0)
        key_bytes = np.int64(0)
        for column in range(n_features):
            if rows[row, column] != 0.0:
                count += 1
                key_bytes += _varint_bytes(np.int64(column))
        # Float32Tensor: values, keys and shape; the first two are left out when they are empty.
        tensor = 1 + _varint_bytes(shape_bytes) + shape_bytes
        if count > 0:
            tensor += 1 + _varint_bytes(4 * count) + 4 * count + 1 + _varint_bytes(key_bytes) + key_bytes
        value = 1 + _varint_bytes(tensor) + tensor
        entry = 8 + 1 + _varint_bytes(value) + value
        record = 1 + _varint_bytes(entry) + entry

        for shift in range(0, 32, 8):
            out[p + shift // 8] = np.uint8(_MAGIC >> shift & 255)
            out[p + 4 + shift // 8] = np.uint8(record >> shift & 255)
        end = p + _HEADER + record
        p = _put_field(out, p + _HEADER, np.int64(1), entry)  # Record.features
        p = _put_field(out, p, np.int64(1), np.int64(6))  # the entry's key
        for letter in (118, 97, 108, 117, 101, 115):  # "values"
            out[p] = np.uint8(letter)
            p += 1
        p = _put_field(out, p, np.int64(2), value)  # the entry's value
        p = _put_field(out, p, np.int64(2), tensor)  # Value.float32_tensor
        if count > 0:
            p = _put_field(out, p, np.int64(1), 4 * count)
            for column in range(n_features):
                if rows[row, column] != 0.0:
                    for byte in range(4):
                        out[p + byte] = row_bytes[row, 4 * column + byte]
                    p += 4
            p = _put_field(out, p, np.int64(2), key_bytes)
            for column in range(n_features):
                if rows[row, column] != 0.0:
                    p = _put_varint(out, p, np.int64(column))
        p = _put_field(out, p, np.int64(3), shape_bytes)
        p = _put_varint(out, p, np.int64(n_features))
        while p < end + (-record & 3):
            out[p] = np.uint8(0)
            p += 1
    return p
