"""The loss of a job's mini-batches, in bounded memory."""

import numpy as np

from kmeans.types import DoubleArray, LabelArray

MAX_POINTS = 1_000


class Losses:
    """Keeps the mean squared distance of the mini-batches; each point stands for `stride` of them in turn.

    Whenever there are `MAX_POINTS` points, neighbors are joined in pairs and the stride doubles.

    Attributes
    ----------
    stride
        Mini-batches of a point.
    batches
        Mini-batches heard of.
    """

    def __init__(self) -> None:
        self.stride = 1
        self.batches = 0
        self._rows: list[int] = []
        self._inertias: list[float] = []

    def add(self, rows: int, inertia: float) -> None:
        """Take in a mini-batch of `rows` rows with that sum of squared distances."""
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
        """Give the loss so far.

        Returns
        -------
        batches : int64 (n,)
            The number of the last mini-batch of each point, from 1.
        short_term, long_term : float64 (n,)
            Mean squared distance of the rows of the point's mini-batches, and of all rows up to there.
        """
        last = np.minimum(np.arange(1, len(self._rows) + 1) * self.stride, self.batches)
        rows = np.maximum(np.array(self._rows, np.float64), 1.0)
        inertias = np.array(self._inertias, np.float64)
        return last, inertias / rows, inertias.cumsum() / rows.cumsum()
