"""What a model is and how it was made, in JSON: the content of ``kmeans.json``."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from container.files import json_object
from container.versions import COMPUTING, versions

FORMAT_VERSION: Final = 1


class DescriptionError(ValueError):
    """The bytes are no description of these centers; the text says what was expected and what came."""


def describe(
    centers: NDArray[Any],
    *,
    hyperparameters: Mapping[str, str],
    seed: int,
    cluster_sizes: Sequence[float],
    msd: float,
    **facts: Any,
) -> dict[str, Any]:
    """Say in plain JSON what a model is and how it was made.

    Parameters
    ----------
    centers : ndarray of float32 or float64, shape (k, d)
        The model; in float64 its numbers are part of what is said.
    hyperparameters : Mapping of str to str
        All values of the job, defaults included, as sent.
    seed : int
        The seed that was used.
    cluster_sizes : sequence of float, length k
        Weight of the rows of each cluster; their number when there is no decay.
    msd : float
        Mean squared distance of training rows to their centers.
    **facts
        Further entries of JSON types.

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
        That of the centers, (k, d), to which it is to belong.

    Raises
    ------
    DescriptionError
        If it is none, or one of other centers.
    """
    try:
        description = json_object.loads(data)
    except (ValueError, RecursionError) as cause:
        raise DescriptionError(f"expected valid JSON: {cause}") from cause
    if not isinstance(description, dict):
        raise DescriptionError(f"expected an object, got {type(description).__name__}")
    if description.get("format_version") != FORMAT_VERSION:
        raise DescriptionError(f"expected format version {FORMAT_VERSION}, got {description.get('format_version')!r}")
    stated = (description.get("k"), description.get("feature_dim"))
    if stated != shape:
        raise DescriptionError(f"expected k and feature_dim {shape} as the centers have, got {stated}")
    return description
