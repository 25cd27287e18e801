"""The nearest center of every row: labels and squared distances; see `kmeans.kernels.nearest`."""

import math

import numpy as np

from kmeans.kernels.jit import INTERPRETED
from kmeans.kernels.nearest import Prepared, assign_alone, lay_out, rounding_of
from kmeans.kernels.vectors import CENTERS, LANES, ROWS
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Pieces of work for each thread: what one loses by being late is a part of a piece.
PIECES = 4
# Multiplications of a piece, at least: calling a thread takes as long as a tenth of them.
LEAST_PRODUCTS = 1 << 22
# Numbers of a piece at most, unless these are too few: half a cache of the second level.
PIECE_VALUES = 1 << 17


class Centers:
    """Centers made ready for assignment.

    Parameters
    ----------
    centers
        float64 (K, d).
    shift
        float32 (d,): subtracted from rows and centers where scores are summed in float32. Whatever it is, labels and
        distances are the same; see `kmeans.assignment.shift` for one with which few rows need a second look.
    """

    def __init__(self, centers: DoubleArray, shift: FloatArray) -> None:
        n_centers, n_features = centers.shape
        n_padded, k_padded = _padded(n_features, LANES), _padded(n_centers, CENTERS)
        padded_shift: FloatArray = np.zeros(n_padded, np.float32)
        padded_shift[:n_features] = shift
        self.prepared = Prepared(
            shift=padded_shift,
            panels=np.zeros(k_padded * n_features, np.float32),
            # Never the least.
            offsets=np.full(k_padded, np.inf, np.float32),
            exact=np.zeros((n_centers, n_padded)),
            norms=np.empty(n_centers, np.float32),
            rounding=rounding_of(n_features),
        )
        # What is beyond float32 becomes infinity; kernels that are not compiled would warn of it.
        with np.errstate(over="ignore"):
            lay_out(centers, 0, n_centers, self.prepared)

    def __len__(self) -> int:
        """Give the number of centers."""
        return len(self.prepared.exact)


def prepared_bytes(n_centers: int, n_features: int) -> int:
    """Return the bytes that `Centers` takes."""
    n_padded, k_padded = _padded(n_features, LANES), _padded(n_centers, CENTERS)
    return 8 * n_centers * n_padded + 4 * k_padded * n_features + 4 * (k_padded + n_centers + n_padded)


def _padded(size: int, multiple: int) -> int:
    return multiple * math.ceil(size / multiple)


def assign(rows: FloatArray, centers: Centers, labels: LabelArray, squared_distances: DoubleArray) -> None:
    """Find the nearest center of every row; of equally near ones the first.

    What is found for a row does not depend on the rows beside it.

    Parameters
    ----------
    rows
        float32 (n, d), C-contiguous, finite.
    centers
        The centers.
    labels
        OUT int64 (n,).
    squared_distances
        OUT float64 (n,), to the nearest center.
    """
    if INTERPRETED:
        _assign_plainly(rows, centers, labels, squared_distances)
        return
    assign_alone(rows, centers.prepared, labels, squared_distances)


def pieces(rows: FloatArray, n_centers: int, n_threads: int) -> list[slice]:
    """Cut rows into pieces of work: several for each thread, each in its cache, none too small to be worth a call."""
    n_rows, n_features = rows.shape
    wanted = min(math.ceil(n_rows / n_threads / PIECES), PIECE_VALUES // n_features)
    step = _padded(max(wanted, LEAST_PRODUCTS // (n_centers * n_features), 1), ROWS)
    return [slice(start, start + step) for start in range(0, n_rows, step)]


def _assign_plainly(rows: FloatArray, centers: Centers, labels: LabelArray, squared_distances: DoubleArray) -> None:
    """Do the same where kernels are not compiled."""
    labels[:] = 0
    squared_distances[:] = np.inf
    for j, center in enumerate(centers.prepared.exact[:, : rows.shape[1]]):
        with np.errstate(over="ignore"):
            distances = ((rows - center) ** 2).sum(axis=1)
        nearer = distances < squared_distances
        labels[nearer] = j
        squared_distances[nearer] = distances[nearer]


def nearest(rows: FloatArray, centers: Centers, threads: Threads) -> tuple[LabelArray, DoubleArray]:
    """Give labels, int64 (n,), and squared distances, float64 (n,), of `rows`, of which threads take pieces."""
    labels: LabelArray = np.empty(len(rows), np.int64)
    squared_distances: DoubleArray = np.empty(len(rows), np.float64)
    threads.map(
        lambda piece: assign(rows[piece], centers, labels[piece], squared_distances[piece]),
        pieces(rows, len(centers), threads.count),
    )
    return labels, squared_distances
