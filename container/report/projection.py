"""Project rows and centers onto the plane of the first two principal components."""

from dataclasses import dataclass

import numpy as np

from kmeans.model import Model
from kmeans.prediction import Predictor
from kmeans.types import DoubleArray, FloatArray, LabelArray

MAX_ROWS = 2_000
MAX_CENTERS = 1_000
# Maximum number of distances between rows and centers, except for those of MIN_ROWS rows.
MAX_DISTANCES = 100_000_000
MIN_ROWS = 100
# With many features fewer rows suffice, and the decomposition takes the cube of the smaller of the two.
WIDE = 500
MAX_WIDE_ROWS = 1_000


@dataclass(frozen=True)
class Projection:
    """Rows and centers, projected onto a plane.

    Attributes
    ----------
    rows : ndarray of float64, shape (n, 2)
        A sample of the rows.
    labels : ndarray of int64, shape (n,)
        The closest cluster of each row.
    centers : ndarray of float64, shape (m, 2)
        The centers.
    clusters : ndarray of int64, shape (m,)
        The cluster of each center.
    shares : tuple of (float, float)
        The share of each axis in the variance of all features.
    axes : {"component", "feature"}
        The kind of the axes.
    """

    rows: DoubleArray
    labels: LabelArray
    centers: DoubleArray
    clusters: LabelArray
    shares: tuple[float, float]
    axes: str

    @property
    def flat(self) -> bool:
        """Whether all rows are on one line."""
        return self.shares[1] == 0.0


def project(model: Model, clusters: LabelArray, seed: int) -> Projection:
    """Project rows and centers of a model.

    Parameters
    ----------
    model : Model
        The model; the rows are drawn from its sample.
    clusters : ndarray of int64, shape (m,)
        The clusters whose centers are projected.
    seed : int
        The random seed for drawing rows.

    Returns
    -------
    Projection
        The rows and the centers in the plane.
    """
    rows = _drawn(model, seed)
    labels, _ = Predictor(model.centers).predict(rows)
    centers = model.centers[clusters].astype(np.float64)
    points = rows.astype(np.float64)
    n_features = points.shape[1]
    mean = points.mean(axis=0)
    total = np.square(points - mean).mean(axis=0).sum()
    if n_features <= 2:
        # The features themselves say more than directions between them.
        plane, axes = np.eye(n_features, 2), "feature"
        along = np.square((points - mean) @ plane).mean(axis=0)
    else:
        points -= mean
        centers -= mean
        plane, along = _principal(points)
        axes = "component"
    shares = along / total if total > 0.0 else along
    return Projection(points @ plane, labels, centers @ plane, clusters, (float(shares[0]), float(shares[1])), axes)


def _drawn(model: Model, seed: int) -> FloatArray:
    rows = model.state.sample.rows
    most = MAX_WIDE_ROWS if rows.shape[1] > WIDE else MAX_ROWS
    most = min(most, max(MIN_ROWS, MAX_DISTANCES // len(model.centers)))
    if len(rows) <= most:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))]


def _principal(points: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Return the first two principal components of centered points, float64 (d, 2), and the variance along each.

    Both follow from the eigenvectors of the smaller of the two products of the points with their transpose.
    """
    n_rows, n_features = points.shape
    wide = n_features > n_rows
    values, vectors = np.linalg.eigh((points @ points.T if wide else points.T @ points) / n_rows)
    values, vectors = values[::-1][:2].clip(0.0), vectors[:, ::-1][:, :2]
    plane = np.zeros((n_features, 2))
    variances = np.zeros(2)
    # A second component within the rounding errors of the first one is none.
    for axis in range(len(values)):
        if values[axis] > 1e-12 * values[0]:
            direction = points.T @ vectors[:, axis] if wide else vectors[:, axis]
            direction = direction / np.linalg.norm(direction)
            # The sign is arbitrary: the largest entry is made positive.
            plane[:, axis] = direction * np.sign(direction[np.abs(direction).argmax()])
            variances[axis] = values[axis]
    return plane, variances
