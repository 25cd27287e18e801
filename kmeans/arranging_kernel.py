"""Puts rows into another order in their place."""

import numpy as np

from kmeans.jit import kernel
from kmeans.types import FloatArray, LabelArray


@kernel("void(float32[:, ::1], int64[::1])")
def rearrange(
    rows: FloatArray,  # INOUT (m, d), m >= n
    order: LabelArray,  # INOUT (n,): which row is to be in each place; undefined afterwards
) -> None:
    """Move the first rows to their places, along the cycles of the permutation."""
    held = np.empty(rows.shape[1], np.float32)
    for start in range(len(order)):
        if order[start] == start:
            continue
        held[:] = rows[start]
        place = start
        while order[place] != start:
            source = order[place]
            rows[place] = rows[source]
            order[place] = place
            place = source
        rows[place] = held
        order[place] = place
