"""What becomes of clusters that lose their last point in Lloyd's method."""

from collections.abc import Callable

from kmeans.points import WeightedPoints
from kmeans.types import DoubleArray, LabelArray


def fill_empty(
    points: WeightedPoints,
    squared_distances: DoubleArray,
    centers: DoubleArray,
    empty: LabelArray,
    stopping: Callable[[], bool],
) -> int:
    """Put each center of an empty cluster on the point that adds most to the loss; equal points count as one.

    Parameters
    ----------
    points : WeightedPoints
        The points.
    squared_distances : ndarray of float64, shape (n,)
        The squared distance of each point to its nearest center.
    centers : ndarray of float64, shape (k, d)
        The centers, which are changed.
    empty : ndarray of int64, shape (m,)
        The numbers of the empty clusters.
    stopping : callable
        Called before each of them; returns whether to leave the others as they are.

    Returns
    -------
    int
        How many centers were put on a point; fewer than m if there are too few points apart from all centers.
    """
    placed = 0
    losses = points.weights * squared_distances
    for center in empty:
        farthest = int(losses.argmax())
        if stopping() or not losses[farthest] > 0.0:
            break
        centers[center] = points.values[farthest]
        losses[(points.values == points.values[farthest]).all(axis=1)] = 0.0
        placed += 1
    return placed
