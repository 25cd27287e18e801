"""Decodes frames straight into the rows of an array, with no Python object for a record.

The kernels stop before a record that is not plain (see `record_kernel`), or that is split into several frames. It is
left to `container.formats.recordio.records`, which either reads it or says what is wrong.
"""

from typing import Final

import numpy as np

from container.formats.recordio.record_kernel import BEGIN, END, FOUND, N_KEYS, OffsetArray, read_record
from container.formats.recordio.wire import HEADER_BYTES, MAGIC, MAX_PAYLOAD_BYTES
from container.formats.recordio.wire_kernel import NOT_PLAIN
from container.formats.word_kernel import word
from kmeans.kernels.jit import INTERPRETED, kernel
from kmeans.kernels.packed import WIDE, ByteArray, Integer, RowArray, copy_wide, first_infinite, same

# Why a kernel stopped.
FULL: Final = 0
MORE: Final = 1  # the buffer ends inside a record, or at its end
ODD: Final = 2  # the next record is not plain

_MAGIC = np.int64(MAGIC)
_HEADER = np.int64(HEADER_BYTES)


@kernel("UniTuple(int64, 3)(uint8[::1], int64, int64)", inline=True)
def whole_frame(buffer: ByteArray, p: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """Return whether a frame begins at `p` that has come as a whole (FULL, MORE or ODD), its payload's end and its own.

    A part of a split record is ODD: its flag is in the upper three bits of the length.
    """
    if end - p < _HEADER:
        return np.int64(MORE), p, p
    length = word(buffer, p + 4)
    if word(buffer, p) != _MAGIC or length > MAX_PAYLOAD_BYTES:
        return np.int64(ODD), p, p
    payload_end = p + _HEADER + length
    frame_end = np.int64(payload_end + (-length & 3))
    return np.int64(MORE if end < frame_end else FULL), payload_end, frame_end


@kernel("boolean(int64[::1], int64, int64)", inline=True)
def _numbers_last(found: OffsetArray, payload_end: Integer, row_bytes: Integer) -> bool:
    """Return whether a record that was read ends with the float32 numbers of a dense row."""
    return bool(found[N_KEYS] == 0 and found[END] == payload_end and found[END] - found[BEGIN] == row_bytes)


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
    # Rows are copied in whole blocks. What is copied beyond a row lies in the next one, which is yet to be written.
    copied = (row_bytes + WIDE - 1) // WIDE * WIDE
    keys = np.empty(out.shape[1], np.int64)
    found = np.zeros(FOUND, np.int64)
    # Most files hold records of one shape, alike in all but the numbers at their end. Such a record is recognized by
    # the bytes before its numbers, and need not be parsed: they are compared with those of the last parsed one, at
    # `like`.
    like, like_values, like_size = NOT_PLAIN, NOT_PLAIN, NOT_PLAIN
    p: Integer = np.int64(position)
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
        status, payload_end, frame_end = whole_frame(buffer, p, end)
        if status != FULL:
            return status, p, np.int64(row)
        if not read_record(buffer, p + _HEADER, payload_end, row, out, out_bytes, keys, found):
            return np.int64(ODD), p, np.int64(row)
        if not INTERPRETED and _numbers_last(found, payload_end, row_bytes):
            like, like_values, like_size = np.int64(p), np.int64(found[BEGIN] - p), np.int64(frame_end - p)
        p = frame_end
        row += 1
    return np.int64(FULL), p, np.int64(row)


@kernel("UniTuple(int64, 2)(uint8[::1], int64, int64, float32[:, ::1])")
def layout(
    buffer: ByteArray,  # IN
    position: Integer,  # IN where the first frame begins
    end: Integer,  # IN of the bytes that have come
    out: RowArray,  # OUT (1, d)
) -> tuple[Integer, Integer]:
    """Return where the numbers are in a record that ends with the float32 numbers of a dense row.

    Returns
    -------
    values_at : int
        Bytes from where the frame begins to the numbers; -1 for any other record.
    size : int
        Bytes of the frame.
    """
    p = np.int64(position)
    status, payload_end, frame_end = whole_frame(buffer, p, end)
    if status != FULL:
        return NOT_PLAIN, np.int64(0)
    out_bytes = out.view(np.uint8)
    keys, found = np.empty(out.shape[1], np.int64), np.zeros(FOUND, np.int64)
    plain = read_record(buffer, p + _HEADER, payload_end, np.int64(0), out, out_bytes, keys, found)
    last = plain and _numbers_last(found, payload_end, np.int64(out_bytes.shape[1]))
    return (found[BEGIN] - p if last else NOT_PLAIN), frame_end - p


@kernel("UniTuple(int64, 3)(uint8[::1], int64, int64, int64)")
def skip(
    buffer: ByteArray,  # IN
    position: Integer,  # IN where the first frame begins
    end: Integer,  # IN of the bytes that have come
    count: Integer,  # IN how many records to skip, at most
) -> tuple[Integer, Integer, Integer]:
    """Skip records by their headers alone.

    Returns
    -------
    status : int
        FULL, MORE or ODD: why it stopped.
    position : int
        Where the next record begins.
    skipped : int
        The records skipped.
    """
    p: Integer = np.int64(position)
    skipped = np.int64(0)
    while skipped < count:
        status, _, frame_end = whole_frame(buffer, p, end)
        if status != FULL:
            return status, p, skipped
        p = frame_end
        skipped += 1
    return np.int64(FULL), p, skipped
