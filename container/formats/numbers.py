"""The numbers of rows: float32 or, if an origin is to be subtracted before they are rounded, float64."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kmeans.types import BoolArray


def held(values: NDArray[Any], dtype: DTypeLike) -> tuple[NDArray[Any], BoolArray]:
    """Return numbers in the type of rows, and for each whether it is finite in float32, as it must be in any type."""
    # What is too large, or a signalling NaN, shows in the result, without a warning.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        single = values.astype(np.float32, copy=False)
        return (single if dtype == np.float32 else values.astype(dtype, copy=False)), np.isfinite(single)


def first_refused(rows: NDArray[Any], *, gaps: bool) -> tuple[int, int] | None:
    """Return the row and the column, from 0, of the first number that is not finite in float32.

    Where there may be gaps, NaN is accepted. There is none if all are accepted.
    """
    accepted = held(rows, np.float32)[1]
    if accepted.all():
        return None
    if gaps:
        accepted |= np.isnan(rows)
        if accepted.all():
            return None
    row, column = np.argwhere(~accepted)[0]
    return int(row), int(column)
