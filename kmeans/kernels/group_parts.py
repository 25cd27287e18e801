"""What a group of mini-batches is made of, as named tuples that kernels take; see `kmeans.kernels.group`."""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from kmeans.kernels.jit import array_type, tuple_type
from kmeans.types import BoolArray, DoubleArray, FloatArray, LabelArray


class GroupShape(NamedTuple):
    """The sizes of a group.

    Attributes
    ----------
    batches : int
        Mini-batches.
    batch_rows : int
        Rows of each.
    pieces : int
        Pieces of a mini-batch; see `kmeans.kernels.pieces.first_row`.
    ranges : int
        Ranges of centers.
    range_centers : int
        Centers of a range; the last one may have fewer.
    block_rows : int
        Rows that are read and assigned at a time.
    """

    batches: int
    batch_rows: int
    pieces: int
    ranges: int
    range_centers: int
    block_rows: int


class Location(NamedTuple):
    """Where the rows of a group are.

    Attributes
    ----------
    file : int
        A descriptor; negative where the rows are in memory.
    begin : int
        The byte in the file where the first record begins.
    stride : int
        Bytes from one record to the next.
    values_at : int
        Bytes from the beginning of a record to its numbers.
    number : int
        The number of the first row among all rows of this host.
    origin : ndarray of float64, shape (d,) or (0,)
        What is subtracted from the numbers of a record; empty where they are used as they are.
    scales : ndarray of float64, shape (d,) or (0,)
        What they are then divided by.
    unit : bool
        Whether rows are then scaled to length 1.
    """

    file: int
    begin: int
    stride: int
    values_at: int
    number: int
    origin: DoubleArray
    scales: DoubleArray
    unit: bool


class Terms(NamedTuple):
    """What rows and centers are measured by.

    Attributes
    ----------
    decay : float
        Factor of weights, for a mini-batch.
    outlier_distance : float
        Squared; a mini-batch with a row beyond it is not taken in a group.
    key : uint64
        See `kmeans.stream.candidates.Limits`.
    least_draw : float
        See there.
    least_distance : float
        See there.
    """

    decay: float
    outlier_distance: float
    key: np.uint64
    least_draw: float
    least_distance: float


class StreamCenters(NamedTuple):
    """The centers of the stream, and memory for the sums of a mini-batch.

    Attributes
    ----------
    centers : ndarray of float64, shape (K, d)
        See `kmeans.stream.stream.Stream`.
    weights : ndarray of float64, shape (K,)
        See there.
    spreads : ndarray of float64, shape (K,)
        See there.
    sums : ndarray of float64, shape (K, d)
        See `kmeans.assignment.sums.ClusterSums`.
    counts : ndarray of float64, shape (K,)
        See there.
    losses : ndarray of float64, shape (K,)
        See there.
    """

    centers: DoubleArray
    weights: DoubleArray
    spreads: DoubleArray
    sums: DoubleArray
    counts: DoubleArray
    losses: DoubleArray


class Results(NamedTuple):
    """What is known of a group afterwards.

    The candidates of a piece stand together, at the place of its own rows among the n rows of the group.

    Attributes
    ----------
    inertias : ndarray of float64, shape (batches,)
        Sums of the squared distances of the rows to the centers as they were.
    n_changes : ndarray of int64, shape (batches,)
        Centers that were reassigned.
    changes : ndarray of int64, shape (batches, far rows, 3)
        These centers, those that took over their rows, and the numbers of the rows that they moved to.
    n_chosen : ndarray of int64, shape (batches, pieces)
        Candidates of each piece.
    rows : ndarray of float32, shape (n, d)
        The candidates.
    labels : ndarray of int64, shape (n,)
        Their centers.
    numbers : ndarray of int64, shape (n,)
        Their places among the rows of this host.
    draws : ndarray of float64, shape (n,)
        Their draws.
    squared_distances : ndarray of float64, shape (n,)
        To their centers as they were.
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


class Workspace(NamedTuple):
    """Memory that the threads work in; the attributes from `bytes` on have a block of rows for each thread.

    Attributes
    ----------
    counters : ndarray of int64, shape (N_COUNTERS,)
        See `kmeans.kernels.group`.
    row_weights : ndarray of float64, shape (batch_rows,)
        Of the rows of a mini-batch.
    inertias : ndarray of float64, shape (pieces,)
        Of the pieces of a mini-batch.
    far_batches : ndarray of int64, shape (threads,)
        The number of the mini-batch that a thread's farthest rows belong to.
    far_distances : ndarray of float64, shape (threads, far rows)
        Squared distances of the farthest rows that each thread has met, the farthest first.
    far_labels : ndarray of int64, shape (threads, far rows)
        The centers of these rows.
    far_numbers : ndarray of int64, shape (threads, far rows)
        Their places among the rows of this host.
    far_slots : ndarray of int64, shape (threads, far rows)
        Where they are in `far_rows`.
    far_rows : ndarray of float32, shape (threads, far rows, d)
        The rows themselves.
    far_table : ndarray of float64, shape (far rows, d + EXTRA)
        The farthest rows of the mini-batch.
    changes : ndarray of int64, shape (far rows, 3)
        See `kmeans.kernels.far_rows.reassign_rows`.
    costs : ndarray of float64, shape (ranges,)
        Of the cheapest mergers.
    nobody : ndarray of bool, shape (K,)
        All false.
    bytes : ndarray of uint8, shape (threads, n)
        Records as they are in the file.
    rows : ndarray of float32, shape (threads, block_rows or more, d)
        Rows.
    labels : ndarray of int64, shape (threads, block_rows)
        Their centers.
    squared_distances : ndarray of float64, shape (threads, block_rows)
        To these.
    chosen : ndarray of int64, shape (threads, block_rows)
        Which rows are candidates.
    draws : ndarray of float64, shape (threads, block_rows)
        Of the candidates.
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
GROUP_SHAPE: Any = tuple_type(GroupShape, [_INT] * 6)
LOCATION: Any = tuple_type(Location, [_INT] * 5 + [array_type(_DOUBLE, 1)] * 2 + [types.boolean])
TERMS: Any = tuple_type(Terms, [_DOUBLE, _DOUBLE, types.uint64, _DOUBLE, _DOUBLE])
STREAM_CENTERS: Any = tuple_type(StreamCenters, [array_type(_DOUBLE, n) for n in (2, 1, 1, 2, 1, 1)])
RESULTS: Any = tuple_type(
    Results,
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
WORKSPACE: Any = tuple_type(
    Workspace,
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
