"""Points with weights: what finalization clusters, and rows of data that have weights."""

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

    def __getitem__(self, some: slice) -> "WeightedPoints":
        """Return a part of the points, as views."""
        return WeightedPoints(self.values[some], self.weights[some])

    @property
    def nbytes(self) -> int:
        """The memory that they take, in bytes."""
        return self.values.nbytes + self.weights.nbytes

    def at(self, numbers: LabelArray) -> "WeightedPoints":
        """Return the points of some numbers, int64 (m,)."""
        return WeightedPoints(self.values[numbers], self.weights[numbers])

    def copy(self) -> "WeightedPoints":
        """Return a copy, with arrays of its own."""
        return WeightedPoints(self.values.copy(), self.weights.copy())


# Rows of data: each counts once, or as often as its weight says, which is more than 0.
Rows = FloatArray | WeightedPoints


def parts(rows: Rows) -> tuple[FloatArray, DoubleArray | None]:
    """Return rows, float32 (n, d), and their weights, float64 (n,); None where each counts once."""
    return (rows.values, rows.weights) if isinstance(rows, WeightedPoints) else (rows, None)


def with_weights(rows: FloatArray, weights: DoubleArray | None) -> Rows:
    """Return rows, float32 (n, d), with their weights, float64 (n,), if they have some."""
    return rows if weights is None else WeightedPoints(rows, weights)
