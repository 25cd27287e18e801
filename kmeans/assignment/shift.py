"""The shift of rows and centers: with it ||c||^2 - 2xc loses few digits, and no outlier can spoil it."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kmeans.types import FloatArray, as_points

Number = TypeVar("Number", bound=np.floating[Any])

# Rows of which quartiles are taken.
QUARTILE_ROWS = 1000


def thinned(rows: NDArray[Number], most: int) -> NDArray[Number]:
    """Return at most `most` of the rows, at equal distances, as a view."""
    return rows[:: max(1, -(-len(rows) // most))]


def usual_values(points: NDArray[np.floating[Any]]) -> FloatArray:
    """Return a value of each feature that is near most of its values.

    It is the one of the three quartiles that is nearest to 0. So it is no mean of unlike values, and missing values do
    no harm where up to a quarter of all values are such, coded as 0, or up to three quarters, coded as 1e36.

    Parameters
    ----------
    points : ndarray of float32 or float64, shape (n, d)
        At least one. At most `QUARTILE_ROWS` of them are used, at equal distances.

    Returns
    -------
    ndarray of float32, shape (d,)
    """
    few = thinned(points, QUARTILE_ROWS)
    places = [(len(few) - 1) * quarter // 4 for quarter in (1, 2, 3)]
    quartiles = np.partition(few, places, axis=0)[places]
    nearest_to_0 = np.abs(quartiles).argmin(axis=0)
    chosen = np.take_along_axis(quartiles, nearest_to_0[None], axis=0)[0]
    return as_points(chosen)
