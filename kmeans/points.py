"""Points with weights: what finalization clusters."""

from dataclasses import dataclass

import numpy as np

from kmeans.types import DoubleArray, FloatArray, LabelArray


@dataclass(frozen=True)
class WeightedPoints:
    """Points, each of which counts as much as its weight.

    Attributes
    ----------
    values : ndarray of float32, shape (n, d)
        The points, C-contiguous.
    weights : ndarray of float64, shape (n,)
        Not negative.
    """

    values: FloatArray
    weights: DoubleArray

    @classmethod
    def alike(cls, rows: FloatArray) -> "WeightedPoints":
        """Return rows, float32 (n, d), as points of weight 1."""
        return cls(rows, np.ones(len(rows)))

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.values)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of points and the number of features, (n, d)."""
        n_points, n_features = self.values.shape
        return n_points, n_features

    def at(self, numbers: LabelArray) -> "WeightedPoints":
        """Return the points of some numbers, int64 (m,)."""
        return WeightedPoints(self.values[numbers], self.weights[numbers])
