"""The shift of rows and centers, by which ||c||^2 - 2xc loses few digits, and which no outlier can spoil."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kmeans.types import FloatArray, as_points

Number = TypeVar("Number", bound=np.floating[Any])

# Rows that quartiles are taken of.
QUARTILE_ROWS = 1000


def thinned(rows: NDArray[Number], most: int) -> NDArray[Number]:
    """Return at most so many of the rows, at equal distances: a view of them."""
    return rows[:: max(1, -(-len(rows) // most))]


def usual_values(points: NDArray[np.floating[Any]]) -> FloatArray:
    """Return a value of each feature that is near most of its values.

    It is one of the three quartiles, that nearest to 0: so it is no mean of unlike values, and up to a quarter of the
    values may be missing ones coded as 0, or three quarters of them as 1e36, and do no harm.

    Parameters
    ----------
    points
        float (n, d), n > 0. At most `QUARTILE_ROWS` of them are looked at, at equal distances.

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
