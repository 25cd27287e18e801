"""Moves centers towards the means of their new rows; see `kmeans.stream.stream`."""

from kmeans.kernels.far_rows import MIN_WEIGHT
from kmeans.kernels.jit import kernel
from kmeans.kernels.sums import mean_of
from kmeans.types import DoubleArray


@kernel("void(float64[:, ::1], float64[::1], float64[::1], float64[:, ::1], float64[::1], float64[::1], float64)")
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
    between the two means (Chan, Golub & LeVeque 1979). This is a separate kernel, since other computations in the same
    kernel would change how numbers are rounded.
    """
    for j in range(len(centers)):
        weight = weights[j] * decay
        if weight < MIN_WEIGHT:
            weight = 0.0
        spreads[j] = spreads[j] * decay if weight > 0.0 else 0.0
        if counts[j] > MIN_WEIGHT:
            inverse = 1.0 / counts[j]
            squared_step = 0.0
            for f in range(centers.shape[1]):
                step = sums[j, f] * inverse - centers[j, f]
                squared_step += step * step
            between = weight * counts[j] / (weight + counts[j]) * squared_step
            spreads[j] += max(0.0, losses[j] - counts[j] * squared_step) + between


@kernel("void(float64[:, ::1], float64[::1], float64[:, ::1], float64[::1], float64)")
def move(
    centers: DoubleArray,  # INOUT (K, d)
    weights: DoubleArray,  # INOUT (K,)
    sums: DoubleArray,  # IN (K, d): of the rows of the mini-batch, times their weights
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
