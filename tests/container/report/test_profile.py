"""What makes a cluster special."""

import numpy as np
import pytest

from container.report import profile
from container.report.profile import Baseline
from kmeans.sample import Sample
from kmeans.types import FloatArray


def sample_of(rows: FloatArray, weights: list[float] | None = None) -> Sample:
    given = np.ones(len(rows)) if weights is None else np.array(weights)
    return Sample(rows, np.zeros(len(rows), np.int64), given, complete=True)


def test_the_baseline_is_mean_and_standard_deviation() -> None:
    rows = np.random.default_rng(0).normal(1e4, 2.0, (500, 7)).astype(np.float32)
    baseline = Baseline.of(sample_of(rows))
    np.testing.assert_allclose(baseline.mean, rows.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(baseline.deviation, rows.std(axis=0, dtype=np.float64))


def test_a_row_that_weighs_twice_counts_twice() -> None:
    rows = np.array([[0.0], [3.0], [10.0]], np.float32)
    weighted = Baseline.of(sample_of(rows, [1.0, 2.0, 1.0]))
    repeated = Baseline.of(sample_of(rows[[0, 1, 1, 2]]))
    assert weighted.mean == pytest.approx(repeated.mean)
    assert weighted.deviation == pytest.approx(repeated.deviation)


def test_a_feature_that_never_differs_is_nothing_special() -> None:
    baseline = Baseline.of(sample_of(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32)))
    assert baseline.standardized(np.array([4.0, 5.0], np.float32)).tolist() == [2.0, 0.0]


def test_the_strongest_features_come_first_and_weak_ones_not_at_all() -> None:
    baseline = Baseline(np.zeros(5), np.ones(5))
    center = np.array([1.0, -3.0, 0.1, 2.0, -1.0], np.float32)
    assert list(profile.strongest(center, baseline, 9)) == [
        (1, -3.0),
        (3, 2.0),
        (0, 1.0),
        (4, -1.0),
    ]
    assert list(profile.strongest(center, baseline, 2)) == [(1, -3.0), (3, 2.0)]


def test_a_heat_map_shows_the_largest_clusters_and_the_features_that_differ_most() -> None:
    k, n_features = 3 * profile.MAX_CLUSTERS, 5 * profile.MAX_FEATURES
    centers = np.zeros((k, n_features), np.float32)
    telling = np.arange(profile.MAX_FEATURES) * 5
    centers[-1, telling] = 7.0
    sizes = np.arange(k, dtype=np.float64)
    shown = profile.heat_map(centers, sizes, Baseline(np.zeros(n_features), np.full(n_features, 2.0)))
    assert shown.clusters.tolist() == list(range(k - profile.MAX_CLUSTERS, k))
    assert shown.features.tolist() == telling.tolist()
    assert (shown.standardized[-1] == 3.5).all()
    assert (shown.centers[-1] == 7.0).all()
    # A cluster with few special features is heard too.
    centers[-2, 1] = 1.0
    centers[-1] = np.arange(n_features)
    shown = profile.heat_map(centers, sizes, Baseline(np.zeros(n_features), np.full(n_features, 2.0)))
    assert shown.features.tolist() == [1, *range(n_features - profile.MAX_FEATURES + 1, n_features)]


def test_many_features_are_looked_at_in_few_clusters() -> None:
    assert len(profile.largest(np.ones(1000), 64, 500)) == 500
    assert len(profile.largest(np.ones(1000), 200_000, 500)) == 20
    assert len(profile.largest(np.ones(1000), 2**31 - 1, 500)) == 2
