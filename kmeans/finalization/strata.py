"""Strata: the rows that went to each of the K centers of a stream, of which weight, mean and spread are exact."""

from dataclasses import replace

import numpy as np

from kmeans.assignment.pieces import pieces_of
from kmeans.kernels.far_rows import MIN_SHARE
from kmeans.sample import Far
from kmeans.types import DoubleArray, FloatArray, LabelArray


def without_far(
    far: Far, means: DoubleArray, weights: DoubleArray, spreads: DoubleArray
) -> tuple[Far, DoubleArray, DoubleArray, DoubleArray]:
    """Take the far rows out of the strata.

    Parameters
    ----------
    far : Far
        The far rows.
    means : ndarray of float64, shape (K, d)
        The means of the strata.
    weights, spreads : ndarray of float64, shape (K,)
        The weights of the strata, and their sums of squared distances to the mean.

    Returns
    -------
    far : Far
        The far rows, none of which weighs more than its stratum: parts of a state from outside may contradict.
    means, weights, spreads : ndarray of float64
        The same without the far rows.
    """
    far = replace(far, weights=np.minimum(far.weights, weights[far.labels]))
    touched, places = np.unique(far.labels, return_inverse=True)
    differences: DoubleArray = np.zeros((len(touched), means.shape[1]))
    for piece in pieces_of(*far.rows.shape):
        apart = far.rows[piece] - means[far.labels[piece]]
        np.add.at(differences, places[piece], far.weights[piece, None] * apart)
    taken = np.bincount(places, far.weights, minlength=len(touched))
    losses = np.bincount(
        places, far.weights * squared_distances_of(far.rows, means, far.labels), minlength=len(touched)
    )
    left = weights[touched] - taken
    # What rounding leaves is no row.
    left[left <= MIN_SHARE * taken] = 0.0
    moves = -np.divide(differences, left[:, None], out=np.zeros_like(differences), where=left[:, None] > 0.0)
    means, weights, spreads = means.copy(), weights.copy(), spreads.copy()
    means[touched] += moves
    weights[touched] = left
    rest = spreads[touched] - losses - left * np.einsum("kd,kd->k", moves, moves)
    spreads[touched] = np.where(left > 0.0, np.maximum(rest, 0.0), 0.0)
    return far, means, weights, spreads


def squared_distances_of(points: FloatArray | DoubleArray, centers: DoubleArray, labels: LabelArray) -> DoubleArray:
    """Return the squared distance of each point to the center of its label, float64 (n,)."""
    squared_distances: DoubleArray = np.empty(len(points))
    for piece in pieces_of(*points.shape):
        differences = points[piece] - centers[labels[piece]]
        np.einsum("nd,nd->n", differences, differences, out=squared_distances[piece])
    return squared_distances
