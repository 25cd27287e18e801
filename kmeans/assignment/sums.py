"""Sums of rows by center."""

import math
from dataclasses import dataclass

import numpy as np

from kmeans.kernels.sums import add_rows
from kmeans.types import DoubleArray, FloatArray, LabelArray


@dataclass(frozen=True)
class ClusterSums:
    """Sums over the rows of each cluster, in float64 and in the order in which the rows are added.

    Attributes
    ----------
    sums : ndarray of float64, shape (K, d)
        The sums of the weighted rows.
    counts : ndarray of float64, shape (K,)
        The sums of the weights.
    losses : ndarray of float64, shape (K,)
        The sums of the weighted squared distances, if `add` is given these.
    """

    sums: DoubleArray
    counts: DoubleArray
    losses: DoubleArray

    @classmethod
    def zeros(cls, n_centers: int, n_features: int) -> "ClusterSums":
        """Return the sums of no rows."""
        return cls(np.zeros((n_centers, n_features)), np.zeros(n_centers), np.zeros(n_centers))

    def clear(self) -> None:
        """Begin again from the sums of no rows."""
        self.sums[:], self.counts[:], self.losses[:] = 0.0, 0.0, 0.0

    def add(
        self,
        rows: FloatArray,
        labels: LabelArray,
        weights: DoubleArray,
        squared_distances: DoubleArray | None = None,
        outlier_distance: float = math.inf,
    ) -> None:
        """Add every row that is no outlier to the sums of its cluster.

        Parameters
        ----------
        rows : ndarray of float32, shape (n, d)
            C-contiguous.
        labels : ndarray of int64, shape (n,)
            The cluster of each, from 0 to K - 1.
        weights : ndarray of float64, shape (n,)
            Negative ones take rows out again.
        squared_distances : ndarray of float64, shape (n,), optional
            The squared distances of the rows to their centers. Without them no row is an outlier, and losses mean
            nothing.
        outlier_distance : float
            The squared distance beyond which a row is an outlier.
        """
        # No weight is beyond infinity.
        distances = weights if squared_distances is None else squared_distances
        add_rows(rows, labels, weights, distances, outlier_distance, self.sums, self.counts, self.losses)
