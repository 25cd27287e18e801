"""The end of a step of the stream: centers move, and are reassigned to far rows; threads share the centers."""

import numpy as np

from kmeans.assignment.sums import ClusterSums
from kmeans.kernels.far_rows import DISTANCE, LABEL, cheapest_merger, lightest, most_gain
from kmeans.kernels.moving import move_and_clear
from kmeans.stream.center_ranges import center_ranges
from kmeans.stream.reassignment import FarRows, Reassignment, add_entries, farthest, reassign
from kmeans.threads import Threads
from kmeans.types import BoolArray, DoubleArray


class Mover:
    """Moves the centers of a stream.

    Parameters
    ----------
    centers : ndarray of float64, shape (K, d)
        See `Stream`; it and the next two are changed in place.
    weights : ndarray of float64, shape (K,)
        See `Stream`.
    spreads : ndarray of float64, shape (K,)
        See `Stream`.
    threads : Threads
        The threads to use.
    """

    def __init__(self, centers: DoubleArray, weights: DoubleArray, spreads: DoubleArray, threads: Threads) -> None:
        self._centers, self._weights, self._spreads = centers, weights, spreads
        self._threads = threads
        n_centers, n_features = centers.shape
        self._ranges = center_ranges(n_centers, n_features, threads.count)
        self._nobody: BoolArray = np.zeros(len(centers), bool)

    def move(self, new: ClusterSums, decay: float) -> None:
        """Move the centers towards the means of new rows, and clear the sums of these.

        Parameters
        ----------
        new : ClusterSums
            The sums of the rows.
        decay : float
            The factor of the weights of earlier rows.
        """

        def move_some(some: slice) -> None:
            centers = self._centers, self._weights, self._spreads
            move_and_clear(*centers, new.sums, new.counts, new.losses, decay, some.start, some.stop)

        self._threads.map(move_some, self._ranges)

    def move_and_reassign(
        self, new: ClusterSums, decay: float, far_rows: FarRows, facts: DoubleArray
    ) -> list[Reassignment]:
        """Move the centers as `move` does, then reassign some of them to far rows where that pays.

        Parameters
        ----------
        new : ClusterSums
            The sums of the rows.
        decay : float
            The factor of the weights of earlier rows.
        far_rows : FarRows
            The far rows of this host.
        facts : ndarray of float64, shape (n, EXTRA)
            The facts of those of all hosts.

        Returns
        -------
        list of Reassignment
            In the order in which they were made.
        """
        outlier_distance = far_rows.outlier_distance
        candidates, rest = farthest(facts)
        outliers = rest[rest[:, DISTANCE] > outlier_distance]
        if len(outliers):
            add_entries(far_rows.exchanged(outliers), new)
        before = self._centers[candidates[:, LABEL].astype(np.int64)]
        self.move(new, decay)
        gain = most_gain(candidates, outlier_distance, before, self._centers, self._weights)
        least_cost = self._least_cost(gain)
        # The rows of candidates are needed only if one may become a center, or is an outlier and in no center yet.
        if not (least_cost < gain or (candidates[:, DISTANCE] > outlier_distance).any()):
            return []
        table = far_rows.exchanged(candidates)
        return reassign(table, outlier_distance, self._centers, self._weights, self._spreads, least_cost)

    def _least_cost(self, limit: float) -> float:
        """Return the cost of the cheapest merger of two centers, or the limit if none costs less."""
        light = lightest(self._weights, self._nobody)

        def least_of(some: slice) -> float:
            merger = cheapest_merger(self._centers, self._weights, self._nobody, light, limit, some.start, some.stop)
            return float(merger[2])

        return min(self._threads.map(least_of, self._ranges))
