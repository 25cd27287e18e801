"""Rows and centers in the plane of the first two principal components."""

from dataclasses import dataclass

import numpy as np

from kmeans.model import Model
from kmeans.prediction import Predictor
from kmeans.types import DoubleArray, FloatArray, LabelArray

MAX_ROWS = 2_000
MAX_CENTERS = 1_000
# Distances between rows and centers that are computed at most, beside those of the least number of rows.
MAX_DISTANCES = 100_000_000
LEAST_ROWS = 100
# Of many features fewer rows are enough, and the decomposition takes the cube of the smaller of the two.
WIDE = 500
MAX_WIDE_ROWS = 1_000


@dataclass(frozen=True)
class Projection:
    """A plane and what lies in it.

    Attributes
    ----------
    rows, labels
        float64 (n, 2) and int64 (n,): a sample of the rows, and the closest center of each.
    centers, clusters
        float64 (m, 2) and int64 (m,): the centers, and their numbers.
    shares
        The share of the variance of all features along each axis.
    axes
        What the axes are: "component" or "feature".
    """

    rows: DoubleArray
    labels: LabelArray
    centers: DoubleArray
    clusters: LabelArray
    shares: tuple[float, float]
    axes: str

    @property
    def flat(self) -> bool:
        """Whether all rows lie on one line."""
        return self.shares[1] == 0.0


def project(model: Model, clusters: LabelArray, seed: int) -> Projection:
    """Find the plane for a model.

    Parameters
    ----------
    model
        Its sample of rows is drawn from.
    clusters
        int64 (m,): the clusters whose centers are shown.
    seed
        Decides which rows are drawn.
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
    most = min(most, max(LEAST_ROWS, MAX_DISTANCES // len(model.centers)))
    if len(rows) <= most:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))]


def _principal(points: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Give the first two principal components of centered points, float64 (d, 2), and the variance along each.

    The eigenvectors of the smaller of the two products of the points with themselves lead to both.
    """
    n_rows, n_features = points.shape
    wide = n_features > n_rows
    values, vectors = np.linalg.eigh((points @ points.T if wide else points.T @ points) / n_rows)
    values, vectors = values[::-1][:2].clip(0.0), vectors[:, ::-1][:, :2]
    plane = np.zeros((n_features, 2))
    variances = np.zeros(2)
    # What is rounding beside the first component is no second one.
    for axis in range(len(values)):
        if values[axis] > 1e-12 * values[0]:
            direction = points.T @ vectors[:, axis] if wide else vectors[:, axis]
            direction = direction / np.linalg.norm(direction)
            # Either sign is right: the largest entry is made positive.
            plane[:, axis] = direction * np.sign(direction[np.abs(direction).argmax()])
            variances[axis] = values[axis]
    return plane, variances
