"""Sums of a mini-batch by center, piece by piece; see `kmeans.stream.piece_sums`."""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from kmeans.kernels.jit import array_type, kernel, tuple_type, uncounted
from kmeans.kernels.nearest import assign_rows
from kmeans.kernels.prepared import PREPARED, Prepared
from kmeans.kernels.rows import add_row
from kmeans.kernels.space import new_space
from kmeans.kernels.vectors import HALF
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Pieces are cut at multiples of this number of rows, which is a multiple of the rows that are compared at a time.
ROW_BLOCK = 48
# Numbers of the sums of a piece that stay in the processor's cache together with all else.
WIDE_VALUES = 1 << 13


class PieceSums(NamedTuple):
    """The sums of P pieces, each with places for S of K centers.

    Attributes
    ----------
    sums : ndarray of float64, shape (P, S, d)
        The sums of the weighted rows.
    counts, losses : ndarray of float64, shape (P, S)
        The sums of the weights, and of the weighted squared distances.
    places : ndarray of int64, shape (P, K)
        The place of each center.
    marks : ndarray of int64, shape (P, K)
        The number of the latest mini-batch of which the piece has rows of a center. If it is not the current one, the
        numbers at the place of the center are out of date.
    used : ndarray of int64, shape (P, 2)
        The number of the latest mini-batch of which the piece has rows, and the number of places taken.
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


@kernel("int64(int64, int64, int64)")
def border(piece: int, n_pieces: int, n_rows: int) -> int:
    """Return the first row of a piece of a mini-batch; for the piece after the last one, `n_rows`."""
    blocks = (n_rows + ROW_BLOCK - 1) // ROW_BLOCK
    return min(n_rows, blocks * piece // n_pieces * ROW_BLOCK)


@kernel(types.boolean(PIECE_SUMS))
def is_dense(pieces: PieceSums) -> bool:
    """Return whether each center has the place of its number: there is room for all, and they take little."""
    _, n_places, n_features = pieces.sums.shape
    return bool(n_places == pieces.marks.shape[1] and n_places * n_features <= WIDE_VALUES)


@kernel(
    types.int64(_ROWS, _LABELS, _DOUBLES, _DOUBLES, types.float64, types.int64, types.int64, PIECE_SUMS), strict=True
)
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
    # Each array is taken out of the tuple once: numba counts references, which takes as long as adding a row.
    n_features = rows.shape[1]
    all_sums = pieces.sums
    n_places = all_sums.shape[1]
    flat_rows, flat_sums = rows.reshape(-1), all_sums.reshape(-1)
    places, marks = pieces.places[piece], pieces.marks[piece]
    counts, losses = pieces.counts[piece], pieces.losses[piece]
    whole = n_features // HALF * HALF
    dense = is_dense(pieces)
    begun = pieces.used[piece, 0] == batch
    used = pieces.used[piece, 1] if begun else 0
    if dense and not begun:
        flat_sums[piece * n_places * n_features : (piece + 1) * n_places * n_features] = 0.0
        counts[:] = 0.0
        losses[:] = 0.0
    outliers = 0
    for i in range(rows.shape[0]):
        distance = squared_distances[i]
        if distance > outlier_distance:
            outliers += 1
            continue
        label, weight = labels[i], weights[i]
        place = label
        if not dense:
            if marks[label] == batch:
                place = places[label]
            else:
                place = used
                used += 1
                places[label], marks[label] = place, batch
                counts[place], losses[place] = weight, weight * distance
                start = (piece * n_places + place) * n_features
                for f in range(n_features):
                    flat_sums[start + f] = weight * np.float64(flat_rows[i * n_features + f])
                continue
        counts[place] += weight
        losses[place] += weight * distance
        start = (piece * n_places + place) * n_features
        add_row(flat_rows, i * n_features, whole, weight, flat_sums, start)
        for f in range(whole, n_features):
            flat_sums[start + f] += weight * np.float64(flat_rows[i * n_features + f])
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
    n_pieces: int,  # IN
    first: int,  # IN: the first piece to take
    last: int,  # IN: the one after the last
    centers: Prepared,  # IN
    outlier_distance: float,  # IN
    batch: int,  # IN
    pieces: PieceSums,  # INOUT
    labels: LabelArray,  # OUT (n,)
    squared_distances: DoubleArray,  # OUT (n,)
) -> None:
    """Find the nearest centers of the rows of some pieces, and add the rows up by piece."""
    rows, weights, labels, squared_distances = (
        uncounted(rows),
        uncounted(weights),
        uncounted(labels),
        uncounted(squared_distances),
    )
    centers, pieces = uncounted(centers), uncounted(pieces)
    own_space = new_space(rows.shape[1], len(centers.exact), len(rows))
    space = uncounted(own_space)
    for piece in range(first, last):
        begin, end = border(piece, n_pieces, len(rows)), border(piece + 1, n_pieces, len(rows))
        some, some_labels, distances = rows[begin:end], labels[begin:end], squared_distances[begin:end]
        assign_rows(rows, begin, end, centers, some_labels, distances, space)
        add_to_piece(some, some_labels, distances, weights[begin:end], outlier_distance, batch, piece, pieces)
    # Keeps the arrays alive until here.
    own_space.least[0] = 0.0


@kernel(
    types.void(PIECE_SUMS, types.int64, types.int64, types.int64, types.int64, _MATRIX, _DOUBLES, _DOUBLES),
    strict=True,
)
def put_together(
    pieces: PieceSums,  # IN
    n_pieces: int,  # IN: those of the mini-batch
    batch: int,  # IN
    first: int,  # IN: the first center
    last: int,  # IN: the one after the last
    sums: DoubleArray,  # INOUT (K, d)
    counts: DoubleArray,  # INOUT (K,)
    losses: DoubleArray,  # INOUT (K,)
) -> None:
    """Add the sums of all pieces, in their order, to those of some centers."""
    marks, places = pieces.marks, pieces.places
    piece_sums, piece_counts, piece_losses = pieces.sums, pieces.counts, pieces.losses
    n_features = sums.shape[1]
    if is_dense(pieces):
        flat_sums, flat_pieces = sums.reshape(-1), piece_sums.reshape(-1)
        for piece in range(n_pieces):
            start = piece * len(counts)
            # Loops over slices from 0 on, since numba would check whether other numbers are negative.
            some = flat_sums[first * n_features : last * n_features]
            others = flat_pieces[(start + first) * n_features : (start + last) * n_features]
            for i in range(len(some)):
                some[i] += others[i]
            some, others = counts[first:last], piece_counts[piece, first:last]
            for i in range(len(some)):
                some[i] += others[i]
            some, others = losses[first:last], piece_losses[piece, first:last]
            for i in range(len(some)):
                some[i] += others[i]
        return
    for piece in range(n_pieces):
        for center in range(first, last):
            if marks[piece, center] == batch:
                place = places[piece, center]
                counts[center] += piece_counts[piece, place]
                losses[center] += piece_losses[piece, place]
                for f in range(sums.shape[1]):
                    sums[center, f] += piece_sums[piece, place, f]
