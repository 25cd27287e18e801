"""The kernel that finds the nearest center of each row.

A center's score is ||c||^2 / 2 - xc: the squared distance, halved, less what all centers share. Scores are summed in
float32, and each is off by no more than a share of ||x|| ||c|| + ||c||^2 / 2. Where the second least score does not
exceed the least one by the errors of both, distances are compared in float64, so that labels are those of float64
arithmetic. The winner's distance is always computed directly.
"""

import math

import numpy as np

from kmeans.jit import kernel
from kmeans.types import DoubleArray, FloatArray, LabelArray
from kmeans.vector_kernel import CENTERS, CHAIN, LANES, LINE, ROWS, lower_by_panel, squared_distance, transpose

LARGEST = float(np.finfo(np.float32).max)
# Relative rounding of one float32 operation (half a unit in the last place), and what a number too small for float32
# may lose.
FLOAT32_ROUNDING = 2.0**-24
FLOAT32_TINY = float(np.finfo(np.float32).tiny)
CACHE_LINE_BYTES = 64
FLOAT_BYTES = 4


def rounding_of(n_features: int) -> float:
    """Give the error of a score in parts of ||x|| ||c|| + ||c||^2 / 2.

    A product passes a chain of sums and one sum for each chain; the center's number in the last bits of a score adds
    CENTERS - 1 units in the last place; the rest covers the roundings of row, center, product and norm.
    """
    operations = min(n_features, CHAIN) + math.ceil(n_features / CHAIN) + 2 * CENTERS + 16
    return FLOAT32_ROUNDING * operations


@kernel("float32[::1](int64)")
def aligned_floats(size: int) -> FloatArray:
    """Give an array that starts a cache line."""
    array = np.empty(size + CACHE_LINE_BYTES // FLOAT_BYTES, np.float32)
    first = -array.ctypes.data % CACHE_LINE_BYTES // FLOAT_BYTES
    return array[first : first + size]


@kernel(
    "void(float32[:, ::1], float32[::1], float32[::1], float32[::1], float64[:, ::1], float64[::1], float64, int64[::1],"
    " float64[::1])"
)
def assign_rows(
    rows: FloatArray,  # IN (n, d)
    shift: FloatArray,  # IN (d,), padded
    panels: FloatArray,  # IN (P * d * CENTERS,): minus the centers, relative to the shift; feature by feature
    offsets: FloatArray,  # IN (P * CENTERS,): half their squared norms
    centers: DoubleArray,  # IN (K, d), as the rows, d padded with zeros
    norms: DoubleArray,  # IN (K,), of the centers relative to the shift
    rounding: float,  # IN, see `rounding_of`
    labels: LabelArray,  # OUT (n,)
    squared_distances: DoubleArray,  # OUT (n,)
) -> None:
    """Find the nearest center of each row, and its squared distance, block by block."""
    n_rows, n_features = rows.shape
    n_centers, n_padded = centers.shape
    n_panels = offsets.shape[0] // CENTERS
    flat_rows, flat_centers = rows.reshape(-1), centers.reshape(-1)
    largest_norm = norms.max()
    tiny = 2.0 * FLOAT32_TINY * (n_features + 16)
    block = aligned_floats(shift.shape[0] * ROWS)
    totals = aligned_floats(CENTERS * ROWS)
    least, second = aligned_floats(ROWS), aligned_floats(ROWS)
    least_bits, panel_found = least.view(np.int32), aligned_floats(ROWS).view(np.int32)
    winners = np.zeros(ROWS, np.int64)
    winner_norms, distances = np.zeros(ROWS), np.zeros(ROWS)
    decided = np.zeros(ROWS, np.bool_)
    # The last rows, followed by something to read.
    last_rows = np.zeros(ROWS * n_features + LANES, np.float32)

    for start in range(0, n_rows, ROWS):
        n_here = min(ROWS, n_rows - start)
        source, first = flat_rows, start * n_features
        if first + last_rows.size > flat_rows.size:
            source, first = last_rows, 0
            last_rows[: n_here * n_features] = flat_rows[start * n_features :]
        for column in range(0, ROWS, LANES):
            for f in range(0, n_features, LANES):
                transpose(source, first + column * n_features, n_features, shift, f, block, column)
        for i in range(ROWS):
            least[i] = np.inf
            second[i] = np.inf
            panel_found[i] = 0
        for panel in range(n_panels):
            # The next block is fetched while the first panels are at work, a line a feature.
            fetching = panel < ROWS // LINE
            line = first + ROWS * n_features + (panel * n_features * LINE if fetching else 0)
            lower_by_panel(
                block,
                panels,
                panel,
                offsets,
                n_features,
                least,
                second,
                panel_found,
                totals,
                source,
                line,
                LINE if fetching else 0,
            )
        for i in range(ROWS):
            winners[i] = panel_found[i] * CENTERS + (least_bits[i] & (CENTERS - 1))
        for i in range(n_here):
            winner = winners[i]
            distances[i] = squared_distance(source, first + i * n_features, n_features, flat_centers, winner * n_padded)
            winner_norms[i] = norms[winner]
        for i in range(ROWS):
            distance, score, norm = distances[i], np.float64(least[i]), winner_norms[i]
            # ||x||^2 = ||x - c||^2 - 2 score, and no more than this with the error of the score.
            squared_norm = (distance * (1.0 + 3.0 * rounding) - 2.0 * score) * (1.0 + 6.0 * rounding) + tiny
            row_norm = np.sqrt(squared_norm)
            # The norm of any center that is nearer than the winner.
            other = min(row_norm + np.sqrt(distance), largest_norm)
            size = row_norm * norm + 0.5 * norm * norm + row_norm * other + 0.5 * other * other
            # Nothing that matters has left float32's range; NaN and infinity decide nothing.
            decided[i] = (np.float64(second[i]) - score > rounding * size + tiny) & (size < 0.25 * LARGEST)
        for i in range(n_here):
            if not decided[i]:
                best = np.inf
                winners[i] = 0
                for j in range(n_centers):
                    distance = squared_distance(source, first + i * n_features, n_features, flat_centers, j * n_padded)
                    if distance < best:
                        best = distance
                        winners[i] = j
                distances[i] = best
            labels[start + i] = winners[i]
            squared_distances[start + i] = distances[i]
