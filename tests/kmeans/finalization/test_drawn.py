"""Points drawn by their sensitivity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmeans.assignment.engine import Engine
from kmeans.assignment.shift import usual_values
from kmeans.finalization.coreset import drawn, reduced, reduced_state
from kmeans.finalization.lloyd import Clustering, StopRule, lloyd
from kmeans.kmeans_plus_plus import kmeans_plus_plus
from kmeans.points import WeightedPoints
from kmeans.sample import Far, Sample
from kmeans.state import State
from kmeans.threads import ONE_THREAD
from kmeans.types import DoubleArray, LabelArray
from tests.kmeans import naive
from tests.kmeans.rows import heavy_tailed

Labeled = tuple[DoubleArray, LabelArray, DoubleArray]


def clustered(points: WeightedPoints, k: int) -> Clustering:
    """Cluster as a model that is not bad does."""
    start = kmeans_plus_plus(points, k, np.random.default_rng(0), ONE_THREAD)
    return lloyd(points, start, StopRule(5), Engine(ONE_THREAD, usual_values(points.values)))


def labeled(n: int, k: int, seed: int) -> Labeled:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 5, n), rng.integers(0, k, n), rng.lognormal(0, 3, n)


def sums_by(labels: LabelArray, weights: DoubleArray, k: int) -> DoubleArray:
    return np.bincount(labels, weights, minlength=k).astype(np.float64)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 300), st.integers(1, 12), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_about_the_requested_number_is_drawn_and_clusters_keep_their_weight(
    n: int, k: int, part: float, seed: int
) -> None:
    weights, labels, squared = labeled(n, k, seed)
    size = 1 + int(part * (n - 2))
    chosen, drawn_weights = drawn(weights, labels, squared, size, np.random.default_rng(seed))
    assert abs(len(chosen) - size) <= 1
    assert (np.diff(chosen) > 0).all()
    assert (drawn_weights > 0.0).all()
    before, after = sums_by(labels, weights, k), sums_by(labels[chosen], drawn_weights, k)
    met = np.isin(np.arange(k), labels[chosen])
    np.testing.assert_allclose(after[met], before[met], rtol=1e-9)
    if size >= 3 * k:
        assert met.sum() == (before > 0.0).sum()


@pytest.mark.parametrize("size", [20, 45, 59])
def test_the_expected_weight_of_each_point_is_its_own(size: int) -> None:
    weights, labels, squared = labeled(60, 3, 1)
    n_draws = 4000
    sums = np.zeros((2, 60))
    rng = np.random.default_rng(0)
    for _ in range(n_draws):
        chosen, drawn_weights = drawn(weights, labels, squared, size, rng)
        sums[0, chosen] += drawn_weights
        sums[1, chosen] += drawn_weights**2
    means = sums[0] / n_draws
    errors = np.sqrt(np.maximum(sums[1] / n_draws - means**2, 0.0) / n_draws)
    # That clusters keep their weight biases it by the ratio of two sums, a share of one in their number of points.
    assert (np.abs(means - weights) <= 5 * errors + 0.1 * weights).all()
    assert means.sum() == pytest.approx(weights.sum(), rel=1e-9)


def test_points_that_are_drawn_for_certain_keep_their_weight_up_to_the_scale_of_their_cluster() -> None:
    weights, labels, squared = labeled(500, 4, 2)
    squared[[7, 8, 9]], labels[[7, 8]], labels[9] = 1e9, 1, 2
    for seed in range(20):
        chosen, drawn_weights = drawn(weights, labels, squared, 100, np.random.default_rng(seed))
        of = dict(zip(chosen.tolist(), drawn_weights.tolist(), strict=True))
        assert {7, 8, 9} <= of.keys()
        assert of[7] / of[8] == pytest.approx(weights[7] / weights[8], rel=1e-12)


def test_all_but_one() -> None:
    weights, labels, squared = labeled(50, 3, 5)
    for seed in range(20):
        chosen, drawn_weights = drawn(weights, labels, squared, 49, np.random.default_rng(seed))
        assert 48 <= len(chosen) <= 50
        assert np.isfinite(drawn_weights).all()


def test_equal_points_are_drawn_alike() -> None:
    weights = np.ones(1000)
    chosen, drawn_weights = drawn(weights, np.zeros(1000, np.int64), np.zeros(1000), 100, np.random.default_rng(0))
    assert 99 <= len(chosen) <= 101
    np.testing.assert_allclose(drawn_weights, 1000 / len(chosen), rtol=1e-9)


def test_points_without_weight_are_never_drawn() -> None:
    """Nor does a cluster of such points matter, an empty one, or that fewer points than wanted have a weight."""
    weights, labels, squared = labeled(200, 4, 3)
    labels[labels == 2] = 3
    weights[labels == 1] = 0.0
    weights[::3] = 0.0
    n_positive = int((weights > 0.0).sum())
    for size in (1, 30, n_positive - 1, n_positive, n_positive + 1, 199):
        chosen, drawn_weights = drawn(weights, labels, squared, size, np.random.default_rng(0))
        assert (weights[chosen] > 0.0).all()
        assert abs(len(chosen) - min(size, n_positive)) <= 1
    # All that have a weight are taken as they are.
    assert chosen.tolist() == np.flatnonzero(weights).tolist()
    np.testing.assert_allclose(drawn_weights, weights[chosen], rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-38, 1e70])
def test_the_size_of_numbers_does_not_matter(scale: float) -> None:
    weights, labels, squared = labeled(500, 4, 2)
    chosen, drawn_weights = drawn(weights, labels, squared, 100, np.random.default_rng(0))
    for some, distances, factor in ((weights * scale, squared, scale), (weights, squared * scale, 1.0)):
        other, other_weights = drawn(some, labels, distances, 100, np.random.default_rng(0))
        assert other.tolist() == chosen.tolist()
        np.testing.assert_allclose(other_weights / factor, drawn_weights, rtol=1e-6)


def test_weights_of_very_different_size() -> None:
    weights, labels, squared = labeled(500, 4, 2)
    weights[:250] = 5e-324
    for size in (100, 400):
        chosen, drawn_weights = drawn(weights, labels, squared, size, np.random.default_rng(0))
        assert np.isfinite(drawn_weights).all()
        after = sums_by(labels[chosen], drawn_weights, 4)
        np.testing.assert_allclose(after, sums_by(labels, weights, 4), rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_heavy_tails_are_seen_far_better_than_by_a_uniform_draw(seed: int) -> None:
    rows = heavy_tailed(20_000, 5, seed)
    points = WeightedPoints.alike(rows)
    model = clustered(points, 20)
    # The loss of another model: that on which the points were drawn is known beforehand.
    other = kmeans_plus_plus(points, 20, np.random.default_rng(9), ONE_THREAD)
    truth = naive.nearest(rows, other)[1].mean()
    errors = []
    for draw in range(12):
        rng = np.random.default_rng(draw)
        few = reduced(points, model, 1000, rng)
        uniform = rows[rng.choice(len(rows), 1000, replace=False)]
        estimates = (
            np.average(naive.nearest(few.values, other)[1], weights=few.weights),
            naive.nearest(uniform, other)[1].mean(),
        )
        errors.append([estimate / truth - 1 for estimate in estimates])
    of_drawn, of_uniform = np.sqrt(np.square(errors).mean(axis=0))
    assert of_drawn < 0.1
    assert of_drawn < 0.4 * of_uniform


def test_what_is_few_already_is_taken_as_it_is() -> None:
    rows = heavy_tailed(100, 3, 0)
    points = WeightedPoints.alike(rows)
    model = clustered(points, 4)
    for size in (100, 101):
        assert reduced(points, model, size, np.random.default_rng(0)) is points
    fewer = reduced(points, model, 99, np.random.default_rng(0))
    assert len(fewer.values) == len(fewer.weights)
    assert fewer.values.flags.c_contiguous


def test_a_reduced_state_keeps_rows_with_what_belongs_to_them() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((3_000, 2)).astype(np.float32)
    # Each row contains its label.
    rows[:, 0] = np.arange(3_000) % 7
    labels = rows[:, 0].astype(np.int64)
    far = Far(rows[:100], labels[:100], np.ones(100), np.arange(3_000) < 100)
    sample = Sample(rows, labels, rng.uniform(1, 2, 3_000), complete=False, far=far)
    centers = np.stack([np.arange(7.0), np.zeros(7)], axis=1)
    state = State(centers, np.bincount(labels).astype(np.float64), np.zeros(2, np.float32), sample, np.ones(7))
    found = reduced_state(state, centers[:3], 500, np.random.default_rng(1), Engine(ONE_THREAD, state.shift)).sample
    assert 400 < len(found.rows) < 600
    assert not found.complete
    np.testing.assert_array_equal(found.rows[:, 0], found.labels)
    # The far rows are kept in addition to it, and not twice.
    assert found.far is not None
    np.testing.assert_array_equal(found.far.rows, far.rows)
    assert not found.far.sampled.any()
    assert not {row.tobytes() for row in found.rows} & {row.tobytes() for row in far.rows}
    assert found.weights.sum() == pytest.approx(sample.weights[100:].sum())
    assert reduced_state(state, centers[:3], 3_000, np.random.default_rng(1), Engine(ONE_THREAD, state.shift)) is state


def test_rows_that_have_decayed_to_nothing_do_not_stay_in_a_reduced_state() -> None:
    rows = heavy_tailed(40, 2, 0)
    far = Far(rows[:2], np.zeros(2, np.int64), np.ones(2), np.arange(30) < 1)
    for n_left, size in ((0, 10), (5, 10), (15, 10)):
        weights = np.where(np.arange(30) < 1 + n_left, 1.0, 0.0)
        sample = Sample(rows[:30], np.zeros(30, np.int64), weights, complete=False, far=far)
        state = State(rows[:1].astype(np.float64), np.array([40.0]), usual_values(rows), sample)
        found = reduced_state(
            state, rows[:2].astype(np.float64), size, np.random.default_rng(0), Engine(ONE_THREAD, state.shift)
        ).sample
        assert len(found.rows) == min(n_left, size)
        assert found.weights.sum() == pytest.approx(n_left)
        assert found.far is not None
        assert not found.far.sampled.any()
        assert found.far.rows is far.rows
