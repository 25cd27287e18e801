"""The score of centers on all rows of a stream, estimated from what the stream has left of them.

A sample alone says little where a few rows make most of the loss. But the stream knows more than its sample. For the
rows of each of its K clusters (a stratum) it knows the weight, the mean and the spread about the mean, exactly, and so
the loss if all of these rows went to the same center of the model, the one nearest to their mean: the home of the
stratum. They do, unless the boundary of a cluster runs through the stratum; then some rows are nearer to another
center, and the sample shows by how much (a ratio estimator; Cochran 1977, section 6.11). The rows farthest from their
centers were all kept, and are taken out of the strata: they are scored one by one (section 5A.7).
"""

import math
from dataclasses import dataclass

import numpy as np

from kmeans.assignment.assigner import Assigner
from kmeans.assignment.engine import Engine
from kmeans.assignment.scoring import Score
from kmeans.finalization.strata import squared_distances_of, without_far
from kmeans.state import State
from kmeans.types import DoubleArray, LabelArray, as_points

# A stratum of which fewer rows are expected in the sample is joined with others.
MIN_SAMPLED = 10.0
# The squared difference of two float32 numbers is less.
MAX_SQUARED_DISTANCE = 1e78


def estimate(state: State, rows: int, centers: DoubleArray, engine: Engine, weight: float | None = None) -> Score:
    """Estimate the score on all rows of a stream.

    Parameters
    ----------
    state : State
        What the stream has left; its sample has rows.
    rows : int
        The number of all rows, at least that of the sample. With decay the score is that of the decayed rows, scaled to
        this number.
    centers : ndarray of float64, shape (k, d)
        The model.
    engine : Engine
        What computes.
    weight : float or None
        What the rows count as; None for their number, in which all sizes are whole.

    Returns
    -------
    Score
        If the state has no spreads, the score of the farthest rows, and the mean of the sample for the others.
    """
    k, total = len(centers), rows if weight is None else weight
    assigner = engine.assigner(centers)
    state = state.live()
    sample, far = state.sample, state.sample.far
    strata = _strata(state, total, centers, assigner)
    # Far rows stand for no others.
    own = np.ones(len(sample.rows), bool) if far is None else ~far.sampled
    row_weights = np.where(own, sample.weights, 0.0)
    labels, squared_distances = assigner.assign(sample.rows)
    homes = strata.homes[strata.labels]
    away = np.flatnonzero(own & (labels != homes))
    at_home: DoubleArray = np.ones(len(labels))
    if strata.known:
        at_home = squared_distances.copy()
        at_home[away] = squared_distances_of(sample.rows[away], centers, homes[away])

    groups = _groups(strata, int(np.count_nonzero(own)))
    row_groups = groups[strata.labels]

    def by_group(values: DoubleArray) -> DoubleArray:
        return np.bincount(row_groups, values, minlength=len(groups)).astype(np.float64, copy=False)

    def scaled_to(totals: DoubleArray, sampled: DoubleArray) -> DoubleArray:
        """Return weights of the rows that make the rows of a group add up to the known total of the group."""
        known = np.bincount(groups, totals, minlength=len(groups))
        scale = np.divide(known, sampled, out=np.zeros(len(groups)), where=sampled > 0.0)
        return row_weights * scale[row_groups]

    # How much nearer the rows of a group are than at home: those of the sample stand for all.
    sampled = by_group(row_weights * at_home)
    loss_weights = scaled_to(strata.losses, sampled)
    ratios = np.divide(
        by_group(row_weights * squared_distances), sampled, out=np.zeros(len(groups)), where=sampled > 0.0
    )
    counts = by_group(own.astype(np.float64))
    freedom = counts / np.maximum(1.0, counts - 1.0)
    residuals = loss_weights * (squared_distances - ratios[row_groups] * at_home)
    variance = float(freedom[row_groups] @ residuals**2) * max(0.0, 1.0 - len(labels) / rows)
    # A stratum joined with others may be unlike them.
    joined = np.bincount(groups, minlength=len(groups))[groups] > 1
    changes = np.maximum(1.0 - ratios[groups], 1.0 / (counts[groups] + 2.0))[joined]
    variance += float(((strata.losses[joined] * changes) ** 2).sum())

    moved = scaled_to(strata.weights, by_group(row_weights))[away]
    sizes = np.bincount(labels[away], moved, minlength=k).astype(np.float64)
    moved_losses = loss_weights[away]
    ssds = np.bincount(labels[away], moved_losses * squared_distances[away], minlength=k).astype(np.float64)
    ssd = float(ssds.sum())
    if strata.known:
        ssd += float(strata.losses.sum() - moved_losses @ at_home[away])
        at_homes = np.bincount(strata.homes, strata.weights, minlength=k)
        sizes += at_homes - np.bincount(homes[away], moved, minlength=k)
        ssds += np.bincount(strata.homes, strata.losses, minlength=k)
        ssds -= np.bincount(homes[away], moved_losses * at_home[away], minlength=k)
        ssds = np.maximum(ssds, 0.0)
        ssds *= ssd / (ssds.sum() or 1.0)
    if far is not None:
        labels, squared_distances = assigner.assign(far.rows)
        sizes += np.bincount(labels, strata.far_weights, minlength=k)
        far_ssds = np.bincount(labels, strata.far_weights * squared_distances, minlength=k)
        ssd, ssds = ssd + float(far_ssds.sum()), ssds + far_ssds
    if weight is None:
        # A cluster with a center of the stream has at least one row.
        inhabited, _ = assigner.assign(as_points(state.centers))
        sizes = _whole(np.maximum(sizes, np.minimum(np.bincount(inhabited, minlength=k), 1)), rows)
    else:
        sizes = np.maximum(sizes, 0.0)
        sizes *= weight / sizes.sum()
    return Score(rows, ssd, sizes, ssds, math.sqrt(variance) / total, len(sample.rows))


