"""Sums of a mini-batch by center, formed by several threads: the same bytes for any number of them.

The rows of a mini-batch are cut into pieces. Each has sums of its own, of the centers alone that its rows belong to;
they are put together in the order of the pieces. Where the pieces are cut depends on nothing but the shape.
"""

import math

import numpy as np

from kmeans.piece_kernel import PieceSums

# Pieces of a mini-batch, at most: these are shared out among threads.
PIECES = 32
# Fewer where their sums, of so many numbers, would leave the processor's cache.
WIDE_PIECES, WIDE_VALUES = 16, 1 << 13
# Rows of a piece are a multiple of this, which is one of the rows that kernels take at once.
ROW_BLOCK = 48


def piece_rows(n_rows: int, n_centers: int, n_features: int) -> int:
    """Return the rows of a piece of a mini-batch."""
    return ROW_BLOCK * max(1, math.ceil(n_rows / _most_pieces(n_centers, n_features) / ROW_BLOCK))


def n_pieces(n_rows: int, n_centers: int, n_features: int) -> int:
    """Return how many pieces a mini-batch has."""
    return math.ceil(n_rows / piece_rows(n_rows, n_centers, n_features))


def piece_bytes(n_rows: int, n_centers: int, n_features: int) -> int:
    """Return the bytes that the sums of the pieces of mini-batches of up to `n_rows` rows take."""
    pieces, places = _room(n_rows, n_centers, n_features)
    return 8 * pieces * (places * (n_features + 2) + 2 * n_centers)


def _room(n_rows: int, n_centers: int, n_features: int) -> tuple[int, int]:
    """Return how many pieces a mini-batch of up to `n_rows` rows may have, and of how many centers each."""
    pieces = min(_most_pieces(n_centers, n_features), math.ceil(n_rows / ROW_BLOCK))
    return pieces, min(piece_rows(n_rows, n_centers, n_features), n_centers)


def _most_pieces(n_centers: int, n_features: int) -> int:
    return WIDE_PIECES if n_centers * n_features > WIDE_VALUES else PIECES


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
        pieces, places = _room(n_rows, n_centers, n_features)
        return PieceSums(
            sums=np.empty((pieces, places, n_features)),
            counts=np.empty((pieces, places)),
            losses=np.empty((pieces, places)),
            places=np.zeros((pieces, n_centers), np.int64),
            marks=np.full((pieces, n_centers), -1, np.int64),
            used=np.full((pieces, 2), -1, np.int64),
        )
