"""Sums of a mini-batch by center, piece by piece; see `kmeans.piece_sums`."""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from kmeans.jit import array_type, kernel, tuple_type
from kmeans.nearest_kernel import PREPARED, Prepared, assign_rows, new_space
from kmeans.row_kernel import add_row
from kmeans.types import DoubleArray, FloatArray, LabelArray
from kmeans.vector_kernel import HALF


class PieceSums(NamedTuple):
    """The sums of P pieces, each with places for S of K centers.

    Attributes
    ----------
    sums
        float64 (P, S, d): of the rows, times their weights.
    counts, losses
        float64 (P, S): of these weights, and of the squared distances times them.
    places
        int64 (P, K): the place of each center.
    marks
        int64 (P, K): the number of the latest mini-batch of which the piece has rows of a center; otherwise what stands
        at its place is of an earlier one.
    used
        int64 (P, 2): the number of the latest mini-batch of which the piece has rows, and how many places are taken.
    """

    sums: NDArray[np.float64]
    counts: DoubleArray
    losses: DoubleArray
    places: LabelArray
    marks: LabelArray
    used: LabelArray


_MATRIX, _NUMBERS = array_type(types.float64, 2), array_type(types.int64, 2)
PIECE_SUMS: Any = tuple_type(PieceSums, [array_type(types.float64, 3), _MATRIX, _MATRIX, _NUMBERS, _NUMBERS, _NUMBERS])
_ROWS, _LABELS, _DOUBLES = array_type(types.float32, 2), types.int64[::1], types.float64[::1]


@kernel(types.int64(_ROWS, _LABELS, _DOUBLES, _DOUBLES, types.float64, types.int64, types.int64, PIECE_SUMS))
def add_to_piece(
    rows: FloatArray,  # IN (n, d)
    labels: LabelArray,  # IN (n,)
    squared_distances: DoubleArray,  # IN (n,)
    weights: DoubleArray,  # IN (n,)
    outlier_distance: float,  # IN: rows beyond it are left out
    batch: int,  # IN: the number of the mini-batch
    piece: int,  # IN
    pieces: PieceSums,  # INOUT
) -> int:
    """Add rows to the sums of a piece, in their order; return how many outliers were left out."""
    n_features = rows.shape[1]
    n_places = pieces.sums.shape[1]
    flat_rows, flat_sums = rows.reshape(-1), pieces.sums.reshape(-1)
    places, marks = pieces.places[piece], pieces.marks[piece]
    counts, losses = pieces.counts[piece], pieces.losses[piece]
    whole = n_features // HALF * HALF
    used = pieces.used[piece, 1] if pieces.used[piece, 0] == batch else 0
    outliers = 0
    for i in range(rows.shape[0]):
        distance = squared_distances[i]
        if distance > outlier_distance:
            outliers += 1
            continue
        label, weight = labels[i], weights[i]
        if marks[label] == batch:
            place = places[label]
        else:
            place = used
            used += 1
            places[label], marks[label] = place, batch
            counts[place], losses[place] = 0.0, 0.0
            for f in range(n_features):
                pieces.sums[piece, place, f] = 0.0
        counts[place] += weight
        losses[place] += weight * distance
        add_row(flat_rows, i * n_features, whole, weight, flat_sums, (piece * n_places + place) * n_features)
        for f in range(whole, n_features):
            pieces.sums[piece, place, f] += weight * np.float64(rows[i, f])
    pieces.used[piece, 0], pieces.used[piece, 1] = batch, used
    return outliers


@kernel(
    types.void(
        _ROWS,
        _DOUBLES,
        types.int64,
        types.int64,
        types.int64,
        PREPARED,
        types.float64,
        types.int64,
        PIECE_SUMS,
        _LABELS,
        _DOUBLES,
    )
)
def take_pieces(
    rows: FloatArray,  # IN (n, d)
    weights: DoubleArray,  # IN (n,)
    size: int,  # IN: rows of a piece
    first: int,  # IN: the first piece to take
    last: int,  # IN: the one behind the last
    centers: Prepared,  # IN
    outlier_distance: float,  # IN
    batch: int,  # IN
    pieces: PieceSums,  # INOUT
    labels: LabelArray,  # OUT (n,)
    squared_distances: DoubleArray,  # OUT (n,)
) -> None:
    """Find the nearest centers of the rows of some pieces, and add up each piece."""
    space = new_space(rows.shape[1], size)
    for piece in range(first, last):
        begin, end = piece * size, min((piece + 1) * size, len(rows))
        some, some_labels, distances = rows[begin:end], labels[begin:end], squared_distances[begin:end]
        assign_rows(rows, begin, end, centers, some_labels, distances, space)
        add_to_piece(some, some_labels, distances, weights[begin:end], outlier_distance, batch, piece, pieces)


@kernel(
    types.void(PIECE_SUMS, types.int64, types.int64, types.int64, types.int64, _MATRIX, _DOUBLES, _DOUBLES),
)
def put_together(
    pieces: PieceSums,  # IN
    n_pieces: int,  # IN: those of the mini-batch
    batch: int,  # IN
    first: int,  # IN: the first center
    last: int,  # IN: the one behind the last
    sums: DoubleArray,  # INOUT (K, d)
    counts: DoubleArray,  # INOUT (K,)
    losses: DoubleArray,  # INOUT (K,)
) -> None:
    """Add the sums of all pieces, in their order, to those of some centers."""
    for piece in range(n_pieces):
        for center in range(first, last):
            if pieces.marks[piece, center] == batch:
                place = pieces.places[piece, center]
                counts[center] += pieces.counts[piece, place]
                losses[center] += pieces.losses[piece, place]
                for f in range(sums.shape[1]):
                    sums[center, f] += pieces.sums[piece, place, f]
