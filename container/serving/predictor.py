"""The closest clusters of rows as requests hold them, in the units of the data."""

from typing import Self

import numpy as np

from container.artifacts.distances import Distances
from container.artifacts.model import SavedModel
from container.precision.coordinates import PLAIN, Coordinates
from kmeans.prediction import Predictor
from kmeans.types import DoubleArray, FloatArray, LabelArray


class ModelPredictor:
    """Finds the closest centers of rows, and the distances to them; see `kmeans.prediction.Predictor`.

    Parameters
    ----------
    centers : ndarray of float32 or float64, shape (k, d)
        Finite numbers, at least one row and one column.
    coordinates : Coordinates
        The coordinates in which distances are measured.
    feature_names : tuple of str
        The names of the features; empty if there are none.
    usual : Distances or None
        The usual distances of rows, if the model has them.

    Attributes
    ----------
    usual : Distances or None
        As given.
    dtype : dtype
        That of the centers, which rows should have too.
    gaps : bool
        Whether numbers may be missing: NaN in rows.
    k, feature_dim : int
        The numbers of centers and of features.
    nbytes : int
        The memory that it takes, in bytes.
    """

    def __init__(
        self,
        centers: FloatArray | DoubleArray,
        coordinates: Coordinates = PLAIN,
        feature_names: tuple[str, ...] = (),
        usual: Distances | None = None,
    ) -> None:
        self.usual = usual
        self._coordinates = coordinates
        self.feature_names = feature_names
        self.gaps = coordinates.fills is not None
        self._predictor = Predictor(coordinates.relative(centers))
        self.dtype: np.dtype[np.floating] = centers.dtype
        self.k, self.feature_dim = self._predictor.k, self._predictor.feature_dim
        self.nbytes = self._predictor.nbytes + sum(array.nbytes for array in coordinates.arrays().values())
        self.nbytes += 0 if usual is None else usual.nbytes

    @classmethod
    def of(cls, model: SavedModel) -> Self:
        """Return the predictor of a model."""
        return cls(model.centers, model.coordinates, model.feature_names, model.distances)

    def predict(self, rows: FloatArray | DoubleArray) -> tuple[LabelArray, FloatArray]:
        """Return the closest center of each row, int64 (n,), and the distance to it, float32 (n,).

        Raises
        ------
        ZeroRowError
            If the distance is the cosine distance, and a row has no direction.
        """
        labels, distances = self._predictor.predict(self._exact(rows))
        if self._coordinates.unit:
            distances = self.distances(np.square(distances, dtype=np.float64)).astype(np.float32)
        return labels, distances

    def squared_distances(self, rows: FloatArray | DoubleArray) -> DoubleArray:
        """Return the squared Euclidean distances of rows to all centers, float64 (n, k); see `predict`."""
        return self._predictor.squared_distances(self._exact(rows))

    def distances(self, squared_distances: DoubleArray) -> DoubleArray:
        """Return distances, as answers have them, for squared Euclidean ones."""
        return self._coordinates.distances(squared_distances)

    def _exact(self, rows: FloatArray | DoubleArray) -> FloatArray | DoubleArray:
        exact: FloatArray | DoubleArray = self._coordinates.exact_rows(rows)
        self._coordinates.check(exact)
        return exact
