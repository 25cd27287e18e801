"""The assigner in plain numpy: what the compiled one computes, for when kernels are not compiled."""

import numpy as np

from kmeans.assignment.assigner import Assigner
from kmeans.types import DoubleArray, FloatArray, LabelArray


class PlainAssigner(Assigner):
    """Compares each row with each center directly.

    Parameters
    ----------
    centers : ndarray of float64, shape (K, d)
        The centers.
    """

    def __init__(self, centers: DoubleArray) -> None:
        self._centers = centers.copy()

    def __len__(self) -> int:
        """Return the number of centers."""
        return len(self._centers)

    def assign(self, rows: FloatArray) -> tuple[LabelArray, DoubleArray]:
        """See `Assigner.assign`."""
        labels: LabelArray = np.zeros(len(rows), np.int64)
        squared_distances: DoubleArray = np.full(len(rows), np.inf)
        for number, center in enumerate(self._centers):
            with np.errstate(over="ignore"):
                distances = ((rows - center) ** 2).sum(axis=1)
            nearer = distances < squared_distances
            labels[nearer] = number
            squared_distances[nearer] = distances[nearer]
        return labels, squared_distances