@dataclass(frozen=True)
class _Strata:
    """What is known exactly of the rows, without the far ones.

    Attributes
    ----------
    weights : ndarray of float64, shape (K,)
        The number of rows of each stratum.
    homes : ndarray of int64, shape (K,)
        The center of the model that is nearest to the mean of each stratum; -1 where the mean is not known.
    losses : ndarray of float64, shape (K,)
        The sum of the squared distances of its rows to its home; their number where that is not known.
    labels : ndarray of int64, shape (m,)
        The stratum of each row of the sample.
    far_weights : ndarray of float64, shape (n,)
        The number of rows that each far row counts as.
    known : bool
        Whether means and losses are known.
    """

    weights: DoubleArray
    homes: LabelArray
    losses: DoubleArray
    labels: LabelArray
    far_weights: DoubleArray
    known: bool


def _strata(state: State, rows: float, centers: DoubleArray, assigner: Assigner) -> _Strata:
    """Return the clusters of the stream; one stratum without a home if their spreads are not known.

    All of them count as `rows` rows.
    """
    sample, far = state.sample, state.sample.far
    far_weights: DoubleArray = np.empty(0) if far is None else far.weights
    if state.spreads is None:
        # If far rows do not count as one row each, the sum of all weights is known only from the rows themselves.
        if far is not None and (far_weights != 1.0).any():
            total = float(far_weights.sum() + sample.weights[~far.sampled].sum())
            far_weights = rows * (far_weights / total)
        rest: DoubleArray = np.full(1, max(0.0, rows - float(far_weights.sum())))
        labels: LabelArray = np.zeros(len(sample.rows), np.int64)
        return _Strata(rest, np.full(1, -1, np.int64), rest, labels, far_weights, known=False)
    # Weights are those of all epochs, and may have decayed.
    total = float(state.weights.sum())
    means, weights = state.centers, state.weights
    # The parts of a state from outside may contradict each other.
    spreads = np.minimum(state.spreads, MAX_SQUARED_DISTANCE * means.shape[1] * weights)
    if far is not None:
        far, means, weights, spreads = without_far(far, means, weights, spreads)
        far_weights = far.weights
    homes, _ = assigner.assign(as_points(means))
    losses = spreads + weights * squared_distances_of(means, centers, homes)
    weights, losses, far_weights = (rows * (values / total) for values in (weights, losses, far_weights))
    return _Strata(weights, homes, losses, sample.labels, far_weights, known=True)


def _groups(strata: _Strata, n_sampled: int) -> LabelArray:
    """Return the group of each stratum, int64 (K,): strata with few rows in the sample are joined by similar loss.

    What counts is the expected number of rows in the sample. The actual number would make the estimate biased.
    """
    groups: LabelArray = np.arange(len(strata.weights))
    expected = strata.weights * (n_sampled / max(strata.weights.sum(), 1e-300))
    small = np.flatnonzero(expected < MIN_SAMPLED)
    per_row = np.divide(strata.losses, strata.weights, out=np.zeros(len(groups)), where=strata.weights > 0.0)
    small = small[np.argsort(per_row[small], kind="stable")]
    before = np.cumsum(expected[small]) - expected[small]
    last = max(0, int(expected[small].sum() / MIN_SAMPLED) - 1)
    joined = np.minimum((before / MIN_SAMPLED).astype(np.int64), last)
    # A group has the number of its first stratum.
    firsts = np.searchsorted(joined, joined)
    groups[small] = small[firsts]
    return groups


def _whole(sizes: DoubleArray, total: int) -> DoubleArray:
    """Round sizes to whole numbers that add up to `total`, by largest remainder; only sizes of 0 become 0."""
    exact = total * (sizes / sizes.sum())
    whole: DoubleArray = np.maximum(np.floor(exact), np.minimum(np.ceil(exact), 1.0))
    missing = total - int(whole.sum())
    if missing > 0:
        whole[np.argsort(whole - exact, kind="stable")[:missing]] += 1.0
    # What small sizes were rounded up by is taken from the largest.
    while missing < 0 and whole.max() > 1.0:
        largest = np.argsort(-whole, kind="stable")[:-missing]
        largest = largest[whole[largest] > 1.0]
        whole[largest] -= 1.0
        missing += len(largest)
    return whole
