"""The nearest center of every row: labels and squared distances; see `kmeans.nearest_kernel`."""

import math

import numpy as np

from kmeans.jit import kernel
from kmeans.nearest_kernel import ROWS, UNROLL, assign_fused, prepare_rows, settle, two_least
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Up to so many features the fused kernel is the fastest, beyond it BLAS.
MAX_FUSED_FEATURES = 32
# A product with BLAS takes so many values, or a little more: the fastest measured.
PRODUCT_VALUES = 1 << 20
MIN_PRODUCT_ROWS, MAX_PRODUCT_ROWS = 128, 512
# Relative rounding of one float32 operation (half a unit in the last place), and what a number too small for float32
# may lose.
FLOAT32_ROUNDING = 2.0**-24
FLOAT32_TINY = float(np.finfo(np.float32).tiny)


class Centers:
    """Centers made ready for assignment.

    Parameters
    ----------
    centers
        float64 (K, d), relative to `shift`.
    shift
        float32 (d,): subtracted from every row first. A point amid the data keeps ||c||^2 - 2xc from cancelling.
    """

    def __init__(self, centers: DoubleArray, shift: FloatArray) -> None:
        self.exact = np.ascontiguousarray(centers, dtype=np.float64)
        self.shift = shift
        n_centers, n_features = centers.shape
        squared_norms = np.einsum("kd,kd->k", self.exact, self.exact)
        # |score - exact score| <= rounding * (||x|| ||c|| + ||c||^2 / 2) + tiny for any order of summation: d
        # products and sums, and the roundings of the shifted row, the center, the norms and the halved square.
        self.rounding = FLOAT32_ROUNDING * (n_features + 16)
        self.fused = n_features <= MAX_FUSED_FEATURES
        n_padded = _padded(n_centers)
        self.negated: FloatArray = np.zeros((n_padded, _padded(n_features) if self.fused else n_features), np.float32)
        self.norms: FloatArray = np.zeros(n_padded, np.float32)
        self.offsets: FloatArray = np.full(n_padded, np.inf, np.float32)
        with np.errstate(over="ignore"):
            self.norms[:n_centers] = np.sqrt(squared_norms)
            margins = self.rounding * squared_norms / 2 + FLOAT32_TINY * (n_features + 16)
            self.margins: FloatArray = margins.astype(np.float32)
            self.negated[:n_centers, :n_features] = -self.exact
            self.offsets[:n_centers] = squared_norms / 2 - margins

    def __len__(self) -> int:
        """Give the number of centers."""
        return len(self.exact)


def _padded(size: int) -> int:
    return UNROLL * math.ceil(size / UNROLL)


def assign(
    rows: FloatArray, centers: Centers, threads: Threads, labels: LabelArray, squared_distances: DoubleArray
) -> None:
    """Find the nearest center of every row; of equally near ones the first.

    Parameters
    ----------
    rows
        float32 (n, d), C-contiguous, finite.
    centers
        The centers.
    threads
        Where blocks of rows run.
    labels
        OUT int64 (n,).
    squared_distances
        OUT float64 (n,), to the nearest center.
    """
    if centers.fused:
        # A row's result does not depend on the rows beside it, so threads may get equal parts.
        assign_block, step = _assign_fused, ROWS * math.ceil(len(rows) / threads.count / ROWS)
    else:
        width = max(len(centers), rows.shape[1])
        assign_block, step = _assign_product, max(MIN_PRODUCT_ROWS, min(MAX_PRODUCT_ROWS, PRODUCT_VALUES // width))
    threads.map(
        lambda start: assign_block(
            rows[start : start + step],
            centers,
            labels[start : start + step],
            squared_distances[start : start + step],
        ),
        range(0, len(rows), max(1, step)),
    )


def _assign_product(rows: FloatArray, centers: Centers, labels: LabelArray, squared_distances: DoubleArray) -> None:
    shifted = np.empty_like(rows)
    slacks, least, second = np.empty((3, len(rows)), np.float32)
    prepare_rows(rows, centers.shift, centers.rounding, shifted, slacks)
    with np.errstate(over="ignore", invalid="ignore"):
        products = centers.negated @ shifted.T
    found = np.empty(len(rows), np.int32)
    two_least(products, centers.offsets, centers.norms, slacks, found, least, second)
    settle(
        rows,
        centers.exact,
        centers.shift,
        slacks,
        centers.norms,
        centers.margins,
        found,
        least,
        second,
        labels,
        squared_distances,
    )


def _assign_fused(rows: FloatArray, centers: Centers, labels: LabelArray, squared_distances: DoubleArray) -> None:
    assign_fused(
        rows,
        centers.exact,
        centers.shift,
        centers.rounding,
        centers.negated,
        centers.offsets,
        centers.norms,
        centers.margins,
        labels,
        squared_distances,
    )


@kernel(
    "void(float32[:, ::1], float32[::1], int64[::1], float64[::1], int64, int64, float64[:, ::1])",
)
def _add_columns(
    rows: FloatArray,  # IN (n, d)
    shift: FloatArray,  # IN (d,)
    labels: LabelArray,  # IN (n,)
    weights: DoubleArray,  # IN (n,)
    first: int,  # IN
    last: int,  # IN
    sums: DoubleArray,  # INOUT (K, d), columns first .. last - 1
) -> None:
    for i in range(rows.shape[0]):
        label = labels[i]
        weight = weights[i]
        for f in range(first, last):
            sums[label, f] += weight * (np.float64(rows[i, f]) - np.float64(shift[f]))


# A slice of columns is a multiple of two cache lines of float64 sums, so that threads seldom share one.
COLUMNS = 16


def add_rows(
    rows: FloatArray,
    shift: FloatArray,
    labels: LabelArray,
    weights: DoubleArray,
    threads: Threads,
    sums: DoubleArray,
    counts: DoubleArray,
) -> None:
    """Add every row to the sum of its label, in the order of the rows.

    Threads share the columns out, not the rows: every sum is formed by one thread in one order.

    Parameters
    ----------
    rows
        float32 (n, d), C-contiguous.
    shift
        float32 (d,), subtracted from every row.
    labels
        int64 (n,) in 0 .. K - 1.
    weights
        float64 (n,).
    threads
        Where slices of columns run.
    sums
        INOUT float64 (K, d).
    counts
        INOUT float64 (K,): sums of the weights.
    """
    counts += np.bincount(labels, weights, minlength=len(counts))
    n_features = rows.shape[1]

    width = COLUMNS * math.ceil(n_features / threads.count / COLUMNS)

    def add_slice(first: int) -> None:
        _add_columns(rows, shift, labels, weights, first, min(first + width, n_features), sums)

    threads.map(add_slice, range(0, n_features, width))


def nearest(rows: FloatArray, centers: Centers, threads: Threads) -> tuple[LabelArray, DoubleArray]:
    """Give labels, int64 (n,), and squared distances, float64 (n,), of `rows`; see `assign`."""
    labels: LabelArray = np.empty(len(rows), np.int64)
    squared_distances: DoubleArray = np.empty(len(rows), np.float64)
    assign(rows, centers, threads, labels, squared_distances)
    return labels, squared_distances
