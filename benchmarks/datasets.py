"""Data sets of the quality benchmark: simple ones, generated from fixed seeds, and those read from a folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits, make_blobs

from benchmarks.files import FLOAT32

IndexArray = NDArray[np.int64]

FILE_K = 10
# Numbers of clusters in addition to a data set's own, if it has more than this number of rows for each cluster.
KS = (10, 50, 200)
ROWS_PER_CLUSTER = 5
# Norm of an outlier next to blobs in a box of +-10: missing one of the two doubles the msd of 200,000 rows.
OUTLIER = 2000.0


@dataclass(frozen=True)
class Reading:
    """How a job reads the rows of a data set.

    Attributes
    ----------
    index : ndarray of int64, shape (n,)
        The order of the rows, a permutation.
    form : str
        The format of the files; a key of `benchmarks.files.FORMS`.
    """

    index: IndexArray
    form: str = FLOAT32


@dataclass(frozen=True)
class Dataset:
    """Rows to cluster, and the ways to read them.

    Attributes
    ----------
    name : str
        A unique name.
    rows : ndarray of float32 or float64, shape (n, d)
        The points.
    k : int
        The data's own number of clusters.
    ks : tuple of int
        All numbers of clusters to measure, `k` among them.
    readings : Mapping of str to Reading
        By name; the first is the one that the others are compared with.
    half_life : int
        For a stream that drifts, the `half_life_time_size` to train with in addition; 0 for data that do not change.
    """

    name: str
    rows: NDArray[np.floating[Any]]
    k: int
    ks: tuple[int, ...]
    readings: Mapping[str, Reading]
    half_life: int = 0


def simple() -> dict[str, Callable[[], Dataset]]:
    """Return functions that generate the data sets, by name."""
    makers = (digits, blobs, imbalanced, anisotropic, outliers, blobs500, drift)
    return {maker.__name__: maker for maker in makers}


def from_folder(folder: Path) -> dict[str, Callable[[], Dataset]]:
    """Return functions that read the ``.npz`` and ``.csv`` files of a folder, by file name."""
    paths = (path for path in sorted(folder.iterdir()) if path.suffix in (".npz", ".csv"))
    return {path.name: partial(read, path) for path in paths}


def digits() -> Dataset:
    """Scikit-learn's handwritten digits: fewer rows than a mini-batch has."""
    bunch = load_digits()
    return dataset("digits", bunch.data, 10, bunch.target)


def blobs() -> Dataset:
    """50 round blobs of one size: the optimum is known to within the noise."""
    rows, labels = make_blobs(200_000, 16, centers=50, random_state=1)
    return dataset("blobs", rows, 50, labels)


def imbalanced() -> Dataset:
    """20 blobs, the largest with 1000 times the rows of the smallest."""
    sizes = np.geomspace(1, 1000, 20)
    counts = np.round(sizes * (200_000 / sizes.sum())).astype(int)
    rows, labels = make_blobs(counts, 16, random_state=2)
    return dataset("imbalanced", rows, 20, labels)


def anisotropic() -> Dataset:
    """30 blobs that are ten times as long as wide, each in directions of its own."""
    n_rows, n_features, n_blobs = 200_000, 8, 30
    rng = np.random.default_rng(3)
    centers = rng.uniform(-10, 10, (n_blobs, n_features))
    directions, _ = np.linalg.qr(rng.standard_normal((n_blobs, n_features, n_features)))
    labels = rng.integers(n_blobs, size=n_rows)
    noise = rng.standard_normal((n_rows, n_features)) * np.geomspace(0.3, 3, n_features)
    rows = centers[labels] + np.einsum("nd,nde->ne", noise, directions[labels])
    return dataset("anisotropic", rows, n_blobs, labels)


def outliers() -> Dataset:
    """20 blobs and two far rows; the best model has a center for each of them."""
    rows, _ = make_blobs(200_000, 16, centers=20, random_state=4)
    far = np.full((1, 16), OUTLIER / 4)
    return dataset("outliers", np.concatenate([rows, far, -far]), 22)


