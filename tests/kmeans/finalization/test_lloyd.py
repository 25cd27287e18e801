"""Lloyd's iteration and the reduction of K centers to k."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from kmeans.assignment.engine import Engine
from kmeans.assignment.shift import usual_values
from kmeans.finalization.lloyd import StopRule, evaluate, lloyd
from kmeans.finalization.resources import Resources
from kmeans.finalization.shrinking import shrink
from kmeans.points import WeightedPoints
from kmeans.sample import Sample
from kmeans.settings import LloydSettings
from kmeans.state import State
from kmeans.threads import ONE_THREAD, Threads
from kmeans.types import DoubleArray, InitMethod
from tests.kmeans import naive
from tests.kmeans.rows import blobs


@pytest.mark.parametrize("seed", range(5))
def test_lloyd_reaches_the_loss_of_scikit_learn_from_the_same_start(seed: int, threads: Threads) -> None:
    points = blobs(2000, 5, 8, seed)
    weights = np.random.default_rng(seed).uniform(0.5, 2, 2000)
    start = points[:8].astype(np.float64)
    found = lloyd(WeightedPoints(points, weights), start, StopRule(300), Engine(threads, np.zeros(5, np.float32)))
    reference = KMeans(8, init=start, n_init=1, tol=0, max_iter=300).fit(
        points.astype(np.float64), sample_weight=weights
    )
    assert found.msd == pytest.approx(reference.inertia_ / weights.sum(), rel=1e-6)


def test_the_loss_is_that_of_the_centers_given_back(threads: Threads) -> None:
    points = blobs(500, 3, 4, 0)
    weighted, engine = WeightedPoints.alike(points), Engine(threads, usual_values(points))
    for iterations in (0, 1, 2, 50):
        found = lloyd(weighted, points[:4].astype(np.float64), StopRule(iterations), engine)
        labels, squared = naive.nearest(points, found.centers)
        assert found.msd == pytest.approx(squared.mean(), rel=1e-6)
        np.testing.assert_array_equal(found.labels, labels)


def test_the_clustering_of_centers_is_that_before_the_first_iteration(threads: Threads) -> None:
    points = blobs(500, 3, 4, 0)
    weights = np.random.default_rng(0).uniform(0.5, 2, 500)
    weighted, engine = WeightedPoints(points, weights), Engine(threads, usual_values(points))
    start = points[:4].astype(np.float64)
    found, expected = evaluate(weighted, start, engine), lloyd(weighted, start, StopRule(0), engine)
    assert (found.msd, found.relocated) == (expected.msd, 0)
    np.testing.assert_array_equal(found.centers, expected.centers)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.squared_distances, expected.squared_distances)


def test_an_empty_cluster_moves_to_the_farthest_point() -> None:
    points = np.array([[0.0], [0.1], [10.0]], np.float32)
    engine = Engine(ONE_THREAD, np.zeros(1, np.float32))
    found = lloyd(WeightedPoints.alike(points), np.array([[0.0], [100.0]]), StopRule(10), engine)
    assert sorted(found.centers[:, 0].round(3).tolist()) == [0.05, 10.0]
    assert found.relocated == 1


@pytest.mark.parametrize("far", [1e13, 1e18, 3.4e38])
def test_a_point_that_leaves_takes_no_digits_along(far: float) -> None:
    """The far point begins in a cluster of others, and ends in one of its own."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((1000, 2)).astype(np.float32)
    points[-1] = far
    start = np.array([[-1.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    found = lloyd(WeightedPoints.alike(points), start, StopRule(300), Engine(ONE_THREAD, usual_values(points)))
    assert np.bincount(found.labels)[found.labels[-1]] == 1
    for center in range(3):
        mean = points[found.labels == center].mean(axis=0, dtype=np.float64)
        np.testing.assert_allclose(found.centers[center], mean, rtol=1e-9)


@pytest.mark.parametrize("other", [0.0, 1e10, 9.96921e36])
def test_a_point_that_leaves_one_cluster_for_another_takes_no_digits_along(other: float) -> None:
    """Where it goes, the loss stays huge. In another feature all points have one value."""
    rng = np.random.default_rng(0)
    usual = rng.standard_normal((1000, 1)).astype(np.float32)
    points = np.full((1003, 2), other, np.float32)
    points[:, :1] = np.concatenate([usual, np.array([[1e18], [1.3e18], [3e18]], np.float32)])
    weights = np.concatenate([np.ones(1001), [10.0, 1.0]])
    start = np.array([[0.0, other], [2.5e18, other]])
    found = lloyd(WeightedPoints(points, weights), start, StopRule(300), Engine(ONE_THREAD, np.zeros(2, np.float32)))
    assert found.labels.tolist() == [0] * 1000 + [1] * 3
    assert found.centers[0, 0] == pytest.approx(usual.mean(dtype=np.float64), rel=1e-9)


@pytest.mark.parametrize("fill", [1e15, 9.96921e36, 3.4028235e38])
def test_points_that_share_a_huge_value_are_separated_by_the_rest(fill: float, threads: Threads) -> None:
    points = blobs(3000, 3, 5, 2)
    weights = np.random.default_rng(0).uniform(0.5, 2, 3000)
    found = []
    for value in (0.0, fill):
        points[:, 1] = value
        weighted, engine = WeightedPoints(points, weights), Engine(threads, usual_values(points))
        found.append(lloyd(weighted, points[:5].astype(np.float64), StopRule(300), engine))
    assert found[1].msd == found[0].msd
    assert (found[1].centers[:, 1] == points[0, 1]).all()


def _from_eight_rows() -> tuple[WeightedPoints, DoubleArray, Engine]:
    points = blobs(2000, 5, 8, 1)
    return WeightedPoints.alike(points), points[:8].astype(np.float64), Engine(ONE_THREAD, np.zeros(5, np.float32))


def test_a_large_tolerance_stops_early() -> None:
    points, start, engine = _from_eight_rows()
    loose = lloyd(points, start, StopRule(300, tolerance=1.0), engine)
    strict = lloyd(points, start, StopRule(300), engine)
    once = lloyd(points, start, StopRule(1), engine)
    assert loose.msd == once.msd > strict.msd


def test_who_has_seen_enough_ends_it() -> None:
    points, start, engine = _from_eight_rows()
    reported: list[float] = []

    def enough(msd: float) -> bool:
        reported.append(msd)
        return len(reported) == 3

    found = lloyd(points, start, StopRule(300, enough=enough), engine)
    each = [lloyd(points, start, StopRule(iterations), engine) for iterations in (1, 2, 3)]
    assert reported == [one.msd for one in each]
    assert found.centers.tobytes() == each[-1].centers.tobytes()


def test_who_never_has_enough_changes_nothing() -> None:
    points, start, engine = _from_eight_rows()
    reported: list[float] = []

    def never(msd: float) -> bool:
        reported.append(msd)
        return False

    found = lloyd(points, start, StopRule(300, enough=never), engine)
    assert found.centers.tobytes() == lloyd(points, start, StopRule(300), engine).centers.tobytes()
    assert reported == sorted(reported, reverse=True)
    # The last iteration, which changed nothing, is reported too.
    assert reported[-1] == found.msd
    assert lloyd(points, start, StopRule(0, enough=lambda _: True), engine).centers is start


@pytest.mark.parametrize("init_method", ["random", "kmeans++"])
def test_shrink_keeps_the_best_trial_and_weights_count(init_method: InitMethod) -> None:
    centers = np.array([[0.0], [1.0], [10.0], [11.0]])
    weights = np.array([3.0, 1.0, 1.0, 1.0])
    reported: list[tuple[int, float]] = []
    lloyd_settings = LloydSettings(init_method, 10, 300, 1e-4)
    seeds = np.random.SeedSequence(0)
    no_sample = Sample(np.empty((0, 1), np.float32), np.empty(0, np.int64), np.empty(0), complete=False)
    state = State(centers, weights, np.zeros(1, np.float32), no_sample)
    resources = Resources(Engine(ONE_THREAD, state.shift))
    trials = shrink(state, 2, lloyd_settings, seeds, lambda i, msd: reported.append((i, msd)), resources)
    found = trials[0]
    assert [trial.msd for trial in trials] == sorted(msd for _, msd in reported)
    assert [trial for trial, _ in reported] == list(range(10))
    assert found.msd == min(msd for _, msd in reported)
    assert sorted(found.centers[:, 0].tolist()) == [0.25, 10.5]


@pytest.mark.parametrize("init_method", ["random", "kmeans++"])
def test_shrink_returns_k_centers_where_float32_holds_fewer_apart(init_method: InitMethod) -> None:
    centers = np.array([[1e9], [1e9 + 1e-3], [1e9 + 2e-3], [2e9]])
    no_sample = Sample(np.empty((0, 1), np.float32), np.empty(0, np.int64), np.empty(0), complete=False)
    state = State(centers, np.ones(4), np.zeros(1, np.float32), no_sample)
    lloyd_settings = LloydSettings(init_method, 3, 300, 1e-4)
    resources = Resources(Engine(ONE_THREAD, state.shift))
    trials = shrink(state, 3, lloyd_settings, np.random.SeedSequence(0), lambda _, __: None, resources)
    assert [trial.centers.shape for trial in trials] == [(3, 1)] * 3
