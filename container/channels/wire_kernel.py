"""Varints, lengths and words in a buffer of bytes, and ways to copy and check what lies there.

Offsets into the buffer are int64. A negative one means "not plain", whatever the reason; see `record_kernel`.
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from kmeans.jit import emitted, kernel
from kmeans.types import DoubleArray, FloatArray

# In machine code all integers are int64; without it they are Python's and numpy's, mixed.
Integer = int | np.int64
ByteArray = NDArray[np.uint8]
# Rows are written in float32 or, where something is to be subtracted before they are rounded, in float64.
RowArray = FloatArray | DoubleArray

NOT_PLAIN = np.int64(-1)


@kernel("UniTuple(int64, 2)(uint8[::1], int64, int64)")
def varint(buffer: ByteArray, p: Integer, end: Integer) -> tuple[Integer, Integer]:
    """Read a varint: its low 64 bits, and the offset behind it."""
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
    """Read a length and give the bytes that it covers: their begin and their end."""
    length, begin = varint(buffer, p, end)
    if begin < 0 or length < 0 or length > end - begin:
        return np.int64(0), NOT_PLAIN
    return begin, np.int64(begin + length)


@kernel("int64(uint8[::1], int64)")
def word(buffer: ByteArray, p: Integer) -> Integer:
    """Read a little endian integer of 4 bytes."""
    # Unsigned offsets can't be negative; only then does the compiler make this one load.
    at = np.uint64(p)
    return (
        np.int64(buffer[at])
        | np.int64(buffer[at + np.uint64(1)]) << np.int64(8)
        | np.int64(buffer[at + np.uint64(2)]) << np.int64(16)
        | np.int64(buffer[at + np.uint64(3)]) << np.int64(24)
    )


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


# Bytes that `copy_wide` copies at once.
WIDE: Final = 32


@emitted("void(uint8[::1], int64, uint8[:, ::1], int64)")
def copy_wide(builder: Any, buffer: Any, p: Any, out: Any, q: Any) -> None:
    """Copy WIDE bytes to byte q, counted from the first row on; compiled only."""
    source, target = (_address(builder, *place, 8 * WIDE) for place in ((buffer, p), (out, q)))
    builder.store(builder.load(source, align=1), target, align=1)


def _address(builder: Any, base: Any, offset: Any, bits: int) -> Any:
    """Give the address of an integer of so many bits."""
    return builder.bitcast(builder.gep(base, [offset]), ir.IntType(bits).as_pointer())


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


@kernel("uint64(uint8[::1], int64)")
def long_word(buffer: ByteArray, p: Integer) -> np.uint64:
    """Read a little endian integer of 8 bytes."""
    low = np.uint64(word(buffer, p)) & np.uint64(0xFFFFFFFF)
    return low | np.uint64(word(buffer, p + 4)) << np.uint64(32)


@emitted("boolean(uint8[::1], int64, int64)")
def _differ(builder: Any, buffer: Any, p: Any, q: Any) -> Any:
    """Whether 16 bytes at p and at q differ."""
    words = (builder.load(_address(builder, buffer, offset, 128), align=1) for offset in (p, q))
    return builder.icmp_unsigned("!=", *words)


@kernel("boolean(uint8[::1], int64, int64, int64)")
def same(buffer: ByteArray, p: Integer, q: Integer, n: Integer) -> bool:
    """Whether n >= 16 bytes at p and at q are the same; compiled only."""
    others = _differ(buffer, p + n - 16, q + n - 16)
    for i in range(0, n - 16, 16):
        others |= _differ(buffer, p + i, q + i)
    return not others


@kernel("boolean(float32[:, ::1], int64, int64)", "boolean(float64[:, ::1], int64, int64)")
def finite(out: RowArray, row: Integer, n: Integer) -> bool:
    """Whether the first n numbers of a row are finite."""
    others = False
    for column in range(n):
        others |= not np.isfinite(out[row, column])
    return not others


@kernel("int64(float32[:, ::1], int64, int64)", "int64(float64[:, ::1], int64, int64)")
def first_infinite(out: RowArray, first: Integer, last: Integer) -> Integer:
    """Give the first of some rows with a number that is not finite, or `last` if there is none."""
    numbers = out.reshape(out.size)[first * out.shape[1] : last * out.shape[1]]
    others = False
    for i in range(len(numbers)):
        others |= not np.isfinite(numbers[i])
    odd: Integer = np.int64(first if others else last)
    while odd < last and finite(out, odd, out.shape[1]):
        odd += 1
    return np.int64(odd)
