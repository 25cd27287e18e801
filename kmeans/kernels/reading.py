"""Reads packed rows from a file; see `kmeans.packed_rows.PackedRows`."""

from numba import types

from kmeans.kernels.group_parts import LOCATION, Location
from kmeans.kernels.intrinsics import read_at
from kmeans.kernels.jit import array_type, kernel, uncounted
from kmeans.kernels.packed import WORD, ByteArray, move_and_scale, scale_to_unit, unpack
from kmeans.types import FloatArray

_INT, _ROWS, _BYTES = types.int64, array_type(types.float32, 2), array_type(types.uint8, 1)


@kernel(types.boolean(LOCATION, _INT, _INT, _BYTES, _ROWS))
def read_records(
    location: Location,  # IN: a file
    first: int,  # IN: the first record
    n: int,  # IN: the number of records
    buffer: ByteArray,  # INOUT: begins with what precedes the numbers of each record; room for the records follows
    rows: FloatArray,  # OUT (n, d), with room for WIDE more bytes
) -> bool:
    """Read records as rows; return whether all are as expected."""
    size = n * location.stride
    records = (location.values_at + WORD - 1) // WORD * WORD
    if read_at(location.file, buffer[records:], size, location.begin + first * location.stride) != size:
        return False
    if not unpack(buffer, location.values_at, location.stride, n, rows):
        return False
    if len(location.origin):
        move_and_scale(rows, location.origin, location.scales)
    return bool(not location.unit or scale_to_unit(rows))


@kernel(types.boolean(LOCATION, _INT, _INT, _INT, _BYTES, _ROWS, _ROWS))
def read_block(
    location: Location,  # IN: a file
    first: int,  # IN: the first record to read, and the row that it becomes
    last: int,  # IN: the one after the last
    step: int,  # IN: records to read at once
    buffer: ByteArray,  # INOUT: see `read_records`
    space: FloatArray,  # scratch (step, d), with room for WIDE more bytes
    block: FloatArray,  # OUT (n, d)
) -> bool:
    """Read some of the rows of a block; return whether all records are as expected."""
    location, buffer, space, block = uncounted(location), uncounted(buffer), uncounted(space), uncounted(block)
    for begin in range(first, last, step):
        n = min(step, last - begin)
        if not read_records(location, begin, n, buffer, space[:n]):
            return False
        for i in range(n):
            for f in range(block.shape[1]):
                block[begin + i, f] = space[i, f]
    return True
