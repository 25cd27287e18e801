"""The kernel that finds the nearest center of each row.

A center's score is ||c||^2 / 2 - xc: half the squared distance, less what all centers share. Scores are summed in
float32, and each is off by no more than a part of ||x|| ||c|| + ||c||^2 / 2. Where the second least score does not
exceed the least one by the errors of both, distances are compared in float64, so that labels are those of float64
arithmetic. The distance to the nearest center is always computed directly.
"""

import numpy as np
from numba import types

from kmeans.kernels.jit import array_type, kernel
from kmeans.kernels.panels import lower_by_panel, transpose
from kmeans.kernels.prepared import PREPARED, Prepared
from kmeans.kernels.rows import squared_distance
from kmeans.kernels.space import SPACE, Space, are_few, new_space
from kmeans.kernels.vectors import CENTERS, LANES, LINE, LINES, ROWS
from kmeans.types import LARGEST, DoubleArray, FloatArray, LabelArray

QUARTER_OF_LARGEST = np.float32(LARGEST / 4)
# What a number too small for float32 may lose.
FLOAT32_TINY = float(np.finfo(np.float32).tiny)
_DOUBLES, _INTS = types.float64[::1], types.int64[::1]
_ROWS, _CENTERS = array_type(types.float32, 2), array_type(types.float64, 2)


@kernel(types.void(_ROWS, _INTS, _CENTERS, _INTS, _DOUBLES, SPACE))
def compare_directly(
    rows: FloatArray,  # IN (n, d)
    numbers: LabelArray,  # IN (m,): the numbers of these rows
    centers: DoubleArray,  # IN (K, d), d padded with zeros
    labels: LabelArray,  # INOUT (n,)
    squared_distances: DoubleArray,  # INOUT (n,)
    space: Space,  # INOUT
) -> None:
    """Find the nearest centers of some rows by their distances in float64."""
    n_features = rows.shape[1]
    n_centers, n_padded = centers.shape
    flat_centers = centers.reshape(-1)
    group, best, nearest = space.group, space.best, space.nearest
    for start in range(0, len(numbers), ROWS):
        chosen = numbers[start : start + ROWS]
        for i in range(len(chosen)):
            group[i * n_features : (i + 1) * n_features] = rows[chosen[i]]
        best[:] = np.inf
        nearest[:] = 0
        # A center is compared with all rows of the group while it is in the cache.
        for j in range(n_centers):
            for i in range(len(chosen)):
                distance = squared_distance(group, i * n_features, n_features, flat_centers, j * n_padded)
                if distance < best[i]:
                    best[i] = distance
                    nearest[i] = j
        for i in range(len(chosen)):
            labels[chosen[i]] = nearest[i]
            squared_distances[chosen[i]] = best[i]


@kernel("float32(float32, float32, float32, float32, float32, float32)")
def error_bound(
    distance: np.float32,
    score: np.float32,
    norm: np.float32,
    largest_norm: np.float32,
    rounding: np.float32,
    tiny: np.float32,
) -> np.float32:
    """Return a bound of the error that rounding leaves in the difference of the least score and a nearer center's.

    Parameters
    ----------
    distance, score, norm : float32
        The squared distance, the score and ||c|| of the center with the least score.
    largest_norm : float32
        The largest ||c||.
    rounding, tiny : float32
        The relative and the absolute error of a score.

    Returns
    -------
    float32
        Infinite where there is no bound.
    """
    one, half = np.float32(1.0), np.float32(0.5)
    # ||x||^2 = ||x - c||^2 - 2 score; this is no less, whatever the error of the score and the roundings here.
    squared_norm = (distance * (one + np.float32(4.0) * rounding) - score - score) * (one + np.float32(8.0) * rounding)
    row_norm = np.sqrt(squared_norm + tiny)
    # ||c|| of a nearer center.
    other = min(row_norm + np.sqrt(distance), largest_norm)
    size = row_norm * (norm + other) + half * (norm * norm + other * other)
    # Where these numbers may have left the range of float32, there is no bound.
    return rounding * size + tiny if size < QUARTER_OF_LARGEST else np.float32(np.inf)


