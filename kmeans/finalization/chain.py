"""Clusterings for many k, each made from that of the next k: one more by splitting a cluster, one less by a merger.

A clustering for k + 1 that is made on its own may be a worse local optimum than that for k. In a chain each one begins
with its neighbor: the clusters whose splits lower the loss most are split, or the pairs whose mergers raise it least
are merged (Ward 1963). Lloyd's iteration and a short search follow.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from kmeans.assignment.engine import Engine
from kmeans.finalization.lloyd import Clustering, StopRule, lloyd
from kmeans.finalization.resources import Resources
from kmeans.finalization.split_merge import SearchLimits, improve
from kmeans.kernels.splits import merger_costs, split_clusters
from kmeans.points import WeightedPoints
from kmeans.types import DoubleArray, LabelArray

# The search at each k, as far as its iterations last.
SEARCH = SearchLimits(patience=5, changes=1000, work=np.inf)
# Lloyd's iteration at each k, before the search.
ITERATIONS = 30
TOLERANCE = 1e-4
# Clusters grow by this factor at most before they settle.
GROWTH = 1.25
# Lloyd's iterations to settle, there and after a search.
SETTLING = 3


def chain(
    points: WeightedPoints,
    start: Clustering,
    ks: Sequence[int],
    iterations: int,
    rng: np.random.Generator,
    resources: Resources,
) -> dict[int, Clustering]:
    """Make clusterings for several k.

    Parameters
    ----------
    points : WeightedPoints
        What is clustered.
    start : Clustering
        The first clustering of them.
    ks : sequence of int
        Numbers of clusters, all larger than that of `start` and ascending, or all smaller and descending.
    iterations : int
        How many of Lloyd's each clustering gets, those of the search among them.
    rng : numpy.random.Generator
        The source of chance.
    resources : Resources
        What computes, and the deadline, after which no further k is begun.

    Returns
    -------
    dict of int to Clustering
        By k, without those for which there are too few different points.
    """
    engine, stopping = resources.engine, resources.deadline.passed
    found: dict[int, Clustering] = {}
    before = start
    for k in ks:
        if stopping():
            break
        centers = _resized(points, before, k, rng, engine, stopping)
        if centers is None:
            break
        before = found[k] = _searched(points, centers, iterations, rng, engine)
    return found


def _searched(
    points: WeightedPoints, centers: DoubleArray, iterations: int, rng: np.random.Generator, engine: Engine
) -> Clustering:
    """Return what Lloyd's iteration makes of centers, and a search of that."""
    budget = _Budget(iterations)
    settled = lloyd(points, centers, StopRule(ITERATIONS, TOLERANCE, budget.spent), engine)
    best = improve(points, settled, SEARCH, rng, engine, budget.spent)
    # What a search has found may not have settled.
    return lloyd(points, best.centers, StopRule(SETTLING, TOLERANCE), engine)


class _Budget:
    """Ends a search after a number of iterations.

    Parameters
    ----------
    iterations : int
        How many there may be.
    """

    def __init__(self, iterations: int) -> None:
        self._left = iterations

    def spent(self) -> bool:
        """Return whether there is no iteration left; asked before each of them."""
        self._left -= 1
        return self._left < 0


def _resized(
    points: WeightedPoints,
    clustering: Clustering,
    k: int,
    rng: np.random.Generator,
    engine: Engine,
    stopping: Callable[[], bool],
) -> DoubleArray | None:
    """Return k centers made from those of a clustering; None where there are too few different points."""
    if len(clustering.centers) > k:
        return _merged(points, clustering, k)
    while len(clustering.centers) < k:
        n_centers = len(clustering.centers)
        centers = _split(points, clustering, min(k, math.ceil(GROWTH * n_centers)), rng)
        if len(centers) == n_centers:
            return None
        if len(centers) == k:
            return centers
        clustering = lloyd(points, centers, StopRule(SETTLING, TOLERANCE, stopping), engine)
    return clustering.centers


def _split(points: WeightedPoints, clustering: Clustering, k: int, rng: np.random.Generator) -> DoubleArray:
    """Split the clusters that gain most by it, each once, until there are k at most."""
    n_centers, n_features = clustering.centers.shape
    gains: DoubleArray = np.zeros(n_centers)
    halves: DoubleArray = np.empty((n_centers, 2, n_features))
    order = np.argsort(clustering.labels, kind="stable")
    split_clusters(
        points.values,
        points.weights,
        clustering.squared_distances,
        order,
        np.searchsorted(clustering.labels[order], np.arange(n_centers + 1)),
        rng.random((n_centers,)),
        np.arange(n_centers),
        gains,
        halves,
    )
    chosen = np.argsort(-gains, kind="stable")[: k - n_centers]
    chosen = chosen[gains[chosen] > 0.0]
    centers = clustering.centers.copy()
    centers[chosen] = halves[chosen, 0]
    return np.concatenate([centers, halves[chosen, 1]])


def _merged(points: WeightedPoints, clustering: Clustering, k: int) -> DoubleArray:
    """Merge pairs of clusters, those that cost least first, until k are left."""
    centers = clustering.centers.copy()
    sizes = np.bincount(clustering.labels, points.weights, minlength=len(centers)).astype(np.float64, copy=False)
    while len(centers) > k:
        costs: DoubleArray = np.empty(len(centers))
        partners: LabelArray = np.empty(len(centers), np.int64)
        merger_costs(centers, sizes, costs, partners)
        kept = np.ones(len(centers), bool)
        used = np.zeros(len(centers), bool)
        for one in np.argsort(costs, kind="stable")[: 2 * (len(centers) - k)].tolist():
            other = int(partners[one])
            # The costs are those of clusters that no other has been merged with.
            if used[one] or used[other]:
                continue
            both = sizes[one] + sizes[other]
            if both > 0.0:
                centers[one] += sizes[other] / both * (centers[other] - centers[one])
            sizes[one] = both
            used[[one, other]], kept[other] = True, False
            if np.count_nonzero(kept) == k:
                break
        centers, sizes = centers[kept], sizes[kept]
    return centers
