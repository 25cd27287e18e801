"""Where the kernel of nearest centers works: arrays that serve many calls."""

from typing import Any, NamedTuple

import numpy as np
from numba import types

from kmeans.kernels.jit import kernel, tuple_type
from kmeans.kernels.vectors import CENTERS, LANES, LINE, ROWS
from kmeans.types import BoolArray, DoubleArray, FloatArray, LabelArray

# Up to this many rows, and this many pairs of further rows and centers, are compared directly.
MAX_DIRECT_ROWS = ROWS // 12
MAX_DIRECT_PAIRS = 3 * ROWS


class Space(NamedTuple):
    """Where `assign_rows` works; a line of numbers for each row of a block, if nothing else is said.

    Attributes
    ----------
    block
        float32 (d * ROWS,), d padded: a block of rows, across the lanes.
    totals
        float32 (CENTERS * ROWS,).
    least, second
        float32 (ROWS,): the least scores so far.
    panels
        float32 (ROWS,), int32 in truth: the panels with the least scores.
    winners
        int64 (ROWS,).
    distances, norms
        float32 (ROWS,): of the winners.
    doubtful
        bool (ROWS,).
    last_rows
        float32 (ROWS * d + LANES,): the last rows, followed by something to read.
    numbers
        int64 (rows of the largest call,): of the doubtful rows.
    group
        float32 (ROWS * d + LANES,): rows that are compared directly. With fewer rows in a call it is smaller.
    best, nearest
        float64 and int64 (ROWS,): the least distances of these, and whose they are.
    """

    block: FloatArray
    totals: FloatArray
    least: FloatArray
    second: FloatArray
    panels: FloatArray
    winners: LabelArray
    distances: FloatArray
    norms: FloatArray
    doubtful: BoolArray
    last_rows: FloatArray
    numbers: LabelArray
    group: FloatArray
    best: DoubleArray
    nearest: LabelArray


_FLOATS, _DOUBLES, _INTS = types.float32[::1], types.float64[::1], types.int64[::1]
SPACE: Any = tuple_type(
    Space, [_FLOATS] * 5 + [_INTS, _FLOATS, _FLOATS, types.boolean[::1], _FLOATS, _INTS, _FLOATS, _DOUBLES, _INTS]
)


@kernel("float32[::1](int64)")
def aligned_floats(size: int) -> FloatArray:
    """Give an array that starts a cache line."""
    array = np.empty(size + LINE, np.float32)
    first = -array.ctypes.data % (LINE * array.itemsize) // array.itemsize
    return array[first : first + size]


@kernel("boolean(int64, int64)")
def are_few(n_rows: int, n_centers: int) -> bool:
    """Whether all rows are compared directly: a block takes the same time and memory however few it holds."""
    return bool((n_rows - MAX_DIRECT_ROWS) * n_centers <= MAX_DIRECT_PAIRS)


@kernel(SPACE(types.int64, types.int64, types.int64))
def new_space(
    n_features: int,  # IN
    n_centers: int,  # IN
    max_rows: int,  # IN
) -> Space:
    """Return where to work for calls with up to so many rows."""
    n_padded = (n_features + LANES - 1) // LANES * LANES
    block_rows = 0 if are_few(max_rows, n_centers) else ROWS
    return Space(
        aligned_floats(n_padded * block_rows),
        aligned_floats(CENTERS * ROWS),
        aligned_floats(ROWS),
        aligned_floats(ROWS),
        aligned_floats(ROWS),
        np.zeros(ROWS, np.int64),
        np.zeros(ROWS, np.float32),
        np.zeros(ROWS, np.float32),
        np.zeros(ROWS, np.bool_),
        np.zeros(block_rows * n_features + LANES, np.float32),
        np.empty(max_rows, np.int64),
        np.zeros(min(ROWS, max_rows) * n_features + LANES, np.float32),
        np.empty(ROWS, np.float64),
        np.empty(ROWS, np.int64),
    )
