"""Reads plain Record messages straight into the rows of an array, with no Python object for a record.

Plain is what any ordinary writer writes: tensors of float32, float64 and int32, dense or sparse, packed or not, with
labels and text fields in any order. Of anything else (a name or a key that comes twice, a number that is not finite,
broken bytes) these kernels say only that it is not plain; `container.formats.recordio.records` is the one judge of
whether it is valid, and adds up values of the same key. Each length is checked against the end of what it lies in.
"""

import numpy as np
from numpy.typing import NDArray

from container.formats.recordio.wire import (
    CONFIGURATION,
    ENTRY_KEY,
    ENTRY_VALUE,
    FEATURES,
    FIXED32,
    FIXED64,
    FLOAT32_TENSOR,
    FLOAT64_TENSOR,
    INT32_TENSOR,
    KEYS,
    LABEL,
    LENGTH,
    METADATA,
    ROW_NAME,
    SHAPE,
    UID,
    VALUES,
    VARINT,
)
from container.formats.recordio.wire_kernel import NOT_PLAIN, clear, copy, span, varint
from container.formats.word_kernel import word
from kmeans.kernels.jit import kernel
from kmeans.kernels.packed import ByteArray, Integer, RowArray, finite

OffsetArray = NDArray[np.int64]

# The name of the row, as two words that overlap.
_NAME_BYTES = len(ROW_NAME)
_NAME_BEGIN = int.from_bytes(ROW_NAME[:4], "little")
_NAME_FINISH = int.from_bytes(ROW_NAME[-4:], "little")
_MAX_FLOAT32 = float(np.finfo(np.float32).max)

# What a tensor is found to hold: the numbers of its values, keys and extents, the last extent, and, for float32 values,
# where their last run begins and ends.
FOUND = 6
_N_VALUES, N_KEYS, _N_SHAPE, _EXTENT, BEGIN, END = range(FOUND)
_ELSEWHERE = np.int64(-1)


@kernel(
    "boolean(uint8[::1], int64, int64, int64, int64, float32[:, ::1], uint8[:, ::1], int64[::1])",
    "boolean(uint8[::1], int64, int64, int64, int64, float64[:, ::1], uint8[:, ::1], int64[::1])",
)
def _values(
    buffer: ByteArray,  # IN
    p: Integer,  # IN
    end: Integer,  # IN
    kind: Integer,  # IN tag of the tensor
    row: Integer,  # IN where to write, or _ELSEWHERE
    out: RowArray,  # OUT (n, d)
    out_bytes: ByteArray,  # OUT (n, bytes of a row), the same memory
    found: OffsetArray,  # INOUT
) -> bool:
    """Read a run of values into a row, behind those it has; return whether it is plain."""
    have = found[_N_VALUES]
    capacity = out.shape[1]
    if kind == INT32_TENSOR:
        while p < end:
            number, p = varint(buffer, p, end)
            if p < 0 or (row >= 0 and have >= capacity):
                return False
            if row >= 0:
                # Of a longer varint only the low 32 bits count.
                number &= 0xFFFFFFFF
                out[row, have] = number - (number >> 31 << 32)
            have += 1
        found[_N_VALUES] = have
        return True
    width = 4 if kind == FLOAT32_TENSOR else 8
    count = (end - p) // width
    if count * width != end - p or (row >= 0 and have + count > capacity):
        return False
    if row >= 0 and kind == FLOAT32_TENSOR:
        if out_bytes.shape[1] == 4 * capacity:
            copy(buffer, p, end - p, out_bytes, row, 4 * have)
            found[BEGIN] = p
            found[END] = end
        else:
            for i in range(count):
                out[row, have + i] = np.uint32(word(buffer, p + 4 * i)).view(np.float32)
    elif row >= 0:
        for i in range(count):
            value = np.int64(word(buffer, p + 8 * i) | word(buffer, p + 8 * i + 4) << 32).view(np.float64)
            if not abs(value) <= _MAX_FLOAT32:
                return False
            out[row, have + i] = value
    found[_N_VALUES] = have + count
    return True


@kernel(
    "boolean(uint8[::1], int64, int64, int64, int64, float32[:, ::1], uint8[:, ::1], int64[::1], int64[::1])",
    "boolean(uint8[::1], int64, int64, int64, int64, float64[:, ::1], uint8[:, ::1], int64[::1], int64[::1])",
)
def _tensor(
    buffer: ByteArray,  # IN
    p: Integer,  # IN
    end: Integer,  # IN
    kind: Integer,  # IN tag of the tensor
    row: Integer,  # IN where to write, or _ELSEWHERE
    out: RowArray,  # OUT (n, d)
    out_bytes: ByteArray,  # OUT (n, bytes of a row), the same memory
    keys: OffsetArray,  # OUT (d,)
    found: OffsetArray,  # OUT
) -> bool:
    """Read the values of a tensor to the beginning of a row, and its keys; return whether it is plain."""
    for i in range(FOUND):
        found[i] = 0
    while p < end:
        tag = np.int64(buffer[p])
        field, wire = tag >> 3, tag & 7
        p += 1
        begin = p
        if wire == LENGTH:
            begin, p = span(buffer, p, end)
        elif wire == VARINT and (field != VALUES or kind == INT32_TENSOR):
            p = varint(buffer, p, end)[1]
        elif wire == FIXED32 and field == VALUES and kind == FLOAT32_TENSOR:
            p += 4
        elif wire == FIXED64 and field == VALUES and kind == FLOAT64_TENSOR:
            p += 8
        else:
            return False
        if p < 0 or p > end:
            return False
        if field == VALUES:
            if not _values(buffer, begin, p, kind, row, out, out_bytes, found):
                return False
        elif field in (KEYS, SHAPE):
            while begin < p:
                number, begin = varint(buffer, begin, p)
                if begin < 0:
                    return False
                if field == SHAPE:
                    if row >= 0 and found[_N_SHAPE] > 0 and found[_EXTENT] != 1:
                        return False
                    found[_EXTENT] = number
                    found[_N_SHAPE] += 1
                elif row >= 0:
                    if found[N_KEYS] >= len(keys):
                        return False
                    keys[found[N_KEYS]] = number
                    found[N_KEYS] += 1
        else:
            return False
    return True


