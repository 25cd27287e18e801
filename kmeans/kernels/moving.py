"""Moves centers towards the means of their new rows; see `kmeans.stream.stream`.

Several kernels call these, and have to round alike. So each operation is rounded as it is written.
"""

from kmeans.kernels.far_rows import MIN_WEIGHT
from kmeans.kernels.jit import kernel
from kmeans.kernels.sums import mean_of
from kmeans.types import DoubleArray


@kernel(
    "void(float64[:, ::1], float64[::1], float64[::1], float64[:, ::1], float64[::1], float64[::1], float64)",
    strict=True,
)
def spread_out(
    centers: DoubleArray,  # IN (K, d): before they move
    weights: DoubleArray,  # IN (K,): before they move
    spreads: DoubleArray,  # INOUT (K,)
    sums: DoubleArray,  # IN (K, d): see `move`
    counts: DoubleArray,  # IN (K,)
    losses: DoubleArray,  # IN (K,): of the squared distances of the new rows to the centers, times their weights
    decay: float,  # IN
) -> None:
    """Update the spreads of centers for the move that `move` makes.

    The spread of old and new rows together is the sum of the spreads of both, each about its own mean, and the spread
    between the two means (Chan, Golub & LeVeque 1979).
    """
    whole = centers.shape[1] // 4 * 4
    for j in range(len(centers)):
        weight = weights[j] * decay
        if weight < MIN_WEIGHT:
            weight = 0.0
        spreads[j] = spreads[j] * decay if weight > 0.0 else 0.0
        if counts[j] > MIN_WEIGHT:
            inverse = 1.0 / counts[j]
            # Four sums side by side, which a compiler that must not reorder them can keep in one register.
            first = second = third = fourth = 0.0
            for f in range(0, whole, 4):
                step = sums[j, f] * inverse - centers[j, f]
                first += step * step
                step = sums[j, f + 1] * inverse - centers[j, f + 1]
                second += step * step
                step = sums[j, f + 2] * inverse - centers[j, f + 2]
                third += step * step
                step = sums[j, f + 3] * inverse - centers[j, f + 3]
                fourth += step * step
            squared_step = (first + second) + (third + fourth)
            for f in range(whole, centers.shape[1]):
                step = sums[j, f] * inverse - centers[j, f]
                squared_step += step * step
            between = weight * counts[j] / (weight + counts[j]) * squared_step
            spreads[j] += max(0.0, losses[j] - counts[j] * squared_step) + between


@kernel("void(float64[:, ::1], float64[::1], float64[:, ::1], float64[::1], float64)", strict=True)
def move(
    centers: DoubleArray,  # INOUT (K, d)
    weights: DoubleArray,  # INOUT (K,)
    sums: DoubleArray,  # IN (K, d): of the rows of the step, times their weights
    counts: DoubleArray,  # IN (K,): of these weights
    decay: float,  # IN
) -> None:
    """Decay the weights of centers, and move the centers towards the means of their new rows."""
    for j in range(len(centers)):
        weights[j] *= decay
        if weights[j] < MIN_WEIGHT:
            weights[j] = 0.0
        if counts[j] > MIN_WEIGHT:
            weights[j] += counts[j]
            share = counts[j] / weights[j]
            for f in range(centers.shape[1]):
                centers[j, f] += share * (mean_of(sums[j, f], counts[j]) - centers[j, f])


@kernel(
    "void(float64[:, ::1], float64[::1], float64[::1], float64[:, ::1], float64[::1], float64[::1], float64,"
    " int64, int64)",
    strict=True,
)
def move_and_clear(
    centers: DoubleArray,  # INOUT (K, d)
    weights: DoubleArray,  # INOUT (K,)
    spreads: DoubleArray,  # INOUT (K,)
    sums: DoubleArray,  # INOUT (K, d): see `move`; cleared
    counts: DoubleArray,  # INOUT (K,): cleared
    losses: DoubleArray,  # INOUT (K,): see `spread_out`; cleared
    decay: float,  # IN
    first: int,  # IN: the first center to move
    last: int,  # IN: the one after the last
) -> None:
    """Move some of the centers, update their spreads and clear their sums, while these are in the cache."""
    for j in range(first, last):
        one, weight, spread = centers[j : j + 1], weights[j : j + 1], spreads[j : j + 1]
        added, count, loss = sums[j : j + 1], counts[j : j + 1], losses[j : j + 1]
        spread_out(one, weight, spread, added, count, loss, decay)
        move(one, weight, added, count, decay)
        added[:] = 0.0
        count[:] = 0.0
        loss[:] = 0.0
