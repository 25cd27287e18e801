"""Weighted points that stand for all rows of a stream: its sample, corrected by its sums; and fewer points for these.

The stream knows how many rows each of its K centers took, and their mean, exactly; the sample knows how they lie, with
noise. So the sample is taken apart by the center that each row went to (its strata): the rows of a stratum share its
weight (post-stratification), and are moved together so that their mean is the center's (a control variate). A cluster
made of whole strata then has the mean of all its rows, however small the sample; noise is left only where a cluster's
border runs through a stratum.

Fewer points are drawn by their sensitivity, for a uniform sample misses the few rows that make the loss of data with
heavy tails.
"""

from dataclasses import dataclass, replace

import numpy as np

from kmeans.assignment.assigner import Centers, nearest
from kmeans.assignment.pieces import pieces_of
from kmeans.assignment.sums import add_rows, move_to_means
from kmeans.finalization.lloyd import Clustering
from kmeans.finalization.strata import without_far
from kmeans.state import State
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray, as_points


@dataclass
class Coreset:
    """Weighted points.

    Attributes
    ----------
    points
        float32 (n, d), C-contiguous.
    weights
        float64 (n,).
    shift
        float32 (d,): usual values of the points.
    """

    points: FloatArray
    weights: DoubleArray
    shift: FloatArray


def coreset(state: State) -> Coreset:
    """Make the points of a stream.

    A sample that is complete is taken as it is; a center without a row in the sample is a point itself. The farthest
    rows stand for themselves, where it is known what their strata are without them.
    """
    sample, means, weights = state.sample, state.centers, state.weights
    if sample.complete:
        return Coreset(sample.rows, sample.weights, state.shift)
    rows, labels, row_weights = sample.rows, sample.labels, sample.weights
    alone = np.empty((0, means.shape[1]), np.float32)
    alone_weights: DoubleArray = np.empty(0)
    if sample.far is not None and state.spreads is not None:
        far, means, weights, _ = without_far(sample.far, means, weights, state.spreads)
        others = np.flatnonzero(~far.sampled)
        rows, labels, row_weights = rows[others], labels[others], row_weights[others]
        alone, alone_weights = far.rows, far.weights
    sums: DoubleArray = np.zeros_like(means)
    sampled: DoubleArray = np.zeros(len(means))
    add_rows(rows, labels, row_weights, sums, sampled)
    found = sampled > 0.0
    scale = np.divide(weights, sampled, out=np.zeros_like(weights), where=found)
    sampled_means = means.copy()
    move_to_means(sums, sampled, sampled_means)
    moves = means - sampled_means
    missing = ~found & (weights > 0.0)
    points: FloatArray = np.empty((len(rows) + int(missing.sum()) + len(alone), means.shape[1]), np.float32)
    for piece in pieces_of(*rows.shape):
        points[piece] = as_points(rows[piece] + moves[labels[piece]])
    points[len(rows) :] = np.concatenate([as_points(means[missing]), alone])
    point_weights = np.concatenate([row_weights * scale[labels], weights[missing], alone_weights])
    return Coreset(points, point_weights, state.shift)


def drawn(
    weights: DoubleArray,
    labels: LabelArray,
    squared_distances: DoubleArray,
    size: int,
    rng: np.random.Generator,
) -> tuple[LabelArray, DoubleArray]:
    """Draw points by their sensitivity: the largest part that a point may have in the loss of any clustering.

    They are drawn at equal steps along all points, cluster by cluster (systematic sampling; Madow 1949), so that no
    cluster is left without one unless less than one is due to it. None has less than a third of its share of `size`.

    Its bound is the mean of three shares: that of the point in all weight, in the loss of a clustering at hand, and in
    the weight of its cluster divided by the number of clusters (Feldman & Langberg 2011; Bachem, Lucic & Krause 2018,
    "Scalable k-means clustering via lightweight coresets", have the first two).

    Parameters
    ----------
    weights
        float64 (n,), with a positive sum.
    labels, squared_distances
        int64 (n,) and float64 (n,): of the points, in a clustering that is not bad.
    size
        How many points are wanted, up to one more or less; less than n. There are fewer if fewer have a weight.
    rng
        The source of chance.

    Returns
    -------
    chosen : ndarray of int64, shape (m,)
        Numbers of the points, in their order.
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
    """Return probabilities in proportion to shares, none of them more than 1, that add up to `size`.

    Where no more than `size` shares are positive, theirs are all 1.
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


def reduced(points: Coreset, clustering: Clustering, size: int, rng: np.random.Generator) -> Coreset:
    """Return about `size` of the points, drawn by their sensitivity; all if there are no more.

    Parameters
    ----------
    points
        The points.
    clustering
        Of these; see `drawn`.
    size
        How many are wanted.
    rng
        The source of chance.
    """
    if len(points.points) <= size:
        return points
    chosen, weights = drawn(points.weights, clustering.labels, clustering.squared_distances, size, rng)
    return Coreset(points.points[chosen], weights, points.shift)


def reduced_state(state: State, centers: DoubleArray, size: int, rng: np.random.Generator, threads: Threads) -> State:
    """Return a state with about `size` rows at most in its sample, drawn by their sensitivity.

    Parameters
    ----------
    state
        The state.
    centers
        float64 (k, d): a model of it.
    size
        How many rows are wanted.
    rng
        The source of chance.
    threads
        The threads to use.
    """
    sample = state.sample
    if len(sample.rows) <= size:
        return state
    # Of rows that are kept as far ones none is needed twice, and none at all that has decayed to nothing.
    needed = sample.weights > 0.0
    if sample.far is not None:
        needed &= ~sample.far.sampled
    rest = sample.part(np.flatnonzero(needed))
    if len(rest.rows) > size:
        labels, squared_distances = nearest(rest.rows, Centers(centers, state.shift), threads)
        chosen, weights = drawn(rest.weights, labels, squared_distances, size, rng)
        rest = replace(rest.part(chosen), weights=weights)
    return replace(state, sample=rest)
