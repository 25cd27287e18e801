"""Sums of rows by label, in float64 and in the order of the rows: the same bytes however the rows come in pieces."""

import numpy as np

from kmeans.jit import INTERPRETED, kernel
from kmeans.row_kernel import add_row
from kmeans.types import DoubleArray, FloatArray, LabelArray
from kmeans.vector_kernel import HALF


def add_rows(
    rows: FloatArray, labels: LabelArray, weights: DoubleArray, sums: DoubleArray, counts: DoubleArray
) -> None:
    """Add every row to the sum of its label.

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
    """
    if INTERPRETED:
        np.add.at(sums, labels, weights[:, None] * rows)
        np.add.at(counts, labels, weights)
    else:
        _add_rows(rows, labels, weights, sums, counts)


@kernel("void(float32[:, ::1], int64[::1], float64[::1], float64[:, ::1], float64[::1])")
def _add_rows(
    rows: FloatArray,  # IN (n, d)
    labels: LabelArray,  # IN (n,)
    weights: DoubleArray,  # IN (n,)
    sums: DoubleArray,  # INOUT (K, d)
    counts: DoubleArray,  # INOUT (K,)
) -> None:
    n_features = rows.shape[1]
    flat_rows, flat_sums = rows.reshape(-1), sums.reshape(-1)
    whole = n_features // HALF * HALF
    for i in range(rows.shape[0]):
        label, weight = labels[i], weights[i]
        counts[label] += weight
        add_row(flat_rows, i * n_features, whole, weight, flat_sums, label * n_features)
        for f in range(whole, n_features):
            sums[label, f] += weight * np.float64(rows[i, f])
