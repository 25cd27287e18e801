"""Weighted points that stand for all rows of a stream: its sample, corrected by its sums; and fewer points for these.

The stream knows exactly how many rows each of its K centers took, and their mean; the sample knows, with noise, how
these rows lie. So the sample is divided by the center that each row went to (its strata): the rows of a stratum share
its weight (post-stratification), and are moved together so that their mean is the center's (a control variate). A
cluster made of whole strata then has the mean of all its rows, however small the sample; noise remains only where the
boundary of a cluster runs through a stratum.

Fewer points are drawn by their sensitivity, for a uniform sample misses the few rows that make the loss of data with
heavy tails.
"""

from dataclasses import replace

import numpy as np

from kmeans.assignment.engine import Engine
from kmeans.assignment.pieces import pieces_of
from kmeans.assignment.sums import ClusterSums
from kmeans.finalization.lloyd import Clustering
from kmeans.finalization.strata import without_far
from kmeans.kernels.sums import move_to_means
from kmeans.points import WeightedPoints
from kmeans.state import State
from kmeans.types import DoubleArray, FloatArray, LabelArray, as_points


def coreset(state: State, *, moved: bool = True) -> WeightedPoints:
    """Return points that stand for all rows of a stream.

    A complete sample is returned as it is. A center without a row in the sample becomes a point itself. The farthest
    rows stand for themselves, where it is known what their strata are without them. Unless the others are `moved`, they
    are rows of the sample: these lie about a center as all rows do, but their means are off by noise.
    """
    sample, means, weights = state.sample, state.centers, state.weights
    if sample.complete:
        return WeightedPoints(sample.rows, sample.weights)
    rows, labels, row_weights = sample.rows, sample.labels, sample.weights
    alone = np.empty((0, means.shape[1]), np.float32)
    alone_weights: DoubleArray = np.empty(0)
    if sample.far is not None and state.spreads is not None:
        far, means, weights, _ = without_far(sample.far, means, weights, state.spreads)
        others = np.flatnonzero(~far.sampled)
        rows, labels, row_weights = rows[others], labels[others], row_weights[others]
        alone, alone_weights = far.rows, far.weights
    sampled = ClusterSums.zeros(*means.shape)
    if moved:
        sampled.add(rows, labels, row_weights)
    else:
        sampled.counts[:] = np.bincount(labels, row_weights, minlength=len(means))
    is_sampled = sampled.counts > 0.0
    scale = np.divide(weights, sampled.counts, out=np.zeros_like(weights), where=is_sampled)
    missing = ~is_sampled & (weights > 0.0)
    values: FloatArray = np.empty((len(rows) + int(missing.sum()) + len(alone), means.shape[1]), np.float32)
    if moved:
        sampled_means = means.copy()
        move_to_means(sampled.sums, sampled.counts, sampled_means)
        moves = means - sampled_means
        for piece in pieces_of(*rows.shape):
            values[piece] = as_points(rows[piece] + moves[labels[piece]])
    else:
        values[: len(rows)] = rows
    values[len(rows) :] = np.concatenate([as_points(means[missing]), alone])
    return WeightedPoints(values, np.concatenate([row_weights * scale[labels], weights[missing], alone_weights]))


