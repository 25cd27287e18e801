"""Points scaled to length 1: the rows and the centers of spherical k-means (Dhillon & Modha 2001)."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kmeans.types import DoubleArray

# Squares are added up in so many sums side by side, as `kmeans.kernels.packed.scale_to_unit` does.
LANES: Final = 4
# By how much the squared length of a point may differ from 1 because its numbers were rounded to float32.
ROUNDING: Final = 2.0**-22
# Squared lengths in this range have lost no digits to an overflow or underflow.
_MIN_SQUARE, _MAX_SQUARE = 1e-200, 1e300


def scaled_to_unit(points: NDArray[np.floating[Any]]) -> DoubleArray:
    """Return points scaled to length 1.

    Parameters
    ----------
    points : ndarray of float32 or float64, shape (n, d)
        Finite numbers.

    Returns
    -------
    ndarray of float64, shape (n, d)
        Those of length 1 up to a rounding to float32 are as they were, so that scaling again changes nothing. Points
        of zeros, which have no direction, remain zeros.
    """
    scaled = points.astype(np.float64)
    squares = _squared_lengths(scaled)
    extreme = np.flatnonzero((squares < _MIN_SQUARE) | (squares > _MAX_SQUARE))
    if len(extreme):
        largest = np.abs(scaled[extreme]).max(axis=1, keepdims=True)
        scaled[extreme] /= np.where(largest > 0.0, largest, 1.0)
        squares[extreme] = _squared_lengths(scaled[extreme])
    lengths = np.where((np.abs(squares - 1.0) <= ROUNDING) | (squares == 0.0), 1.0, np.sqrt(squares))
    scaled /= lengths[:, None]
    return scaled


def _squared_lengths(points: DoubleArray) -> DoubleArray:
    """Return the squared lengths of points, float64 (n,), in the order of sums that `LANES` describes."""
    lanes: DoubleArray = np.zeros((len(points), LANES))
    with np.errstate(over="ignore"):
        squares = np.square(points)
        for lane in range(min(LANES, points.shape[1])):
            # Unlike a sum, this adds one number after the other.
            lanes[:, lane] = np.add.accumulate(squares[:, lane::LANES], axis=1)[:, -1]
        squared: DoubleArray = (lanes[:, 0] + lanes[:, 1]) + (lanes[:, 2] + lanes[:, 3])
    return squared
