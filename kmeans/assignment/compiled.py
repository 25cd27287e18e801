"""The assigner of the CPU: compiled kernels, on several threads; see `kmeans.kernels.nearest`."""

import math

import numpy as np

from kmeans.assignment.assigner import Assigner
from kmeans.kernels.nearest import assign_alone
from kmeans.kernels.prepared import Prepared, lay_out, rounding_of
from kmeans.kernels.vectors import CENTERS, LANES, ROWS
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Pieces for each thread: while one thread finishes last, the others wait for no more than a part of a piece.
PIECES = 4
# Fewer products than this are not worth calling a thread: the call takes as long as a tenth of them.
MIN_PRODUCTS = 1 << 22
# Numbers of a piece, if these are at least `MIN_PRODUCTS` products: half of a second-level cache.
MAX_PIECE_VALUES = 1 << 17


class CompiledAssigner(Assigner):
    """Assigns rows with compiled kernels.

    Parameters
    ----------
    centers : ndarray of float64, shape (K, d)
        The centers.
    shift : ndarray of float32, shape (d,)
        See `prepare`.
    threads : Threads
        The threads among which rows are divided.
    """

    def __init__(self, centers: DoubleArray, shift: FloatArray, threads: Threads) -> None:
        self._prepared = prepare(centers, shift)
        self._threads = threads

    def __len__(self) -> int:
        """Return the number of centers."""
        return len(self._prepared.exact)

    def assign(self, rows: FloatArray) -> tuple[LabelArray, DoubleArray]:
        """See `Assigner.assign`."""
        labels: LabelArray = np.empty(len(rows), np.int64)
        squared_distances: DoubleArray = np.empty(len(rows), np.float64)

        def assign_piece(piece: slice) -> None:
            assign_alone(rows[piece], self._prepared, labels[piece], squared_distances[piece])

        self._threads.map(assign_piece, _pieces(rows, len(self), self._threads.count))
        return labels, squared_distances


def prepare(centers: DoubleArray, shift: FloatArray) -> Prepared:
    """Return centers as kernels take them.

    Parameters
    ----------
    centers : ndarray of float64, shape (K, d)
        The centers.
    shift : ndarray of float32, shape (d,)
        Subtracted from rows and centers where scores are summed in float32. Labels and distances do not depend on it;
        with usual values of the rows (see `kmeans.assignment.shift`) few of them have to be compared in float64.
    """
    n_centers, n_features = centers.shape
    n_padded, k_padded = _padded(n_features, LANES), _padded(n_centers, CENTERS)
    padded_shift: FloatArray = np.zeros(n_padded, np.float32)
    padded_shift[:n_features] = shift
    result = Prepared(
        shift=padded_shift,
        panels=np.zeros(k_padded * n_features, np.float32),
        # Those that fill up the last panel are never the nearest.
        offsets=np.full(k_padded, np.inf, np.float32),
        exact=np.zeros((n_centers, n_padded)),
        norms=np.empty(n_centers, np.float32),
        rounding=rounding_of(n_features),
    )
    # Values beyond float32 become infinity; kernels that are not compiled would warn of it.
    with np.errstate(over="ignore"):
        lay_out(centers, 0, n_centers, result)
    return result


def prepared_bytes(n_centers: int, n_features: int) -> int:
    """Return the bytes that prepared centers take."""
    n_padded, k_padded = _padded(n_features, LANES), _padded(n_centers, CENTERS)
    return 8 * n_centers * n_padded + 4 * k_padded * n_features + 4 * (k_padded + n_centers + n_padded)


def _padded(size: int, multiple: int) -> int:
    return multiple * math.ceil(size / multiple)


def _pieces(rows: FloatArray, n_centers: int, n_threads: int) -> list[slice]:
    """Cut rows into pieces: several for each thread, small enough for its cache, large enough to be worth a call."""
    n_rows, n_features = rows.shape
    wanted = min(math.ceil(n_rows / n_threads / PIECES), MAX_PIECE_VALUES // n_features)
    step = _padded(max(wanted, MIN_PRODUCTS // (n_centers * n_features), 1), ROWS)
    return [slice(start, start + step) for start in range(0, n_rows, step)]
