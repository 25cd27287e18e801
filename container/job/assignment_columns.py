"""What the assignments say of each row: the outputs, and how they are computed."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from container.artifacts.distances import Distances, need_distances
from container.configuration.hyperparameters import Hyperparameters
from container.errors import CustomerError
from container.precision.coordinates import Coordinates
from kmeans.model import Model
from kmeans.types import DoubleArray, FloatArray, LabelArray

# The bytes of an output in a line, with its separator; the digits of a cluster are counted.
OUTPUT_BYTES: Final = {"closest_cluster": 1, "distance_to_cluster": 11, "normalized_distance": 11, "is_anomaly": 2}


@dataclass(frozen=True, eq=False)
class AssignmentColumns:
    """The columns of the assignments.

    Attributes
    ----------
    centers : ndarray of float32, shape (k, d)
        The model.
    outputs : tuple of str
        Keys of `OUTPUT_BYTES`, in the order of a line.
    distances : Distances or None
        The distances of the model; needed if `need_distances`.
    """

    centers: FloatArray
    outputs: tuple[str, ...] = ("closest_cluster", "distance_to_cluster")
    distances: Distances | None = None

    @classmethod
    def of(cls, model: Model, coordinates: Coordinates, chosen: Hyperparameters) -> "AssignmentColumns":
        """Return what a job writes of the rows of its model."""
        distances = None
        if model.distances is not None:
            distances = Distances.of_distribution(model.distances, coordinates, chosen.contamination)
        return cls(model.centers, chosen.assignment_outputs, distances)

    def row_bytes(self) -> int:
        """Return about how many bytes a line has, without an id."""
        digits = len(str(len(self.centers) - 1)) if "closest_cluster" in self.outputs else 0
        return digits + sum(map(OUTPUT_BYTES.__getitem__, self.outputs))

    def of_rows(self, labels: LabelArray, distances: DoubleArray) -> list[pa.Array]:
        """Return the outputs of rows, from their clusters and the distances to these."""
        with np.errstate(over="ignore"):
            rounded = distances.astype(np.float32)
        found = {
            "closest_cluster": _array(pa.int32(), labels.astype(np.int32)),
            "distance_to_cluster": _distances(rounded, distances),
        }
        if self.distances is not None and need_distances(self.outputs):
            normalized = self.distances.normalized(labels, rounded)
            found["normalized_distance"] = _distances(normalized, distances / self.distances.radii[labels])
            found["is_anomaly"] = _array(pa.int64(), self.distances.are_anomalies(normalized))
        return [found[name] for name in self.outputs]


def check_id_column(name: str) -> None:
    """Raise a CustomerError if the column of ids has the name of an output."""
    if name in OUTPUT_BYTES:
        *others, last = OUTPUT_BYTES
        raise CustomerError(
            f"Hyperparameter id_column: expected another name than {', '.join(others)} and {last}, which are columns "
            f"of the assignments, got {name}"
        )


def _distances(rounded: FloatArray, exact: DoubleArray) -> pa.Array:
    """Return distances in float32 unless one is beyond it: two rows may be farther apart than the largest float32."""
    finite = np.isfinite(rounded)
    if finite.all():
        return _array(pa.float32(), rounded)
    return _array(pa.float64(), np.where(finite, rounded, exact))


def _array(kind: pa.DataType, values: Any) -> pa.Array:
    # From buffers, since pyarrow would import pandas, if installed, to find out whether the arrays are pandas objects.
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])
