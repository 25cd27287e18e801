"""A model of the K-means algorithm, loaded and asked in this process."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sagemaker_kmeans.model_description import (
    cluster_sizes,
    exact_centers,
    feature_names,
    fills,
    is_cosine,
    parsed,
    standardization,
)
from sagemaker_kmeans.model_files import CENTERS_PREFIX, DESCRIPTION, ModelError, read
from sagemaker_kmeans.ndarray_file import NDArrayFormatError, matrix
from sagemaker_kmeans.nearest import NearestCenters
from sagemaker_kmeans.unit_length import scaled_to_unit
from sagemaker_kmeans.usual_distances import UsualDistances

_MAX_BYTES: Final = 1 << 30
# Numbers of a block of a sparse matrix, but for a row that is longer.
_BLOCK_NUMBERS: Final = 1 << 22


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
        Number of training rows of each cluster; with decay or `weight_column`, the sum of their weights. None for a
        model of the built-in.
    feature_names : tuple of str or None
        One for each column, where the model states them.
    """

    def __init__(self, centers: NDArray[Any], description: dict[str, Any]) -> None:
        if centers.ndim != 2 or 0 in centers.shape or not np.isfinite(centers).all():
            raise ModelError(f"expected a matrix of finite centers, got shape {centers.shape} or NaN or infinity")
        self.centers = centers
        self.centers.flags.writeable = False
        self.description = description
        self.cluster_sizes = cluster_sizes(description.get("cluster_sizes"), len(centers))
        self.feature_names = feature_names(description.get("feature_names"), centers.shape[1])
        self._standardization = standardization(description.get("standardization"), centers.shape[1])
        self._cosine = is_cosine(description, centers)
        self._fills = fills(description.get("missing_numbers"), centers.shape[1])
        self._usual = UsualDistances.of(description, len(centers))
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
        answers = [self._nearest.predict(points) for points in self._measured(rows)]
        labels, distances = map(_joined, zip(*answers, strict=True))
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
        return self._answered(_joined([self._nearest.distances(points) for points in self._measured(rows)]))

    def normalized_distances(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Return the distances of `predict_with_distances` over the radius of the closest cluster.

        The radius is the root mean square of the distances of the training rows of the cluster, so 1 is usual.

        Parameters
        ----------
        rows : array-like of numbers, shape (n, d) or (d,)
            As for `predict`.

        Returns
        -------
        ndarray of float32, shape (n,)
            Infinity beyond the range of float32.

        Raises
        ------
        ValueError
            As for `predict`.
        ModelError
            If the model has no distances: those of the built-in and of earlier releases have none.
        """
        return self.outputs(rows, ["normalized_distance"])["normalized_distance"]

    def is_anomaly(self, rows: ArrayLike, contamination: float | None = None) -> NDArray[np.bool_]:
        """Return which rows are farther from their closest cluster than almost all training rows.

        Parameters
        ----------
        rows : array-like of numbers, shape (n, d) or (d,)
            As for `predict`.
        contamination : float, optional
            The part of the training rows that have a greater normalized distance than the others: from 0.00001 to 0.5.
            Rows are anomalies if they would be among these. By default that of the training job, 0.01 unless it was
            given another one.

        Returns
        -------
        ndarray of bool, shape (n,)
            The same as an endpoint answers, where it has 1 and 0.

        Raises
        ------
        ValueError, ModelError
            As for `normalized_distances`; ValueError for another contamination, too.
        """
        return self.outputs(rows, ["is_anomaly"], contamination)["is_anomaly"]

    def outputs(
        self, rows: ArrayLike, names: Iterable[str], contamination: float | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return several outputs of the same rows, which are compared with the centers once.

        Parameters
        ----------
        rows : array-like of numbers, shape (n, d) or (d,)
            As for `predict`.
        names : iterable of str
            Of ``closest_cluster``, ``distance_to_cluster``, ``normalized_distance`` and ``is_anomaly``.
        contamination : float, optional
            As for `is_anomaly`.

        Returns
        -------
        dict of str to ndarray, shape (n,)
            The outputs by name, in the order of `names`.

        Raises
        ------
        ValueError, ModelError
            As for `is_anomaly`.
        """
        asked = list(names)
        labels, distances = self.predict_with_distances(rows)
        found: dict[str, NDArray[Any]] = {"closest_cluster": labels, "distance_to_cluster": distances}
        if not found.keys() >= set(asked):
            if self._usual is None:
                raise ModelError(
                    f"expected a model with distances in {DESCRIPTION}, got one without, of the built-in or an earlier "
                    "release"
                )
            found["normalized_distance"] = self._usual.normalized(labels, distances)
            found["is_anomaly"] = self._usual.are_anomalies(found["normalized_distance"], contamination)
        return {name: found[name] for name in asked}

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

    def _measured(self, rows: Any) -> Iterator[NDArray[Any]]:
        """Yield rows where their distances are measured; those of a sparse matrix are made dense a block at a time."""
        self._refuse_moved(getattr(rows, "columns", ()))
        for first, block in _blocks(rows):
            points = self._standardized(self._checked(block, first))
            yield scaled_to_unit(points, first) if self._cosine else points

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

    def _checked(self, rows: Any, first: int) -> NDArray[Any]:
        """Return rows, of which the number of the first is given, as the model computes with them; see `predict`."""
        if np.iscomplexobj(rows):
            raise ValueError("expected real numbers, got complex ones")
        with np.errstate(over="ignore"):
            array = np.asarray(rows, dtype=self.centers.dtype)
        if array.ndim == 1:
            array = array[None]
        if array.ndim != 2 or array.shape[1] != self.centers.shape[1]:
            raise ValueError(f"expected rows of shape (n, {self.centers.shape[1]}), got {array.shape}")
        if self._fills is not None:
            array = np.where(np.isnan(array), self._fills.astype(array.dtype), array)
        with np.errstate(over="ignore"):
            is_finite = np.isfinite(array).all(axis=1) & np.isfinite(array.astype(np.float32, copy=False)).all(axis=1)
        if not is_finite.all():
            row = first + int(is_finite.argmin())
            raise ValueError(f"expected numbers that are finite in float32, got others in row {row}")
        return array


def load(address: str | os.PathLike[str], *, max_bytes: int = _MAX_BYTES) -> LocalModel:
    """Load a model, of this algorithm or of the built-in one.

    Parameters
    ----------
    address : str or path-like
        A ``model.tar.gz``, the folder it was unpacked to, a bare ``model_algo-1``, the ``file://`` address of one of
        these, or the ``s3://`` address of a tarball, for which boto3 must be installed.
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
        description = parsed(files[DESCRIPTION])
        exact = centers if "centers" not in description else exact_centers(description.pop("centers"), centers)
        return LocalModel(exact, description)
    except (ModelError, NDArrayFormatError) as cause:
        raise ModelError(f"{address}: {cause}") from cause


def _blocks(rows: Any) -> Iterator[tuple[int, Any]]:
    """Yield rows with the number of the first of them: dense ones together, those of a sparse matrix in blocks."""
    if not hasattr(rows, "tocsr"):
        yield 0, rows
        return
    matrix = rows.tocsr()
    step = max(1, _BLOCK_NUMBERS // max(1, matrix.shape[1]))
    for first in range(0, max(1, matrix.shape[0]), step):
        yield first, matrix[first : first + step].toarray()


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the parts as one array, without a copy if there is one."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
