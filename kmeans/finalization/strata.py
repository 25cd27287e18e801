"""What is known exactly of the strata of a stream, the rows of each of its K centers: weight, mean and spread."""

from dataclasses import replace

import numpy as np

from kmeans.assignment.pieces import pieces_of
from kmeans.kernels.far_rows import LEAST_SHARE
from kmeans.sample import Far
from kmeans.types import DoubleArray, FloatArray, LabelArray


def without_far(
    far: Far, means: DoubleArray, weights: DoubleArray, spreads: DoubleArray
) -> tuple[Far, DoubleArray, DoubleArray, DoubleArray]:
    """Take the far rows out of the strata.

    Parameters
    ----------
    far
        The rows.
    means, weights, spreads
        float64 (K, d), (K,) and (K,): of the strata.

    Returns
    -------
    far
        The rows, none of which weighs more than its stratum: what was not read from a stream need not fit together.
    means, weights, spreads
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
    # Rounding may leave what is no row.
    left[left <= LEAST_SHARE * taken] = 0.0
    moves = -np.divide(differences, left[:, None], out=np.zeros_like(differences), where=left[:, None] > 0.0)
    means, weights, spreads = means.copy(), weights.copy(), spreads.copy()
    means[touched] += moves
    weights[touched] = left
    rest = spreads[touched] - losses - left * np.einsum("kd,kd->k", moves, moves)
    spreads[touched] = np.where(left > 0.0, np.maximum(rest, 0.0), 0.0)
    return far, means, weights, spreads


def squared_distances_of(points: FloatArray | DoubleArray, centers: DoubleArray, labels: LabelArray) -> DoubleArray:
    """Return the squared distance of each point to the center of its label, float64 (n,)."""
    found: DoubleArray = np.empty(len(points))
    for piece in pieces_of(*points.shape):
        differences = points[piece] - centers[labels[piece]]
        np.einsum("nd,nd->n", differences, differences, out=found[piece])
    return found
