"""The description of a model and of its training, in JSON: the content of ``kmeans.json``."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from container.files import json_object
from container.precision.coordinates import Coordinates, CoordinatesError
from container.versions import COMPUTING, versions

FORMAT_VERSION: Final = 1


class DescriptionError(ValueError):
    """The bytes are no description of these centers; the text says what was expected and what was found."""


def describe(
    centers: NDArray[Any],
    *,
    hyperparameters: Mapping[str, str],
    seed: int,
    cluster_sizes: Sequence[float],
    msd: float,
    **facts: Any,
) -> dict[str, Any]:
    """Return the description of a model and of its training.

    Parameters
    ----------
    centers : ndarray of float32 or float64, shape (k, d)
        The centers; they are part of the description if they are in float64.
    hyperparameters : Mapping of str to str
        All values of the job as sent, including defaults.
    seed : int
        The random seed of the job.
    cluster_sizes : sequence of float, length k
        The weight of the rows of each cluster; without decay this is their number.
    msd : float
        The mean squared distance of training rows to their centers.
    **facts : object
        Further entries, of JSON types.

    Returns
    -------
    dict
        The content of ``kmeans.json``.
    """
    k, feature_dim = centers.shape
    return {
        "format_version": FORMAT_VERSION,
        "k": k,
        "feature_dim": feature_dim,
        "seed": seed,
        "msd": msd,
        "cluster_sizes": list(cluster_sizes),
        "hyperparameters": dict(hyperparameters),
        "versions": versions(*COMPUTING),
        **facts,
        **({"centers": centers.tolist()} if centers.dtype == np.float64 else {}),
    }


def feature_names(description: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the features; empty if a description has none."""
    names = description.get("feature_names")
    if not isinstance(names, list) or len(names) != description["feature_dim"]:
        return ()
    return tuple(names) if all(isinstance(name, str) for name in names) else ()


def dumps(description: Mapping[str, Any]) -> bytes:
    """Encode a description.

    Raises
    ------
    ValueError
        If a number in it is NaN or infinity.
    """
    return f"{json.dumps(description, indent=2, allow_nan=False)}\n".encode()


def loads(data: bytes | bytearray, shape: tuple[int, ...]) -> dict[str, Any]:
    """Decode a description.

    Parameters
    ----------
    data : bytes or bytearray
        The whole file.
    shape : tuple of int
        The shape (k, d) of the centers that it must describe.

    Returns
    -------
    dict
        The content of ``kmeans.json``.

    Raises
    ------
    DescriptionError
        If the bytes are no description, or that of other centers.
    """
    try:
        description = json_object.parse(data)
    except json_object.JSONObjectError as cause:
        raise DescriptionError(str(cause)) from cause
    if description.get("format_version") != FORMAT_VERSION:
        raise DescriptionError(f"expected format version {FORMAT_VERSION}, got {description.get('format_version')!r}")
    stated = (description.get("k"), description.get("feature_dim"))
    if stated != shape:
        raise DescriptionError(f"expected k and feature_dim {shape} as the centers have, got {stated}")
    try:
        Coordinates.of_description(description, shape[1])
    except CoordinatesError as cause:
        raise DescriptionError(str(cause)) from cause
    return description
