"""Where centers start: distinct rows, and greedy k-means++."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmeans.assignment.pieces import PIECE_VALUES
from kmeans.kmeans_plus_plus import distinct, kmeans_plus_plus, lowered_distances, random_rows
from kmeans.points import WeightedPoints
from kmeans.threads import Threads
from tests.kmeans import naive
from tests.kmeans.rows import blobs


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 50), st.integers(1, 30), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_what_candidates_are_worth(n: int, d: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, weights, squared = rng.standard_normal((n, d)).astype(np.float32), rng.random(n), rng.uniform(0, 2 * d, n)
    candidates = rng.standard_normal((m, d))
    lowered, losses = np.empty((m, n)), np.empty(m)
    lowered_distances(points, weights, squared, candidates, lowered, losses)
    for i, candidate in enumerate(candidates):
        np.testing.assert_allclose(
            lowered[i], naive.lower_distances(points.astype(np.float64), candidate, squared), rtol=1e-12
        )
    np.testing.assert_allclose(losses, lowered @ weights, rtol=1e-12)


def test_distinct_rows_keep_their_order_and_zero_has_one_sign() -> None:
    points = np.array([[2.0, 0.0], [1.0, 1.0], [2.0, -0.0], [1.0, 1.0], [3.0, 0.0]])
    assert distinct(points).tolist() == [[2, 0], [1, 1], [3, 0]]


def test_random_rows_are_rows_and_never_repeat() -> None:
    points = np.arange(20.0).reshape(10, 2)
    chosen = random_rows(points, 10, np.random.default_rng(0))
    assert sorted(chosen[:, 0].tolist()) == points[:, 0].tolist()
    assert len(random_rows(points, 99, np.random.default_rng(0))) == 10


def test_kmeans_plus_plus_takes_every_distinct_point_once_then_stops() -> None:
    points = np.repeat(np.arange(5, dtype=np.float32)[:, None], 3, axis=0)
    centers = kmeans_plus_plus(WeightedPoints.alike(points), 9, np.random.default_rng(0), Threads())
    assert sorted(centers[:, 0].tolist()) == [0, 1, 2, 3, 4]


def test_kmeans_plus_plus_never_takes_a_point_without_weight() -> None:
    points = np.array([[0.0], [1.0], [1e6]], np.float32)
    for seed in range(20):
        centers = kmeans_plus_plus(
            WeightedPoints(points, np.array([1.0, 1.0, 0.0])), 2, np.random.default_rng(seed), Threads()
        )
        assert sorted(centers[:, 0].tolist()) == [0, 1]


def test_kmeans_plus_plus_finds_far_groups() -> None:
    points = blobs(600, 2, 3, 5) * np.float32(1e3)
    centers = kmeans_plus_plus(WeightedPoints.alike(points), 3, np.random.default_rng(0), Threads())
    labels, _ = naive.nearest(points, centers)
    assert len(set(labels.tolist())) == 3


def test_kmeans_plus_plus_adds_to_given_centers() -> None:
    points = np.array([[0.0], [5.0], [9.0]], np.float32)
    centers = kmeans_plus_plus(WeightedPoints.alike(points), 3, np.random.default_rng(0), Threads(), np.array([[5.0]]))
    assert centers[0].tolist() == [5.0]
    assert sorted(centers[1:, 0].tolist()) == [0, 9]


def test_the_number_of_threads_changes_no_byte() -> None:
    points = blobs(3 * PIECE_VALUES // 10 + 7, 10, 8, 0)
    weights = np.random.default_rng(0).uniform(0, 3, len(points))
    found = set()
    for count in (1, 2, 3, 8):
        pool = Threads(count)
        found.add(kmeans_plus_plus(WeightedPoints(points, weights), 8, np.random.default_rng(5), pool).tobytes())
        pool.close()
    assert len(found) == 1


def test_the_best_of_the_candidates_is_taken() -> None:
    """The obvious form, with the same draws."""
    points, weights = blobs(300, 3, 8, 2), np.random.default_rng(0).uniform(0, 3, 300)
    found = kmeans_plus_plus(WeightedPoints(points, weights), 8, np.random.default_rng(5), Threads())
    rng = np.random.default_rng(5)
    doubles = points.astype(np.float64)
    centers: list[np.ndarray] = []
    squared = np.ones(300)
    while len(centers) < 8:
        potential = weights * squared
        places = rng.random(4 if centers else 1) * potential.sum()
        drawn = [doubles[np.flatnonzero(np.cumsum(potential) > place)[0]] for place in places]
        if not centers:
            squared[:] = np.inf
        lowered = [naive.lower_distances(doubles, candidate, squared) for candidate in drawn]
        best = int(np.argmin([weights @ one for one in lowered]))
        centers.append(drawn[best])
        squared = lowered[best]
    np.testing.assert_array_equal(found, centers)


@pytest.mark.parametrize("heavy", [1.0, 1e300])
def test_heavy_points_come_first(heavy: float) -> None:
    points = blobs(500, 2, 1, 0)
    weights = np.full(500, 1e-12 * heavy)
    weights[[17, 400]] = heavy
    for seed in range(5):
        found = kmeans_plus_plus(WeightedPoints(points, weights), 2, np.random.default_rng(seed), Threads())
        assert {tuple(center) for center in found} == {tuple(points[i].tolist()) for i in (17, 400)}


@pytest.mark.parametrize("scale", [1e-38, 1e18, 3e38])
def test_the_size_of_numbers_does_not_matter(scale: float, threads: Threads) -> None:
    usual = np.random.default_rng(0).uniform(-1, 1, (400, 3)).astype(np.float32)
    # A power of two changes no digit, but those of the smallest numbers.
    scale = 2.0 ** np.floor(np.log2(scale))
    rtol = 1e-6 if scale < 1e-30 else 0.0
    found, expected = (
        kmeans_plus_plus(WeightedPoints.alike(points), 9, np.random.default_rng(1), threads)
        for points in ((usual * scale).astype(np.float32), usual)
    )
    np.testing.assert_allclose(found / scale, expected, rtol=rtol)


@pytest.mark.parametrize("far", [1e18, 3.4e38])
def test_a_far_point_takes_one_center(far: float, threads: Threads) -> None:
    points = blobs(400, 3, 4, 1)
    points[77] = far
    for seed in range(5):
        found = kmeans_plus_plus(WeightedPoints.alike(points), 9, np.random.default_rng(seed), threads)
        assert len(distinct(found)) == 9
        assert np.isfinite(found).all()
        assert (found[:, 0] == points[77, 0]).sum() == 1


def test_without_time_for_the_given_centers_points_without_weight_are_not_drawn() -> None:
    points = np.arange(6, dtype=np.float32)[:, None]
    weights = np.array([1.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    given_centers = np.array([[9.0]])
    found = kmeans_plus_plus(
        WeightedPoints(points, weights), 4, np.random.default_rng(0), Threads(), given_centers, lambda: True
    )
    assert found[0].tolist() == [9.0]
    assert len(found) == 4
    assert set(found[1:, 0].tolist()) < {0.0, 1.0, 3.0, 4.0}
