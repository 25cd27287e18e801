"""The closest center of each row, exactly, in numpy alone."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# Numbers in the largest array of a block: it then stays in the cache of a core.
_BLOCK_NUMBERS: Final = 1 << 17
_UNIT_ROUNDOFF: Final = np.finfo(np.float64).eps / 2


class NearestCenters:
    """Finds the closest center of rows, and the distances to all of them.

    Parameters
    ----------
    centers : ndarray of float32 or float64, shape (k, d)
        Finite.

    Notes
    -----
    Squared distances are compared as ``||c||^2 - 2 x.c``, one matrix product for a block of rows, in float64. Where
    another center comes within the rounding error of that form, the sums of squared differences decide. So labels are
    those of a comparison of direct distances, and of several closest centers the first is chosen.
    """

    def __init__(self, centers: NDArray[Any]) -> None:
        self._centers = centers.astype(np.float64)
        # Rows far from 0 keep their digits.
        self._offset = np.median(self._centers, axis=0)
        shifted = self._centers - self._offset
        self._minus_twice_shifted = -2.0 * shifted.T
        self._squared_norms = np.einsum("kd,kd->k", shifted, shifted)
        self._largest_norm = np.sqrt(self._squared_norms.max())
        self._smallest_norm = np.sqrt(self._squared_norms.min())

    def predict(self, rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the closest center of each row and the distance to it.

        Parameters
        ----------
        rows : ndarray of float32 or float64, shape (n, d)
            Finite.

        Returns
        -------
        labels : ndarray of int64, shape (n,)
            Indices of centers.
        distances : ndarray of float32, shape (n,)
            Euclidean; infinity beyond the range of float32.
        """
        labels = np.empty(len(rows), np.int64)
        distances = np.empty(len(rows), np.float32)
        for part in _parts(len(rows), max(self._centers.shape)):
            block = rows[part].astype(np.float64)
            labels[part] = self._labels(block)
            differences = block - self._centers[labels[part]]
            with np.errstate(over="ignore"):
                distances[part] = np.sqrt(np.einsum("nd,nd->n", differences, differences))
        return labels, distances

    def distances(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Return the distances of rows to all centers.

        Parameters
        ----------
        rows : ndarray of float32 or float64, shape (n, d)
            Finite.

        Returns
        -------
        ndarray of float32, shape (n, k)
            Euclidean; infinity beyond the range of float32.
        """
        distances = np.empty((len(rows), len(self._centers)), np.float32)
        for part in _parts(len(rows), self._centers.size):
            differences = rows[part].astype(np.float64)[:, None] - self._centers
            with np.errstate(over="ignore"):
                distances[part] = np.sqrt(np.einsum("nkd,nkd->nk", differences, differences))
        return distances

    def _labels(self, rows: NDArray[np.float64]) -> NDArray[np.int64]:
        shifted = rows - self._offset
        scores = shifted @ self._minus_twice_shifted + self._squared_norms
        norms = np.sqrt(np.einsum("nd,nd->n", shifted, shifted))
        # Centers of larger norm than this are farther than that of least norm by more than roundings.
        reach = np.minimum(self._largest_norm, 4 * (norms + self._smallest_norm))
        # Twice the rounding error of two scores, each a few more than d roundings of terms up to (||x|| + ||c||)^2.
        tolerances = 4 * (rows.shape[1] + 8) * _UNIT_ROUNDOFF * (norms + reach) ** 2
        near = scores <= (scores.min(axis=1) + tolerances)[:, None]
        labels: NDArray[np.int64] = near.argmax(axis=1)
        undecided = np.flatnonzero(np.count_nonzero(near, axis=1) > 1)
        if undecided.size:
            labels[undecided] = self._directly(rows[undecided], near[undecided])
        return labels

    def _directly(self, rows: NDArray[np.float64], candidates: NDArray[np.bool_]) -> NDArray[np.int64]:
        squared = np.full(candidates.shape, np.inf)
        row, center = np.nonzero(candidates)
        for part in _parts(len(row), rows.shape[1]):
            differences = rows[row[part]] - self._centers[center[part]]
            squared[row[part], center[part]] = np.einsum("nd,nd->n", differences, differences)
        closest: NDArray[np.int64] = squared.argmin(axis=1)
        return closest


def _parts(n_rows: int, numbers_per_row: int) -> Iterator[slice]:
    step = max(1, _BLOCK_NUMBERS // numbers_per_row)
    return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))
