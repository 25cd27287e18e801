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
    """Where `assign_rows` works: arrays for one block of rows, and for the rows that are compared directly.

    Attributes
    ----------
    block : ndarray of float32, shape (d * ROWS,)
        A block of rows, across the lanes; d is padded.
    totals : ndarray of float32, shape (CENTERS * ROWS,)
        The scores of the block and a panel, while they are summed.
    least, second : ndarray of float32, shape (ROWS,)
        The two least scores so far.
    panels : ndarray of float32, shape (ROWS,)
        The panels with the least scores; the bits are those of int32.
    winners : ndarray of int64, shape (ROWS,)
        The centers with the least scores.
    distances, norms : ndarray of float32, shape (ROWS,)
        The squared distances to the winners, and the norms of these.
    doubtful : ndarray of bool, shape (ROWS,)
        Whether another center may be nearer than the winner.
    last_rows : ndarray of float32, shape (ROWS * d + LANES,)
        A copy of the last rows, followed by numbers that may be read.
    numbers : ndarray of int64, shape (rows of the largest call,)
        The numbers of the doubtful rows.
    group : ndarray of float32, shape (ROWS * d + LANES,)
        Rows that are compared directly; smaller where a call has fewer rows.
    best : ndarray of float64, shape (ROWS,)
        The least distances of these rows.
    nearest : ndarray of int64, shape (ROWS,)
        The centers at these distances.
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
    """Return an array that begins at the border of a cache line."""
    array = np.empty(size + LINE, np.float32)
    first = -array.ctypes.data % (LINE * array.itemsize) // array.itemsize
    return array[first : first + size]


@kernel("boolean(int64, int64)")
def are_few(n_rows: int, n_centers: int) -> bool:
    """Return whether all rows are compared directly: a block takes the same time and memory with few rows as full."""
    return bool((n_rows - MAX_DIRECT_ROWS) * n_centers <= MAX_DIRECT_PAIRS)


@kernel(SPACE(types.int64, types.int64, types.int64))
def new_space(
    n_features: int,  # IN
    n_centers: int,  # IN
    max_rows: int,  # IN
) -> Space:
    """Return space for calls with up to `max_rows` rows."""
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