def blobs500() -> Dataset:
    """500 blobs in 64 dimensions: so far apart that Lloyd's method cannot move a center from one to another."""
    rows, _ = make_blobs(100_000, 64, centers=500, random_state=5)
    return dataset("blobs500", rows, 500)


def drift() -> Dataset:
    """20 blobs that move by 6 standard deviations along the stream; halfway, 5 of them end and 5 others begin."""
    n_rows, n_features, n_blobs, n_replaced = 200_000, 8, 20, 5
    rng = np.random.default_rng(6)
    time = np.arange(n_rows) / n_rows
    labels = rng.integers(n_blobs, size=n_rows) + n_replaced * (time >= 0.5)
    centers = rng.uniform(-10, 10, (n_blobs + n_replaced, n_features))
    travel = rng.standard_normal(centers.shape)
    travel *= 6 / np.linalg.norm(travel, axis=1, keepdims=True)
    rows = centers[labels] + time[:, None] * travel[labels] + rng.standard_normal((n_rows, n_features))
    readings = {"by time": Reading(np.arange(n_rows))}
    return Dataset("drift", rows.astype(np.float32), n_blobs, _ks(n_rows, n_blobs), readings, half_life=n_rows // 20)


def read(path: Path) -> Dataset:
    """Read rows from a file.

    Parameters
    ----------
    path : Path
        A ``.csv`` of numbers, or a ``.npz`` with one matrix, the rows. If the ``.npz`` also has a vector with an
        integer for each row, these are classes to sort by. Bytes, such as pixels, are scaled to 0..1.

    Returns
    -------
    Dataset
        The data set, with k = `FILE_K`.

    Raises
    ------
    ValueError
        If a ``.npz`` does not hold one matrix.
    """
    if path.suffix == ".csv":
        return dataset(path.name, np.loadtxt(path, np.float32, delimiter=",", ndmin=2), FILE_K)
    with np.load(path) as archive:
        arrays = dict(archive)
    matrices = [array for array in arrays.values() if array.ndim == 2]
    if len(matrices) != 1:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise ValueError(f"{path}: expected one matrix, got {shapes}")
    (rows,) = matrices
    classes = (array for array in arrays.values() if array.shape == rows.shape[:1] and array.dtype.kind in "iu")
    return dataset(path.name, rows / 255 if rows.dtype == np.uint8 else rows, FILE_K, next(classes, None))


def dataset(
    name: str, rows: NDArray[Any], k: int, labels: NDArray[Any] | None = None, ks: tuple[int, ...] | None = None
) -> Dataset:
    """Return a data set of float32 rows, read shuffled, sorted by the widest feature and, with `labels`, by cluster.

    Parameters
    ----------
    name : str
        A unique name.
    rows : ndarray of float, shape (n, d)
        The points.
    k : int
        The data's own number of clusters.
    labels : ndarray of int, shape (n,), optional
        The rows' clusters.
    ks : tuple of int, optional
        Numbers of clusters to measure; by default `KS` and `k`.

    Returns
    -------
    Dataset
    """
    order = shuffled(len(rows))
    widest = rows[:, rows.var(axis=0).argmax()]
    # Sorted from the shuffled order, so that rows of one cluster do not keep the order of the file.
    readings = {"shuffled": Reading(order), "by feature": Reading(order[widest[order].argsort(kind="stable")])}
    if labels is not None:
        readings["by cluster"] = Reading(order[labels[order].argsort(kind="stable")])
    return Dataset(name, rows.astype(np.float32), k, ks or _ks(len(rows), k), readings)


def shuffled(n: int) -> IndexArray:
    """Return a random order of `n` rows, the same in each call."""
    return np.random.default_rng(0).permutation(n)


def _ks(n: int, k: int) -> tuple[int, ...]:
    return tuple(sorted({k, *(other for other in KS if other * ROWS_PER_CLUSTER < n)}))
