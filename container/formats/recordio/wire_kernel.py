"""Varints and lengths in a buffer of bytes, and ways to copy what lies there.

Offsets into the buffer are int64. A negative one means "not plain", whatever the reason; see `record_kernel`.
"""

import numpy as np

from kmeans.kernels.jit import kernel
from kmeans.kernels.packed import ByteArray, Integer, RowArray

NOT_PLAIN = np.int64(-1)


@kernel("UniTuple(int64, 2)(uint8[::1], int64, int64)")
def varint(buffer: ByteArray, p: Integer, end: Integer) -> tuple[Integer, Integer]:
    """Return the low 64 bits of a varint, and the offset behind it."""
    value = np.int64(0)
    shift = np.int64(0)
    while p < end and shift < 70:
        byte = np.int64(buffer[np.uint64(p)])
        p += 1
        value |= (byte & 127) << shift
        if byte < 128:
            # The tenth byte has room for one bit only.
            return (value, p) if shift < 63 or byte < 2 else (np.int64(0), NOT_PLAIN)
        shift += 7
    return np.int64(0), NOT_PLAIN


@kernel("UniTuple(int64, 2)(uint8[::1], int64, int64)")
def span(buffer: ByteArray, p: Integer, end: Integer) -> tuple[Integer, Integer]:
    """Return where the bytes behind a length begin, and where they end."""
    length, begin = varint(buffer, p, end)
    if begin < 0 or length < 0 or length > end - begin:
        return np.int64(0), NOT_PLAIN
    return begin, np.int64(begin + length)


@kernel("void(uint8[::1], int64, int64, uint8[:, ::1], int64, int64)")
def copy(
    buffer: ByteArray,  # IN
    p: Integer,  # IN
    n: Integer,  # IN bytes
    out: ByteArray,  # OUT (n, bytes of a row)
    row: Integer,  # IN
    first: Integer,  # IN byte of the row
) -> None:
    """Copy n bytes into a row."""
    # Unsigned for the compiler's sake again, which then makes this a wide copy.
    source, target, place = np.uint64(p), np.uint64(first), np.uint64(row)
    for i in range(np.uint64(n)):
        out[place, target + i] = buffer[source + i]


@kernel("void(float32[:, ::1], int64, int64)", "void(float64[:, ::1], int64, int64)")
def clear(
    out: RowArray,  # OUT (n, d)
    row: Integer,  # IN
    first: Integer,  # IN column
) -> None:
    """Set a row to zero from a column on."""
    place = np.uint64(row)
    for column in range(np.uint64(first), np.uint64(out.shape[1])):
        out[place, column] = 0.0
