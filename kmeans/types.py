"""Types used throughout, and the conversion from float64 to float32."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
LabelArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
# How first centers are chosen: rows drawn uniformly, or by k-means++ (`kmeans.kmeans_plus_plus`).
InitMethod = Literal["random", "kmeans++"]

LARGEST = np.finfo(np.float32).max


def as_points(values: DoubleArray) -> FloatArray:
    """Return values as float32, which they may exceed by a rounding."""
    return np.clip(values, -LARGEST, LARGEST).astype(np.float32)
