"""The nearest center of every row: labels and squared distances.

A block of rows is multiplied with all centers in float32; a kernel then takes the minimum of ||c||^2 / 2 - xc. Where
two centers are closer to a row than the rounding of that product can tell apart, the kernel compares their distances in
float64, so that labels are those of float64 arithmetic whatever BLAS does. The winner's distance is always computed
directly, in float64.
"""

import math

import numpy as np

from kmeans.jit import kernel
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray

# A block's product stays in the level 2 cache.
BLOCK_VALUES = 1 << 16
MAX_BLOCK_ROWS = 1024
# Relative rounding of one float32 operation (half a unit in the last place).
FLOAT32_ROUNDING = 2.0**-24
LARGEST = np.finfo(np.float32).max


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
        squared_norms = np.einsum("kd,kd->k", self.exact, self.exact)
        # Bounds |score - exact score| <= rounding * (||x|| ||c|| + ||c||^2 / 2) for any order of summation: d products
        # and sums, and the roundings of the shifted row, the center and the halved norm.
        self.rounding = FLOAT32_ROUNDING * (centers.shape[1] + 8)
        with np.errstate(over="ignore"):
            self.single: FloatArray = self.exact.astype(np.float32)
            self.half_norms: FloatArray = (squared_norms / 2).astype(np.float32)
            self.norms: FloatArray = np.sqrt(squared_norms).astype(np.float32)

    def __len__(self) -> int:
        """Give the number of centers."""
        return len(self.exact)


@kernel(
    "void(float32[:, ::1], float32[:, ::1], float32[:, ::1], float64[:, ::1], float32[::1], float32[::1],"
    " float32[::1], float64, int64[::1], float64[::1])"
)
def _choose(
    rows: FloatArray,  # IN (n, d)
    shifted: FloatArray,  # IN (n, d), rows - shift
    products: FloatArray,  # IN (K, n), centers @ shifted.T
    centers: DoubleArray,  # IN (K, d)
    shift: FloatArray,  # IN (d,)
    norms: FloatArray,  # IN (K,)
    half_norms: FloatArray,  # IN (K,)
    rounding: float,  # IN
    labels: LabelArray,  # OUT (n,)
    squared_distances: DoubleArray,  # OUT (n,)
) -> None:
    n_centers, n_rows = products.shape
    n_features = centers.shape[1]
    slack = np.empty(n_rows, np.float32)
    for i in range(n_rows):
        squared_norm = np.float32(0.0)
        for f in range(n_features):
            squared_norm += shifted[i, f] * shifted[i, f]
        slack[i] = np.float32(rounding) * np.sqrt(squared_norm)
    # Every exact score lies within its slack; a center stays a candidate while its lower bound does not exceed the
    # least upper bound. A bound that is NaN or infinite (squares beyond float32) says nothing: it rules no center out.
    upper = np.full(n_rows, np.float32(np.inf), np.float32)
    for j in range(n_centers):
        own = half_norms[j] * (np.float32(1.0) + np.float32(rounding))
        for i in range(n_rows):
            bound = (own - products[j, i]) + slack[i] * norms[j]
            upper[i] = bound if -LARGEST <= bound < upper[i] else upper[i]
    candidates = np.zeros(n_rows, np.int32)
    candidate = np.zeros(n_rows, np.int32)
    for j in range(n_centers):
        own = half_norms[j] * (np.float32(1.0) - np.float32(rounding))
        for i in range(n_rows):
            lower = (own - products[j, i]) - slack[i] * norms[j]
            possible = not upper[i] < lower <= LARGEST
            candidates[i] += np.int32(possible)
            candidate[i] = np.int32(j) if possible else candidate[i]
    for i in range(n_rows):
        nearest = -1
        nearest_distance = np.inf
        first = np.int64(candidate[i]) if candidates[i] == 1 else np.int64(0)
        last = first + 1 if candidates[i] == 1 else n_centers
        for j in range(first, last):
            lower = half_norms[j] * (np.float32(1.0) - np.float32(rounding)) - products[j, i] - slack[i] * norms[j]
            if last - first > 1 and upper[i] < lower <= LARGEST:
                continue
            distance = 0.0
            for f in range(n_features):
                difference = (np.float64(rows[i, f]) - np.float64(shift[f])) - centers[j, f]
                distance += difference * difference
            if nearest < 0 or distance < nearest_distance:
                nearest = j
                nearest_distance = distance
        labels[i] = nearest
        squared_distances[i] = nearest_distance


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
    block_rows = max(16, min(MAX_BLOCK_ROWS, BLOCK_VALUES // max(len(centers), rows.shape[1])))

    def assign_block(start: int) -> None:
        block = rows[start : start + block_rows]
        with np.errstate(over="ignore", invalid="ignore"):
            shifted = block - centers.shift
            products = centers.single @ shifted.T
        _choose(
            block,
            shifted,
            products,
            centers.exact,
            centers.shift,
            centers.norms,
            centers.half_norms,
            centers.rounding,
            labels[start : start + block_rows],
            squared_distances[start : start + block_rows],
        )

    threads.map(assign_block, range(0, len(rows), block_rows))


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
