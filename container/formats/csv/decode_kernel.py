"""Decodes lines of CSV straight into the rows of an array, with no Python object for a line.

Plain is what any ordinary writer writes: decimal numbers, maybe blanks around them, no quotation marks. The kernel
stops before a line that is not plain, and leaves it to `container.formats.csv.parser`, which either reads it or says
what is wrong. A number means what it means there, a decimal rounded to float64 and that to float32:

- Up to 2**53, and scaled by a power of ten up to 10**22, float64 has all that is multiplied or divided, so that the
  result is rounded once (Clinger 1990, "How to read floating point numbers accurately").
- Any other number is near to what it should be. For float32 that is enough unless a border at which it rounds up is as
  near. Otherwise, and always for float64, the line is not plain.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from container.formats.word_kernel import long_word
from kmeans.kernels.jit import kernel
from kmeans.kernels.packed import ByteArray, Integer, RowArray
from kmeans.types import DoubleArray

# Why the kernel stopped.
FULL: Final = 0
MORE: Final = 1  # the buffer ends inside a line, or at its border
ODD: Final = 2  # the next line is not plain

# In place of an offset.
_NOT_PLAIN = np.int64(-1)

# Bytes that are read at once: a line is decoded only if this many follow the beginning of each of its numbers.
WORD: Final = 8
_COMMA, _LINE_FEED, _RETURN, _QUOTE, _BLANK, _TAB, _PLUS, _MINUS, _POINT, _E = (ord(sign) for sign in ',\n\r" \t+-.e')
_ONES = np.uint64(0x0101010101010101)
_ZEROS = _ONES * np.uint64(ord("0"))
_HIGH_BITS = _ONES * np.uint64(0x80)
_BEYOND_NINE = _ONES * np.uint64(0x80 - 10)
_ENDS = _ONES * np.uint64(_COMMA + 1)
_POINTS = _ONES * np.uint64(_POINT ^ ord("0"))
# Of the last n of 16 bytes, those in the last word and those in the word before.
_LAST: NDArray[np.uint64] = np.array([((1 << 64) - (1 << 8 * max(WORD - n, 0))) for n in range(2 * WORD)], np.uint64)
_LAST_BUT_EIGHT: NDArray[np.uint64] = np.array([0] * WORD + _LAST[:WORD].tolist(), np.uint64)
_SIGNS: DoubleArray = np.array([1.0, -1.0])

# Below this a number takes 0 .. 8 more digits and has no more than 18 of them, for which int64 has room. What follows
# them is lost: it is less than the rounding of a float64.
_ROOM: NDArray[np.int64] = 10 ** (18 - np.arange(WORD + 1))
_LARGEST_EXACT = 1 << 53
_EXACT_POWERS = 22
_POWERS: DoubleArray = np.array([float(f"1e{exponent}") for exponent in range(64)])
_WHOLE_POWERS: NDArray[np.int64] = 10 ** np.arange(WORD + 1)
# Numbers whose float64 is not exact are taken in this range, within that of float32.
_LEAST, _MOST = 1e-36, 1e38
# The bits of a float64 that a float32 has no room for, the border between two float32 in terms of them, and how near a
# number may come to it: more than all roundings together, two units.
_LOST_BITS = (1 << 29) - 1
_BORDER = 1 << 28
_NEAR = 16


@kernel("uint64(uint64)", inline=True)
def _value(digits: np.uint64) -> np.uint64:
    """Return the number that 8 digits make, the first of them in the lowest byte."""
    # Numbers of two digits, then of four, then of eight.
    values = digits * np.uint64(10) + (digits >> np.uint64(8))
    pairs = np.uint64(0x000000FF000000FF)
    first = (values & pairs) * np.uint64(100 + (1000000 << 32))
    second = (values >> np.uint64(16) & pairs) * np.uint64(1 + (10000 << 32))
    return (first + second) >> np.uint64(32)


@kernel("UniTuple(int64, 2)(uint64)", inline=True)
def _digits(text: np.uint64) -> tuple[np.int64, np.int64]:
    """Return the number of digits that 8 characters begin with, and their value."""
    values = text ^ _ZEROS
    # A high bit in each byte that is no digit; beyond the first of them there may be more.
    others = ((values + _BEYOND_NINE) | values) & _HIGH_BITS
    count = np.uint64(WORD)
    if others:
        below = (others & (~others + np.uint64(1))) - np.uint64(1)
        count = ((below & _ONES) * _ONES >> np.uint64(56)) - np.uint64(1)
        if count == 0:
            return np.int64(0), np.int64(0)
        # Zeros come in before the first digit, which is in the lowest byte.
        values <<= np.uint64(8) * (np.uint64(WORD) - count)
    return np.int64(count), np.int64(_value(values))


@kernel("uint64(uint64)", inline=True)
def _bytes_before(flag: np.uint64) -> np.uint64:
    """Return the number of bytes below the lowest high bit that is set; 8 if none is."""
    lowest = flag >> np.uint64(7)
    below = (lowest & (~lowest + np.uint64(1))) - np.uint64(1)
    return (below & _ONES) * _ONES >> np.uint64(56)


@kernel("uint64(uint64, uint64)", inline=True)
def flags(text: np.uint64, sign: np.uint64) -> np.uint64:
    """Return a high bit for each of 8 bytes that is the one in the same place of `sign`."""
    others = text ^ sign
    return ~(((others & ~_HIGH_BITS) + ~_HIGH_BITS) | others | ~_HIGH_BITS)


@kernel("Tuple((int64, float64))(uint8[::1], int64)", strict=True, inline=True)
def _short_number(buffer: ByteArray, p: Integer) -> tuple[Integer, np.float64]:
    """Return a number of fewer than 16 characters: digits, maybe a minus before and a point among them.

    All of it is in two words, so that nothing has to be gone through digit by digit, and exact: it has 15 digits.

    Returns
    -------
    end : int
        Behind it; negative if there is none such, or if fewer than 16 bytes lie before or behind its beginning.
    number : float
        Rounded once.
    """
    nothing = _NOT_PLAIN, np.float64(0.0)
    if p < 2 * WORD or p + 2 * WORD > len(buffer):
        return nothing
    first, second = long_word(buffer, p), long_word(buffer, p + WORD)
    # A high bit in the first byte that is no more than a comma: that ends the number. Beyond it there may be more.
    size = _bytes_before((first - _ENDS) & ~first & _HIGH_BITS)
    more = _bytes_before((second - _ENDS) & ~second & _HIGH_BITS)
    size += more if size == np.uint64(WORD) else np.uint64(0)
    minus = np.uint64(buffer[np.uint64(p)] == _MINUS)
    if size == np.uint64(2 * WORD) or size == minus:
        return nothing
    # Its last characters, and those before: values of digits, zeros where it has none.
    end = p + np.int64(size)
    high = (long_word(buffer, end - WORD) ^ _ZEROS) & _LAST[size - minus]
    low = (long_word(buffer, end - 2 * WORD) ^ _ZEROS) & _LAST_BUT_EIGHT[size - minus]
    points = flags(high, _POINTS)
    places = np.uint64(0)
    # What is before the point moves to its place. A second one stays, and is no digit.
    if points:
        lowest = (points & (~points + np.uint64(1))) >> np.uint64(7)
        behind = ~((lowest << np.uint64(8)) - np.uint64(1))
        places = (behind & _ONES) * _ONES >> np.uint64(56)
        high = (high & behind) | ((high & (lowest - np.uint64(1))) << np.uint64(8)) | (low >> np.uint64(56))
        low <<= np.uint64(8)
    else:
        points = flags(low, _POINTS)
        if points:
            lowest = (points & (~points + np.uint64(1))) >> np.uint64(7)
            behind = ~((lowest << np.uint64(8)) - np.uint64(1))
            places = np.uint64(WORD) + ((behind & _ONES) * _ONES >> np.uint64(56))
            low = (low & behind) | ((low & (lowest - np.uint64(1))) << np.uint64(8))
    others = ((high + _BEYOND_NINE) | high | (low + _BEYOND_NINE) | low) & _HIGH_BITS
    if others or size - minus == np.uint64(points != 0):
        return nothing
    value = np.int64(_value(low) * np.uint64(100_000_000) + _value(high))
    return np.int64(end), np.float64(value / _POWERS[places] * _SIGNS[minus])


@kernel("float64(int64, int64)", strict=True)
def _scaled(value: Integer, exponent: Integer) -> np.float64:
    """Return value * 10 ** exponent."""
    return np.float64(value * _POWERS[exponent] if exponent >= 0 else value / _POWERS[-exponent])


@kernel("Tuple((int64, float64))(uint8[::1], int64, boolean)", strict=True, inline=True)
def _number(buffer: ByteArray, p: Integer, exact: bool) -> tuple[Integer, np.float64]:
    """Return the offset behind a number, negative if it is not plain, and the number: exact, or as float32 needs it."""
    first, sign = np.uint64(p), buffer[np.uint64(p)]
    p += np.int64(sign == _MINUS) | np.int64(sign == _PLUS)
    begin = p
    value, places, dropped = np.int64(0), np.int64(0), np.int64(0)
    point: Integer = np.int64(-1)
    ended = False
    while not ended and p + WORD <= len(buffer):
        count, digits = _digits(long_word(buffer, p))
        p += count
        room = count
        if value >= _ROOM[count]:
            while value >= _ROOM[room]:
                room -= 1
            dropped += count - room
            digits //= _WHOLE_POWERS[count - room]
        value = value * _WHOLE_POWERS[room] + digits
        if point >= 0:
            places += room
        if count < WORD:
            ended = bool(point >= 0 or dropped > 0 or buffer[np.uint64(p)] != _POINT)
            if not ended:
                point = p
                p += 1
    plain = bool(ended and p - begin - np.int64(point >= 0) > 0 and (point >= 0 or dropped == 0))
    exponent = -places
    if plain and buffer[np.uint64(p)] | np.uint8(0x20) == _E:
        plain = bool(p + 2 + WORD <= len(buffer))
        if plain:
            sign_of_exponent = buffer[np.uint64(p + 1)]
            p += np.int64(1) + (np.int64(sign_of_exponent == _MINUS) | np.int64(sign_of_exponent == _PLUS))
            count, digits = _digits(long_word(buffer, p))
            plain = bool(0 < count < WORD)
            p += count
            exponent += -digits if sign_of_exponent == _MINUS else digits
    number = np.float64(0.0)
    if plain and value != 0:
        plain = bool(abs(exponent) < len(_POWERS))
        if plain:
            number = _scaled(value, exponent)
            if dropped or value > _LARGEST_EXACT or abs(exponent) > _EXACT_POWERS:
                lost = np.float64(number).view(np.int64) & _LOST_BITS
                plain = bool(not (exact or abs(lost - _BORDER) <= _NEAR or not _LEAST < number < _MOST))
    # There is one way out, on which the buffer is looked at again: else the compiler makes every number count
    # references to the buffer, which takes as long as all of the rest.
    return np.int64(p if plain else _NOT_PLAIN), np.float64(-number if buffer[first] == _MINUS else number)


@kernel("int64(uint8[::1], int64, int64)")
def _behind_blanks(buffer: ByteArray, p: Integer, end: Integer) -> Integer:
    while p < end and (buffer[np.uint64(p)] == _BLANK or buffer[np.uint64(p)] == _TAB):
        p += 1
    return np.int64(p)


@kernel("boolean(uint8[::1], int64, int64)")
def _has_end(buffer: ByteArray, p: Integer, end: Integer) -> bool:
    """Return whether a line has come as a whole."""
    while p < end and buffer[np.uint64(p)] != _LINE_FEED:
        p += 1
    return bool(p < end)


@kernel(
    "UniTuple(int64, 3)(uint8[::1], int64, int64, int64, float32[:, ::1], int64)",
    "UniTuple(int64, 3)(uint8[::1], int64, int64, int64, float64[:, ::1], int64)",
)
def decode(
    buffer: ByteArray,  # IN
    position: Integer,  # IN where the first line begins
    end: Integer,  # IN of the bytes that have come
    labels: Integer,  # IN columns that are not looked at
    out: RowArray,  # OUT (n, d)
    row: Integer,  # IN the first row to write
) -> tuple[Integer, Integer, Integer]:
    """Decode lines into the rows of `out` from `row` on.

    Returns
    -------
    status : int
        FULL, MORE or ODD: why it stopped. At the end of the buffer MORE may also stand for a line that has come as a
        whole, but for the bytes that must follow its last number.
    position : int
        Where the next line begins.
    row : int
        The next row to write.
    """
    n_rows, n_columns = out.shape
    exact = out.itemsize > 4
    begin = np.int64(position)
    while row < n_rows:
        p: Integer = begin
        for _ in range(labels):
            while p < end and buffer[np.uint64(p)] != _COMMA:
                sign = buffer[np.uint64(p)]
                if sign in (_QUOTE, _LINE_FEED, _RETURN):
                    return np.int64(ODD), begin, np.int64(row)
                p += 1
            p += 1
        for column in range(n_columns):
            p = _behind_blanks(buffer, p, end)
            if p >= end or p + WORD > len(buffer):
                return np.int64(MORE), begin, np.int64(row)
            # If the number is cut off, what is read behind the end has been there before; nothing is made of it.
            behind, number = _short_number(buffer, p)
            if behind < 0:
                behind, number = _number(buffer, p, exact)
            p = behind
            if p < 0:
                return np.int64(ODD if _has_end(buffer, begin, end) else MORE), begin, np.int64(row)
            out[row, column] = number
            p = _behind_blanks(buffer, p, end)
            if p >= end:
                return np.int64(MORE), begin, np.int64(row)
            if column < n_columns - 1:
                if buffer[np.uint64(p)] != _COMMA:
                    return np.int64(ODD), begin, np.int64(row)
                p += 1
        if buffer[np.uint64(p)] == _RETURN:
            p += 1
            if p >= end:
                return np.int64(MORE), begin, np.int64(row)
        if buffer[np.uint64(p)] != _LINE_FEED:
            return np.int64(ODD), begin, np.int64(row)
        begin = np.int64(p + 1)
        row += 1
    return np.int64(FULL), begin, np.int64(row)
