"""The rows of a stream that lie farthest from their centers: few, but they may make most of a loss.

No sample of a skewed population says much of its sum before the largest are taken all, and the others sampled (the
take-all stratum of surveys; Cochran 1977, section 5A.7). Which rows these are is settled by the distance of each when
it came. So that the others can be told from them, no row is among them that is as far as one that is not.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmeans.communicator import Communicator
from kmeans.stream.candidates import Candidates
from kmeans.stream.largest_keys import LargestKeys
from kmeans.stream.reassignment import Reassignment
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Enough that the rest of a loss is estimated to a part of a percent.
MAX_ROWS = 5_000
# Fewer where they are wide.
MAX_BYTES = 8 << 20
# What a sum, an exponential and a logarithm are off by, and more.
ROUNDING = 1e-9
# Its exponential is still a number.
MAX_EXPONENT = 700.0


def most_rows(n_features: int) -> int:
    """Return how many rows of so many features are kept."""
    return max(1, min(MAX_ROWS, MAX_BYTES // (4 * n_features)))


class Farthest:
    """The farthest rows of one host.

    Parameters
    ----------
    n_features
        Features of a row.
    growth
        By how much the logarithm of a weight grows from one row to the next.
    """

    def __init__(self, n_features: int, growth: float = 0.0) -> None:
        self.size = most_rows(n_features)
        self._growth = growth
        # Keys are squared distances, or, where weights grow, logarithms of weighted ones.
        self._held = LargestKeys(self.size, n_features)
        if not growth:
            self._held.threshold = 0.0

    def least_distance(self, last_position: float) -> float:
        """Return a squared distance that no row up to a position can do without."""
        if not self._growth:
            return self._held.threshold
        # No earlier row that is nearer can beat the threshold.
        return math.exp(min(self._held.threshold - self._growth * last_position, MAX_EXPONENT)) * (1 - ROUNDING)

    def add(self, offered: Candidates) -> None:
        """Offer rows; kept ones are copied."""
        keys = offered.squared_distances
        if self._growth:
            with np.errstate(divide="ignore"):
                keys = np.log(keys) + self._growth * offered.positions
        self._held.add(offered, keys)

    def relabel(self, change: Reassignment, host: int) -> None:
        """Follow the stream where a center was given up for a row, maybe one of this host, `host`."""
        self._held.relabel(change, host)

    def gathered(self, communicator: Communicator) -> tuple[FloatArray, LabelArray, DoubleArray]:
        """Return rows, float32 (n, d), labels, int64 (n,), and positions, float64 (n,), of all hosts, on every host."""
        self._held.drop()
        rows, labels, _, positions, keys = self._held.held()
        # A host without room has at least `size` larger keys than its threshold.
        everyones = communicator.gather_rows(keys)
        threshold = float(communicator.gather_rows(np.array([self._held.threshold])).max())
        surplus = len(everyones) - self.size
        if surplus > 0:
            threshold = max(threshold, float(np.partition(everyones, surplus - 1)[surplus - 1]))
        kept = np.flatnonzero(keys > threshold)
        # In the order of the stream, however they came to lie here.
        kept = kept[np.argsort(positions[kept])]
        return (
            communicator.gather_rows(rows[kept]),
            communicator.gather_rows(labels[kept]),
            communicator.gather_rows(positions[kept]),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return, by name, the arrays from which `restore` makes the same; they are views."""
        return self._held.arrays()

    def facts(self) -> dict[str, Any]:
        """Return what else `restore` needs, as JSON knows it."""
        return {"threshold": None if self._held.threshold == -math.inf else self._held.threshold}

    def restore(self, arrays: dict[str, NDArray[Any]], facts: dict[str, Any]) -> None:
        """Become what that of these arrays and facts was; the arrays are its own from then on."""
        self._held.restore(arrays, facts["threshold"])
