"""Lloyd's iteration over weighted points."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeans.assignment import Centers, nearest
from kmeans.communicator import nothing
from kmeans.sums import add_rows
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Up to this part of the points, sums follow those that change their cluster; beyond it they are formed anew.
MOST_CHANGED = 0.25


@dataclass
class Clustering:
    """Centers and what the points say of them.

    Attributes
    ----------
    centers
        float64 (k, d), relative to the shift.
    labels
        int64 (n,): the center of each point.
    squared_distances
        float64 (n,): of each point to its center.
    msd
        Their weighted mean.
    relocated
        How many times an empty cluster was moved to the farthest point.
    """

    centers: DoubleArray
    labels: LabelArray
    squared_distances: DoubleArray
    msd: float
    relocated: int = 0


def lloyd(
    points: FloatArray,
    shift: FloatArray,
    weights: DoubleArray,
    centers: DoubleArray,
    max_iterations: int,
    tolerance: float,
    threads: Threads,
    stopping: Callable[[], bool] = nothing,
) -> Clustering:
    """Move centers to the weighted means of their points until the loss settles.

    An empty cluster is moved to the point that adds most to the loss, so that none is left empty while there are
    points apart from all centers.

    Parameters
    ----------
    points
        float32 (n, d), C-contiguous.
    shift
        float32 (d,): subtracted from every point; centers are relative to it.
    weights
        float64 (n,), with a positive sum.
    centers
        float64 (k, d): where to start.
    max_iterations
        How many times the centers are moved at most.
    tolerance
        The loss has settled when it falls by no more than this part of itself.
    threads
        The threads to use.
    stopping
        Whether to return what there is; asked before each iteration.

    Returns
    -------
    Clustering
        Centers, with labels and loss as these very centers give them.
    """
    total = float(weights.sum())
    relocated = 0
    labels, squared_distances = nearest(points, Centers(centers, shift), threads)
    loss = float(weights @ squared_distances)
    exact_shift = shift.astype(np.float64)
    sums: DoubleArray = np.zeros_like(centers)
    # Sums may follow changes, with a rounding each; what is empty must be exactly 0 in the counts, which are made anew.
    not_used: DoubleArray = np.zeros(len(centers))
    add_rows(points, exact_shift, labels, weights, sums, not_used)
    for _ in range(max_iterations):
        if stopping():
            break
        counts = np.bincount(labels, weights, minlength=len(centers))
        filled = counts > 0.0
        moved = centers.copy()
        moved[filled] = sums[filled] / counts[filled][:, None]
        empty = np.flatnonzero(~filled)
        relocated += _fill_empty(points, shift, weights * squared_distances, moved, empty, stopping)
        new_labels, new_squared_distances = nearest(points, Centers(moved, shift), threads)
        new_loss = float(weights @ new_squared_distances)
        # Rounding alone can raise the loss; then the centers are as good as they get.
        if new_loss > loss:
            break
        changed = np.flatnonzero(new_labels != labels)
        settled = bool(filled.all()) and loss - new_loss <= tolerance * loss
        if len(changed) > MOST_CHANGED * len(points):
            sums[:] = 0.0
            add_rows(points, exact_shift, new_labels, weights, sums, not_used)
        else:
            some = points[changed]
            add_rows(some, exact_shift, labels[changed], -weights[changed], sums, not_used)
            add_rows(some, exact_shift, new_labels[changed], weights[changed], sums, not_used)
        centers, labels, squared_distances, loss = moved, new_labels, new_squared_distances, new_loss
        if not len(changed) or settled:
            break
    return Clustering(centers, labels, squared_distances, loss / total, relocated)


def _fill_empty(
    points: FloatArray,
    shift: FloatArray,
    losses: DoubleArray,
    centers: DoubleArray,
    empty: LabelArray,
    stopping: Callable[[], bool],
) -> int:
    """Put each empty center on the point of largest loss; equal points serve one center only."""
    placed = 0
    losses = losses.copy()
    for center in empty:
        farthest = int(losses.argmax())
        if stopping() or not losses[farthest] > 0.0:
            break
        centers[center] = points[farthest].astype(np.float64) - shift
        losses[(points == points[farthest]).all(axis=1)] = 0.0
        placed += 1
    return placed
