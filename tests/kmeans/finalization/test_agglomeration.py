"""The hierarchical clustering of weighted centers."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering

from kmeans.finalization.agglomeration import TILE, agglomerate, merge_chains, pair_costs
from kmeans.threads import Threads
from kmeans.types import DoubleArray, LabelArray
from tests.kmeans import naive
from tests.memory import at_most

FILL = np.float64(np.float32(9.96921e36))


def merged(centers: DoubleArray, weights: DoubleArray, k: int, threads: Threads | None = None) -> DoubleArray:
    """Return the means of the groups in lexical order."""
    means = agglomerate(centers, weights, k, threads or Threads())
    assert means is not None
    assert means.shape == (k, centers.shape[1])
    return in_order(means)


def in_order(means: DoubleArray) -> DoubleArray:
    ordered: DoubleArray = means[np.lexsort(means.T[::-1])]
    return ordered


def means_of(centers: DoubleArray, labels: LabelArray) -> DoubleArray:
    return in_order(np.array([centers[labels == label].mean(axis=0) for label in np.unique(labels)]))


@pytest.mark.parametrize(("n_centers", "d"), [(2, 1), (40, 3), (300, 20)])
def test_equal_weights_give_wards_clustering(n_centers: int, d: int, threads: Threads) -> None:
    centers = np.random.default_rng(d).standard_normal((n_centers, d))
    for k in {1, 2, n_centers // 7 + 1, n_centers // 2, n_centers - 1}:
        found = merged(centers, np.full(n_centers, 0.3), k, threads)
        reference = AgglomerativeClustering(k, linkage="ward").fit_predict(centers)
        np.testing.assert_allclose(found, means_of(centers, reference), atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 25), st.integers(1, 4), st.data())
def test_unequal_weights_give_what_merging_the_cheapest_pair_gives(n_centers: int, d: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    k = data.draw(st.integers(1, n_centers))
    centers, weights = rng.standard_normal((n_centers, d)), 10.0 ** rng.uniform(-3, 3, n_centers)
    np.testing.assert_allclose(
        merged(centers, weights, k), in_order(naive.agglomerate(centers, weights, k)), rtol=1e-9, atol=1e-12
    )


def test_the_same_number_leaves_centers_unchanged() -> None:
    centers = np.random.default_rng(0).standard_normal((9, 4))
    assert merged(centers, np.arange(1.0, 10.0), 9).tobytes() == in_order(centers).tobytes()
    assert merged(centers[:1], np.ones(1), 1).tobytes() == centers[:1].tobytes()


def test_centers_at_one_place_are_merged_first() -> None:
    places = np.array([[0.0, 1.0], [5.0, 5.0], [5.0, 5.001]])
    found = merged(np.repeat(places, [3, 1, 4], axis=0), np.arange(1.0, 9.0), 3)
    assert found.tobytes() == places.tobytes()


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 30), st.sampled_from(["corners", "lattice"]), st.floats(0.01, 10), st.integers(0, 2**32 - 1))
def test_ties_end_and_merge_every_center_once(n_centers: int, kind: str, scale: float, seed: int) -> None:
    """The corners of a simplex cost the same whatever has been merged, so that rounding alone decides."""
    rng = np.random.default_rng(seed)
    corners = kind == "corners"
    centers = scale * (np.eye(n_centers) if corners else rng.integers(0, 3, (n_centers, 3)).astype(np.float64))
    weights = np.full(n_centers, scale) if seed % 2 else rng.choice([0.1, 0.3, 0.7], n_centers)
    costs = np.empty((n_centers, n_centers))
    for first in range(0, n_centers, TILE):
        pair_costs(centers, weights, first, min(first + TILE, n_centers), costs)
    assert (costs == costs.T).all()
    mergers, heights = np.empty((n_centers - 1, 2), np.int64), np.empty(n_centers - 1)
    merge_chains(costs, weights.copy(), mergers, heights)
    dropped: set[int] = set()
    for kept, gone in mergers.tolist():
        assert kept < gone
        assert not dropped & {kept, gone}
        dropped.add(gone)
    assert (heights >= 0.0).all()
    if corners and seed % 2:
        np.testing.assert_allclose(heights, scale**3, rtol=1e-9)


def test_weights_may_be_tiny_or_huge() -> None:
    centers = np.random.default_rng(1).standard_normal((30, 2))
    weights = np.random.default_rng(2).uniform(1, 9, 30)
    expected = merged(centers, weights, 6)
    for scale in (2.0**-1000, 2.0**900):
        np.testing.assert_allclose(merged(centers, weights * scale, 6), expected, rtol=1e-12)
    # What weighs next to nothing goes to the nearest of the others.
    weights[:20] = 5e-324
    found = merged(centers, weights, 10)
    np.testing.assert_allclose(found, in_order(centers[20:]), rtol=1e-12)
    # Some of these may be left alone.
    assert np.isfinite(merged(centers, weights, 25)).all()


@pytest.mark.parametrize("scale", [1e-38, 1e18, 3e38])
def test_the_size_of_numbers_does_not_matter(scale: float) -> None:
    centers = np.random.default_rng(1).uniform(-1, 1, (30, 2))
    weights = np.random.default_rng(2).uniform(1, 9, 30)
    np.testing.assert_allclose(merged(centers * scale, weights, 6) / scale, merged(centers, weights, 6), rtol=1e-9)


@pytest.mark.parametrize("far", [1e18, 3.4e38])
def test_a_far_center_costs_one_place(far: float) -> None:
    centers = np.random.default_rng(1).standard_normal((30, 2))
    weights = np.random.default_rng(2).uniform(1, 9, 31)
    found = merged(np.vstack([centers, [[far, far]]]), weights, 7)
    assert found[-1].tolist() == [far, far]
    np.testing.assert_allclose(found[:-1], merged(centers, weights[:-1], 6), rtol=1e-9)


def test_a_value_that_all_share_is_the_mean_exactly() -> None:
    """A rounding of 1e36 is farther than anything else in the data."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((200, 3))
    centers[:, 1] = FILL
    assert (merged(centers, rng.uniform(0.1, 1e3, 200), 7)[:, 1] == FILL).all()


def test_the_number_of_threads_changes_no_byte() -> None:
    rng = np.random.default_rng(0)
    centers, weights = rng.standard_normal((200, 5)), rng.uniform(1, 9, 200)
    found = set()
    for count in (1, 2, 3, 8):
        threads = Threads(count)
        means = agglomerate(centers, weights, 17, threads)
        threads.close()
        assert means is not None
        found.add(means.tobytes())
    assert len(found) == 1


def test_it_stops_when_there_is_no_time_left(threads: Threads) -> None:
    centers = np.random.default_rng(0).standard_normal((50, 2))
    for looks in (0, 1, 50 // TILE):
        asked = itertools.count()
        assert agglomerate(centers, np.ones(50), 5, threads, lambda: next(asked) >= looks) is None  # noqa: B023
    assert agglomerate(centers, np.ones(50), 5, threads, lambda: False) is not None


def test_it_takes_little_more_memory_than_the_costs_of_all_pairs() -> None:
    n_centers = 1000
    centers = np.random.default_rng(0).standard_normal((n_centers, 3))
    with at_most(8 * n_centers**2 + (4 << 20)):
        assert merged(centers, np.ones(n_centers), 700).shape == (700, 3)
