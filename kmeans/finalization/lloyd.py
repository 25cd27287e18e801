"""Lloyd's iteration over weighted points."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeans.assignment.engine import Engine
from kmeans.assignment.sums import ClusterSums
from kmeans.communicator import nothing
from kmeans.finalization.empty_clusters import fill_empty
from kmeans.kernels.jit import kernel
from kmeans.kernels.sums import move_to_means
from kmeans.points import WeightedPoints
from kmeans.types import DoubleArray, LabelArray

Assignment = tuple[LabelArray, DoubleArray]

# If no more than this part of the points changes its cluster, sums are updated by these points; otherwise recomputed.
MAX_CHANGED = 0.25
# Relative rounding of a float64 operation.
ROUNDING = 2.0**-53
# Share of a cluster's spread below which an error of its center does not matter.
VISIBLE_SPREAD = 2.0**-20


@dataclass
class Clustering:
    """Centers, and the clusters that they make of points.

    Attributes
    ----------
    centers : ndarray of float64, shape (k, d)
        The centers.
    labels : ndarray of int64, shape (n,)
        The nearest center of each point.
    squared_distances : ndarray of float64, shape (n,)
        The squared distance of each point to that center.
    msd : float
        The weighted mean of the squared distances.
    relocated : int
        How many times an empty cluster was moved to the farthest point.
    """

    centers: DoubleArray
    labels: LabelArray
    squared_distances: DoubleArray
    msd: float
    relocated: int = 0


@dataclass(frozen=True)
class StopRule:
    """When Lloyd's iteration ends.

    Attributes
    ----------
    max_iterations : int
        How many times the centers are moved at most.
    tolerance : float
        The iteration ends when it lowers the loss by no more than this part of it.
    stopping : callable
        Called before each iteration; returns whether to end with the centers as they are.
    enough : callable, optional
        Called with the mean loss after each iteration; returns whether to end there.
    """

    max_iterations: int
    tolerance: float = 0.0
    stopping: Callable[[], bool] = nothing
    enough: Callable[[float], bool] | None = None


def evaluate(points: WeightedPoints, centers: DoubleArray, engine: Engine) -> Clustering:
    """Assign points to centers that stay where they are.

    Parameters
    ----------
    points : WeightedPoints
        The points; the sum of their weights is positive.
    centers : ndarray of float64, shape (k, d)
        The centers.
    engine : Engine
        What computes.

    Returns
    -------
    Clustering
        The centers, with the labels and the loss that they give.
    """
    labels, squared_distances = engine.assigner(centers).assign(points.values)
    msd = float(points.weights @ squared_distances) / float(points.weights.sum())
    return Clustering(centers, labels, squared_distances, msd)


def lloyd(points: WeightedPoints, start: DoubleArray, stop: StopRule, engine: Engine) -> Clustering:
    """Move centers to the weighted means of their points until the loss settles.

    An empty cluster is moved to the point that adds most to the loss, so that none stays empty while there are points
    apart from all centers.

    Parameters
    ----------
    points : WeightedPoints
        The points; the sum of their weights is positive.
    start : ndarray of float64, shape (k, d)
        The first centers.
    stop : StopRule
        When to end.
    engine : Engine
        What computes.

    Returns
    -------
    Clustering
        The last centers, with the labels and the loss that they give.
    """
    weights = points.weights
    total = float(weights.sum())
    centers, relocated = start, 0
    labels, squared_distances = engine.assigner(centers).assign(points.values)
    loss = float(weights @ squared_distances)
    sums = _UpdatedSums(points, labels, len(centers))
    counts, _ = _tallied(labels, weights, squared_distances, len(centers))
    for _ in range(stop.max_iterations):
        if stop.stopping():
            break
        filled = counts > 0.0
        moved = centers.copy()
        move_to_means(sums.sums, counts, moved)
        placed = 0
        if not filled.all():
            placed = fill_empty(points, squared_distances, moved, np.flatnonzero(~filled), stop.stopping)
        new_labels, new_squared_distances = engine.assigner(moved).assign(points.values)
        new_counts, losses = _tallied(new_labels, weights, new_squared_distances, len(centers))
        if sums.are_rough(losses, counts):
            sums.recompute(labels)
            continue
        relocated += placed
        new_loss = float(weights @ new_squared_distances)
        # Rounding alone can raise the loss; then the centers are as good as they get.
        if new_loss > loss:
            break
        changed = np.flatnonzero(new_labels != labels)
        settled = bool(filled.all()) and loss - new_loss <= stop.tolerance * loss
        if len(changed) > MAX_CHANGED * len(points):
            sums.recompute(new_labels)
        else:
            sums.follow(changed, (labels, squared_distances), (new_labels, new_squared_distances))
        centers, labels, squared_distances, loss = moved, new_labels, new_squared_distances, new_loss
        counts = new_counts
        if (stop.enough and stop.enough(loss / total)) or not len(changed) or settled:
            break
    return Clustering(centers, labels, squared_distances, loss / total, relocated)


class _UpdatedSums:
    """Sums of points by cluster, updated by the points that change their cluster.

    Such sums lose digits when a far point comes or goes. Counts are not among them: those of empty clusters must be
    exactly 0, so `lloyd` recomputes them in each iteration.

    Parameters
    ----------
    points : WeightedPoints
        The points.
    labels : ndarray of int64, shape (n,)
        The cluster of each point.
    n_centers : int
        The number of clusters, k.

    Attributes
    ----------
    sums : ndarray of float64, shape (k, d)
        The sums of the weighted points.
    """

    def __init__(self, points: WeightedPoints, labels: LabelArray, n_centers: int) -> None:
        self._points = points
        self._into = ClusterSums.zeros(n_centers, points.shape[1])
        self.sums = self._into.sums
        # By how much each sum may be off.
        self._lost: DoubleArray = np.zeros(n_centers)
        self._into.add(points.values, labels, points.weights)

    def recompute(self, labels: LabelArray) -> None:
        """Form the sums again, from all points."""
        self._into.clear()
        self._lost[:] = 0.0
        self._into.add(self._points.values, labels, self._points.weights)

    def follow(self, changed: LabelArray, before: Assignment, after: Assignment) -> None:
        """Move the given points from their previous clusters to their new ones.

        Parameters
        ----------
        changed : ndarray of int64, shape (m,)
            The numbers of the points.
        before, after : tuple of (ndarray of int64, shape (n,), ndarray of float64, shape (n,))
            The labels and the squared distances of all points.
        """
        some = self._points.at(changed)
        for (labels, squared_distances), sign in ((before, -1.0), (after, 1.0)):
            own_labels = labels[changed]
            self._into.add(some.values, own_labels, sign * some.weights)
            roundings = ROUNDING * some.weights * np.sqrt(squared_distances[changed])
            self._lost += np.bincount(own_labels, roundings, len(self._lost))

    def are_rough(self, losses: DoubleArray, counts: DoubleArray) -> bool:
        """Return whether what the sums have lost is visible in the spread of a cluster.

        A cluster without a spread, such as one of a single point, is compared with the least spread of the others, not
        with the norm of its center: that may be large because of a fill value, in a feature in which nothing was lost.

        Parameters
        ----------
        losses : ndarray of float64, shape (k,)
            The sum of the squared distances of each cluster.
        counts : ndarray of float64, shape (k,)
            The weight of each cluster.

        Returns
        -------
        bool
            If true, the sums are to be formed again.
        """
        if not self._lost.any():
            return False
        spreads = np.sqrt(np.divide(losses, counts, out=np.zeros_like(losses), where=counts > 0.0))
        some = spreads[spreads > 0.0]
        visible = VISIBLE_SPREAD * np.maximum(spreads, some.min() if len(some) else 0.0)
        return bool((self._lost > visible * counts).any())


def _tallied(
    labels: LabelArray, weights: DoubleArray, squared_distances: DoubleArray, n_centers: int
) -> tuple[DoubleArray, DoubleArray]:
    """Return the weight and the loss of each cluster, float64 (n_centers,)."""
    counts: DoubleArray = np.zeros(n_centers)
    losses: DoubleArray = np.zeros(n_centers)
    _tally(labels, weights, squared_distances, counts, losses)
    return counts, losses


@kernel("void(int64[::1], float64[::1], float64[::1], float64[::1], float64[::1])")
def _tally(
    labels: LabelArray,  # IN (n,)
    weights: DoubleArray,  # IN (n,)
    squared_distances: DoubleArray,  # IN (n,)
    counts: DoubleArray,  # INOUT (k,)
    losses: DoubleArray,  # INOUT (k,)
) -> None:
    """Add up the points of each cluster."""
    for i in range(len(labels)):
        counts[labels[i]] += weights[i]
        losses[labels[i]] += weights[i] * squared_distances[i]
