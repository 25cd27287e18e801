"""Numbers of rows: in float32 or, where an origin is to be subtracted before they are rounded, in float64."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kmeans.types import BoolArray


def held(values: NDArray[Any], dtype: DTypeLike) -> tuple[NDArray[Any], BoolArray]:
    """Return numbers in the type of rows, and for each whether it is finite in float32, as it must be in any type."""
    # Of what is too large, and of the kind of NaN that signals, the answer tells.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        single = values.astype(np.float32, copy=False)
        return (single if dtype == np.float32 else values.astype(dtype, copy=False)), np.isfinite(single)
