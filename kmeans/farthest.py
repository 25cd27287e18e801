"""The rows of a stream that lie farthest from their centers: few, but they may make most of a loss.

No sample of a skewed population says much of its sum before the largest are taken all, and the others sampled (the
take-all stratum of surveys; Cochran 1977, section 5A.7). Which rows these are is settled by the distance of each when
it came. So that the others can be told from them, no row is among them that is as far as one that is not.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmeans.candidates import Candidates
from kmeans.communicator import Communicator
from kmeans.reassignment import Reassignment
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Enough that the rest of a loss is estimated to a part of a percent.
MAX_ROWS = 5_000
# Fewer where they are wide.
MAX_BYTES = 8 << 20
# What a sum, an exponential and a logarithm are off by, and more.
ROUNDING = 1e-9
# Its exponential is still a number.
MAX_EXPONENT = 700.0
_NAMES = ("rows", "labels", "numbers", "positions", "keys")


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
        # Places for twice as many: the nearer half is dropped when they are full.
        self._rows: FloatArray = np.empty((2 * self.size, n_features), np.float32)
        self._labels: LabelArray = np.empty(2 * self.size, np.int64)
        self._numbers: LabelArray = np.empty(2 * self.size, np.int64)
        self._positions: DoubleArray = np.empty(2 * self.size)
        # Logarithms of weighted squared distances.
        self._keys: DoubleArray = np.empty(2 * self.size)
        self._used = 0
        # Rows with keys no larger are not held.
        self._threshold = -math.inf

    def least_distance(self, last_position: float) -> float:
        """Return a squared distance that no row up to a position can do without."""
        # Weights grow: no earlier row that is nearer can beat the threshold.
        return math.exp(min(self._threshold - self._growth * last_position, MAX_EXPONENT)) * (1 - ROUNDING)

    def add(self, offered: Candidates) -> None:
        """Offer rows; kept ones are copied."""
        if not len(offered.rows):
            return
        least = self.least_distance(float(offered.positions[-1]))
        chosen = np.flatnonzero(offered.squared_distances > least)
        keys = np.log(offered.squared_distances[chosen]) + self._growth * offered.positions[chosen]
        # Up to as many at a time as there is always room for.
        for start in range(0, len(chosen), self.size):
            some = slice(start, start + self.size)
            self._take(offered, chosen[some], keys[some])

    def _take(self, offered: Candidates, chosen: LabelArray, keys: DoubleArray) -> None:
        far = keys > self._threshold
        chosen, keys = chosen[far], keys[far]
        if self._used + len(chosen) > len(self._keys):
            self._drop()
        place = slice(self._used, self._used + len(chosen))
        columns = offered.rows, offered.labels, offered.numbers, offered.positions
        for column, values in zip(self._columns(), (*(each[chosen] for each in columns), keys), strict=True):
            column[place] = values
        self._used = place.stop

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return self._rows, self._labels, self._numbers, self._positions, self._keys

    def _drop(self) -> None:
        """Keep the farthest `size` rows at most."""
        surplus = self._used - self.size
        if surplus <= 0:
            return
        keys = self._keys[: self._used]
        self._threshold = float(np.partition(keys, surplus - 1)[surplus - 1])
        kept = np.flatnonzero(keys > self._threshold)
        for column in self._columns():
            column[: len(kept)] = column[kept]
        self._used = len(kept)

    def relabel(self, change: Reassignment, host: int) -> None:
        """Follow the stream where a center was given up for a row, maybe one of this host, `host`."""
        change.relabel(self._labels[: self._used], self._numbers[: self._used], host)

    def gathered(self, communicator: Communicator) -> tuple[FloatArray, LabelArray, DoubleArray]:
        """Return rows, float32 (n, d), labels, int64 (n,), and positions, float64 (n,), of all hosts, on every host."""
        self._drop()
        keys = self._keys[: self._used]
        # A host without room has at least `size` larger keys than its threshold.
        everyones = communicator.gather_rows(keys)
        threshold = float(communicator.gather_rows(np.array([self._threshold])).max())
        surplus = len(everyones) - self.size
        if surplus > 0:
            threshold = max(threshold, float(np.partition(everyones, surplus - 1)[surplus - 1]))
        kept = np.flatnonzero(keys > threshold)
        return (
            communicator.gather_rows(self._rows[kept]),
            communicator.gather_rows(self._labels[kept]),
            communicator.gather_rows(self._positions[kept]),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return, by name, the arrays from which `restore` makes the same; they are views."""
        self._drop()
        return {name: column[: self._used] for name, column in zip(_NAMES, self._columns(), strict=True)}

    def facts(self) -> dict[str, Any]:
        """Return what else `restore` needs, as JSON knows it."""
        return {"threshold": None if self._threshold == -math.inf else self._threshold}

    def restore(self, arrays: dict[str, NDArray[Any]], facts: dict[str, Any]) -> None:
        """Become what that of these arrays and facts was."""
        self._used = len(arrays["rows"])
        for name, column in zip(_NAMES, self._columns(), strict=True):
            column[: self._used] = arrays[name]
        self._threshold = -math.inf if facts["threshold"] is None else facts["threshold"]
