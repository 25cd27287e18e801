"""A model of the K-means algorithm, loaded and asked in this process."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sagemaker_kmeans.model_files import CENTERS_PREFIX, DESCRIPTION, ModelError, read
from sagemaker_kmeans.ndarray_file import NDArrayFormatError, matrix
from sagemaker_kmeans.nearest import NearestCenters

_MAX_BYTES: Final = 1 << 30


class LocalModel:
    """A model in memory; `load` makes one.

    Parameters
    ----------
    centers : ndarray of float32 or float64, shape (k, d)
        Finite.
    description : dict
        The content of ``kmeans.json``; empty for a model of the built-in.

    Attributes
    ----------
    centers : ndarray of float32 or float64, shape (k, d)
        In float64 where float32 cannot hold them apart; read-only.
    description : dict
        As given.
    cluster_sizes : ndarray of float64, shape (k,), or None
        Number of training rows of each cluster; with decay, their weight. None for a model of the built-in.
    feature_names : tuple of str or None
        One for each column, where the model states them.
    """

    def __init__(self, centers: NDArray[Any], description: dict[str, Any]) -> None:
        if centers.ndim != 2 or 0 in centers.shape or not np.isfinite(centers).all():
            raise ModelError(f"expected a matrix of finite centers, got shape {centers.shape} or NaN or infinity")
        self.centers = centers
        self.centers.flags.writeable = False
        self.description = description
        self.cluster_sizes = _sizes(description.get("cluster_sizes"), len(centers))
        self.feature_names = _names(description.get("feature_names"), centers.shape[1])
        self._standardization = _standardization(description.get("standardization"), centers.shape[1])
        self._cosine = _is_cosine(description, centers)
        # What takes the place of missing numbers, where the model was trained with them.
        fills = description.get("missing_numbers")
        self._fills = None if fills is None else _numbers(fills, centers.shape[1], "missing_numbers")
        self._nearest = NearestCenters(self._standardized(centers))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.centers)} clusters and {self.centers.shape[1]} features>"

    def predict(self, rows: ArrayLike) -> NDArray[np.int64]:
        """Return the closest cluster of each row.

        Parameters
        ----------
        rows : array-like of numbers, shape (n, d) or (d,)
            A sparse matrix or a DataFrame too. Rounded to float32 where the centers are in float32, as an endpoint
            does. NaN stands for a missing number, if the model was trained with ``missing=mean``.

        Returns
        -------
        ndarray of int64, shape (n,)
            Indices of `centers`; of several closest, the first.

        Raises
        ------
        ValueError
            If there are other columns than the model's, or in another order, or numbers that are not finite; or rows of
            zeros, if the distance of the model is the cosine distance.
        """
        return self.predict_with_distances(rows)[0]

    def predict_with_distances(self, rows: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return what an endpoint answers.

        Parameters
        ----------
        rows : array-like of numbers, shape (n, d) or (d,)
            As for `predict`.

        Returns
        -------
        labels : ndarray of int64, shape (n,)
            The closest cluster of each row.
        distances : ndarray of float32, shape (n,)
            Euclidean distances to them, in standard deviations of the features if the model was trained with
            ``standardize``; 1 - cosine if it was trained with ``distance=cosine``.
        """
        labels, distances = self._nearest.predict(self._measured(rows))
        return labels, self._answered(distances)

    def distances(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Return the distances of rows to all centers, as those of `predict_with_distances`.

        Parameters
        ----------
        rows : array-like of numbers, shape (n, d) or (d,)
            As for `predict`.

        Returns
        -------
        ndarray of float32, shape (n, k)
            Infinity beyond the range of float32.
        """
        return self._answered(self._nearest.distances(self._measured(rows)))

    def to_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write the model as an ONNX graph, which takes ``rows`` and returns what an endpoint answers.

        Needs the extra ``onnx``. The input is ``rows``, of the type of `centers`; the outputs are ``closest_cluster``,
        int64, and ``distance_to_cluster``, float32. NaN is a missing number, as in `predict`. If directions are
        compared, the distance of a row of zeros is NaN.

        Parameters
        ----------
        path : str or path-like
            The file; replaced if there is one.
        """
        from sagemaker_kmeans.onnx_graph import write

        write(path, self.centers, self._standardization, self._fills, cosine=self._cosine)

    def _measured(self, rows: ArrayLike) -> NDArray[Any]:
        """Return rows where their distances are measured."""
        points = self._standardized(self.checked(rows))
        return _scaled_to_unit(points) if self._cosine else points

    def _answered(self, distances: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return distances as an endpoint answers them, for Euclidean ones."""
        if not self._cosine:
            return distances
        return (0.5 * np.square(distances, dtype=np.float64)).astype(np.float32)

    def _standardized(self, points: NDArray[Any]) -> NDArray[Any]:
        """Return points in the coordinates in which distances are measured, as an endpoint computes them."""
        if self._standardization is None:
            return points
        means, scales = self._standardization
        largest = np.finfo(np.float32).max
        with np.errstate(over="ignore"):
            return np.clip((points - means) / scales, -largest, largest)

    def _refuse_moved(self, columns: Iterable[Any]) -> None:
        """Raise ValueError if a DataFrame has a feature in another column than the model."""
        places = {name: place for place, name in enumerate(self.feature_names or ())}
        for place, name in enumerate(columns):
            if isinstance(name, str) and places.get(name, place) != place:
                raise ValueError(f"expected {name!r} in column {places[name]}, as in the model, not in {place}")

    def checked(self, rows: Any) -> NDArray[Any]:
        """Return rows as the model computes with them, or raise ValueError; see `predict`."""
        self._refuse_moved(getattr(rows, "columns", ()))
        dense = rows.toarray() if hasattr(rows, "toarray") else rows
        with np.errstate(over="ignore"):
            array = np.asarray(dense, dtype=self.centers.dtype)
        if array.ndim == 1:
            array = array[None]
        if array.ndim != 2 or array.shape[1] != self.centers.shape[1]:
            raise ValueError(f"expected rows of shape (n, {self.centers.shape[1]}), got {array.shape}")
        if self._fills is not None:
            array = np.where(np.isnan(array), self._fills.astype(array.dtype), array)
        with np.errstate(over="ignore"):
            is_finite = np.isfinite(array).all(axis=1) & np.isfinite(array.astype(np.float32, copy=False)).all(axis=1)
        if not is_finite.all():
            raise ValueError(f"expected numbers that are finite in float32, got others in row {is_finite.argmin()}")
        return array


def load(address: str | os.PathLike[str], *, max_bytes: int = _MAX_BYTES) -> LocalModel:
    """Load a model, of this algorithm or of the built-in one.

    Parameters
    ----------
    address : str or path-like
        A ``model.tar.gz``, the folder it was unpacked to, a bare ``model_algo-1``, or the ``s3://`` address of a
        tarball, for which boto3 must be installed.
    max_bytes : int
        Bound of the bytes that are read, uncompressed.

    Returns
    -------
    LocalModel
        Checked.

    Raises
    ------
    ModelError
        If there is none, more than one, or one that cannot be read.

    Examples
    --------
    >>> model = sagemaker_kmeans.load("model.tar.gz")  # doctest: +SKIP
    >>> model.predict(rows)  # doctest: +SKIP
    """
    files = read(address, max_bytes)
    names = [name for name in files if name.startswith(CENTERS_PREFIX)]
    if len(names) != 1:
        found = ", ".join(sorted(files)) or "no file"
        raise ModelError(f"{address}: expected one file named {CENTERS_PREFIX}<host>, got {found}")
    try:
        # A number beyond float32 becomes infinite, and is refused.
        with np.errstate(over="ignore", invalid="ignore"):
            centers = matrix(files[names[0]]).astype(np.float32)
        if DESCRIPTION not in files:
            return LocalModel(centers, {})
        description = _description(files[DESCRIPTION])
        exact = centers if "centers" not in description else _exact(description.pop("centers"), centers)
        return LocalModel(exact, description)
    except (ModelError, NDArrayFormatError) as cause:
        raise ModelError(f"{address}: {cause}") from cause


def _description(content: bytes) -> dict[str, Any]:
    try:
        description = json.loads(content)
    except (ValueError, RecursionError) as cause:
        raise ModelError(f"{DESCRIPTION}: expected valid JSON: {cause}") from cause
    if not isinstance(description, dict):
        raise ModelError(f"{DESCRIPTION}: expected an object, got {type(description).__name__}")
    return description


def _exact(given: Any, centers: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the centers in float64 that a description states, if they are those of the file before rounding."""
    if not isinstance(given, list) or len(given) != len(centers):
        raise ModelError(f"{DESCRIPTION}: expected {len(centers)} centers, got something else")
    exact = np.stack([_numbers(center, centers.shape[1], "each of centers") for center in given])
    with np.errstate(over="ignore"):
        if not np.array_equal(exact.astype(np.float32), centers):
            raise ModelError(f"{DESCRIPTION}: expected centers that round to those of the model's file, got others")
    return exact


def _sizes(given: Any, k: int) -> NDArray[np.float64] | None:
    return None if given is None else _numbers(given, k, "cluster_sizes")


def _standardization(given: Any, n_features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the means and the standard deviations of the features, where the model has them."""
    if given is None:
        return None
    if not isinstance(given, dict):
        raise ModelError(f"{DESCRIPTION}: expected standardization to be an object, got {type(given).__name__}")
    means, scales = (_numbers(given.get(name), n_features, name) for name in ("means", "scales"))
    if not (np.isfinite(means).all() and np.isfinite(scales).all() and scales.min() > 0.0):
        raise ModelError(f"{DESCRIPTION}: expected finite means, and scales of more than 0")
    return means, scales


def _is_cosine(description: dict[str, Any], centers: NDArray[Any]) -> bool:
    """Return whether a model compares directions; then its centers are of length 1."""
    distance = description.get("distance", "euclidean")
    if distance not in ("euclidean", "cosine"):
        raise ModelError(f"{DESCRIPTION}: expected distance to be euclidean or cosine, got something else")
    if distance == "cosine" and description.get("standardization") is not None:
        raise ModelError(f"{DESCRIPTION}: expected no standardization with distance cosine, got one")
    if distance == "cosine" and (np.abs(np.linalg.norm(centers.astype(np.float64), axis=1) - 1.0) > 1e-5).any():
        raise ModelError(f"{DESCRIPTION}: expected centers of length 1 with distance cosine, got others")
    return bool(distance == "cosine")


def _scaled_to_unit(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return rows scaled to length 1, without an overflow or underflow on the way."""
    largest = np.abs(rows).max(axis=1, keepdims=True).astype(np.float64)
    if not largest.all():
        raise ValueError(
            f"expected a number other than 0, since the model compares directions, got zeros only in row "
            f"{int(largest.argmin())}"
        )
    scaled = rows / largest
    unit: NDArray[np.float64] = scaled / np.sqrt(np.einsum("nd,nd->n", scaled, scaled))[:, None]
    return unit


def _numbers(given: Any, count: int, what: str) -> NDArray[np.float64]:
    if isinstance(given, list) and len(given) == count and {int, float}.issuperset(map(type, given)):
        # A whole number of more than 308 digits does not fit.
        with suppress(OverflowError):
            return np.array(given, np.float64)
    raise ModelError(f"{DESCRIPTION}: expected {what} to be {count} numbers")


def _names(given: Any, n_features: int) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != n_features or not all(isinstance(name, str) for name in given):
        raise ModelError(f"{DESCRIPTION}: expected feature_names to be {n_features} texts")
    return tuple(given)