def drawn(
    weights: DoubleArray,
    labels: LabelArray,
    squared_distances: DoubleArray,
    size: int,
    rng: np.random.Generator,
) -> tuple[LabelArray, DoubleArray]:
    """Draw points by their sensitivity: the largest part that a point may have in the loss of any clustering.

    Sensitivity is bounded by the mean of three shares: that of the point in all weight, in the loss of a clustering at
    hand, and in the weight of its cluster divided by the number of clusters (Feldman & Langberg 2011; Bachem, Lucic &
    Krause 2018, "Scalable k-means clustering via lightweight coresets", have the first two).

    Points are drawn at equal steps along all points, cluster by cluster (systematic sampling; Madow 1949), so that no
    cluster stays without one unless less than one is due to it. None has less than a third of its share of `size`.

    Parameters
    ----------
    weights : ndarray of float64, shape (n,)
        The weights of the points, with a positive sum.
    labels : ndarray of int64, shape (n,)
        The clusters of the points, in a reasonable clustering.
    squared_distances : ndarray of float64, shape (n,)
        The squared distances of the points to the centers of their clusters.
    size : int
        The number of points wanted, less than n. The result may have one more or one less, and has fewer if fewer
        points have a weight.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    chosen : ndarray of int64, shape (m,)
        The numbers of the points, ascending.
    drawn_weights : ndarray of float64, shape (m,)
        Their weights over the probability that they are drawn (Horvitz & Thompson 1952), scaled so that clusters with
        a point keep theirs.
    """
    sizes = np.bincount(labels, weights)
    losses = weights * squared_distances
    shares: DoubleArray = np.zeros(len(weights))
    np.divide(weights, np.count_nonzero(sizes) * sizes[labels], out=shares, where=weights > 0.0)
    shares += weights / weights.sum()
    total = losses.sum()
    if total > 0.0:
        shares += losses / total
    probabilities = _probabilities(shares, size)
    by_cluster = np.argsort(labels, kind="stable")
    steps = np.floor(np.cumsum(probabilities[by_cluster]) + rng.random())
    chosen = np.sort(by_cluster[np.diff(steps, prepend=0.0) > 0.0])
    drawn_weights = weights[chosen] / probabilities[chosen]
    drawn_sizes = np.bincount(labels[chosen], drawn_weights, minlength=len(sizes))
    scale = np.divide(sizes, drawn_sizes, out=np.zeros_like(sizes), where=drawn_sizes > 0.0)
    return chosen, drawn_weights * scale[labels[chosen]]


def _probabilities(shares: DoubleArray, size: int) -> DoubleArray:
    """Return probabilities in proportion to shares, none of them above 1, that add up to `size`.

    If no more than `size` shares are positive, these all have probability 1.
    """
    ascending = np.sort(shares[shares > 0.0])
    if len(ascending) <= size:
        return (shares > 0.0).astype(np.float64)
    # With the largest ones at 1, those before them make up the rest.
    before = np.cumsum(ascending)
    n_at_one = np.arange(len(ascending) - 1, -1, -1)
    with np.errstate(over="ignore"):
        factors = (size - n_at_one) / before
        fitting = (n_at_one < size) & (factors * ascending <= 1.0)
    probabilities: DoubleArray = np.minimum(1.0, factors[np.flatnonzero(fitting)[-1]] * shares)
    return probabilities


def reduced(points: WeightedPoints, clustering: Clustering, size: int, rng: np.random.Generator) -> WeightedPoints:
    """Return about `size` of the points, drawn by their sensitivity; all if there are no more.

    Parameters
    ----------
    points : WeightedPoints
        The points.
    clustering : Clustering
        A reasonable clustering of the points.
    size : int
        How many points are wanted.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    WeightedPoints
        Weighted so that they stand for all points.
    """
    if len(points) <= size:
        return points
    chosen, weights = drawn(points.weights, clustering.labels, clustering.squared_distances, size, rng)
    return WeightedPoints(points.values[chosen], weights)


def reduced_state(state: State, centers: DoubleArray, size: int, rng: np.random.Generator, engine: Engine) -> State:
    """Return a state with at most about `size` rows in its sample, drawn by their sensitivity.

    Parameters
    ----------
    state : State
        The state.
    centers : ndarray of float64, shape (k, d)
        A model made of the state.
    size : int
        How many rows are wanted.
    rng : numpy.random.Generator
        The source of randomness.
    engine : Engine
        What computes.

    Returns
    -------
    State
        The same centers, with the smaller sample.
    """
    sample = state.sample
    if len(sample.rows) <= size:
        return state
    # Rows that have decayed to nothing are dropped, and so are far rows, which the state keeps anyway.
    needed = sample.weights > 0.0
    if sample.far is not None:
        needed &= ~sample.far.sampled
    rest = sample.part(np.flatnonzero(needed))
    if len(rest.rows) > size:
        labels, squared_distances = engine.assigner(centers).assign(rest.rows)
        chosen, weights = drawn(rest.weights, labels, squared_distances, size, rng)
        rest = replace(rest.part(chosen), weights=weights)
    return replace(state, sample=rest)
