"""Lloyd's iteration over weighted points."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeans.assignment.assigner import Centers, nearest
from kmeans.assignment.sums import add_rows, move_to_means
from kmeans.communicator import nothing
from kmeans.kernels.jit import kernel
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Up to this part of the points, sums follow those that change their cluster; beyond it they are formed anew.
MOST_CHANGED = 0.25
# Relative rounding of a float64 operation.
ROUNDING = 2.0**-53
# Share of a cluster's spread below which an error of its center is of no account.
VISIBLE_SPREAD = 2.0**-20


@dataclass
class Clustering:
    """Centers and what the points say of them.

    Attributes
    ----------
    centers
        float64 (k, d).
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


def clustering_of(
    points: FloatArray, shift: FloatArray, weights: DoubleArray, centers: DoubleArray, threads: Threads
) -> Clustering:
    """Return the clustering that centers make of points, without moving them.

    Parameters
    ----------
    points, shift, weights, centers, threads
        As for `lloyd`.
    """
    labels, squared_distances = nearest(points, Centers(centers, shift), threads)
    msd = float(weights @ squared_distances) / float(weights.sum())
    return Clustering(centers, labels, squared_distances, msd)


def lloyd(
    points: FloatArray,
    shift: FloatArray,
    weights: DoubleArray,
    centers: DoubleArray,
    max_iterations: int,
    tolerance: float,
    threads: Threads,
    stopping: Callable[[], bool] = nothing,
    enough: Callable[[float], bool] | None = None,
) -> Clustering:
    """Move centers to the weighted means of their points until the loss settles.

    An empty cluster is moved to the point that adds most to the loss, so that none is left empty while there are
    points apart from all centers.

    Parameters
    ----------
    points
        float32 (n, d), C-contiguous.
    shift
        float32 (d,): usual values of the points; see `kmeans.shift.usual_values`.
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
    enough
        Told the mean loss after each iteration; says whether to return what there is.

    Returns
    -------
    Clustering
        Centers, with labels and loss as these very centers give them.
    """
    total = float(weights.sum())
    relocated = 0
    labels, squared_distances = nearest(points, Centers(centers, shift), threads)
    loss = float(weights @ squared_distances)
    sums: DoubleArray = np.zeros_like(centers)
    # Sums are updated incrementally, and lose digits when a far point comes or goes. Counts are recomputed: those of
    # empty clusters must be exactly 0.
    lost: DoubleArray = np.zeros(len(centers))
    not_used: DoubleArray = np.zeros(len(centers))
    add_rows(points, labels, weights, sums, not_used)
    counts, _ = _tallied(labels, weights, squared_distances, len(centers))
    for _ in range(max_iterations):
        if stopping():
            break
        filled = counts > 0.0
        moved = centers.copy()
        move_to_means(sums, counts, moved)
        placed = 0
        if not filled.all():
            placed = _fill_empty(points, weights * squared_distances, moved, np.flatnonzero(~filled), stopping)
        new_labels, new_squared_distances = nearest(points, Centers(moved, shift), threads)
        new_counts, losses = _tallied(new_labels, weights, new_squared_distances, len(centers))
        if lost.any() and _matters(lost, losses, counts):
            sums[:], lost[:] = 0.0, 0.0
            add_rows(points, labels, weights, sums, not_used)
            continue
        relocated += placed
        new_loss = float(weights @ new_squared_distances)
        # Rounding alone can raise the loss; then the centers are as good as they get.
        if new_loss > loss:
            break
        changed = np.flatnonzero(new_labels != labels)
        settled = bool(filled.all()) and loss - new_loss <= tolerance * loss
        if len(changed) > MOST_CHANGED * len(points):
            sums[:], lost[:] = 0.0, 0.0
            add_rows(points, new_labels, weights, sums, not_used)
        else:
            some, some_weights = points[changed], weights[changed]
            for some_labels, distances, sign in (
                (labels[changed], squared_distances[changed], -1.0),
                (new_labels[changed], new_squared_distances[changed], 1.0),
            ):
                add_rows(some, some_labels, sign * some_weights, sums, not_used)
                lost += np.bincount(some_labels, ROUNDING * some_weights * np.sqrt(distances), len(centers))
        centers, labels, squared_distances, loss = moved, new_labels, new_squared_distances, new_loss
        counts = new_counts
        if (enough and enough(loss / total)) or not len(changed) or settled:
            break
    return Clustering(centers, labels, squared_distances, loss / total, relocated)


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


def _matters(lost: DoubleArray, losses: DoubleArray, counts: DoubleArray) -> bool:
    """Return whether what sums have lost can be seen beside the spread of a cluster.

    Where a cluster has none, as one of a single point, it is the least spread of any other that counts: the size of its
    center says nothing, for it may be that of a fill value in a feature in which nothing was lost.

    Parameters
    ----------
    lost
        float64 (k,): by how much each sum may be off.
    losses
        float64 (k,): the sum of the squared distances of each cluster.
    counts
        float64 (k,): its weight.
    """
    spreads = np.sqrt(np.divide(losses, counts, out=np.zeros_like(losses), where=counts > 0.0))
    some = spreads[spreads > 0.0]
    visible = VISIBLE_SPREAD * np.maximum(spreads, some.min() if len(some) else 0.0)
    return bool((lost > visible * counts).any())


def _fill_empty(
    points: FloatArray, losses: DoubleArray, centers: DoubleArray, empty: LabelArray, stopping: Callable[[], bool]
) -> int:
    """Put each empty center on the point of largest loss; equal points serve one center only."""
    placed = 0
    losses = losses.copy()
    for center in empty:
        farthest = int(losses.argmax())
        if stopping() or not losses[farthest] > 0.0:
            break
        centers[center] = points[farthest]
        losses[(points == points[farthest]).all(axis=1)] = 0.0
        placed += 1
    return placed
