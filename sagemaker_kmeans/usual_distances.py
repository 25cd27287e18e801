"""How far training rows usually are from their centers, and which rows are anomalies by that."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sagemaker_kmeans.model_description import numbers
from sagemaker_kmeans.model_files import DESCRIPTION, ModelError


@dataclass(frozen=True, eq=False)
class UsualDistances:
    """The entry ``distances``: how far training rows are from their centers.

    Attributes
    ----------
    radii : ndarray of float64, shape (k,)
        The distances that are usual for each cluster.
    contaminations : ndarray of float64, shape (n,)
        Parts of the training rows, ascending.
    thresholds : ndarray of float64, shape (n,)
        The normalized distances that these parts exceed.
    contamination : float
        The part that was chosen for the training job.
    """

    radii: NDArray[np.float64]
    contaminations: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    contamination: float

    @classmethod
    def of(cls, description: dict[str, Any], k: int) -> Self | None:
        """Return the entry; None if a description has none."""
        entry = description.get("distances")
        if entry is None:
            return None
        if not isinstance(entry, dict):
            raise ModelError(f"{DESCRIPTION}: expected distances to be an object, got {type(entry).__name__}")
        radii = numbers(entry.get("radii"), k, "radii")
        given = entry.get("contaminations")
        count = len(given) if isinstance(given, list) else 0
        contaminations, thresholds = (
            numbers(entry.get(name), count, name) for name in ("contaminations", "thresholds")
        )
        contamination = float(numbers([entry.get("contamination")], 1, "contamination")[0])
        if not count or radii.min() <= 0.0 or (np.diff(contaminations) <= 0).any():
            raise ModelError(
                f"{DESCRIPTION}: expected radii of more than 0, and a threshold for each of ascending contaminations"
            )
        return cls(radii, contaminations, thresholds, contamination)

    def normalized(self, labels: NDArray[np.int64], distances: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return distances to the clusters of some labels over their radii."""
        with np.errstate(over="ignore"):
            return (distances / self.radii[labels]).astype(np.float32)

    def are_anomalies(self, normalized: NDArray[np.float32], contamination: float | None) -> NDArray[np.bool_]:
        """Return which normalized distances are those of anomalies; see `LocalModel.is_anomaly`."""
        chosen = self.contamination if contamination is None else contamination
        first, last = self.contaminations[0], self.contaminations[-1]
        if not first <= chosen <= last:
            raise ValueError(f"expected a contamination from {first:g} to {last:g}, got {chosen}")
        anomalous: NDArray[np.bool_] = normalized > np.float32(np.interp(chosen, self.contaminations, self.thresholds))
        return anomalous
