"""bfloat16: the upper half of a float32, for which numpy has no type."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kmeans.types import FloatArray

# What stands for it as the type of an array: two bytes.
DTYPE: Final = np.dtype("V2")


def readable(stored: NDArray[Any]) -> NDArray[Any]:
    """Return numbers that may be bfloat16, as `DTYPE` says, in a type that numpy can compute with."""
    return widened(stored.view("<u2")) if stored.dtype == DTYPE else stored


def widened(stored: NDArray[Any]) -> FloatArray:
    """Return numbers as float32, without rounding.

    Parameters
    ----------
    stored : ndarray of uint16
        The bits of the numbers.

    Returns
    -------
    ndarray of float32
        Of the same shape.
    """
    bits = stored.astype(np.uint32)
    bits <<= 16
    return bits.view(np.float32)
