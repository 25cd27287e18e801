"""The nearest center of every row: labels and squared distances; see `kmeans.nearest_kernel`."""

import math

import numpy as np

from kmeans.jit import INTERPRETED, kernel
from kmeans.nearest_kernel import assign_rows, rounding_of
from kmeans.row_kernel import add_row
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray
from kmeans.vector_kernel import CENTERS, HALF, LANES, ROWS

# Pieces of work for each thread: what one loses by being late is a part of a piece.
PIECES = 4
# Multiplications of a piece, at least: calling a thread takes as long as a tenth of them.
LEAST_PRODUCTS = 1 << 22


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
        n_centers, n_features = centers.shape
        n_padded, k_padded = _padded(n_features, LANES), _padded(n_centers, CENTERS)
        self.shift: FloatArray = np.zeros(n_padded, np.float32)
        self.shift[:n_features] = shift
        # The rows' own coordinates, so that a distance takes one subtraction.
        self.exact: DoubleArray = np.empty((n_centers, n_padded))
        self.panels: FloatArray = np.empty(k_padded * n_features, np.float32)
        self.offsets: FloatArray = np.empty(k_padded, np.float32)
        self.norms: FloatArray = np.empty(n_centers, np.float32)
        self.rounding = rounding_of(n_features)
        _lay_out(centers, self.shift, self.exact, self.panels, self.offsets, self.norms)

    def __len__(self) -> int:
        """Give the number of centers."""
        return len(self.exact)


@kernel("void(float64[:, ::1], float32[::1], float64[:, ::1], float32[::1], float32[::1], float32[::1])")
def _lay_out(
    centers: DoubleArray,  # IN (K, d), relative to the shift
    shift: FloatArray,  # IN (d,), padded with zeros
    exact: DoubleArray,  # OUT (K, d), padded
    panels: FloatArray,  # OUT (P * d * CENTERS,)
    offsets: FloatArray,  # OUT (P * CENTERS,)
    norms: FloatArray,  # OUT (K,)
) -> None:
    """Write centers as `assign_rows` takes them."""
    n_centers, n_features = centers.shape
    panels[:] = 0.0
    # Never the least.
    offsets[:] = np.inf
    for j in range(n_centers):
        first = j // CENTERS * CENTERS * n_features + j % CENTERS
        squared_norm = 0.0
        for f in range(n_features):
            value = centers[j, f]
            squared_norm += value * value
            panels[first + f * CENTERS] = -np.float32(value)
            exact[j, f] = value + shift[f]
        for f in range(n_features, exact.shape[1]):
            exact[j, f] = 0.0
        offsets[j] = np.float32(0.5 * squared_norm)
        norms[j] = np.float32(np.sqrt(squared_norm))


def _padded(size: int, multiple: int) -> int:
    return multiple * math.ceil(size / multiple)


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
    # A row's result does not depend on the rows beside it, so pieces may be cut anywhere.
    least_rows = LEAST_PRODUCTS // (len(centers) * rows.shape[1])
    step = _padded(max(math.ceil(len(rows) / threads.count / PIECES), least_rows, 1), ROWS)
    assign_piece = _assign_plainly if INTERPRETED else _assign_rows
    threads.map(
        lambda start: assign_piece(
            rows[start : start + step],
            centers,
            labels[start : start + step],
            squared_distances[start : start + step],
        ),
        range(0, len(rows), step),
    )


def _assign_rows(rows: FloatArray, centers: Centers, labels: LabelArray, squared_distances: DoubleArray) -> None:
    assign_rows(
        rows,
        centers.shift,
        centers.panels,
        centers.offsets,
        centers.exact,
        centers.norms,
        centers.rounding,
        labels,
        squared_distances,
    )


def _assign_plainly(rows: FloatArray, centers: Centers, labels: LabelArray, squared_distances: DoubleArray) -> None:
    """Do the same where kernels are not compiled."""
    labels[:] = 0
    squared_distances[:] = np.inf
    for j, center in enumerate(centers.exact[:, : rows.shape[1]]):
        with np.errstate(over="ignore"):
            distances = ((rows - center) ** 2).sum(axis=1)
        nearer = distances < squared_distances
        labels[nearer] = j
        squared_distances[nearer] = distances[nearer]


@kernel("void(float32[:, ::1], float64[::1], int64[::1], float64[::1], int64, int64, float64[:, ::1])")
def _add_columns(
    rows: FloatArray,  # IN (n, d)
    shift: DoubleArray,  # IN (d,)
    labels: LabelArray,  # IN (n,)
    weights: DoubleArray,  # IN (n,)
    first: int,  # IN
    last: int,  # IN
    sums: DoubleArray,  # INOUT (K, d), columns first .. last - 1
) -> None:
    n_features = rows.shape[1]
    flat_rows, flat_sums = rows.reshape(-1), sums.reshape(-1)
    whole = (last - first) // HALF * HALF
    for i in range(rows.shape[0]):
        label, weight = labels[i], weights[i]
        add_row(flat_rows, i * n_features + first, shift, first, whole, weight, flat_sums, label * n_features + first)
        for f in range(first + whole, last):
            sums[label, f] += weight * (np.float64(rows[i, f]) - shift[f])


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
    exact_shift = shift.astype(np.float64)
    if INTERPRETED:
        np.add.at(sums, labels, weights[:, None] * (rows - exact_shift))
        return
    width = COLUMNS * math.ceil(n_features / threads.count / COLUMNS)

    def add_slice(first: int) -> None:
        _add_columns(rows, exact_shift, labels, weights, first, min(first + width, n_features), sums)

    threads.map(add_slice, range(0, n_features, width))


def nearest(rows: FloatArray, centers: Centers, threads: Threads) -> tuple[LabelArray, DoubleArray]:
    """Give labels, int64 (n,), and squared distances, float64 (n,), of `rows`; see `assign`."""
    labels: LabelArray = np.empty(len(rows), np.int64)
    squared_distances: DoubleArray = np.empty(len(rows), np.float64)
    assign(rows, centers, threads, labels, squared_distances)
    return labels, squared_distances
