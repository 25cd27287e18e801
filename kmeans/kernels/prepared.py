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
    shift
        float32 (d,), padded with zeros: subtracted from rows and centers where scores are summed in float32.
    panels
        float32 (P * d * CENTERS,): minus the centers, relative to the shift; feature by feature.
    offsets
        float32 (P * CENTERS,): half their squared norms.
    exact
        float64 (K, d), as the rows, d padded with zeros.
    norms
        float32 (K,), of the centers relative to the shift.
    rounding
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
    last: int,  # IN: the one behind the last
    prepared: Prepared,  # INOUT: its shift is given
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
    """Give the error of a score in parts of ||x|| ||c|| + ||c||^2 / 2.

    A product passes a chain of sums and one sum for each chain; the center's number in the last bits of a score adds
    CENTERS - 1 units in the last place; the rest covers the roundings of row, center, product and norm.
    """
    operations = min(n_features, CHAIN) + math.ceil(n_features / CHAIN) + 2 * CENTERS + 16
    return np.float32(FLOAT32_ROUNDING * operations)
