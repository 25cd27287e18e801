"""Finds and counts lines of CSV that are decoded in one go."""

import numpy as np

from container.formats.csv.decode_kernel import WORD, flags
from kmeans.kernels.jit import kernel
from kmeans.kernels.packed import ByteArray, Integer

_LINE_FEED, _RETURN = ord("\n"), ord("\r")
_LINE_FEEDS = np.uint64(0x0101010101010101 * _LINE_FEED)
_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)
# The bytes of one word count the line feeds in this many words at most.
_MAX_WORDS = 255
# Bytes that are searched before checking whether there are enough lines.
_SEARCHED = 1 << 12


@kernel("int64(uint8[::1], int64, int64)")
def count_lines(buffer: ByteArray, begin: Integer, end: Integer) -> Integer:
    """Return the number of line feeds."""
    count: Integer = np.int64(0)
    p = np.int64(begin)
    while p + WORD <= end:
        n = (end - p) // WORD
        if n > _MAX_WORDS:
            n = np.int64(_MAX_WORDS)
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
    """Find lines to decode in one go. They end before `near`, unless the first one is longer than that.

    Empty lines at the end are left out: they do not count if nothing else follows.

    Returns
    -------
    lines : int
        The number of lines; 0 if no whole line has come but empty ones.
    end : int
        The offset behind the last one.
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
