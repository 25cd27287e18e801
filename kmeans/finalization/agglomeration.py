"""Hierarchical clustering of weighted centers: the two whose merger costs least become one (Ward 1963).

No start depends less on chance. Where the groups of rows are many and lie in many dimensions, it is also the best one:
it compares all pairs of centers, of which Lloyd's iteration from a random start only ever compares a few.
"""

from collections.abc import Callable

import numpy as np

from kmeans.assignment.engine import Engine
from kmeans.assignment.sums import ClusterSums
from kmeans.communicator import nothing
from kmeans.kernels.distances import squared_difference
from kmeans.kernels.jit import kernel
from kmeans.kernels.sums import move_to_means
from kmeans.points import WeightedPoints
from kmeans.threads import Threads
from kmeans.types import DoubleArray, LabelArray

# The costs of all pairs of more centers, 8 bytes each, take too much memory.
MAX_CENTERS = 5_792
# Centers that are compared with each of the others while it is in the cache.
TILE = 8


def pair_bytes(n_centers: int) -> int:
    """Return the bytes that the costs of all pairs of centers take."""
    return 8 * n_centers**2


def agglomerate(
    centers: DoubleArray, weights: DoubleArray, k: int, threads: Threads, stopping: Callable[[], bool] = nothing
) -> DoubleArray | None:
    """Merge centers until k are left.

    Parameters
    ----------
    centers : ndarray of float64, shape (K, d)
        The centers, from k to `MAX_CENTERS`.
    weights : ndarray of float64, shape (K,)
        Their weights, all positive.
    k : int
        How many are wanted.
    threads : Threads
        The threads to use.
    stopping : callable
        Called before the costs of each few centers are computed; returns whether to end without a result.

    Returns
    -------
    ndarray of float64, shape (k, d), or None
        The weighted means of the groups; None when it was stopped.
    """
    n_centers = len(centers)
    # Weights may be so small that all their products are 0, or that they vanish next to others.
    weights = np.maximum(weights / weights.max(), np.finfo(np.float64).tiny)
    costs: DoubleArray = np.empty((n_centers, n_centers))

    def compare(first: int) -> bool:
        if stopping():
            return False
        pair_costs(centers, weights, first, min(first + TILE, n_centers), costs)
        return True

    if not all(threads.map(compare, range(0, n_centers, TILE))):
        return None
    mergers: LabelArray = np.empty((n_centers - 1, 2), np.int64)
    heights: DoubleArray = np.empty(n_centers - 1)
    merge_chains(costs, weights.copy(), mergers, heights)
    # Chains do not find the mergers in the order of their costs.
    labels = np.arange(n_centers)
    for kept, dropped in mergers[np.argsort(heights, kind="stable")[: n_centers - k]]:
        labels[labels == labels[dropped]] = labels[kept]
    groups = np.unique(labels, return_inverse=True)[1]
    shares = weights / np.bincount(groups, weights)[groups]
    sums: DoubleArray = np.zeros((k, centers.shape[1]))
    np.add.at(sums, groups, shares[:, None] * centers)
    means = sums.copy()
    # The mean of equal values is exactly theirs.
    move_to_means(sums, np.ones(k), means)
    return means


def agglomerate_points(
    points: WeightedPoints,
    n_groups: int,
    k: int,
    rng: np.random.Generator,
    engine: Engine,
    stopping: Callable[[], bool] = nothing,
) -> DoubleArray | None:
    """Group points around some of them that are drawn at random, and merge the groups until k are left.

    Each center of a stream of rows of a thousand kinds is a mean of several kinds. A group of the few points nearest to
    one of them mostly holds rows of one kind.

    Parameters
    ----------
    points : WeightedPoints
        The points.
    n_groups : int
        The number of groups, from k to `MAX_CENTERS`.
    k : int
        How many centers are wanted.
    rng : numpy.random.Generator
        The source of chance.
    engine : Engine
        What computes.
    stopping : callable
        Returns whether to end without a result.

    Returns
    -------
    ndarray of float64, shape (k, d), or None
        None when it was stopped, or there are fewer than k different points among those drawn.
    """
    drawn = np.sort(rng.choice(len(points), n_groups, replace=False))
    centers = points.values[drawn].astype(np.float64)
    groups = ClusterSums.zeros(*centers.shape)
    engine.assigner(centers).assign_and_sum(points.values, points.weights, groups)
    move_to_means(groups.sums, groups.counts, centers)
    filled = groups.counts > 0.0
    if np.count_nonzero(filled) < k:
        return None
    return agglomerate(centers[filled], groups.counts[filled], k, engine.threads, stopping)


@kernel("void(float64[:, ::1], float64[::1], int64, int64, float64[:, ::1])")
def pair_costs(
    centers: DoubleArray,  # IN (K, d)
    weights: DoubleArray,  # IN (K,)
    first: int,  # IN
    last: int,  # IN
    costs: DoubleArray,  # OUT (K, K): rows and columns first .. last - 1, as far as the diagonal
) -> None:
    """Compute by how much the loss grows when each of some centers is merged with each of those before it."""
    n_features = centers.shape[1]
    for j in range(last):
        for i in range(max(first, j), last):
            distance = squared_difference(centers[i], centers[j], n_features)
            costs[i, j] = weights[i] * (weights[j] / (weights[i] + weights[j])) * distance
            costs[j, i] = costs[i, j]
        if j >= first:
            costs[j, j] = np.inf


@kernel("void(float64[:, ::1], float64[::1], int64[:, ::1], float64[::1])")
def merge_chains(
    costs: DoubleArray,  # INOUT (K, K), symmetric
    weights: DoubleArray,  # INOUT (K,)
    mergers: LabelArray,  # OUT (K - 1, 2): a center that stays, and one that becomes a part of it
    heights: DoubleArray,  # OUT (K - 1,): what each merger costs
) -> None:
    """Find all mergers with chains of nearest neighbors (Benzécri 1982), in a time quadratic in K.

    A chain leads from each center to the one that it is merged with at the least cost, until two are each other's
    cheapest: no other merger can come between them. Costs follow the formula of Lance and Williams (1967).
    """
    n_centers = len(weights)
    alive = np.ones(n_centers, np.bool_)
    chain = np.empty(n_centers, np.int64)
    length, first = 0, 0
    for number in range(n_centers - 1):
        if not length:
            while not alive[first]:
                first += 1
            chain[0], length = first, 1
        while True:
            end = chain[length - 1]
            # Of equally cheap ones the one before in the chain, or the chain would never end.
            best = chain[length - 2] if length > 1 else -1
            least = costs[end, best] if best >= 0 else np.inf
            for j in range(n_centers):
                if alive[j] and j != end and (costs[end, j] < least or best < 0):
                    least, best = costs[end, j], j
            if length > 1 and best == chain[length - 2]:
                break
            chain[length] = best
            length += 1
        length -= 2
        kept, dropped = min(end, best), max(end, best)
        mergers[number, 0], mergers[number, 1], heights[number] = kept, dropped, least
        alive[dropped] = False
        a, b = weights[kept], weights[dropped]
        for j in range(n_centers):
            if alive[j] and j != kept:
                w, of_kept, of_dropped = weights[j], costs[kept, j], costs[dropped, j]
                grown = ((a + w) * of_kept + (b + w) * of_dropped - w * least) / (a + b + w)
                # Rounding must not make it cheaper than both were: a chain could meet itself.
                costs[kept, j] = costs[j, kept] = max(grown, min(of_kept, of_dropped))
        weights[kept] = a + b
