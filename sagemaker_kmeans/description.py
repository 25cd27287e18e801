"""The entries of ``kmeans.json`` that a model is asked with, checked."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

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
        everything = np.concatenate([radii, contaminations, thresholds])
        if not count or not np.isfinite(everything).all() or radii.min() <= 0.0 or (np.diff(contaminations) <= 0).any():
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


def loads(content: bytes) -> dict[str, Any]:
    """Return the content of the file."""
    try:
        description = json.loads(content)
    except (ValueError, RecursionError) as cause:
        raise ModelError(f"{DESCRIPTION}: expected valid JSON: {cause}") from cause
    if not isinstance(description, dict):
        raise ModelError(f"{DESCRIPTION}: expected an object, got {type(description).__name__}")
    return description


def exact_centers(given: Any, centers: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the centers in float64 that a description states, if they are those of the file before rounding."""
    if not isinstance(given, list) or len(given) != len(centers):
        raise ModelError(f"{DESCRIPTION}: expected {len(centers)} centers, got something else")
    exact = np.stack([numbers(center, centers.shape[1], "each of centers") for center in given])
    with np.errstate(over="ignore"):
        if not np.array_equal(exact.astype(np.float32), centers):
            raise ModelError(f"{DESCRIPTION}: expected centers that round to those of the model's file, got others")
    return exact


def sizes(given: Any, k: int) -> NDArray[np.float64] | None:
    """Return the sizes of the clusters, where the model has them."""
    return None if given is None else numbers(given, k, "cluster_sizes")


def standardization(given: Any, n_features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the means and the standard deviations of the features, where the model has them."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise ModelError(f"{DESCRIPTION}: expected standardization to be an object, got {type(given).__name__}")
    means, scales = (numbers(given.get(name), n_features, name) for name in ("means", "scales"))
    if not (np.isfinite(means).all() and np.isfinite(scales).all() and scales.min() > 0.0):
        raise ModelError(f"{DESCRIPTION}: expected finite means, and scales of more than 0")
    return means, scales


def is_cosine(description: dict[str, Any], centers: NDArray[Any]) -> bool:
    """Return whether a model compares directions; then its centers are of length 1."""
    distance = description.get("distance", "euclidean")
    if distance not in ("euclidean", "cosine"):
        raise ModelError(f"{DESCRIPTION}: expected distance to be euclidean or cosine, got something else")
    if distance == "cosine" and description.get("standardization") is not None:
        raise ModelError(f"{DESCRIPTION}: expected no standardization with distance cosine, got one")
    if distance == "cosine" and (np.abs(np.linalg.norm(centers.astype(np.float64), axis=1) - 1.0) > 1e-5).any():
        raise ModelError(f"{DESCRIPTION}: expected centers of length 1 with distance cosine, got others")
    return bool(distance == "cosine")


def numbers(given: Any, count: int, what: str) -> NDArray[np.float64]:
    """Return a list of numbers as an array, if there are as many as expected."""
    if isinstance(given, list) and len(given) == count and {int, float}.issuperset(map(type, given)):
        # A whole number of more than 308 digits does not fit.
        with suppress(OverflowError):
            return np.array(given, np.float64)
    raise ModelError(f"{DESCRIPTION}: expected {what} to be {count} numbers")


def names(given: Any, n_features: int) -> tuple[str, ...] | None:
    """Return the names of the features, where the model has them."""
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != n_features or not all(isinstance(name, str) for name in given):
        raise ModelError(f"{DESCRIPTION}: expected feature_names to be {n_features} texts")
    return tuple(given)
