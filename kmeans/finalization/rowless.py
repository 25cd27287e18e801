"""The state of a stream without any of its rows, for a model that goes to others.

A center that stands for a single row is that row. So such centers are joined with their nearest ones: the mean of
several rows is none of them, and weights, means and spreads stay exact. Those that are centers of the model as well are
kept: the model shows them anyway, and outliers among them would spoil the means of others.

If rows have weights, these do not say for how many rows a center stands. It stands for one, or for equal ones, if its
spread is nothing but rounding.
"""

import numpy as np

from kmeans.finalization.strata import squared_distances_of
from kmeans.sample import Sample
from kmeans.state import State
from kmeans.types import BoolArray, DoubleArray, FloatArray, LabelArray, as_points

# Distances that are computed at a time.
BLOCK_DISTANCES = 1 << 21
# Less than this part of the squared distance of rows to the mean of all is rounding.
ROUNDING = 1e-9


def without_rows(state: State, centers: FloatArray, n_epochs: int, *, weighted: bool = False) -> State:
    """Return a state without sample, and with no center that is a row, unless it is a center of the model.

    Parameters
    ----------
    state : State
        What the stream has left.
    centers : ndarray of float32, shape (k, d)
        The model.
    n_epochs : int
        How often each row may count in the weights.
    weighted : bool
        Whether rows have weights.

    Returns
    -------
    State
        It has no center without weight, and may have fewer than k.
    """
    live = state.live()
    in_model = {center.tobytes() for center in centers}
    suspects = _without_spread(live) if weighted else live.weights < 2 * n_epochs
    alone = [
        place
        for place in np.flatnonzero(suspects).tolist()
        if as_points(live.centers[place : place + 1]).tobytes() not in in_model
    ]
    # Around the shift, which no outlier moves, less is lost in the product.
    groups = _joined(live.centers - live.shift, np.array(alone, np.int64))
    n_groups = int(groups.max(initial=-1)) + 1
    weights = np.bincount(groups, live.weights, minlength=n_groups).astype(np.float64, copy=False)
    means: DoubleArray = np.zeros((n_groups, live.centers.shape[1]))
    shares = live.weights / weights[groups]
    np.add.at(means, groups, shares[:, None] * live.centers)
    spreads = None
    if live.spreads is not None:
        apart = live.weights * squared_distances_of(live.centers, means, groups)
        spreads = np.bincount(groups, live.spreads + apart, minlength=n_groups).astype(np.float64, copy=False)
    return State(means, weights, live.shift, Sample.empty(means.shape[1]), spreads)


def _without_spread(state: State) -> BoolArray:
    """Return which centers may stand for a single place, bool (K,): all where spreads are not known."""
    if state.spreads is None:
        return np.ones(len(state.centers), bool)
    weights = state.weights
    mean = np.average(state.centers, axis=0, weights=weights)
    apart = squared_distances_of(state.centers, mean[None], np.zeros(len(weights), np.int64))
    usual = float(state.spreads.sum() + weights @ apart) / float(weights.sum())
    rounding: BoolArray = state.spreads <= ROUNDING * weights * (usual + apart)
    return rounding


def _joined(centers: DoubleArray, alone: LabelArray) -> LabelArray:
    """Return the group of each center, int64 (K,): those that are `alone` share that of the nearest other center."""
    groups: LabelArray = np.arange(len(centers))
    if len(centers) < 2:
        return groups
    joined = np.zeros(len(centers), bool)
    squares = np.einsum("kd,kd->k", centers, centers)
    step = max(1, BLOCK_DISTANCES // len(centers))
    for start in range(0, len(alone), step):
        some = alone[start : start + step]
        distances = squares - 2.0 * (centers[some] @ centers.T)
        distances[np.arange(len(some)), some] = np.inf
        for one, other in zip(some.tolist(), distances.argmin(axis=1).tolist(), strict=True):
            # One that another has joined is alone no more.
            if not joined[one]:
                groups[one] = groups[other]
                joined[[one, other]] = True
    return np.unique(groups, return_inverse=True)[1]
