"""Sums of a mini-batch by center, formed by several threads: the same bytes for any number of them.

The rows of a mini-batch are cut into pieces. Each has sums of its own, of the centers alone that its rows belong to;
they are put together in the order of the pieces. Where the pieces are cut depends on nothing but the shape.
"""

import math

import numpy as np

from kmeans.kernels.pieces import ROW_BLOCK, PieceSums

# Pieces of a mini-batch, at most: these are shared out among threads.
PIECES = 16
# More where a row is compared with many centers: then it hardly counts that sums are put together.
MANY_PIECES, MANY_CENTERS = 32, 400
# Fewer where it does, for the sums of a piece, of so many numbers, leave the processor's cache.
FEW_PIECES, LARGE_SUMS = 8, 1 << 15


def n_pieces(n_rows: int, n_centers: int, n_features: int) -> int:
    """Return how many pieces a mini-batch has; see `kmeans.piece_kernel.border` for where they are cut."""
    most = FEW_PIECES if n_centers * n_features > LARGE_SUMS else PIECES
    if n_centers >= MANY_CENTERS:
        most = MANY_PIECES
    return min(most, math.ceil(n_rows / ROW_BLOCK))


def piece_rows(n_rows: int, n_centers: int, n_features: int) -> int:
    """Return how many rows a piece of a mini-batch has, at most."""
    return ROW_BLOCK * math.ceil(math.ceil(n_rows / ROW_BLOCK) / max(1, n_pieces(n_rows, n_centers, n_features)))


class Pieces:
    """Room for the sums of pieces, for one mini-batch after the other.

    Parameters
    ----------
    n_centers, n_features
        K and d.
    """

    def __init__(self, n_centers: int, n_features: int) -> None:
        self._shape = n_centers, n_features
        self._most_rows = 0
        self._number = 0
        self._sums: PieceSums = self._new(0)

    def begin(self, n_rows: int, n_batches: int = 1) -> tuple[PieceSums, int]:
        """Return room for mini-batches of `n_rows` rows, one in the place of the other, and the first one's number."""
        if n_rows > self._most_rows:
            self._most_rows, self._sums = n_rows, self._new(n_rows)
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
