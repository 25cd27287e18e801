"""Random draws of rows: each a function of a key and of the number of the row; see `kmeans.stream.candidates`."""

import numpy as np

from kmeans.kernels.jit import kernel
from kmeans.types import DoubleArray, LabelArray

# SplitMix64 (Steele, Lea & Flood 2014): the step between two states, and how a state becomes a number.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
# Rows that are tested together.
_AT_ONCE = 16
# Of its bits some are dropped; with a half added, no draw is 0 or 1.
_DROPPED, _SCALE = np.uint64(12), 2.0**-52


@kernel("float64(uint64, int64)")
def draw(key: np.uint64, number: int) -> float:
    """Return the draw of a row, uniform in (0, 1)."""
    bits = key + np.uint64(number) * _STEP
    bits = (bits ^ (bits >> _SHIFTS[0])) * _FACTORS[0]
    bits = (bits ^ (bits >> _SHIFTS[1])) * _FACTORS[1]
    bits ^= bits >> _SHIFTS[2]
    return (np.float64(bits >> _DROPPED) + 0.5) * _SCALE


@kernel("int64(uint64, int64, float64[::1], float64, float64, int64[::1], float64[::1])")
def choose(
    key: np.uint64,  # IN
    first_number: int,  # IN: of the rows
    squared_distances: DoubleArray,  # IN (n,)
    least_draw: float,  # IN: see `kmeans.stream.candidates.Limits`
    least_distance: float,  # IN
    chosen: LabelArray,  # OUT (n,): which of the rows
    draws: DoubleArray,  # OUT (n,): of those
) -> int:
    """Find the candidates among some rows; return their number."""
    count = 0
    # There are few: most of the time several rows are dismissed at once.
    for begin in range(0, len(squared_distances), _AT_ONCE):
        some = squared_distances[begin : begin + _AT_ONCE]
        hits = 0
        for i in range(len(some)):
            hits += (draw(key, first_number + begin + i) > least_draw) | (some[i] > least_distance)
        if hits:
            for i in range(len(some)):
                drawn = draw(key, first_number + begin + i)
                chosen[count], draws[count] = begin + i, drawn
                count += drawn > least_draw or some[i] > least_distance
    return count
