"""Reads the weights of plain Record messages: the only number of a dense tensor under a feature's name.

Of any other record the kernels say only that it is not plain; `container.formats.recordio.records` is the judge of it.
"""

from typing import Any

import numpy as np
from numba import types

from container.formats.recordio.frame_kernel import FULL, ODD, whole_frame
from container.formats.recordio.wire import (
    ENTRY_KEY,
    ENTRY_VALUE,
    FEATURES,
    FLOAT32_TENSOR,
    FLOAT64_TENSOR,
    HEADER_BYTES,
    INT32_TENSOR,
    SHAPE,
    VALUES,
    tag,
)
from container.formats.recordio.wire_kernel import NOT_PLAIN, span, varint
from container.formats.word_kernel import word
from kmeans.kernels.jit import kernel
from kmeans.kernels.packed import ByteArray, Integer
from kmeans.types import DoubleArray

_HEADER = np.int64(HEADER_BYTES)
_VALUES, _SHAPE = tag(VALUES), tag(SHAPE)
_FOUND: Any = types.Tuple((types.boolean, types.float64))  # type: ignore[no-untyped-call]
_BUFFER, _INTEGER = types.uint8[::1], types.int64


@kernel(_FOUND(_BUFFER, _INTEGER, _INTEGER, _INTEGER))
def _number(
    buffer: ByteArray,  # IN
    p: Integer,  # IN
    end: Integer,  # IN
    kind: Integer,  # IN tag of the tensor
) -> tuple[bool, float]:
    """Return whether a tensor holds a single number and nothing else but a shape, and the number."""
    begin: Integer = NOT_PLAIN
    finish: Integer = NOT_PLAIN
    while p < end:
        field = np.int64(buffer[p])
        first, p = span(buffer, np.int64(p + 1), end)
        if p < 0 or (field != _SHAPE and (field != _VALUES or begin >= 0)):
            return False, 0.0
        if field == _VALUES:
            begin, finish = first, p
    if begin < 0:
        return False, 0.0
    if kind == FLOAT32_TENSOR and finish - begin == 4:
        return True, np.float64(np.uint32(word(buffer, begin)).view(np.float32))
    if kind == FLOAT64_TENSOR and finish - begin == 8:
        return True, np.int64(word(buffer, begin) | word(buffer, begin + 4) << 32).view(np.float64)
    if kind == INT32_TENSOR:
        number, behind = varint(buffer, begin, finish)
        # Of a longer varint only the low 32 bits count.
        number &= 0xFFFFFFFF
        return behind == finish, np.float64(number - (number >> 31 << 32))
    return False, 0.0


@kernel(_FOUND(_BUFFER, _INTEGER, _INTEGER, _BUFFER))
def _weight(
    buffer: ByteArray,  # IN
    p: Integer,  # IN
    end: Integer,  # IN
    name: ByteArray,  # IN
) -> tuple[bool, float]:
    """Return whether the message of a record is plain and has a weight, once, and the weight."""
    found, weight = False, 0.0
    while p < end:
        field = buffer[p]
        entry, p = span(buffer, np.int64(p + 1), end)
        if p < 0:
            return False, 0.0
        if field != FEATURES:
            continue
        key: Integer = NOT_PLAIN
        key_end: Integer = NOT_PLAIN
        value: Integer = NOT_PLAIN
        value_end: Integer = NOT_PLAIN
        while entry < p:
            part = buffer[entry]
            begin, entry = span(buffer, np.int64(entry + 1), p)
            if entry < 0:
                return False, 0.0
            if part == ENTRY_KEY and key_end < 0:
                key, key_end = begin, entry
            elif part == ENTRY_VALUE and value_end < 0:
                value, value_end = begin, entry
            else:
                return False, 0.0
        if key_end - key != len(name):
            continue
        alike = True
        for i in range(len(name)):
            alike &= buffer[key + i] == name[i]
        if not alike:
            continue
        if found or value_end <= value:
            return False, 0.0
        kind = np.int64(buffer[value])
        begin, finish = span(buffer, np.int64(value + 1), value_end)
        if finish != value_end:
            return False, 0.0
        found, weight = _number(buffer, begin, finish, kind)
        if not found:
            return False, 0.0
    return found, weight


@kernel("UniTuple(int64, 2)(uint8[::1], int64, int64, uint8[::1], float64[::1])")
def weights(
    buffer: ByteArray,  # IN
    position: Integer,  # IN where the first frame begins
    end: Integer,  # IN of the bytes that have come
    name: ByteArray,  # IN that of the feature, in UTF-8
    out: DoubleArray,  # OUT (n,)
) -> tuple[Integer, Integer]:
    """Read the weights of records.

    Returns
    -------
    status : int
        FULL, MORE or ODD of `frame_kernel`: why it stopped.
    count : int
        The records whose weights were read.
    """
    p: Integer = np.int64(position)
    for row in range(len(out)):
        status, payload_end, frame_end = whole_frame(buffer, p, end)
        if status != FULL:
            return status, np.int64(row)
        plain, weight = _weight(buffer, p + _HEADER, payload_end, name)
        if not plain:
            return np.int64(ODD), np.int64(row)
        out[row] = weight
        p = frame_end
    return np.int64(FULL), np.int64(len(out))
