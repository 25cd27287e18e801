"""bfloat16: the upper half of a float32."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmeans.types import FloatArray


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
