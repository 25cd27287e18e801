"""Radii, quantiles and thresholds of distances, compared with numpy's."""

import numpy as np
import pytest

from kmeans.assignment.engine import Engine
from kmeans.assignment.scoring import Score, Tally, score
from kmeans.communicator import SingleHost
from kmeans.distribution import CONTAMINATIONS, QUANTILES, DistanceDistribution, WeightedDistances
from kmeans.finalization.estimated_distances import estimated_distribution
from kmeans.observer import Silent
from kmeans.threads import Threads
from kmeans.training import fit
from kmeans.types import DoubleArray, FloatArray, LabelArray
from tests.kmeans.rows import Rows, settings_for


def ordered(labels: LabelArray, distances: DoubleArray, weights: DoubleArray) -> WeightedDistances:
    order = np.lexsort((distances, labels))
    return WeightedDistances(labels[order], distances[order], weights[order])


def score_of(labels: LabelArray, distances: DoubleArray, weights: DoubleArray, k: int) -> Score:
    ssds: DoubleArray = np.bincount(labels, weights * distances, minlength=k).astype(np.float64)
    sizes: DoubleArray = np.bincount(labels, weights, minlength=k).astype(np.float64)
    return Score(int(weights.sum()), float(ssds.sum()), sizes, ssds)


def test_contaminations_are_all_decimals_of_two_digits() -> None:
    assert np.array_equal(CONTAMINATIONS, sorted(set(CONTAMINATIONS)))
    assert {float(f"{digits}e-{place}") for digits in range(10, 100) for place in (6, 5, 4, 3)} <= set(CONTAMINATIONS)
    assert CONTAMINATIONS[0] == 0.00001
    assert CONTAMINATIONS[-41:] == tuple(percent / 100 for percent in range(10, 51))


@pytest.mark.parametrize("n_rows", [1, 10, 200, 1000, 7777])
def test_quantiles_are_those_of_numpy(n_rows: int) -> None:
    rng = np.random.default_rng(n_rows)
    labels, distances = rng.integers(0, 4, n_rows), rng.exponential(size=n_rows)
    weights = rng.integers(1, 5, n_rows).astype(np.float64)
    whole = score_of(labels, distances, weights, 5)
    found = DistanceDistribution.of(ordered(labels, distances, weights), whole, exact=True)
    for label in set(labels.tolist()):
        of_label = np.repeat(distances[labels == label], weights[labels == label].astype(int))
        expected = np.quantile(of_label, QUANTILES, method="inverted_cdf")
        np.testing.assert_array_equal(found.squared_quantiles[:, label], expected)
        assert found.squared_radii[label] == pytest.approx(of_label.mean())
    # An empty cluster has no quantiles, and the radius of all rows.
    assert np.isnan(found.squared_quantiles[:, 4]).all()
    assert found.squared_radii[4] == whole.msd
    ratios = np.repeat(distances / found.squared_radii[labels], weights.astype(int))
    for contamination, threshold in zip(CONTAMINATIONS, found.squared_thresholds, strict=True):
        assert threshold in ratios
        assert np.count_nonzero(ratios > threshold) <= contamination * len(ratios) * (1 + 1e-9)
        # It is the least such one.
        assert np.count_nonzero(ratios >= threshold) > contamination * len(ratios) * (1 - 1e-9)
    assert found.relative_error == 0.0


def test_a_cluster_without_spread_has_the_radius_of_all_rows() -> None:
    # Cluster 1 has one row, at its center; cluster 2 has equal rows.
    labels, distances = np.array([0, 0, 1, 2, 2]), np.array([1.0, 4.0, 0.0, 0.0, 0.0])
    found = DistanceDistribution.of(
        ordered(labels, distances, np.ones(5)), score_of(labels, distances, np.ones(5), 3), exact=True
    )
    assert found.squared_radii.tolist() == [2.5, 1.0, 1.0]
    assert found.squared_quantiles[:, 1:].tolist() == [[0.0, 0.0]] * 5
    assert found.squared_thresholds[0] == 4.0 / 2.5
    assert found.squared_thresholds[-1] == 0.0


def test_without_any_distance_radii_are_one() -> None:
    labels = np.array([0, 1])
    tally = Tally(2)
    tally.add(labels, np.zeros(2))
    found = DistanceDistribution.of(WeightedDistances(labels, np.zeros(2), np.ones(2)), tally.score(), exact=True)
    assert found.squared_radii.tolist() == [1.0, 1.0]
    assert not found.squared_thresholds.any()


@pytest.fixture(scope="module")
def rows() -> FloatArray:
    """Draw clusters of different radii, and of heavy tails."""
    rng = np.random.default_rng(0)
    places = rng.normal(size=(8, 5)) * 20.0
    labels = rng.integers(0, 8, 40_000)
    noise = rng.standard_t(4, size=(40_000, 5)) * (1.0 + labels[:, None] / 4)
    return (places[labels] + noise).astype(np.float32)


@pytest.mark.parametrize("kept", [1000, 50_000])
def test_a_model_has_those_of_its_rows_or_of_its_sample(rows: FloatArray, kept: int) -> None:
    chosen = settings_for(rows, k=8, sample_size=kept)
    with Threads(1) as threads:
        model = fit(Rows(rows, 1000), chosen, SingleHost(), threads, Silent())
        engine = Engine(threads, model.state.shift)
        assigner = engine.assigner(model.centers.astype(np.float64))
        labels, distances = assigner.assign(rows)
        exact = score([rows], assigner, SingleHost())
        again = estimated_distribution(model.state, model.centers, model.score, engine)
    expected = DistanceDistribution.of(ordered(labels, distances, np.ones(len(rows))), exact, exact=True)
    found = model.distances
    assert found is not None
    assert found.exact == (kept > len(rows))
    tolerance = 1e-12 if found.exact else 0.5
    np.testing.assert_allclose(found.squared_radii, expected.squared_radii, rtol=1e-9 if found.exact else 0.2)
    np.testing.assert_allclose(found.squared_quantiles[:3], expected.squared_quantiles[:3], rtol=tolerance)
    one_percent = CONTAMINATIONS.index(0.01)
    assert found.squared_thresholds[one_percent] == pytest.approx(
        expected.squared_thresholds[one_percent], rel=tolerance
    )
    if found.exact:
        np.testing.assert_array_equal(again.squared_quantiles, found.squared_quantiles)
