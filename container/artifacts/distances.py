"""How far rows of each cluster usually are from its center: normalized distances, and which rows are anomalies.

The distance of a row is divided by the radius of its cluster. A row is an anomaly if this normalized distance is
greater than that of all but a given part of the training rows, the contamination. ML.DETECT_ANOMALIES of BigQuery ML
uses the same terms. There the cluster may be a cluster other than the closest, one of a larger radius.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from container.formats.errors import shown
from container.formats.numbers import finite_numbers
from container.precision.coordinates import Coordinates
from kmeans.distribution import CONTAMINATIONS, QUANTILES, DistanceDistribution
from kmeans.types import DoubleArray, FloatArray, LabelArray

# The entry of a model's description.
ENTRY: Final = "distances"
MIN_CONTAMINATION, MAX_CONTAMINATION = CONTAMINATIONS[0], CONTAMINATIONS[-1]
DEFAULT_CONTAMINATION: Final = 0.01
# The outputs of a row that depend on the distances of all other rows.
OUTPUTS: Final = ("normalized_distance", "is_anomaly")


class DistancesError(ValueError):
    """These are no distances of a model; the text says what was expected and what was found."""


@dataclass(frozen=True, eq=False)
class Distances:
    """What is known of the distances of the training rows, as a model measures them.

    Attributes
    ----------
    radii : ndarray of float64, shape (k,)
        The radius of each cluster, more than 0: the root mean square of the distances of its rows to its center; with
        the cosine distance, their mean.
    contaminations : ndarray of float64, shape (n,)
        Parts of the training rows, ascending, from `MIN_CONTAMINATION` to `MAX_CONTAMINATION`.
    thresholds : ndarray of float64, shape (n,)
        The normalized distances that these parts of the training rows exceed.
    contamination : float
        The one that was chosen for the training job.
    """

    radii: DoubleArray
    contaminations: DoubleArray
    thresholds: DoubleArray
    contamination: float

    @property
    def nbytes(self) -> int:
        """The memory that it takes, in bytes."""
        return self.radii.nbytes + self.contaminations.nbytes + self.thresholds.nbytes

    def normalized(self, labels: LabelArray, distances: FloatArray | DoubleArray) -> FloatArray:
        """Return distances to the clusters of some labels over their radii, float32 (n,); infinite beyond float32."""
        with np.errstate(over="ignore"):
            return (distances / self.radii[labels]).astype(np.float32)

    def are_anomalies(self, normalized_distances: FloatArray, contamination: float | None = None) -> LabelArray:
        """Return 1 for rows that are anomalies, 0 for others, int64 (n,).

        Parameters
        ----------
        normalized_distances : ndarray of float32, shape (n,)
            Those of the rows.
        contamination : float or None
            From `MIN_CONTAMINATION` to `MAX_CONTAMINATION`; None for that of the training job.
        """
        chosen = self.contamination if contamination is None else contamination
        threshold = np.float32(np.interp(chosen, self.contaminations, self.thresholds))
        return (normalized_distances > threshold).astype(np.int64)

    @classmethod
    def of_distribution(
        cls, found: DistanceDistribution, coordinates: Coordinates, contamination: float
    ) -> "Distances":
        """Return them for the distribution of squared distances in some coordinates."""
        radii = coordinates.distances(found.squared_radii)
        # Ratios of cosine distances are those of squared distances.
        thresholds = found.squared_thresholds if coordinates.unit else np.sqrt(found.squared_thresholds)
        return cls(radii, np.array(CONTAMINATIONS), thresholds, contamination)

    @classmethod
    def of_description(cls, description: Mapping[str, Any], k: int) -> "Distances | None":
        """Return those of a model of k clusters from its description, as JSON; None if it has none.

        Raises
        ------
        DistancesError
            If the entry is not valid.
        """
        entry = description.get(ENTRY)
        if entry is None:
            return None
        if not isinstance(entry, dict):
            raise DistancesError(f"expected {ENTRY} to be an object, got {type(entry).__name__}")
        names = ("radii", "contaminations", "thresholds")
        try:
            radii, contaminations, thresholds = (
                finite_numbers(entry.get(name), f"{ENTRY} with {name}") for name in names
            )
        except ValueError as cause:
            raise DistancesError(str(cause)) from cause
        if len(radii) != k or radii.min() <= 0.0:
            raise DistancesError(f"expected {k} radii of more than 0, got {len(radii)}, or others")
        if (
            not 0 < len(contaminations) == len(thresholds)
            or (np.diff(contaminations) <= 0.0).any()
            or (np.diff(thresholds) > 0.0).any()
        ):
            raise DistancesError("expected ascending contaminations, each with a descending threshold, got others")
        contamination = entry.get("contamination")
        if type(contamination) is not float or not MIN_CONTAMINATION <= contamination <= MAX_CONTAMINATION:
            expected = f"from {MIN_CONTAMINATION:g} to {MAX_CONTAMINATION:g}"
            raise DistancesError(f"expected a contamination {expected}, got {shown(contamination)}")
        return cls(radii, contaminations, thresholds, contamination)

    def description(self) -> dict[str, Any]:
        """Return the part of a model's entry that `of_description` reads, of JSON types."""
        return {
            "contamination": self.contamination,
            "radii": self.radii.tolist(),
            "contaminations": self.contaminations.tolist(),
            "thresholds": self.thresholds.tolist(),
        }


def need_distances(outputs: Collection[str]) -> bool:
    """Return whether some outputs of a row depend on the distances of all other rows."""
    return not set(outputs).isdisjoint(OUTPUTS)


def described(found: DistanceDistribution | None, coordinates: Coordinates, contamination: float) -> dict[str, Any]:
    """Return the entry of a model's description for the distribution of distances, of JSON types; none without it."""
    if found is None:
        return {}
    usual = Distances.of_distribution(found, coordinates, contamination)
    quantiles = coordinates.distances(found.squared_quantiles)
    # A root halves a small error.
    error = found.relative_error if coordinates.unit else 1.0 - math.sqrt(max(0.0, 1.0 - found.relative_error))
    entry = {
        "of_all_rows": found.exact,
        "relative_error": error,
        "quantiles": {
            f"{100 * part:g}": [None if math.isnan(distance) else distance for distance in row]
            for part, row in zip(QUANTILES, quantiles.tolist(), strict=True)
        },
        **usual.description(),
    }
    return {ENTRY: entry}
