"""What finds the nearest center of each row and adds rows up by center: the interface."""

import math
from typing import Protocol

from kmeans.assignment.sums import ClusterSums
from kmeans.types import DoubleArray, FloatArray, LabelArray


class Assigner(Protocol):
    """Assigns rows to the nearest of the centers that it was made for.

    An implementation has `assign`, and overrides `assign_and_sum` where it can do both at once.

    Notes
    -----
    Labels and distances are those of a comparison in float64; of equally near centers the first is taken. Those of a
    row do not depend on the rows next to it, on how rows are divided into calls, or on the number of threads.

    Sums are formed in float64. The order in which the rows of a call are added depends on nothing but the call: it is
    that of the rows here, and may be any other that follows from the shape of `rows`. So sums have the same bytes from
    run to run and for any number of threads.
    """

    def __len__(self) -> int:
        """Return the number of centers, K."""
        ...

    def assign(self, rows: FloatArray) -> tuple[LabelArray, DoubleArray]:
        """Find the nearest center of each row.

        Parameters
        ----------
        rows : ndarray of float32, shape (n, d)
            C-contiguous and finite.

        Returns
        -------
        labels : ndarray of int64, shape (n,)
            The number of the nearest center.
        squared_distances : ndarray of float64, shape (n,)
            The squared distance to that center.
        """
        ...

    def assign_and_sum(
        self, rows: FloatArray, weights: DoubleArray, into: ClusterSums, outlier_distance: float = math.inf
    ) -> tuple[LabelArray, DoubleArray]:
        """Find the nearest center of each row, and add the row to the sums of that center.

        Parameters
        ----------
        rows : ndarray of float32, shape (n, d)
            C-contiguous and finite.
        weights : ndarray of float64, shape (n,)
            The weights of the rows.
        into : ClusterSums
            The sums to add to.
        outlier_distance : float
            The squared distance beyond which a row is not added.

        Returns
        -------
        labels, squared_distances : ndarray
            As from `assign`, outliers included.
        """
        labels, squared_distances = self.assign(rows)
        into.add(rows, labels, weights, squared_distances, outlier_distance)
        return labels, squared_distances
