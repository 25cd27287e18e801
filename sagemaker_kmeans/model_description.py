"""The description of a model, ``kmeans.json``, as far as its answers depend on it, checked."""

import json
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagemaker_kmeans.model_files import DESCRIPTION, ModelError


def parsed(content: bytes) -> dict[str, Any]:
    """Return the object that the file holds."""
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


def cluster_sizes(given: Any, k: int) -> NDArray[np.float64] | None:
    """Return the number of training rows of each cluster, where the model has it.

    With decay or `weight_column`, it is the sum of their weights.
    """
    return None if given is None else numbers(given, k, "cluster_sizes")


def standardization(given: Any, n_features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the means and the standard deviations of the features, where the model has them."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise ModelError(f"{DESCRIPTION}: expected standardization to be an object, got {type(given).__name__}")
    means, scales = (numbers(given.get(name), n_features, name) for name in ("means", "scales"))
    if scales.min() <= 0.0:
        raise ModelError(f"{DESCRIPTION}: expected scales of more than 0")
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


def fills(given: Any, n_features: int) -> NDArray[np.float64] | None:
    """Return what takes the place of missing numbers, where the model was trained with them."""
    return None if given is None else numbers(given, n_features, "missing_numbers")


def feature_names(given: Any, n_features: int) -> tuple[str, ...] | None:
    """Return the names of the columns, where the model has them."""
    if given is None:
        return None
    is_list_of_texts = isinstance(given, list) and all(isinstance(name, str) for name in given)
    if not is_list_of_texts or not len(given) == len(set(given)) == n_features:
        raise ModelError(f"{DESCRIPTION}: expected feature_names to be {n_features} different texts")
    return tuple(given)


def numbers(given: Any, count: int, what: str) -> NDArray[np.float64]:
    """Return a list of finite numbers as an array, if there are as many as expected."""
    if isinstance(given, list) and len(given) == count and {int, float}.issuperset(map(type, given)):
        # A whole number of more than 308 digits does not fit.
        with suppress(OverflowError):
            numbers = np.array(given, np.float64)
            if np.isfinite(numbers).all():
                return numbers
    raise ModelError(f"{DESCRIPTION}: expected {what} to be {count} finite numbers")
