"""Indices of validity, compared with those of scikit-learn."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

from kmeans.finalization.validity import (
    calinski_harabasz,
    davies_bouldin,
    separated_share,
    simplified_silhouette,
)
from kmeans.points import WeightedPoints
from kmeans.types import DoubleArray, FloatArray, LabelArray
from tests.kmeans.rows import blobs

Clusters = tuple[WeightedPoints, DoubleArray, LabelArray]


def clusters(rows: FloatArray, k: int) -> Clusters:
    """Return points, centers and labels of a clustering that has settled."""
    found = KMeans(k, n_init=5, random_state=0, tol=0).fit(rows)
    labels = found.labels_.astype(np.int64)
    means = np.array([rows[labels == one].mean(axis=0, dtype=np.float64) for one in range(k)])
    return WeightedPoints.alike(rows), means, labels


def repeated(points: FloatArray, centers: DoubleArray, labels: LabelArray) -> tuple[Clusters, Clusters]:
    """Return points with weights of 1 to 4, and the same points, each as often as it weighs."""
    weights = np.arange(len(points)) % 4 + 1
    each = np.repeat(np.arange(len(points)), weights)
    weighted = WeightedPoints(points, weights.astype(np.float64)), centers, labels
    return weighted, (WeightedPoints.alike(points[each]), centers, labels[each])


@pytest.mark.parametrize("k", [2, 5, 9])
def test_scikit_learn_finds_the_same(k: int) -> None:
    rows = blobs(700, 3, 5, 1)
    points, centers, labels = clusters(rows, k)
    assert davies_bouldin(points, centers, labels) == pytest.approx(davies_bouldin_score(rows, labels), rel=1e-6)
    msd, total = (float(((rows - to) ** 2).sum(axis=1).mean()) for to in (centers[labels], rows.mean(axis=0)))
    assert calinski_harabasz(msd, total, len(rows), k) == pytest.approx(calinski_harabasz_score(rows, labels), rel=1e-4)


@pytest.mark.parametrize("k", [2, 5, 9])
def test_the_silhouette_is_that_of_distances_to_centers(k: int) -> None:
    rows = blobs(700, 3, 5, 1)
    points, centers, labels = clusters(rows, k)
    distances = np.sort(np.linalg.norm(rows[:, None] - centers, axis=2), axis=1)
    found = simplified_silhouette(points, centers, labels)
    assert found == pytest.approx(float((1 - distances[:, 0] / distances[:, 1]).mean()), rel=1e-6)
    # That of all pairs is lower, for a row is nearer to a center than to the rows around it.
    assert 0.0 < found - silhouette_score(rows, labels) < 0.2


def test_the_silhouette_is_largest_where_scikit_learns_is() -> None:
    rows = blobs(700, 3, 5, 1)
    ours = {k: simplified_silhouette(*clusters(rows, k)) for k in range(2, 9)}
    theirs = {k: silhouette_score(rows, clusters(rows, k)[2]) for k in range(2, 9)}
    assert max(ours, key=ours.__getitem__) == max(theirs, key=theirs.__getitem__)


def test_weights_count_as_copies() -> None:
    rows = blobs(400, 3, 4, 2)
    _, centers, labels = clusters(rows, 4)
    weighted, copied = repeated(rows, centers, labels)
    for index in (simplified_silhouette, davies_bouldin):
        assert index(*weighted) == pytest.approx(index(*copied), rel=1e-9)


def test_a_point_alone_in_its_cluster_has_no_silhouette() -> None:
    points = WeightedPoints.alike(np.array([[0, 0], [1, 0], [9, 0]], np.float32))
    centers, labels = np.array([[0.5, 0], [9, 0]]), np.array([0, 0, 1])
    expected = (1 - 0.5 / 9 + 1 - 0.5 / 8) / 3
    assert simplified_silhouette(points, centers, labels) == pytest.approx(expected)


def test_centers_at_one_place() -> None:
    points = WeightedPoints.alike(np.zeros((4, 2), np.float32))
    clusters_of_one = points, np.zeros((2, 2)), np.array([0, 0, 1, 1])
    assert simplified_silhouette(*clusters_of_one) == 0.0
    assert davies_bouldin(*clusters_of_one) == np.inf
    assert separated_share(*clusters_of_one) == 0.0
    assert calinski_harabasz(0.0, 0.0, 4, 2) == np.inf


def test_a_cluster_without_points_is_left_out() -> None:
    rows = blobs(300, 2, 3, 1)
    points, centers, labels = clusters(rows, 3)
    more = np.concatenate([centers, [[1e3, 1e3]]])
    assert davies_bouldin(points, more, labels) == davies_bouldin(points, centers, labels)


def test_blobs_are_separated_and_halves_of_one_are_not() -> None:
    rows = blobs(3_000, 3, 3, 5)
    assert separated_share(*clusters(rows, 3)) == 1.0
    assert separated_share(*clusters(rows, 4)) == pytest.approx(2 / 3, abs=0.1)
    assert separated_share(*clusters(np.random.default_rng(0).random((3_000, 2), np.float32), 4)) == 0.0


def test_far_rows_do_not_hide_that_the_others_are_separated() -> None:
    rows = np.concatenate([blobs(3_000, 3, 3, 5), np.full((1, 3), 900, np.float32)])
    assert separated_share(*clusters(rows, 4)) == pytest.approx(3_000 / 3_001)
