"""Sums of a mini-batch by center, formed by several threads: the same bytes for any number of them.

The rows of a mini-batch are cut into pieces. Each has sums of its own, only for the centers that its rows belong to;
they are added up in the order of the pieces. Where the pieces are cut depends on nothing but the shape.
"""

import math

import numpy as np

from kmeans.kernels.pieces import ROW_BLOCK, PieceSums

# Pieces of a mini-batch, at most: the threads share them.
MAX_PIECES = 16
# More where a row is compared with many centers: adding up the sums costs little in comparison.
MAX_PIECES_OF_MANY_CENTERS, MANY_CENTERS = 32, 400
# Fewer where adding up is expensive: sums of more numbers than this leave the processor's cache.
MAX_PIECES_OF_LARGE_SUMS, LARGE_SUMS = 8, 1 << 15


def n_pieces(n_rows: int, n_centers: int, n_features: int) -> int:
    """Return the number of pieces of a mini-batch; `kmeans.kernels.pieces.first_row` says where they are cut."""
    max_pieces = MAX_PIECES_OF_LARGE_SUMS if n_centers * n_features > LARGE_SUMS else MAX_PIECES
    if n_centers >= MANY_CENTERS:
        max_pieces = MAX_PIECES_OF_MANY_CENTERS
    return min(max_pieces, math.ceil(n_rows / ROW_BLOCK))


def piece_rows(n_rows: int, n_centers: int, n_features: int) -> int:
    """Return the number of rows that a piece of a mini-batch has, at most."""
    return ROW_BLOCK * math.ceil(math.ceil(n_rows / ROW_BLOCK) / max(1, n_pieces(n_rows, n_centers, n_features)))


class Pieces:
    """Memory for the sums of pieces, which one mini-batch after the other uses.

    Parameters
    ----------
    n_centers : int
        K.
    n_features : int
        d.
    """

    def __init__(self, n_centers: int, n_features: int) -> None:
        self._shape = n_centers, n_features
        self._max_rows = 0
        self._number = 0
        self._sums: PieceSums = self._new(0)

    def begin(self, n_rows: int, n_batches: int = 1) -> tuple[PieceSums, int]:
        """Return memory for mini-batches of `n_rows` rows, which all use the same, and the number of the first one.

        Parameters
        ----------
        n_rows : int
            Rows of a mini-batch.
        n_batches : int
            Mini-batches that get consecutive numbers.

        Returns
        -------
        sums : PieceSums
            The memory.
        number : int
            See `PieceSums.marks`.
        """
        if n_rows > self._max_rows:
            self._max_rows, self._sums = n_rows, self._new(n_rows)
        number = self._number
        self._number += n_batches
        return self._sums, number

    def _new(self, n_rows: int) -> PieceSums:
        n_centers, n_features = self._shape
        pieces = n_pieces(n_rows, n_centers, n_features)
        places = min(piece_rows(n_rows, n_centers, n_features), n_centers)
        return PieceSums(
            sums=np.empty((pieces, places, n_features)),
            counts=np.empty((pieces, places)),
            losses=np.empty((pieces, places)),
            places=np.zeros((pieces, n_centers), np.int64),
            marks=np.full((pieces, n_centers), -1, np.int64),
            used=np.full((pieces, 2), -1, np.int64),
        )
