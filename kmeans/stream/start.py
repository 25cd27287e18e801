"""Where a stream starts."""

import math
from dataclasses import dataclass

from kmeans.types import DoubleArray, FloatArray


@dataclass(frozen=True)
class StreamStart:
    """The first centers, and what is known of the rows.

    Attributes
    ----------
    centers : ndarray of float64, shape (K, d)
        The centers.
    weights : ndarray of float64, shape (K,)
        Their weights; the rows that these stand for are in no spread.
    shift : ndarray of float32, shape (d,)
        Usual values of the rows; see `kmeans.assignment.shift.usual_values`.
    outlier_distance : float
        Squared: rows that are farther from all centers are outliers; see `kmeans.stream.reassignment`.
    """

    centers: DoubleArray
    weights: DoubleArray
    shift: FloatArray
    outlier_distance: float = math.inf
