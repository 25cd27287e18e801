"""The search by splits and mergers, and what it knows of each."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmeans.assignment.engine import Engine
from kmeans.assignment.shift import usual_values
from kmeans.finalization.lloyd import Clustering, StopRule, evaluate, lloyd
from kmeans.finalization.split_merge import MIN_POINTS, SearchLimits, improve, work_of_an_iteration
from kmeans.kernels.splits import SPLIT_ITERATIONS, SPLIT_TOLERANCE, merger_costs, split_clusters
from kmeans.points import WeightedPoints
from kmeans.threads import ONE_THREAD, Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray
from tests.kmeans import naive
from tests.kmeans.rows import blobs, heavy_tailed

LIMITS = SearchLimits(patience=30, changes=200, work=1e10)
FILL = np.float32(9.96921e36)


def weighted(rows: FloatArray, weights: DoubleArray | None = None) -> WeightedPoints:
    return WeightedPoints(rows, np.ones(len(rows)) if weights is None else weights)


def engine_for(points: WeightedPoints, threads: Threads = ONE_THREAD) -> Engine:
    return Engine(threads, usual_values(points.values))


def settled(points: WeightedPoints, start: FloatArray | DoubleArray) -> Clustering:
    return lloyd(points, start.astype(np.float64), StopRule(300), engine_for(points))


def stuck(seed: int = 5) -> tuple[WeightedPoints, Clustering]:
    """Put all centers but one into one blob: Lloyd's iteration alone does not spread them over the others."""
    points = weighted(blobs(900, 2, 6, seed))
    rows = points.values
    start = np.concatenate([rows[:1], np.repeat(rows[1:2], 5, axis=0) + np.linspace(0, 0.1, 5)[:, None]])
    return points, settled(points, start)


def search(points: WeightedPoints, start: Clustering, seed: int = 0, limits: SearchLimits = LIMITS) -> Clustering:
    return improve(points, start, limits, np.random.default_rng(seed), engine_for(points))


