"""Moves rows within an array."""

import numpy as np

from kmeans.kernels.jit import kernel
from kmeans.types import FloatArray, LabelArray


@kernel("void(float32[:, ::1], int64[::1])")
def rearrange(
    rows: FloatArray,  # INOUT (m, d), m >= n
    order: LabelArray,  # INOUT (n,): the row that belongs in each place; undefined afterwards
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


@kernel("void(float32[:, ::1], int64[::1], int64[::1])")
def move_rows(
    rows: FloatArray,  # INOUT (m, d)
    sources: LabelArray,  # IN (n,)
    places: LabelArray,  # IN (n,), none of them a source
) -> None:
    """Copy rows to other places."""
    for i in range(len(places)):
        for f in range(rows.shape[1]):
            rows[places[i], f] = rows[sources[i], f]
