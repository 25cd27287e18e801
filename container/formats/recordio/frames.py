"""Frames of RecordIO: payloads in them, one after the other, with nothing said of what a payload means.

A record whose payload holds the magic at a multiple of 4 may come split there: the first part has flag 1, middle ones
2, the last one 3, and the magic itself is left out. Such records are read and never written, because the SDK's reader
does not know them. `container.formats.recordio.wire` has the form of a frame.
"""

import struct
from collections.abc import Iterator
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from container.formats.errors import FormatError, IncompleteError, located
from container.formats.magic import HEAD_BYTES, RECORDIO, refuse_others
from container.formats.recordio.spans import Spans, spans_of
from container.formats.recordio.wire import HEADER_BYTES, MAGIC, MAX_PAYLOAD_BYTES

Length = TypeVar("Length", int, NDArray[np.int64])

MAGIC_BYTES: Final = MAGIC.to_bytes(4, "little")

_HEADER = struct.Struct("<II")
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
# Split records are read together, at most this many, before whole ones are looked for again.
_MAX_SPLIT_RECORDS = 1024


def next_record(data: bytes | memoryview, position: int) -> tuple[bytes, int]:
    """Return the payload of the record that begins at `position`, and where the next one begins.

    Parameters
    ----------
    data : bytes or memoryview
        Frames, one after the other.
    position : int
        Where a frame begins, in bytes.

    Returns
    -------
    payload : bytes
        Its parts joined.
    position : int
        Where the next record begins.

    Raises
    ------
    IncompleteError
        If `data` ends inside the record.
    FormatError
        If these are not frames of one record.
    """
    parts: list[bytes] = []
    total = 0
    while True:
        if position + HEADER_BYTES > len(data):
            raise IncompleteError(
                f"expected a frame header of {HEADER_BYTES} bytes, got {len(data) - position} bytes and the end"
            )
        magic, word = _HEADER.unpack_from(data, position)
        if magic != MAGIC:
            if not parts:
                refuse_others(data[position : position + HEAD_BYTES], RECORDIO)
            raise FormatError(f"expected the RecordIO magic 0x{MAGIC:08X}, got 0x{magic:08X}")
        flag, length = word >> 29, word & MAX_PAYLOAD_BYTES
        if flag not in ((_MIDDLE, _LAST) if parts else (_WHOLE, _FIRST)):
            raise FormatError(
                f"expected the {'next part of a split' if parts else 'beginning of a'} record, got the flag {flag}"
            )
        total += length + len(MAGIC_BYTES)
        if total > MAX_PAYLOAD_BYTES + len(MAGIC_BYTES):
            raise FormatError(f"expected a record of at most {MAX_PAYLOAD_BYTES} bytes, got one split into more")
        begin = position + HEADER_BYTES
        position = begin + padded(length)
        if position > len(data):
            raise IncompleteError(
                f"expected {padded(length)} bytes after the frame header, got {len(data) - begin} and the end"
            )
        parts.append(bytes(data[begin : begin + length]))
        if flag in (_WHOLE, _LAST):
            return MAGIC_BYTES.join(parts), position


def padded(length: Length) -> Length:
    """Return the bytes that a payload of `length` bytes, or each of an array of lengths, takes up in a frame."""
    return (length + 3) & ~3


def frame_bytes(header: bytes) -> int:
    """Return the size of the frame that begins with `header`, or 0 if that is not the header of a whole frame."""
    if len(header) != HEADER_BYTES:
        return 0
    magic, word = _HEADER.unpack(header)
    if magic != MAGIC or word > MAX_PAYLOAD_BYTES:
        return 0
    size: int = HEADER_BYTES + padded(word)
    return size


def split_frames(data: bytes | memoryview) -> Iterator[bytes]:
    """Yield the payloads of the records in `data`.

    Parameters
    ----------
    data : bytes or memoryview
        Frames, one after the other.

    Yields
    ------
    bytes
        A payload, its parts joined.

    Raises
    ------
    FormatError
        With the record's number, if `data` is anything but whole frames.
    """
    position = record = 0
    while position < len(data):
        record += 1
        with located(record):
            payload, position = next_record(data, position)
        yield payload


def frame(payload: bytes) -> bytes:
    """Return a payload in one whole frame.

    Raises
    ------
    ValueError
        If the payload is longer than a frame can say.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"expected a payload of at most {MAX_PAYLOAD_BYTES} bytes, got {len(payload)}")
    return _HEADER.pack(MAGIC, len(payload)) + payload + bytes(padded(len(payload)) - len(payload))


def some_payloads(data: bytes, position: int, most: int) -> tuple[Spans, int]:
    """Return the payloads of the records from `position` on, as far as they have come as a whole.

    Parameters
    ----------
    data : bytes
        Frames, one after the other; the last one may be cut off.
    position : int
        Where a frame begins, in bytes.
    most : int
        The number of records to look for.

    Returns
    -------
    payloads : Spans
        One or more, unless the first record is cut off; not all where whole records and split ones take turns.
    used : int
        The bytes of their frames.

    Raises
    ------
    FormatError
        If no record begins at `position`.
    """
    if 0 < frame_bytes(data[position : position + HEADER_BYTES]) <= len(data) - position:
        return _in_whole_frames(data, position, most)
    begin = position
    found: list[bytes] = []
    try:
        while position < len(data) and len(found) < min(most, _MAX_SPLIT_RECORDS):
            payload, position = next_record(data, position)
            found.append(payload)
    except IncompleteError:
        # The rest of it is still to come.
        pass
    except FormatError:
        if not found:
            raise
    return spans_of(found), position - begin


def _in_whole_frames(data: bytes, position: int, most: int) -> tuple[Spans, int]:
    """Return the first payload, which is whole, and others up to one that is not, and the bytes of all frames."""
    words = np.frombuffer(data, "<u4", (len(data) - position) // 4, position)
    magics = np.flatnonzero(words[:-1] == MAGIC)
    ends = magics + _frame_words(words[magics + 1])
    if not np.array_equal(magics[1:], ends[:-1]):
        magics = magics[_chain(magics, ends)]
    magics = magics[:most]
    lengths = words[magics + 1].astype(np.int64)
    ends = magics + _frame_words(lengths)
    whole = (lengths <= MAX_PAYLOAD_BYTES) & (ends <= len(words))
    count = len(whole) if whole.all() else int(whole.argmin())
    begins = position + 4 * magics[:count] + HEADER_BYTES
    return Spans(data, begins, begins + lengths[:count]), 4 * int(ends[count - 1])


def _frame_words(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    return padded(HEADER_BYTES + lengths.astype(np.int64)) // 4


def _chain(magics: NDArray[np.int64], ends: NDArray[np.int64]) -> list[int]:
    """Return which magics begin frames: the first, and each one where a frame ends; others are within a record."""
    following = np.searchsorted(magics[:-1], ends)
    following[magics[following] != ends] = -1
    nexts = following.tolist()
    chain = [0]
    while (one := nexts[chain[-1]]) >= 0:
        chain.append(one)
    return chain