@kernel(types.void(_ROWS, types.int64, types.int64, PREPARED, _INTS, _DOUBLES, SPACE))
def assign_rows(
    all_rows: FloatArray,  # IN (m, d)
    begin: int,  # IN
    end: int,  # IN: rows from `begin` to before `end` are assigned, n in all
    prepared: Prepared,  # IN
    labels: LabelArray,  # OUT (n,)
    squared_distances: DoubleArray,  # OUT (n,)
    space: Space,  # INOUT
) -> None:
    """Find the nearest center of each row, and its squared distance, block by block."""
    shift, panels, offsets, centers, norms, rounding = prepared
    rows = all_rows[begin:end]
    n_rows, n_features = rows.shape
    if are_few(n_rows, centers.shape[0]):
        for i in range(n_rows):
            space.numbers[i] = i
        compare_directly(rows, space.numbers[:n_rows], centers, labels, squared_distances, space)
        return
    n_padded = centers.shape[1]
    n_panels = offsets.shape[0] // CENTERS
    # Numbers after the last row are read, but not used.
    flat_rows, flat_centers = all_rows.reshape(-1)[begin * n_features :], centers.reshape(-1)
    # As loops, since code that calls numba's own `max` makes each process import all of numba's linear algebra.
    largest_norm = norms[0]
    for norm in norms:
        largest_norm = max(largest_norm, norm)
    tiny = np.float32(2.0 * FLOAT32_TINY * (n_features + 16))
    block, totals, least, second = space.block, space.totals, space.least, space.second
    least_bits, panel_found = least.view(np.int32), space.panels.view(np.int32)
    winners, distances, winner_norms, doubtful = space.winners, space.distances, space.norms, space.doubtful
    last_rows, numbers, n_numbers = space.last_rows, space.numbers, 0

    for start in range(0, n_rows, ROWS):
        n_here = min(ROWS, n_rows - start)
        source, first = flat_rows, start * n_features
        if first + last_rows.size > flat_rows.size:
            last_rows[: n_here * n_features] = flat_rows[first : first + n_here * n_features]
            source, first = last_rows, 0
        for column in range(0, ROWS, LANES):
            for f in range(0, n_features, LANES):
                transpose(source, first + column * n_features, n_features, shift, f, block, column)
        for i in range(ROWS):
            least[i] = np.inf
            second[i] = np.inf
            panel_found[i] = 0
        for panel in range(n_panels):
            # The next block is fetched into the cache while this one is compared with the first panels.
            ahead = first + (ROWS + panel * LINES * LINE) * n_features
            stride = LINES * LINE if panel * LINES * LINE < ROWS else 0
            lower_by_panel(
                block, panels, panel, offsets, n_features, least, second, panel_found, totals, source, ahead, stride
            )
        for i in range(ROWS):
            winners[i] = panel_found[i] * CENTERS + (least_bits[i] & (CENTERS - 1))
        labels_here, distances_here = labels[start : start + n_here], squared_distances[start : start + n_here]
        for i in range(n_here):
            winner = winners[i]
            distance = squared_distance(source, first + i * n_features, n_features, flat_centers, winner * n_padded)
            labels_here[i] = winner
            distances_here[i] = distance
            distances[i] = distance
            winner_norms[i] = norms[winner]
        n_doubtful = 0
        for i in range(ROWS):
            # NaN and infinity decide nothing.
            doubtful[i] = not second[i] - least[i] > error_bound(
                distances[i], least[i], winner_norms[i], largest_norm, rounding, tiny
            )
            n_doubtful += doubtful[i]
        if n_doubtful:
            for i in range(n_here):
                if doubtful[i]:
                    numbers[n_numbers] = start + i
                    n_numbers += 1
    if n_numbers:
        compare_directly(rows, numbers[:n_numbers], centers, labels, squared_distances, space)


@kernel(types.void(_ROWS, PREPARED, _INTS, _DOUBLES))
def assign_alone(
    rows: FloatArray,  # IN (n, d)
    prepared: Prepared,  # IN
    labels: LabelArray,  # OUT (n,)
    squared_distances: DoubleArray,  # OUT (n,)
) -> None:
    """Do as `assign_rows`, for all rows and in space of its own."""
    assign_rows(
        rows,
        0,
        len(rows),
        prepared,
        labels,
        squared_distances,
        new_space(rows.shape[1], len(prepared.exact), len(rows)),
    )
