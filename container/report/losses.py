"""The loss of a job's mini-batches, in bounded memory."""

import numpy as np

from kmeans.types import DoubleArray, LabelArray

MAX_POINTS = 1_000


class Losses:
    """Keeps the mean squared distances of mini-batches: a point for each `stride` consecutive ones.

    At `MAX_POINTS` points, pairs of neighbors are merged and the stride doubles.

    Attributes
    ----------
    stride : int
        Number of mini-batches per point.
    batches : int
        Number of mini-batches so far.
    """

    def __init__(self) -> None:
        self.stride = 1
        self.batches = 0
        self._rows: list[float] = []
        self._inertias: list[float] = []

    def add(self, rows: float, inertia: float) -> None:
        """Add a mini-batch that counts as `rows` rows, by its sum of squared distances."""
        if self.batches % self.stride == 0:
            if len(self._rows) == MAX_POINTS:
                self._join()
            self._rows.append(0)
            self._inertias.append(0.0)
        self._rows[-1] += rows
        self._inertias[-1] += inertia
        self.batches += 1

    def _join(self) -> None:
        self._rows = [sum(self._rows[i : i + 2]) for i in range(0, MAX_POINTS, 2)]
        self._inertias = [sum(self._inertias[i : i + 2]) for i in range(0, MAX_POINTS, 2)]
        self.stride *= 2

    def curve(self) -> tuple[LabelArray, DoubleArray, DoubleArray]:
        """Return the loss so far.

        Returns
        -------
        batches : ndarray of int64, shape (n,)
            The number of the last mini-batch of each point, from 1.
        short_term : ndarray of float64, shape (n,)
            The mean squared distance of the rows of each point.
        long_term : ndarray of float64, shape (n,)
            The mean squared distance of all rows up to each point.
        """
        last = np.minimum(np.arange(1, len(self._rows) + 1) * self.stride, self.batches)
        rows = np.array(self._rows, np.float64)
        rows[rows == 0.0] = 1.0
        inertias = np.array(self._inertias, np.float64)
        return last, inertias / rows, inertias.cumsum() / rows.cumsum()
