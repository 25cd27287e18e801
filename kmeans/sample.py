"""Rows drawn from a stream, and what they stand for."""

from dataclasses import dataclass, replace

import numpy as np

from kmeans.types import BoolArray, DoubleArray, FloatArray, LabelArray


@dataclass
class Far:
    """The rows of a stream that were farthest from their centers: all of them, whether in the sample or not.

    Attributes
    ----------
    rows : ndarray of float32, shape (n, d)
        The rows.
    labels : ndarray of int64, shape (n,)
        The center of the stream that each was assigned to.
    weights : ndarray of float64, shape (n,)
        The weight of each in the stream.
    sampled : ndarray of bool, shape (m,)
        Which rows of the sample are among them.
    """

    rows: FloatArray
    labels: LabelArray
    weights: DoubleArray
    sampled: BoolArray


@dataclass
class Sample:
    """Rows drawn from a stream, in its order.

    Attributes
    ----------
    rows : ndarray of float32, shape (m, d)
        The rows.
    labels : ndarray of int64, shape (m,)
        The center of the stream that each was assigned to.
    weights : ndarray of float64, shape (m,)
        How much of the stream each stands for, up to a common factor: its own weight over the probability that it was
        drawn (Horvitz & Thompson 1952).
    complete : bool
        Whether these are all rows of the stream.
    far : Far or None
        The farthest rows of the stream, where they are known.
    own : ndarray of float64, shape (m,), or None
        Their own weights, without decay; None where each counts once, or where they are not known.
    """

    rows: FloatArray
    labels: LabelArray
    weights: DoubleArray
    complete: bool
    far: Far | None = None
    own: DoubleArray | None = None

    @classmethod
    def empty(cls, n_features: int) -> "Sample":
        """Return a sample without rows."""
        return cls(np.empty((0, n_features), np.float32), np.empty(0, np.int64), np.empty(0), complete=False)

    def part(self, indices: LabelArray) -> "Sample":
        """Return some of the rows with what belongs to them, and all of the farthest rows.

        Parameters
        ----------
        indices : ndarray of int64, shape (n,)
            Which rows.

        Returns
        -------
        Sample
            It counts as incomplete, even if all rows are chosen.
        """
        far = self.far and replace(self.far, sampled=self.far.sampled[indices])
        own = None if self.own is None else self.own[indices]
        return Sample(self.rows[indices], self.labels[indices], self.weights[indices], complete=False, far=far, own=own)
