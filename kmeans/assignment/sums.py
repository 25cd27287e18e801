"""Sums of rows by label, in float64 and in the order of the rows: the same bytes however the rows come in pieces."""

import math

import numpy as np

from kmeans.kernels.jit import INTERPRETED, kernel
from kmeans.kernels.rows import add_row
from kmeans.kernels.vectors import HALF
from kmeans.types import DoubleArray, FloatArray, LabelArray

# The sum of equal numbers and that of their weights are off by a rounding of float64 for each. This part of a mean is
# what half a million of them come to at worst, and a thousandth of what two float32 numbers differ by at least.
MAX_ROUNDING = 2.0**-34


def add_rows(
    rows: FloatArray,
    labels: LabelArray,
    weights: DoubleArray,
    sums: DoubleArray,
    counts: DoubleArray,
    squared_distances: DoubleArray | None = None,
    outlier_distance: float = math.inf,
    losses: DoubleArray | None = None,
) -> None:
    """Add every row that is no outlier to the sum of its label.

    Parameters
    ----------
    rows
        float32 (n, d), C-contiguous.
    labels
        int64 (n,) in 0 .. K - 1.
    weights
        float64 (n,).
    sums
        INOUT float64 (K, d).
    counts
        INOUT float64 (K,): sums of the weights.
    squared_distances
        float64 (n,): of the rows to their centers; without them no row is an outlier.
    outlier_distance
        Rows beyond it are left out.
    losses
        INOUT float64 (K,): sums of the weighted squared distances.
    """
    # No weight is beyond infinity.
    distances = weights if squared_distances is None else squared_distances
    if losses is None:
        losses = np.zeros(len(counts))
    if INTERPRETED:
        usual = distances <= outlier_distance
        np.add.at(sums, labels[usual], weights[usual, None] * rows[usual])
        np.add.at(counts, labels[usual], weights[usual])
        np.add.at(losses, labels[usual], weights[usual] * distances[usual])
    else:
        _add_rows(rows, labels, weights, distances, outlier_distance, sums, counts, losses)


@kernel(
    "void(float32[:, ::1], int64[::1], float64[::1], float64[::1], float64,"
    " float64[:, ::1], float64[::1], float64[::1])"
)
def _add_rows(
    rows: FloatArray,  # IN (n, d)
    labels: LabelArray,  # IN (n,)
    weights: DoubleArray,  # IN (n,)
    squared_distances: DoubleArray,  # IN (n,)
    outlier_distance: float,  # IN
    sums: DoubleArray,  # INOUT (K, d)
    counts: DoubleArray,  # INOUT (K,)
    losses: DoubleArray,  # INOUT (K,)
) -> None:
    n_features = rows.shape[1]
    flat_rows, flat_sums = rows.reshape(-1), sums.reshape(-1)
    whole = n_features // HALF * HALF
    for i in range(rows.shape[0]):
        if squared_distances[i] > outlier_distance:
            continue
        label, weight = labels[i], weights[i]
        counts[label] += weight
        losses[label] += weight * squared_distances[i]
        add_row(flat_rows, i * n_features, whole, weight, flat_sums, label * n_features)
        for f in range(whole, n_features):
            sums[label, f] += weight * np.float64(rows[i, f])


@kernel("float64(float64, float64)")
def mean_of(total: float, weight: float) -> float:
    """Return the mean of float32 numbers whose weighted sum is given; exactly the number where they are all equal.

    So a center stays on the fill value that all its rows have in a feature. Next to it by a rounding of 1e36, it would
    be farther from them than they are from each other in all other features.
    """
    mean = total / weight
    number = np.float64(np.float32(mean))
    return number if abs(mean - number) <= MAX_ROUNDING * abs(mean) else mean


@kernel("void(float64[:, ::1], float64[::1], float64[:, ::1])")
def move_to_means(
    sums: DoubleArray,  # IN (K, d)
    counts: DoubleArray,  # IN (K,)
    centers: DoubleArray,  # INOUT (K, d): those without weight stay where they are
) -> None:
    """Move centers to the means of their rows; see `add_rows`."""
    for j in range(len(centers)):
        if counts[j] > 0.0:
            for f in range(centers.shape[1]):
                centers[j, f] = mean_of(sums[j, f], counts[j])
