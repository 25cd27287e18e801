"""The rows of a stream that lie farthest from their centers: few, but they may make most of a loss.

A sample of a skewed population says little about its sum, unless all of the largest are taken and only the others are
sampled (the take-all stratum of surveys; Cochran 1977, section 5A.7). The distance that counts is the one that a row
had when it came. Of equally far rows either all are among the farthest or none, so that the others can be identified.
"""

import math

import numpy as np

from kmeans.communicator import Communicator
from kmeans.stream.candidates import Candidates
from kmeans.stream.largest_keys import LargestKeys
from kmeans.stream.reassignment import Reassignment
from kmeans.stream.row_weights import together
from kmeans.stream.snapshot import LargestKeysSnapshot
from kmeans.types import DoubleArray, FloatArray, LabelArray

# With this many, the rest of a loss is estimated to within a fraction of a percent.
MAX_ROWS = 5_000
# Fewer where rows are wide.
MAX_BYTES = 8 << 20
# More than the relative error of a sum, an exponential and a logarithm together.
ROUNDING = 1e-9
# Its exponential is still finite.
MAX_EXPONENT = 700.0


def max_rows(n_features: int) -> int:
    """Return the number of rows of `n_features` features that are kept, at most."""
    return max(1, min(MAX_ROWS, MAX_BYTES // (4 * n_features)))


class Farthest:
    """The farthest rows of one host.

    Parameters
    ----------
    n_features : int
        Features of a row.
    growth : float
        What the logarithm of a weight grows by from one row to the next.
    rate : float
        What it grows by within a row that has a weight, for each row that this counts as.
    weighted : bool
        Whether rows have weights of their own: then the farthest ones are those that add most to the loss.
    """

    def __init__(self, n_features: int, growth: float = 0.0, rate: float = 0.0, *, weighted: bool = False) -> None:
        self.size = max_rows(n_features)
        self._growth, self._rate = growth, rate
        # Keys are squared distances, weighted ones if rows have weights, and their logarithms where weights grow.
        self._held = LargestKeys(self.size, n_features, weighted=weighted)
        if not growth:
            self._held.threshold = 0.0

    def least_distance(self, last_position: float, heaviest: float = 1.0) -> float:
        """Return the squared distance that a row up to a position and a weight must exceed to be among the farthest."""
        if not self._growth:
            return self._held.threshold if heaviest == 1.0 else self._held.threshold / heaviest * (1 - ROUNDING)
        # No earlier or lighter row with a lesser distance can exceed the threshold.
        exponent = self._held.threshold - self._growth * last_position
        return math.exp(min(exponent - math.log(heaviest), MAX_EXPONENT)) * (1 - ROUNDING)

    def add(self, offered: Candidates) -> None:
        """Offer rows; those that are kept are copied."""
        keys = offered.squared_distances
        if offered.weights is not None:
            keys = together(offered.weights, self._rate) * keys
        if self._growth:
            with np.errstate(divide="ignore"):
                keys = np.log(keys) + self._growth * offered.positions
        self._held.add(offered, keys)

    def relabel(self, change: Reassignment, host: int) -> None:
        """Change labels after a reassignment, maybe to a row of this host, whose rank is `host`."""
        self._held.relabel(change, host)

    def gathered(self, communicator: Communicator) -> tuple[FloatArray, LabelArray, DoubleArray, DoubleArray | None]:
        """Return the farthest rows of all hosts, on every host.

        Returns
        -------
        rows : ndarray of float32, shape (n, d)
        labels : ndarray of int64, shape (n,)
        positions : ndarray of float64, shape (n,)
        weights : ndarray of float64, shape (n,), or None
        """
        self._held.drop()
        rows, labels, _, positions, keys, weights = self._held.held()
        # A host that has dropped rows has at least `size` keys above its threshold.
        everyones = communicator.gather_rows(keys)
        threshold = float(communicator.gather_rows(np.array([self._held.threshold])).max())
        surplus = len(everyones) - self.size
        if surplus > 0:
            threshold = max(threshold, float(np.partition(everyones, surplus - 1)[surplus - 1]))
        kept = np.flatnonzero(keys > threshold)
        # In the order of the stream, wherever they are stored.
        kept = kept[np.argsort(positions[kept])]
        return (
            communicator.gather_rows(rows[kept]),
            communicator.gather_rows(labels[kept]),
            communicator.gather_rows(positions[kept]),
            None if weights is None else communicator.gather_rows(weights[kept]),
        )

    def snapshot(self) -> LargestKeysSnapshot:
        """Return what `restore` needs; the arrays are views."""
        return self._held.snapshot()

    def restore(self, snapshot: LargestKeysSnapshot) -> None:
        """Resume from a snapshot, and take over its arrays."""
        self._held.restore(snapshot)
