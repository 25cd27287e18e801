"""Finds lines of CSV that are decoded in one go, and counts them."""

import numpy as np

from container.formats.csv.csv_kernel import WORD, flags
from kmeans.kernels.jit import kernel
from kmeans.kernels.packed import ByteArray, Integer

_LINE_FEED, _RETURN = ord("\n"), ord("\r")
_LINE_FEEDS = np.uint64(0x0101010101010101 * _LINE_FEED)
_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)
# Of so many words at most the line feeds are counted in the bytes of one.
_MOST_WORDS = 255
# Bytes that are looked through before it is asked whether there are lines enough.
_SEARCHED = 1 << 12


@kernel("int64(uint8[::1], int64, int64)")
def count_lines(buffer: ByteArray, begin: Integer, end: Integer) -> Integer:
    """Count line feeds."""
    count: Integer = np.int64(0)
    p = np.int64(begin)
    while p + WORD <= end:
        n = (end - p) // WORD
        if n > _MOST_WORDS:
            n = np.int64(_MOST_WORDS)
        words = buffer[p : p + n * WORD].view(np.uint64)
        counts = np.uint64(0)
        for i in range(n):
            counts += flags(words[i], _LINE_FEEDS) >> np.uint64(7)
        pairs = (counts & _EVEN_BYTES) + (counts >> np.uint64(8) & _EVEN_BYTES)
        count += np.int64(pairs * np.uint64(0x0001000100010001) >> np.uint64(48))
        p += n * WORD
    while p < end:
        count += np.int64(buffer[np.uint64(p)] == _LINE_FEED)
        p += 1
    return np.int64(count)


@kernel("UniTuple(int64, 2)(uint8[::1], int64, int64, int64, int64)")
def piece(
    buffer: ByteArray,  # IN
    begin: Integer,  # IN where a line begins
    near: Integer,  # IN where the piece should end
    end: Integer,  # IN of the bytes that have come
    most: Integer,  # IN lines, at least 1
) -> tuple[Integer, Integer]:
    """Find lines to decode in one go: they end before `near`, but for one that is longer than that.

    Empty lines at the end are left, for they are none if nothing but them follows.

    Returns
    -------
    lines : int
        How many; 0 where there is no whole line but empty ones.
    end : int
        Behind the last one.
    """
    lines: Integer = np.int64(0)
    p: Integer = np.int64(begin)
    while p < near and lines < most:
        behind: Integer = np.int64(min(p + _SEARCHED, near))
        count = count_lines(buffer, p, behind)
        if lines + count > most:
            break
        lines += count
        p = behind
    if lines < most and p < near:
        while lines < most:
            lines += np.int64(buffer[np.uint64(p)] == _LINE_FEED)
            p += 1
    while p < end and lines == 0:
        lines += np.int64(buffer[np.uint64(p)] == _LINE_FEED)
        p += 1
    last: Integer = p
    while last > begin and buffer[np.uint64(last - 1)] != _LINE_FEED:
        last -= 1
    # Back to the end of the last line that is not empty.
    filled: Integer = last
    while filled > begin and (buffer[np.uint64(filled - 1)] == _LINE_FEED or buffer[np.uint64(filled - 1)] == _RETURN):
        filled -= 1
    if filled == begin:
        return np.int64(0), np.int64(begin)
    while buffer[np.uint64(filled)] != _LINE_FEED:
        filled += 1
    return np.int64(lines - count_lines(buffer, filled + 1, last)), np.int64(filled + 1)