def check(found: Clustering, points: WeightedPoints) -> None:
    labels, squared = naive.nearest(points.values, found.centers)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.msd == pytest.approx(np.average(squared, weights=points.weights), rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_bad_local_optimum_is_left(seed: int) -> None:
    points, start = stuck()
    found = search(points, start, seed)
    assert found.msd < 0.8 * start.msd
    check(found, points)


def test_the_loss_is_never_raised_and_the_generator_alone_decides() -> None:
    points = weighted(blobs(500, 3, 8, 1), np.random.default_rng(0).uniform(0, 3, 500))
    start = settled(points, points.values[:8])
    found = set()
    for count in (1, 3, 3):
        threads = Threads(count)
        found.add(
            improve(points, start, LIMITS, np.random.default_rng(7), engine_for(points, threads)).centers.tobytes()
        )
        threads.close()
    assert len(found) == 1
    assert search(points, start, 8).msd <= start.msd


@pytest.mark.parametrize("k", [1, 2, 3])
def test_few_clusters(k: int) -> None:
    points = weighted(heavy_tailed(400, 2, 3))
    start = settled(points, points.values[:k])
    found = search(points, start)
    assert found.msd <= start.msd
    assert found.centers.shape == (k, 2)
    check(found, points)


def test_two_centers_on_one_place_are_torn_apart() -> None:
    points, start = stuck()
    start.centers[1] = start.centers[0]
    start = evaluate(points, start.centers, engine_for(points))
    assert (np.bincount(start.labels, minlength=6) == 0).any()
    found = search(points, start)
    assert (np.bincount(found.labels, minlength=6) > 0).all()
    assert found.msd < 0.8 * start.msd
    check(found, points)


def test_points_without_weight_change_nothing() -> None:
    points, start = stuck()
    rng = np.random.default_rng(0)
    rows = np.concatenate([points.values, rng.uniform(-99, 99, (100, 2)).astype(np.float32)])
    more = weighted(rows, np.concatenate([points.weights, np.zeros(100)]))
    found = search(more, settled(more, start.centers))
    assert found.msd < 0.8 * start.msd
    check(found, more)


@pytest.mark.parametrize("far", [1e18, 3.4e38])
def test_far_points_cost_the_centers_that_they_take(far: float) -> None:
    """A center goes to the far point at once; the others are searched for as if it were not there."""
    points, start = stuck()
    rows = np.concatenate([points.values, np.full((1, 2), far, np.float32)])
    with_far = weighted(rows)
    found = search(with_far, settled(with_far, np.concatenate([start.centers, points.values[5:6]])))
    assert np.bincount(found.labels)[found.labels[-1]] == 1
    assert found.msd < 0.8 * start.msd
    check(found, with_far)


@pytest.mark.parametrize("fill", [1e15, FILL])
def test_a_huge_value_that_all_share_changes_nothing(fill: float) -> None:
    points, start = stuck()
    rows = np.insert(points.values, 1, fill, axis=1)
    filled = weighted(rows, points.weights)
    found = search(filled, settled(filled, np.insert(start.centers, 1, np.float32(fill), axis=1)))
    assert found.msd == pytest.approx(search(points, start).msd, rel=1e-9)
    assert (found.centers[:, 1] == np.float32(fill)).all()


def test_a_search_that_may_do_nothing_changes_nothing() -> None:
    points, start = stuck()
    for limits in (SearchLimits(30, 200, 0.0), SearchLimits(0, 200, 1e10), SearchLimits(30, 0, 1e10)):
        assert search(points, start, limits=limits) is start
    assert improve(points, start, LIMITS, np.random.default_rng(0), engine_for(points), lambda: True) is start


@pytest.mark.parametrize("n_points", [10, 1000])
def test_each_limit_ends_a_search(n_points: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few points what is done with the centers is what counts."""
    points = weighted(blobs(n_points, 5, 3, 1))
    start = settled(points, points.values[:4])
    of_an_iteration = work_of_an_iteration(points, 4)
    assert of_an_iteration >= max(n_points, MIN_POINTS) * 4 * 5
    changes: list[int] = []

    def counting(*arguments: object) -> Clustering:
        changes.append(1)
        return lloyd(*arguments)  # type: ignore[arg-type]  # those that were given

    monkeypatch.setattr("kmeans.finalization.split_merge.lloyd", counting)
    endless = 10**9
    for limits, least, most in (
        (SearchLimits(endless, 7, 1e99), 7, 7),
        (SearchLimits(3, endless, 1e99), 3, endless),
        # At least the labels that a change begins with are counted.
        (SearchLimits(endless, endless, 20 * of_an_iteration), 1, 20),
    ):
        changes.clear()
        search(points, start, limits=limits)
        assert least <= len(changes) <= most


def test_time_that_runs_out_leaves_the_best_one_so_far() -> None:
    points, start = stuck()
    engine, before = engine_for(points), start.msd
    for looks in (1, 2, 5, 20, 100):
        asked = itertools.count()
        found = improve(points, start, LIMITS, np.random.default_rng(0), engine, lambda: next(asked) >= looks)  # noqa: B023
        assert found.msd <= before
        before = found.msd
        check(found, points)
    assert before < 0.8 * start.msd


def test_points_that_are_all_centers_end_at_once() -> None:
    points = weighted(np.array([[0.0], [1.0]], np.float32))
    start = settled(points, points.values)
    assert search(points, start) is start


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_merger_costs(k: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centers, sizes = rng.standard_normal((k, d)), rng.random(k) * (rng.random(k) > 0.2)
    costs, partners = np.empty(k), np.empty(k, np.int64)
    merger_costs(centers, sizes, costs, partners)
    expected = naive.merger_costs(centers, sizes)
    np.testing.assert_allclose(costs, expected.min(axis=1), rtol=1e-12)
    np.testing.assert_allclose(costs, expected[np.arange(k), partners], rtol=1e-12)


def test_a_center_alone_has_no_partner() -> None:
    costs, partners = np.empty(1), np.empty(1, np.int64)
    merger_costs(np.ones((1, 3)), np.ones(1), costs, partners)
    assert (costs[0], partners[0]) == (np.inf, -1)


def split(
    rows: FloatArray,
    weights: DoubleArray,
    labels: LabelArray,
    seeds: LabelArray,
    clusters: LabelArray | None = None,
) -> tuple[DoubleArray, DoubleArray]:
    k = len(seeds)
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(k + 1))
    # No other point has a loss.
    squared = np.zeros(len(rows))
    squared[seeds[labels[seeds] == np.arange(k)]] = 1.0
    draws = np.random.default_rng(0).random(k)
    gains, halves = np.full(k, -1.0), np.full((k, 2, rows.shape[1]), np.nan)
    chosen = np.arange(k) if clusters is None else clusters
    split_clusters(rows, weights, squared, order, starts, draws, chosen, gains, halves)
    return gains, halves


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 60), st.integers(1, 9), st.sampled_from(["blobs", "tails"]), st.data())
def test_a_split_is_lloyds_iteration_with_two_centers(k: int, n: int, d: int, kind: str, data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    rows = blobs(n, d, 3, seed) if kind == "blobs" else heavy_tailed(n, d, seed)
    weights, labels = rng.uniform(0.1, 3, n), rng.integers(0, k, n)
    seeds = np.array([rng.choice(np.flatnonzero(labels == c)) if (labels == c).any() else 0 for c in range(k)])
    gains, halves = split(rows, weights, labels, seeds)
    for cluster in range(k):
        own = labels == cluster
        if own.sum() < 2:
            assert gains[cluster] == 0.0
            continue
        doubles = rows.astype(np.float64)
        gain, centers = naive.split(
            doubles[own], weights[own], doubles[seeds[cluster]], SPLIT_ITERATIONS, SPLIT_TOLERANCE
        )
        assert gains[cluster] == pytest.approx(gain, rel=1e-9)
        np.testing.assert_allclose(halves[cluster], centers, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_what_a_split_gains_is_the_fall_of_the_loss_of_two_groups(seed: int) -> None:
    """Of all ways to divide nine points in two, it finds one, and the best one where there are two groups."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((9, 2)).astype(np.float32)
    rows[:4] += 9
    weights = rng.uniform(0.5, 2, 9)

    def loss(some: list[int]) -> float:
        mean = np.average(rows[some], axis=0, weights=weights[some])
        return float(weights[some] @ ((rows[some] - mean) ** 2).sum(axis=1))

    everything = list(range(9))
    best = max(
        loss(everything) - loss(list(some)) - loss([i for i in everything if i not in some])
        for size in range(1, 5)
        for some in itertools.combinations(everything, size)
    )
    gains, halves = split(rows, weights, np.zeros(9, np.int64), np.array([seed]))
    assert gains[0] == pytest.approx(best, rel=1e-5)
    squared = naive.nearest(rows, halves[0])[1]
    assert gains[0] == pytest.approx(loss(everything) - weights @ squared, rel=1e-5)


def test_what_cannot_be_split_gains_nothing() -> None:
    """A cluster of one point, of equal points, without points, without weight, and one that is not asked for."""
    rows = np.array([[1.0], [2.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0]], np.float32)
    labels = np.array([0, 1, 1, 3, 3, 4, 4, 5, 5])
    weights = np.array([1.0, 1.0, 2.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    clusters = np.array([0, 1, 2, 3, 5])
    gains, halves = split(rows, weights, labels, np.array([0, 1, 0, 3, 5, 7]), clusters)
    assert gains.tolist() == [0.0, 0.0, 0.0, 0.0, -1.0, 0.0]
    assert np.isnan(halves).all()


def test_points_are_drawn_by_their_loss_within_each_cluster() -> None:
    """Whatever the loss of the clusters before: here the point at which another begins is the whole of its half."""
    rows = np.array([[0.0], [3e38], [-3.0], [-1.0], [1.0], [3.0]], np.float32)
    labels, weights = np.array([0, 0, 1, 1, 1, 1]), np.ones(6)
    squared = (rows[:, 0].astype(np.float64) - np.array([1.5e38, 0.0])[labels]) ** 2
    order, starts = np.arange(6), np.array([0, 2, 6])
    upper = []
    for draw in (np.arange(100) + 0.5) / 100:
        gains, halves = np.zeros(2), np.empty((2, 2, 1))
        split_clusters(rows, weights, squared, order, starts, np.array([0.5, draw]), np.arange(2), gains, halves)
        assert gains[1] > 0.0
        upper.append(halves[1, 1, 0])
    # Of a total of 20 the outer ones have 9 each.
    assert sum(center < 0 for center in upper) == 50
    assert upper == sorted(upper)


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**60, 2.0**125])
def test_the_size_of_numbers_does_not_matter(scale: float) -> None:
    rows = np.random.default_rng(0).uniform(-1, 1, (200, 3)).astype(np.float32)
    weights, labels, seeds = np.random.default_rng(1).uniform(1, 2, 200), np.arange(200) % 4, np.arange(4)
    gains, halves = split(rows, weights, labels, seeds)
    scaled_gains, scaled_halves = split((rows * np.float32(scale)), weights, labels, seeds)
    assert (scaled_gains / scale**2 == gains).all()
    assert (scaled_halves / scale == halves).all()


def test_a_fill_value_leaves_no_trace_in_splits() -> None:
    rows = blobs(300, 3, 6, 0)
    weights, labels, seeds = np.random.default_rng(1).uniform(1, 2, 300), np.arange(300) % 4, np.arange(4)
    gains, halves = split(rows, weights, labels, seeds)
    filled_gains, filled_halves = split(np.insert(rows, 1, FILL, axis=1), weights, labels, seeds)
    np.testing.assert_allclose(filled_gains, gains, rtol=1e-12)
    assert (filled_halves[:, :, 1] == FILL).all()
    np.testing.assert_allclose(np.delete(filled_halves, 1, axis=2), halves, rtol=1e-12)


@pytest.mark.parametrize("far", [1e18, 3.4e38])
@pytest.mark.parametrize("place", [0, 123, 299])
def test_a_far_point_is_split_off_and_the_rest_keeps_its_digits(far: float, place: int) -> None:
    rows = blobs(300, 3, 1, 0)
    rows[place] = far
    gains, halves = split(rows, np.ones(300), np.zeros(300, np.int64), np.array([place]))
    assert gains[0] > 0.0
    assert halves[0, 1].tolist() == rows[place].tolist()
    np.testing.assert_allclose(halves[0, 0], np.delete(rows, place, axis=0).mean(axis=0, dtype=np.float64), rtol=1e-9)
