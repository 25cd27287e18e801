"""Copies rows out of records that differ in their numbers alone."""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from kmeans.kernels.jit import emitted, kernel
from kmeans.types import LARGEST, DoubleArray, FloatArray
from kmeans.unit_length import LANES, ROUNDING

ByteArray = NDArray[np.uint8]
# In machine code all integers are int64; without it they are a mixture of Python's and numpy's.
Integer = int | np.int64
RowArray = FloatArray | DoubleArray

# Bytes that `copy_wide` copies and that `same` compares at once.
WIDE: Final = 32
WORD: Final = 16


@emitted("void(uint8[::1], int64, uint8[:, ::1], int64)")
def copy_wide(builder: Any, buffer: Any, p: Any, out: Any, q: Any) -> None:
    """Copy WIDE bytes from byte p of a buffer to byte q of rows; compiled only."""
    source, target = (_address(builder, *place, 8 * WIDE) for place in ((buffer, p), (out, q)))
    builder.store(builder.load(source, align=1), target, align=1)


@emitted("boolean(uint8[::1], int64, int64)")
def _differ(builder: Any, buffer: Any, p: Any, q: Any) -> Any:
    """Return whether WORD bytes at p and at q differ."""
    words = (builder.load(_address(builder, buffer, offset, 8 * WORD), align=1) for offset in (p, q))
    return builder.icmp_unsigned("!=", *words)


def _address(builder: Any, base: Any, offset: Any, bits: int) -> Any:
    """Return the address of an integer of the given number of bits."""
    return builder.bitcast(builder.gep(base, [offset]), ir.IntType(bits).as_pointer())


@kernel("boolean(uint8[::1], int64, int64, int64)")
def same(buffer: ByteArray, p: Integer, q: Integer, n: Integer) -> bool:
    """Return whether n >= WORD bytes at p and at q are the same; compiled only."""
    others = _differ(buffer, p + n - WORD, q + n - WORD)
    for i in range(0, n - WORD, WORD):
        others |= _differ(buffer, p + i, q + i)
    return not others


@kernel("boolean(float32[:, ::1], int64, int64)", "boolean(float64[:, ::1], int64, int64)")
def finite(out: RowArray, row: Integer, n: Integer) -> bool:
    """Return whether the first n numbers of a row are finite."""
    others = False
    for column in range(n):
        others |= not np.isfinite(out[row, column])
    return not others


@kernel("int64(float32[:, ::1], int64, int64)", "int64(float64[:, ::1], int64, int64)")
def first_infinite(out: RowArray, first: Integer, last: Integer) -> Integer:
    """Return the first of some rows with a number that is not finite, or `last` if there is none."""
    numbers = out.reshape(out.size)[first * out.shape[1] : last * out.shape[1]]
    others = False
    for i in range(len(numbers)):
        others |= not np.isfinite(numbers[i])
    odd: Integer = np.int64(first if others else last)
    while odd < last and finite(out, odd, out.shape[1]):
        odd += 1
    return np.int64(odd)


@kernel("boolean(uint8[::1], int64, int64, int64, float32[:, ::1])")
def unpack(
    buffer: ByteArray,  # IN: the bytes before the numbers that all records must have; then, aligned to WORD, records
    values_at: int,  # IN: the number of these bytes, at least WORD
    stride: int,  # IN: bytes of a record
    n_rows: int,  # IN
    rows: FloatArray,  # OUT (n, d), with room for WIDE more bytes
) -> bool:
    """Copy the numbers of records; return whether all records are as expected, and all numbers finite."""
    out = rows.view(np.uint8)
    row_bytes = out.shape[1]
    first = (values_at + WORD - 1) // WORD * WORD
    alike = True
    for row in range(n_rows):
        record = first + row * stride
        alike &= same(buffer, 0, record, values_at)
        # Whole blocks: bytes beyond the row are overwritten by the next row.
        for i in range(0, row_bytes, WIDE):
            copy_wide(buffer, record + values_at + i, out, row * row_bytes + i)
    return alike and first_infinite(rows, 0, n_rows) == n_rows


@kernel("void(float32[:, ::1], float64[::1], float64[::1])", strict=True)
def move_and_scale(
    rows: FloatArray,  # INOUT (n, d)
    origin: DoubleArray,  # IN (d,): is subtracted from each row
    scales: DoubleArray,  # IN (d,): divide what is left
) -> None:
    """Compute the coordinates of rows, in float64, and round them to float32; none leaves the range of float32."""
    largest = np.float64(LARGEST)
    for i in range(len(rows)):
        for f in range(rows.shape[1]):
            moved = (np.float64(rows[i, f]) - origin[f]) / scales[f]
            rows[i, f] = np.float32(min(max(moved, -largest), largest))


@kernel("boolean(float32[:, ::1])", strict=True)
def scale_to_unit(
    rows: FloatArray,  # INOUT (n, d)
) -> bool:
    """Scale rows to length 1 as `kmeans.unit_length` does; return False at a row of zeros, which has no direction."""
    n_features = rows.shape[1]
    whole = n_features // LANES * LANES
    for i in range(len(rows)):
        first = second = third = fourth = 0.0
        for f in range(0, whole, LANES):
            first += np.float64(rows[i, f]) * np.float64(rows[i, f])
            second += np.float64(rows[i, f + 1]) * np.float64(rows[i, f + 1])
            third += np.float64(rows[i, f + 2]) * np.float64(rows[i, f + 2])
            fourth += np.float64(rows[i, f + 3]) * np.float64(rows[i, f + 3])
        if whole < n_features:
            first += np.float64(rows[i, whole]) * np.float64(rows[i, whole])
        if whole + 1 < n_features:
            second += np.float64(rows[i, whole + 1]) * np.float64(rows[i, whole + 1])
        if whole + 2 < n_features:
            third += np.float64(rows[i, whole + 2]) * np.float64(rows[i, whole + 2])
        square = (first + second) + (third + fourth)
        if square == 0.0:
            return False
        if abs(square - 1.0) > ROUNDING:
            length = np.sqrt(square)
            for f in range(n_features):
                rows[i, f] = np.float32(np.float64(rows[i, f]) / length)
    return True
