"""Weighted points that stand for all rows of a stream: its sample, corrected by its sums.

The stream knows how many rows each of its K centers took, and their mean, exactly; the sample knows how they lie, with
noise. So the sample is taken apart by the center that each row went to (its strata): the rows of a stratum share its
weight (post-stratification), and are moved together so that their mean is the center's (a control variate). A cluster
made of whole strata then has the mean of all its rows, however small the sample; noise is left only where a cluster's
border runs through a stratum.
"""

from dataclasses import dataclass

import numpy as np

from kmeans.nearest_kernel import LARGEST
from kmeans.state import State
from kmeans.sums import add_rows
from kmeans.types import DoubleArray, FloatArray


@dataclass
class Coreset:
    """Weighted points.

    Attributes
    ----------
    points
        float32 (n, d), C-contiguous.
    weights
        float64 (n,).
    offset
        float32 (d,): what is to be subtracted from `points` to make them relative to the stream's shift.
    """

    points: FloatArray
    weights: DoubleArray
    offset: FloatArray


def coreset(state: State) -> Coreset:
    """Make the points of a stream.

    A sample that is complete is taken as it is; a center without a row in the sample is a point itself.
    """
    sample, centers, weights, shift = state.sample, state.centers, state.weights, state.shift
    if sample.complete:
        return Coreset(sample.rows, sample.weights, shift)
    sums: DoubleArray = np.zeros_like(centers)
    sampled: DoubleArray = np.zeros(len(centers))
    add_rows(sample.rows, shift.astype(np.float64), sample.labels, sample.weights, sums, sampled)
    found = sampled > 0.0
    scale = np.divide(weights, sampled, out=np.zeros_like(weights), where=found)
    moves: DoubleArray = np.zeros_like(centers)
    moves[found] = centers[found] - sums[found] / sampled[found][:, None]
    alone = ~found & (weights > 0.0)
    n_rows = len(sample.rows)
    points: FloatArray = np.empty((n_rows + int(alone.sum()), centers.shape[1]), np.float32)
    offset = point_offset(centers, shift)
    step = max(1, _PIECE_VALUES // centers.shape[1])
    for start in range(0, n_rows, step):
        piece = slice(start, min(start + step, n_rows))
        moved = sample.rows[piece].astype(np.float64) - shift + moves[sample.labels[piece]]
        points[piece] = np.clip(moved + offset, -LARGEST, LARGEST)
    points[n_rows:] = centers[alone] + offset
    return Coreset(points, np.concatenate([sample.weights * scale[sample.labels], weights[alone]]), offset)


def point_offset(centers: DoubleArray, shift: FloatArray) -> FloatArray:
    """Give what is added to float64 values relative to `shift` when they become float32 points.

    Nothing, since numbers near 0 have the most digits; unless the data fill float32's range, where differences do not
    fit in.
    """
    if np.abs(centers).max() > LARGEST / 4:
        return shift
    return np.zeros_like(shift)


# Numbers of rows that are moved at once: what they take as float64 stays in the cache.
_PIECE_VALUES = 1 << 15
