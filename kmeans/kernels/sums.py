"""Sums of rows by label, in float64 and in the order of the rows: the same bytes however rows are cut into calls."""

import numpy as np

from kmeans.kernels.jit import kernel
from kmeans.kernels.rows import add_row
from kmeans.kernels.vectors import HALF
from kmeans.types import DoubleArray, FloatArray, LabelArray

# The sum of equal numbers and the sum of their weights are each off by one rounding of float64 per number. This part of
# a mean is the worst error of half a million numbers, and a thousandth of the least difference of two float32 numbers.
MAX_ROUNDING = 2.0**-34


@kernel(
    "void(float32[:, ::1], int64[::1], float64[::1], float64[::1], float64,"
    " float64[:, ::1], float64[::1], float64[::1])"
)
def add_rows(
    rows: FloatArray,  # IN (n, d)
    labels: LabelArray,  # IN (n,)
    weights: DoubleArray,  # IN (n,)
    squared_distances: DoubleArray,  # IN (n,)
    outlier_distance: float,  # IN: rows beyond it are left out
    sums: DoubleArray,  # INOUT (K, d)
    counts: DoubleArray,  # INOUT (K,)
    losses: DoubleArray,  # INOUT (K,)
) -> None:
    """Add rows, their weights and their losses to those of their labels."""
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


@kernel("float64(float64, float64)", strict=True)
def mean_of(total: float, weight: float) -> float:
    """Return the mean of float32 numbers whose weighted sum is given; exactly the number if they are all equal.

    So a center stays on the fill value that all its rows have in a feature. Off by a rounding of 1e36, it would be
    farther from them than they are from each other in all other features.
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
