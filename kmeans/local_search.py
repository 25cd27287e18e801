"""Out of a local optimum of Lloyd's iteration: swap one center, iterate, keep what lowers the loss.

Random swaps (Fränti 2018, "Efficiency of random swap clustering") with a good aim: the center that goes is one whose
merger with its neighbor costs least (Ward 1963), the place where it goes is a point drawn with probability weight * D^2
(Lattanzi & Sohler 2019).
"""

from dataclasses import dataclass

import numpy as np

from kmeans.jit import kernel
from kmeans.lloyd import Clustering, lloyd
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray

# The one that goes is drawn among so many, since the estimate of what its loss costs is rough.
CANDIDATES = 3
# Lloyd's iterations that a swap gets to show its worth.
TRIAL_ITERATIONS = 4
# As many times the patience is the end of a search that keeps finding.
MAX_PATIENCES = 4


@dataclass(frozen=True)
class SearchLimits:
    """When a search ends.

    Attributes
    ----------
    patience
        After so many swaps in a row that lower nothing.
    work
        When the distances of so many rows, centers and features (their product) were computed; 1e10 take a core a
        second or so.
    """

    patience: int
    work: float


def swap_centers(
    points: FloatArray,
    shift: FloatArray,
    weights: DoubleArray,
    start: Clustering,
    limits: SearchLimits,
    rng: np.random.Generator,
    threads: Threads,
) -> Clustering:
    """Search for a clustering of less loss.

    Parameters
    ----------
    points
        float32 (n, d), C-contiguous.
    shift
        float32 (d,): usual values of the points; see `kmeans.shift.usual_values`.
    weights
        float64 (n,), with a positive sum.
    start
        Where to search from.
    limits
        When to end.
    rng
        The source of chance.
    threads
        The threads to use.

    Returns
    -------
    Clustering
        The best one found, `start` itself if there was none better; Lloyd's iteration on it may be unfinished.
    """
    best = start
    work_of_a_swap = (TRIAL_ITERATIONS + 1) * points.size * len(start.centers)
    failures = 0
    costs: DoubleArray = np.empty(len(start.centers))
    for _ in range(min(MAX_PATIENCES * limits.patience, int(limits.work / work_of_a_swap))):
        losses = np.cumsum(weights * best.squared_distances)
        if failures == limits.patience or not losses[-1] > 0.0:
            break
        target = min(int(np.searchsorted(losses, rng.random() * losses[-1], side="right")), len(points) - 1)
        sizes = np.bincount(best.labels, weights, minlength=len(best.centers)).astype(np.float64, copy=False)
        merger_costs(best.centers, sizes, costs)
        cheapest = np.argsort(costs, kind="stable")[:CANDIDATES]
        centers = best.centers.copy()
        centers[rng.choice(cheapest)] = points[target]
        found = lloyd(points, shift, weights, centers, TRIAL_ITERATIONS, 0.0, threads)
        if found.msd < best.msd:
            best, failures = found, 0
        else:
            failures += 1
    return best


@kernel("void(float64[:, ::1], float64[::1], float64[::1])")
def merger_costs(
    centers: DoubleArray,  # IN (k, d)
    sizes: DoubleArray,  # IN (k,)
    costs: DoubleArray,  # OUT (k,)
) -> None:
    """Give by how much the loss grows when a cluster is merged with the one that suits it best."""
    n_centers = len(centers)
    for i in range(n_centers):
        costs[i] = np.inf
    for i in range(n_centers):
        for j in range(i):
            distance = 0.0
            for f in range(centers.shape[1]):
                difference = centers[i, f] - centers[j, f]
                distance += difference * difference
            both = sizes[i] + sizes[j]
            cost = sizes[i] * sizes[j] / both * distance if both > 0.0 else 0.0
            costs[i] = min(costs[i], cost)
            costs[j] = min(costs[j], cost)
