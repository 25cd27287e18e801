"""The closest center of each row, exactly and without a compiler: what serving needs of the algorithm."""

import numpy as np
from numpy.typing import NDArray

from kmeans.assignment.shift import usual_values
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Numbers in one block's largest array, so that a block stays in a core's cache (the fastest measured).
_BLOCK_NUMBERS = 1 << 17
# Where the centers do not stay there, they are read once for this many rows; but in no larger blocks than this.
_MIN_BLOCK_ROWS = 256
_MAX_BLOCK_NUMBERS = 1 << 22
# Up to this many products, direct distances to all centers cost less than the steps that avoid most of them.
_MAX_DIRECT_NUMBERS = 1 << 14
# Up to this many columns, or centers, numpy is faster along the rows than across them.
_MAX_COLUMNS = 8
_MAX_CENTERS = 128
# Rows and centers of at most this norm have scores in the range of float32.
_MAX_FLOAT32_NORM = 1e18


class Predictor:
    """Finds the closest center of rows, and the distance to it.

    Parameters
    ----------
    centers : ndarray of float32 or float64, shape (k, d)
        Finite numbers, at least one row and one column.

    Attributes
    ----------
    dtype : dtype
        That of the centers. Rows should have it too: where float32 can't distinguish the centers, it can't distinguish
        rows near them.

    Raises
    ------
    ValueError
        If `centers` has another shape or holds NaN or infinity.

    Notes
    -----
    Squared distances are compared as ``||c||^2 - 2 x.c``, one matrix product for a block of rows, shifted by usual
    values of the centers, so that data far from the origin keep their digits. Where another center comes within the
    rounding error of that form (Higham 2002, section 3.1), the distances of all such centers are computed directly, as
    the sum of squared differences in float64: labels are those of a comparison of direct distances. So the product may
    be one in float32, which takes half the time, unless the centers are only apart in float64 or are huge.
    """

    def __init__(self, centers: FloatArray | DoubleArray) -> None:
        if centers.ndim != 2 or 0 in centers.shape:
            raise ValueError(f"expected centers of shape (k, feature_dim), got {centers.shape}")
        if not np.isfinite(centers).all():
            raise ValueError("expected centers that are finite numbers, got NaN or infinity")
        self.dtype = centers.dtype
        self._centers = centers.astype(np.float64)
        self._offset = usual_values(centers).astype(np.float64)
        shifted = self._centers - self._offset
        squared_norms = np.einsum("ij,ij->i", shifted, shifted)
        self._largest_norm = float(np.sqrt(squared_norms.max()))
        self._smallest_norm = float(np.sqrt(squared_norms.min()))
        # With few columns the product costs little, and float32 leaves more to direct comparisons than it saves.
        wide = self.feature_dim > _MAX_COLUMNS
        self._in_float32 = wide and centers.dtype == np.float32 and self._largest_norm <= _MAX_FLOAT32_NORM
        scoring = np.float32 if self._in_float32 else np.float64
        self._minus_twice_shifted = np.ascontiguousarray(-2.0 * shifted.T, dtype=scoring)
        self._squared_norms = squared_norms.astype(scoring)
        # What a score is off by, at most: relative to (||x|| + ||c||)^2, and absolutely, where products underflow.
        self._rounding = (self.feature_dim + 8) * float(np.finfo(scoring).eps) / 2
        self._underflow = (self.feature_dim + 8) * float(np.finfo(scoring).tiny)
        # Flags of centers times this are their number and the sum of their indices.
        exact = np.float32 if self.k <= 1 << 24 else np.float64
        self._ones_and_indices = np.stack([np.ones(self.k, exact), np.arange(self.k, dtype=exact)], axis=1)

    @property
    def k(self) -> int:
        """The number of centers."""
        return len(self._centers)

    @property
    def feature_dim(self) -> int:
        """The number of columns of a row."""
        return int(self._centers.shape[1])

    @property
    def nbytes(self) -> int:
        """The memory that it takes, in bytes."""
        return sum(
            array.nbytes
            for array in (
                self._centers,
                self._offset,
                self._minus_twice_shifted,
                self._squared_norms,
                self._ones_and_indices,
            )
        )

    def predict(self, rows: FloatArray | DoubleArray) -> tuple[LabelArray, FloatArray]:
        """Assign rows to their closest centers.

        Parameters
        ----------
        rows : ndarray of float32 or float64, shape (n, d)
            Numbers that are finite in float32.

        Returns
        -------
        labels : ndarray of int64, shape (n,)
            Index of the closest center; of several at the same distance, the lowest.
        distances : ndarray of float32, shape (n,)
            Euclidean distance (not squared) to that center; infinity where it is beyond float32's range.

        Raises
        ------
        ValueError
            If `rows` has another shape.
        """
        if rows.ndim != 2 or rows.shape[1] != self.feature_dim:
            raise ValueError(f"expected rows of shape (n, {self.feature_dim}), got {rows.shape}")
        if len(rows) * self._centers.size <= _MAX_DIRECT_NUMBERS:
            squared = self.squared_distances(rows)
            with np.errstate(over="ignore"):
                return squared.argmin(axis=1), np.sqrt(squared.min(axis=1)).astype(np.float32)
        labels = np.empty(len(rows), dtype=np.int64)
        distances = np.empty(len(rows), dtype=np.float32)
        step = max(1, _BLOCK_NUMBERS // max(self.k, self.feature_dim))
        if self._centers.size > _BLOCK_NUMBERS:
            step = max(step, min(_MIN_BLOCK_ROWS, _MAX_BLOCK_NUMBERS // self.k))
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            labels[block], distances[block] = self._predict_block(rows[block].astype(np.float64))
        return labels, distances

    def squared_distances(self, rows: FloatArray | DoubleArray) -> DoubleArray:
        """Compute the squared distances of rows to all centers, directly.

        Parameters
        ----------
        rows : ndarray of float32 or float64, shape (n, d)
            Numbers that are finite in float32.

        Returns
        -------
        ndarray of float64, shape (n, k)
            `predict` returns the index of the least one, and its square root.
        """
        squared = np.empty((len(rows), self.k))
        step = max(1, _BLOCK_NUMBERS // self._centers.size)
        for start in range(0, len(rows), step):
            differences = rows[start : start + step, np.newaxis] - self._centers
            np.einsum("nkd,nkd->nk", differences, differences, out=squared[start : start + step])
        return squared

    def _predict_block(self, rows: DoubleArray) -> tuple[LabelArray, FloatArray]:
        shifted = np.subtract(rows, self._offset, order="F" if self.feature_dim <= _MAX_COLUMNS else "C")
        norms = np.sqrt(np.einsum("ij,ij->i", shifted, shifted))
        in_float32 = self._in_float32 and norms.max() <= _MAX_FLOAT32_NORM
        kind = np.float32 if in_float32 else np.float64
        products = shifted.astype(kind, copy=False), self._minus_twice_shifted.astype(kind, copy=False)
        scores = np.matmul(*products, order="F" if self.k <= _MAX_CENTERS else "C")
        scores += self._squared_norms
        # A center of a larger norm than this is neither the closest one nor the one of the least score: the center of
        # least norm is nearer, by more than rounding. So far centers do not widen the tolerance of rows far from them.
        reach = np.minimum(self._largest_norm, 4 * (norms + self._smallest_norm))
        # The terms of a score add up to at most (||x|| + ||c||)^2, and each of the two scores compared is off by at
        # most (d + a few) roundings of that; twice this covers the rounding of the bound itself.
        tolerances = 4 * (self._rounding * (norms + reach) ** 2 + self._underflow)
        limits = np.nextafter((scores.min(axis=1) + tolerances).astype(kind), np.inf, dtype=kind)
        near = scores <= limits[:, np.newaxis]
        counts, sums = (near.astype(self._ones_and_indices.dtype) @ self._ones_and_indices).T
        # Where one center is near, this is its index.
        labels = sums.astype(np.int64)
        undecided = np.flatnonzero(counts > 1)
        if undecided.size:
            labels[undecided] = self._decide(rows[undecided], near[undecided])
        differences = rows - self._centers.take(labels, axis=0)
        squared = np.einsum("ij,ij->i", differences, differences)
        with np.errstate(over="ignore"):
            return labels, np.sqrt(squared).astype(np.float32)

    def _decide(self, rows: DoubleArray, candidates: NDArray[np.bool_]) -> LabelArray:
        """Compare the direct distances of the candidate centers of each row."""
        squared = np.full(candidates.shape, np.inf)
        row, center = np.nonzero(candidates)
        step = max(1, _BLOCK_NUMBERS // self.feature_dim)
        for start in range(0, len(row), step):
            pairs = row[start : start + step], center[start : start + step]
            differences = rows[pairs[0]] - self._centers[pairs[1]]
            squared[pairs] = np.einsum("ij,ij->i", differences, differences)
        labels: LabelArray = squared.argmin(axis=1)
        return labels
