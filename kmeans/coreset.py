"""Weighted points that stand for all rows of a stream: its sample, corrected by its sums.

The stream knows how many rows each of its K centers took, and their mean, exactly; the sample knows how they lie, with
noise. So the sample is taken apart by the center that each row went to (its strata): the rows of a stratum share its
weight (post-stratification), and are moved together so that their mean is the center's (a control variate). A cluster
made of whole strata then has the mean of all its rows, however small the sample; noise is left only where a cluster's
border runs through a stratum.
"""

from dataclasses import dataclass

import numpy as np

from kmeans.state import State
from kmeans.sums import add_rows, move_to_means
from kmeans.types import DoubleArray, FloatArray, as_points


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

    A sample that is complete is taken as it is; a center without a row in the sample is a point itself.
    """
    sample, centers, weights, shift = state.sample, state.centers, state.weights, state.shift
    if sample.complete:
        return Coreset(sample.rows, sample.weights, shift)
    sums: DoubleArray = np.zeros_like(centers)
    sampled: DoubleArray = np.zeros(len(centers))
    add_rows(sample.rows, sample.labels, sample.weights, sums, sampled)
    found = sampled > 0.0
    scale = np.divide(weights, sampled, out=np.zeros_like(weights), where=found)
    means = centers.copy()
    move_to_means(sums, sampled, means)
    moves = centers - means
    alone = ~found & (weights > 0.0)
    n_rows = len(sample.rows)
    points: FloatArray = np.empty((n_rows + int(alone.sum()), centers.shape[1]), np.float32)
    step = max(1, _PIECE_VALUES // centers.shape[1])
    for start in range(0, n_rows, step):
        piece = slice(start, min(start + step, n_rows))
        points[piece] = as_points(sample.rows[piece] + moves[sample.labels[piece]])
    points[n_rows:] = as_points(centers[alone])
    return Coreset(points, np.concatenate([sample.weights * scale[sample.labels], weights[alone]]), shift)


# Numbers of rows that are moved at once: what they take as float64 stays in the cache.
_PIECE_VALUES = 1 << 15
