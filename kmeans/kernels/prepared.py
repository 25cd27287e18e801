"""Centers as the kernel of nearest centers takes them."""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types

from kmeans.kernels.jit import array_type, kernel, tuple_type
from kmeans.kernels.vectors import CENTERS, CHAIN
from kmeans.types import DoubleArray, FloatArray

# Relative rounding of one float32 operation: half a unit in the last place.
FLOAT32_ROUNDING = 2.0**-24


class Prepared(NamedTuple):
    """Centers as `assign_rows` takes them.

    Attributes
    ----------
    shift : ndarray of float32, shape (d,)
        Subtracted from rows and centers where scores are summed in float32; d is padded with zeros.
    panels : ndarray of float32, shape (P * d * CENTERS,)
        P panels of CENTERS centers, feature by feature: the centers relative to the shift, times -1.
    offsets : ndarray of float32, shape (P * CENTERS,)
        Half the squared norms of the centers relative to the shift.
    exact : ndarray of float64, shape (K, d)
        The centers; d is padded with zeros.
    norms : ndarray of float32, shape (K,)
        The norms of the centers relative to the shift.
    rounding : float32
        See `rounding_of`.
    """

    shift: FloatArray
    panels: FloatArray
    offsets: FloatArray
    exact: DoubleArray
    norms: FloatArray
    rounding: np.float32


_FLOATS, _CENTERS = types.float32[::1], array_type(types.float64, 2)
PREPARED: Any = tuple_type(Prepared, [_FLOATS, _FLOATS, _FLOATS, _CENTERS, _FLOATS, types.float32])


@kernel(types.void(_CENTERS, types.int64, types.int64, PREPARED))
def lay_out(
    centers: DoubleArray,  # IN (K, d)
    first: int,  # IN: the first center to write
    last: int,  # IN: the one after the last
    prepared: Prepared,  # INOUT: has its shift
) -> None:
    """Write some centers as `assign_rows` takes them."""
    n_features = centers.shape[1]
    for j in range(first, last):
        begin = j // CENTERS * CENTERS * n_features + j % CENTERS
        squared_norm = 0.0
        for f in range(n_features):
            value = centers[j, f] - prepared.shift[f]
            squared_norm += value * value
            prepared.panels[begin + f * CENTERS] = -np.float32(value)
            prepared.exact[j, f] = centers[j, f]
        prepared.offsets[j] = np.float32(0.5 * squared_norm)
        prepared.norms[j] = np.float32(np.sqrt(squared_norm))


def rounding_of(n_features: int) -> np.float32:
    """Return the error of a score as a part of ||x|| ||c|| + ||c||^2 / 2.

    A product passes a chain of sums and one sum for each chain; the center's number in the last bits of a score adds
    CENTERS - 1 units in the last place; the rest covers the roundings of row, center, product and norm.
    """
    operations = min(n_features, CHAIN) + math.ceil(n_features / CHAIN) + 2 * CENTERS + 16
    return np.float32(FLOAT32_ROUNDING * operations)
