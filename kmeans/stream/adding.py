"""Adding the rows of a mini-batch to the sums of their nearest centers."""

import math
from typing import Protocol

import numpy as np

from kmeans.assignment.compiled import MIN_PRODUCTS, prepare
from kmeans.assignment.engine import Engine
from kmeans.assignment.sums import ClusterSums
from kmeans.kernels.pieces import put_together, take_pieces
from kmeans.kernels.prepared import lay_out
from kmeans.stream.center_ranges import center_ranges
from kmeans.stream.piece_sums import Pieces, n_pieces
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Shares of the work for each thread: each costs a call.
SHARES = 2
# Numbers to add up in a share, at least.
MIN_SUMMANDS = 1 << 17


class Adder(Protocol):
    """Adds rows to the sums of their nearest centers, which move after each mini-batch."""

    def follow(self) -> None:
        """Take note that the centers have moved."""
        ...

    def add(
        self, rows: FloatArray, weights: DoubleArray, into: ClusterSums, outlier_distance: float = math.inf
    ) -> tuple[LabelArray, DoubleArray]:
        """Find the nearest center of each row, and add the row to the sums of that center.

        Parameters and results are those of `kmeans.assignment.assigner.Assigner.assign_and_sum`.
        """
        ...


class PieceAdder:
    """Adds rows in pieces, by compiled code and with all threads: what groups of mini-batches do too.

    Parameters
    ----------
    centers : ndarray of float64, shape (K, d)
        The centers; they are moved in place.
    shift : ndarray of float32, shape (d,)
        Usual values of the rows; see `kmeans.assignment.shift.usual_values`.
    threads : Threads
        The threads.

    Attributes
    ----------
    prepared : Prepared
        The centers as the kernels read them.
    pieces : Pieces
        The memory for the sums of pieces.
    """

    def __init__(self, centers: DoubleArray, shift: FloatArray, threads: Threads) -> None:
        self.prepared = prepare(centers, shift)
        self.pieces = Pieces(*centers.shape)
        self._centers, self._threads = centers, threads

    def follow(self) -> None:
        """Lay out the centers again."""

        def lay_out_some(some: slice) -> None:
            lay_out(self._centers, some.start, some.stop, self.prepared)

        n_centers, n_features = self._centers.shape
        self._threads.map(lay_out_some, center_ranges(n_centers, n_features, self._threads.count))

    def add(
        self, rows: FloatArray, weights: DoubleArray, into: ClusterSums, outlier_distance: float = math.inf
    ) -> tuple[LabelArray, DoubleArray]:
        """Find the nearest center of each row, and add the row to the sums of that center."""
        labels: LabelArray = np.empty(len(rows), np.int64)
        squared_distances: DoubleArray = np.empty(len(rows), np.float64)
        n_centers = len(self._centers)
        count = n_pieces(len(rows), *self._centers.shape)
        sums, number = self.pieces.begin(len(rows))

        def take(some: slice) -> None:
            taken = weights, count, some.start, some.stop, self.prepared
            take_pieces(rows, *taken, outlier_distance, number, sums, labels, squared_distances)

        def join(some: slice) -> None:
            put_together(sums, count, number, some.start, some.stop, into.sums, into.counts, into.losses)

        worthwhile = rows.size * n_centers > MIN_PRODUCTS
        self._threads.map(take, self._shares(count, count if worthwhile else 1))
        self._threads.map(join, self._shares(n_centers, join_shares(count, *self._centers.shape)))
        return labels, squared_distances

    def _shares(self, n_items: int, most: int) -> list[slice]:
        """Share items out among the threads, in at most so many shares."""
        threads = self._threads.count
        shares = max(1, min(n_items, most, SHARES * threads)) if threads > 1 else 1
        return [slice(n_items * share // shares, n_items * (share + 1) // shares) for share in range(shares)]


class EngineAdder:
    """Adds rows as the assigners of an engine do.

    Parameters
    ----------
    engine : Engine
        What computes.
    centers : ndarray of float64, shape (K, d)
        The centers; they are moved in place.
    """

    def __init__(self, engine: Engine, centers: DoubleArray) -> None:
        self._engine, self._centers = engine, centers
        self._assigner = engine.assigner(centers)

    def follow(self) -> None:
        """Make another assigner."""
        self._assigner = self._engine.assigner(self._centers)

    def add(
        self, rows: FloatArray, weights: DoubleArray, into: ClusterSums, outlier_distance: float = math.inf
    ) -> tuple[LabelArray, DoubleArray]:
        """Find the nearest center of each row, and add the row to the sums of that center."""
        return self._assigner.assign_and_sum(rows, weights, into, outlier_distance)


def join_shares(n_pieces: int, n_centers: int, n_features: int) -> int:
    """Return in how many shares, at most, the sums of pieces are worth adding up."""
    return n_pieces * n_centers * n_features // MIN_SUMMANDS
