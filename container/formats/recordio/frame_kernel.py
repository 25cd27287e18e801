"""Decodes RecordIO frames straight into a batch, with no Python object a record.

At a record that is not plain (see `record_kernel`; a split one too) the kernels stop before it and leave it to
`container.formats.recordio.records`, which either reads it or says what is wrong.
"""

from typing import Final

import numpy as np

from container.formats.recordio.record_kernel import BEGIN, END, FOUND, N_KEYS, read_record
from container.formats.recordio.records import HEADER_BYTES, MAGIC
from container.formats.recordio.wire_kernel import NOT_PLAIN, word
from kmeans.kernels.jit import INTERPRETED, kernel
from kmeans.kernels.packed import WIDE, ByteArray, Integer, RowArray, copy_wide, first_infinite, same

# Why a kernel stopped.
FULL: Final = 0
MORE: Final = 1  # the buffer ends inside a record, or at its border
ODD: Final = 2  # the next record is not plain

_MAGIC = np.int64(MAGIC)
_HEADER = np.int64(HEADER_BYTES)


@kernel(
    "UniTuple(int64, 3)(uint8[::1], int64, int64, float32[:, ::1], int64)",
    "UniTuple(int64, 3)(uint8[::1], int64, int64, float64[:, ::1], int64)",
)
def decode(
    buffer: ByteArray,  # IN
    position: Integer,  # IN where the first frame begins
    end: Integer,  # IN of the bytes that have come
    out: RowArray,  # OUT (n, d)
    row: Integer,  # IN the first row to write
) -> tuple[Integer, Integer, Integer]:
    """Decode records into the rows of `out` from `row` on.

    Returns
    -------
    status : int
        FULL, MORE or ODD: why it stopped.
    position : int
        Where the next record begins.
    row : int
        The next row to write.
    """
    out_bytes = out.view(np.uint8)
    row_bytes = np.int64(out_bytes.shape[1])
    # Rows are copied in whole blocks. What these bring too many lies in the next row, which is yet to be written.
    copied = (row_bytes + WIDE - 1) // WIDE * WIDE
    keys = np.empty(out.shape[1], np.int64)
    found = np.zeros(FOUND, np.int64)
    # Most files hold records of one shape, alike in all but the numbers at their end. Such a record is known by the
    # bytes before its numbers, and need not be parsed: those of the last one that was begin at `like`.
    like, like_values, like_size = NOT_PLAIN, NOT_PLAIN, NOT_PLAIN
    p = np.int64(position)
    while row < len(out):
        if like >= 0:
            first = np.int64(row)
            last = min(
                (len(out) * row_bytes - copied) // row_bytes + 1,
                first + (end - p) // like_size,
                first + (len(buffer) - p - like_values - copied) // like_size + 1,
            )
            while row < last and same(buffer, like, p, like_values):
                for i in range(0, copied, WIDE):
                    copy_wide(buffer, p + like_values + i, out_bytes, row * row_bytes + i)
                p += like_size
                row += 1
            odd = first_infinite(out, first, row)
            if odd < row:
                return np.int64(ODD), np.int64(p - (row - odd) * like_size), np.int64(odd)
            if row == len(out):
                break
        if end - p < _HEADER:
            return np.int64(MORE), p, np.int64(row)
        length = word(buffer, p + 4)
        # A part of a split record has a flag in its upper three bits.
        if word(buffer, p) != _MAGIC or length >= 1 << 29:
            return np.int64(ODD), p, np.int64(row)
        size = _HEADER + ((length + 3) & ~np.int64(3))
        if end - p < size:
            return np.int64(MORE), p, np.int64(row)
        payload_end = p + _HEADER + length
        if not read_record(buffer, p + _HEADER, payload_end, row, out, out_bytes, keys, found):
            return np.int64(ODD), p, np.int64(row)
        values_last = found[N_KEYS] == 0 and found[END] == payload_end and found[END] - found[BEGIN] == row_bytes
        if values_last and not INTERPRETED:
            like, like_values, like_size = p, found[BEGIN] - p, size
        p += size
        row += 1
    return np.int64(FULL), p, np.int64(row)


@kernel("UniTuple(int64, 2)(uint8[::1], int64, int64, float32[:, ::1])")
def layout(
    buffer: ByteArray,  # IN
    position: Integer,  # IN where the first frame begins
    end: Integer,  # IN of the bytes that have come
    out: RowArray,  # OUT (1, d)
) -> tuple[Integer, Integer]:
    """Tell how a record is laid out whose numbers are the float32 ones of a dense row, at its end.

    Returns
    -------
    values_at : int
        Bytes from where the frame begins to the numbers; -1 of any other record.
    size : int
        Bytes of the frame.
    """
    p = np.int64(position)
    if end - p < _HEADER:
        return NOT_PLAIN, np.int64(0)
    length = word(buffer, p + 4)
    size = _HEADER + ((length + 3) & ~np.int64(3))
    if word(buffer, p) != _MAGIC or length >= 1 << 29 or end - p < size:
        return NOT_PLAIN, np.int64(0)
    out_bytes = out.view(np.uint8)
    keys, found = np.empty(out.shape[1], np.int64), np.zeros(FOUND, np.int64)
    payload_end = p + _HEADER + length
    plain = read_record(buffer, p + _HEADER, payload_end, np.int64(0), out, out_bytes, keys, found)
    last = found[N_KEYS] == 0 and found[END] == payload_end and found[END] - found[BEGIN] == out_bytes.shape[1]
    return (found[BEGIN] - p if plain and last else NOT_PLAIN), size


@kernel("UniTuple(int64, 3)(uint8[::1], int64, int64, int64)")
def skip(
    buffer: ByteArray,  # IN
    position: Integer,  # IN where the first frame begins
    end: Integer,  # IN of the bytes that have come
    count: Integer,  # IN how many records to pass over, at most
) -> tuple[Integer, Integer, Integer]:
    """Pass over records by their headers alone.

    Returns
    -------
    status : int
        FULL, MORE or ODD: why it stopped.
    position : int
        Where the next record begins.
    skipped : int
        The records passed over.
    """
    p = np.int64(position)
    skipped = np.int64(0)
    while skipped < count:
        if end - p < _HEADER:
            return np.int64(MORE), p, skipped
        length = word(buffer, p + 4)
        if word(buffer, p) != _MAGIC or length >= 1 << 29:
            return np.int64(ODD), p, skipped
        size = _HEADER + ((length + 3) & ~np.int64(3))
        if end - p < size:
            return np.int64(MORE), p, skipped
        p += size
        skipped += 1
    return np.int64(FULL), p, skipped