@kernel(
    "boolean(float32[:, ::1], int64, int64[::1], int64[::1])",
    "boolean(float64[:, ::1], int64, int64[::1], int64[::1])",
)
def _arrange(
    out: RowArray,  # INOUT (n, d)
    row: Integer,  # IN
    keys: OffsetArray,  # IN (d,)
    found: OffsetArray,  # IN
) -> bool:
    """Move the values of a sparse row to their columns; return whether it has the dimension and is plain."""
    columns = out.shape[1]
    n, n_keys, n_shape = found[_N_VALUES], found[N_KEYS], found[_N_SHAPE]
    if n_shape > 2 or (n_shape > 0 and found[_EXTENT] != columns):
        return False
    if n_keys == 0 and n > 0:
        return bool(n == columns)
    if n_keys != n or (n == 0 and n_shape == 0):
        return False
    for i in range(n):
        if keys[i] >= columns or keys[i] <= (keys[i - 1] if i else np.int64(-1)):
            return False
    clear(out, row, n)
    # Keys ascend, so that keys[i] >= i: from the last to the first no value is overwritten before it has moved.
    for i in range(n - 1, -1, -1):
        value = out[row, i]
        out[row, i] = 0
        out[row, keys[i]] = value
    return True


@kernel(
    "int64(uint8[::1], int64, int64, boolean, int64, float32[:, ::1], uint8[:, ::1], int64[::1], int64[::1])",
    "int64(uint8[::1], int64, int64, boolean, int64, float64[:, ::1], uint8[:, ::1], int64[::1], int64[::1])",
)
def _entry(
    buffer: ByteArray,  # IN
    p: Integer,  # IN
    end: Integer,  # IN
    is_feature: bool,  # IN
    row: Integer,  # IN
    out: RowArray,  # OUT (n, d)
    out_bytes: ByteArray,  # OUT (n, bytes of a row), the same memory
    keys: OffsetArray,  # OUT (d,)
    found: OffsetArray,  # OUT
) -> Integer:
    """Read an entry of a map; return 1 if it is the row, 0 if it is something else, NOT_PLAIN if it is not plain."""
    name: Integer = NOT_PLAIN
    name_end: Integer = NOT_PLAIN
    value: Integer = NOT_PLAIN
    value_end: Integer = NOT_PLAIN
    while p < end:
        tag = buffer[p]
        begin, p = span(buffer, np.int64(p + 1), end)
        if p < 0:
            return NOT_PLAIN
        if tag == ENTRY_KEY and name_end < 0:
            name, name_end = begin, p
        elif tag == ENTRY_VALUE and value_end < 0:
            value, value_end = begin, p
        else:
            return NOT_PLAIN
    if name_end < 0 or value_end <= value:
        return NOT_PLAIN
    is_row = (
        is_feature
        and name_end - name == _NAME_BYTES
        and word(buffer, name) == _NAME_BEGIN
        and word(buffer, name_end - 4) == _NAME_FINISH
    )
    kind = np.int64(buffer[value])
    if kind not in (FLOAT32_TENSOR, FLOAT64_TENSOR, INT32_TENSOR):
        return NOT_PLAIN
    begin, finish = span(buffer, np.int64(value + 1), value_end)
    if finish != value_end:
        return NOT_PLAIN
    target = row if is_row else _ELSEWHERE
    if not _tensor(buffer, begin, finish, kind, target, out, out_bytes, keys, found):
        return NOT_PLAIN
    if is_row and not (finite(out, row, found[_N_VALUES]) and _arrange(out, row, keys, found)):
        return NOT_PLAIN
    return np.int64(is_row)


@kernel(
    "boolean(uint8[::1], int64, int64, int64, float32[:, ::1], uint8[:, ::1], int64[::1], int64[::1])",
    "boolean(uint8[::1], int64, int64, int64, float64[:, ::1], uint8[:, ::1], int64[::1], int64[::1])",
)
def read_record(
    buffer: ByteArray,  # IN
    p: Integer,  # IN
    end: Integer,  # IN
    row: Integer,  # IN
    out: RowArray,  # OUT (n, d)
    out_bytes: ByteArray,  # OUT (n, bytes of a row), the same memory
    keys: OffsetArray,  # OUT (d,)
    found: OffsetArray,  # OUT of the last tensor
) -> bool:
    """Read a record's message into a row; return whether it is plain."""
    rows: Integer = 0
    while p < end:
        tag = buffer[p]
        begin, p = span(buffer, np.int64(p + 1), end)
        if p < 0:
            return False
        if tag in (FEATURES, LABEL):
            is_row = _entry(buffer, begin, p, tag == FEATURES, row, out, out_bytes, keys, found)
            if is_row < 0:
                return False
            rows += is_row
        elif tag not in (UID, METADATA, CONFIGURATION):
            return False
    return rows == 1
