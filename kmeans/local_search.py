"""Out of a local optimum of Lloyd's iteration: swap one center, iterate, keep what lowers the loss.

Random swaps (Fränti 2018, "Efficiency of random swap clustering") with a good aim: the center that goes is one whose
merger with its neighbor costs least (Ward 1963), the place where it goes is a point drawn with probability weight * D^2
(Lattanzi & Sohler 2019).
"""

from dataclasses import dataclass

import numpy as np

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
        float32 (d,): subtracted from every point; centers are relative to it.
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
    for _ in range(min(MAX_PATIENCES * limits.patience, int(limits.work / work_of_a_swap))):
        losses = np.cumsum(weights * best.squared_distances)
        if failures == limits.patience or not losses[-1] > 0.0:
            break
        target = min(int(np.searchsorted(losses, rng.random() * losses[-1], side="right")), len(points) - 1)
        cheapest = np.argsort(_merger_costs(best, weights), kind="stable")[:CANDIDATES]
        centers = best.centers.copy()
        centers[rng.choice(cheapest)] = points[target].astype(np.float64) - shift
        found = lloyd(points, shift, weights, centers, TRIAL_ITERATIONS, 0.0, threads)
        if found.msd < best.msd:
            best, failures = found, 0
        else:
            failures += 1
    return best


def _merger_costs(clustering: Clustering, weights: DoubleArray) -> DoubleArray:
    """Give, float64 (k,), by how much the loss grows when a cluster is merged with the one that suits it best."""
    centers = clustering.centers
    sizes = np.bincount(clustering.labels, weights, minlength=len(centers))
    costs: DoubleArray = np.empty(len(centers))
    for i, center in enumerate(centers):
        shares = sizes[i] * sizes / np.maximum(sizes[i] + sizes, np.finfo(np.float64).tiny)
        own = shares * ((centers - center) ** 2).sum(axis=1)
        own[i] = np.inf
        costs[i] = own.min()
    return costs
