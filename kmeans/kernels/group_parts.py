"""What a group of mini-batches is made of, as named tuples that kernels take; see `kmeans.kernels.group`."""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from kmeans.kernels.jit import array_type, tuple_type
from kmeans.types import BoolArray, DoubleArray, FloatArray, LabelArray


class Shape(NamedTuple):
    """The sizes of a group, all whole numbers.

    Attributes
    ----------
    batches, batch_rows
        Mini-batches, and the rows of each.
    pieces
        Pieces of a mini-batch; see `kmeans.kernels.pieces.border`.
    ranges, range_centers
        Ranges of centers, and the centers of each; the last one may have fewer.
    block_rows
        Rows that are read and assigned at a time.
    """

    batches: int
    batch_rows: int
    pieces: int
    ranges: int
    range_centers: int
    block_rows: int


class Place(NamedTuple):
    """Where the rows of a group are.

    Attributes
    ----------
    file
        A descriptor; negative where the rows are in memory.
    begin, stride, values_at
        Bytes: where the first record begins in the file, from one record to the next, and from the beginning of a
        record to its numbers.
    number
        The number of the first row among all rows of this host.
    """

    file: int
    begin: int
    stride: int
    values_at: int
    number: int


class Terms(NamedTuple):
    """What rows and centers are measured by.

    Attributes
    ----------
    decay
        Of weights, in a mini-batch.
    outlier_distance
        Squared; a mini-batch with a row beyond it is left to others.
    key, least_draw, least_distance
        See `kmeans.candidates.choose`.
    """

    decay: float
    outlier_distance: float
    key: np.uint64
    least_draw: float
    least_distance: float


class Centers(NamedTuple):
    """The centers of the stream: float64 (K, d), weights and spreads (K,); sums, counts and losses of a mini-batch."""

    centers: DoubleArray
    weights: DoubleArray
    spreads: DoubleArray
    sums: DoubleArray
    counts: DoubleArray
    losses: DoubleArray


class Found(NamedTuple):
    """What a group leaves.

    Attributes
    ----------
    inertias
        float64 (batches,).
    n_changes
        int64 (batches,): how many centers were given up.
    changes
        int64 (batches, far rows, 3): the centers, those that took their rows over, and the number of the row.
    n_chosen
        int64 (batches, pieces): candidates of each piece.
    rows, labels, numbers, draws, squared_distances
        float32 (n, d), int64 (n,), int64 (n,), float64 (n,), float64 (n,): of the candidates. Those of a piece stand
        together, from where its own rows would.
    """

    inertias: DoubleArray
    n_changes: LabelArray
    changes: LabelArray
    n_chosen: LabelArray
    rows: FloatArray
    labels: LabelArray
    numbers: LabelArray
    draws: DoubleArray
    squared_distances: DoubleArray


class Room(NamedTuple):
    """Where threads work.

    Attributes
    ----------
    counters
        int64 (N_COUNTERS,).
    row_weights
        float64 (batch_rows,).
    inertias
        float64 (pieces,).
    far_batches
        int64 (threads,): the number of the mini-batch that a thread's farthest rows are of.
    far_distances, far_labels, far_numbers, far_slots
        float64, int64, int64, int64 (threads, far rows): the farthest rows that each thread has met, the farthest
        first.
    far_rows
        float32 (threads, far rows, d): the rows themselves, each in its slot.
    far_table
        float64 (far rows, d + EXTRA): those of the mini-batch.
    changes
        int64 (far rows, 3).
    costs
        float64 (ranges,): of the cheapest mergers.
    nobody
        bool (K,): all false.
    bytes, rows, labels, squared_distances, chosen, draws
        uint8, float32, int64, float64, int64, float64, a row for each thread: a block of rows.
    """

    counters: LabelArray
    row_weights: DoubleArray
    inertias: DoubleArray
    far_batches: LabelArray
    far_distances: DoubleArray
    far_labels: LabelArray
    far_numbers: LabelArray
    far_slots: LabelArray
    far_rows: NDArray[np.float32]
    far_table: DoubleArray
    changes: LabelArray
    costs: DoubleArray
    nobody: BoolArray
    bytes: NDArray[np.uint8]
    rows: NDArray[np.float32]
    labels: LabelArray
    squared_distances: DoubleArray
    chosen: LabelArray
    draws: DoubleArray


_INT, _DOUBLE, _FLOAT = types.int64, types.float64, types.float32
SHAPE: Any = tuple_type(Shape, [_INT] * 6)
PLACE: Any = tuple_type(Place, [_INT] * 5)
TERMS: Any = tuple_type(Terms, [_DOUBLE, _DOUBLE, types.uint64, _DOUBLE, _DOUBLE])
CENTERS: Any = tuple_type(Centers, [array_type(_DOUBLE, n) for n in (2, 1, 1, 2, 1, 1)])
FOUND: Any = tuple_type(
    Found,
    [
        array_type(kind, n)
        for kind, n in (
            (_DOUBLE, 1),
            (_INT, 1),
            (_INT, 3),
            (_INT, 2),
            (_FLOAT, 2),
            (_INT, 1),
            (_INT, 1),
            (_DOUBLE, 1),
            (_DOUBLE, 1),
        )
    ],
)
ROOM: Any = tuple_type(
    Room,
    [
        array_type(kind, n)
        for kind, n in (
            (_INT, 1),
            (_DOUBLE, 1),
            (_DOUBLE, 1),
            (_INT, 1),
            (_DOUBLE, 2),
            (_INT, 2),
            (_INT, 2),
            (_INT, 2),
            (_FLOAT, 3),
            (_DOUBLE, 2),
            (_INT, 2),
            (_DOUBLE, 1),
            (types.boolean, 1),
            (types.uint8, 2),
            (_FLOAT, 3),
            (_INT, 2),
            (_DOUBLE, 2),
            (_INT, 2),
            (_DOUBLE, 2),
        )
    ],
)
