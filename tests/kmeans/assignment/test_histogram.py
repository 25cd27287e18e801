"""Histograms of distances: what they know of many rows, and that nothing depends on how these are divided."""

from collections import Counter

import numpy as np
import pytest

from kmeans.assignment import counting
from kmeans.assignment.histogram import DistanceHistogram
from kmeans.assignment.scoring import Tally
from kmeans.communicator import Communicator
from kmeans.distribution import QUANTILES, WeightedDistances
from kmeans.kernels.pages import BUCKET_BITS, FREE, PAGE_BITS, PAGE_BUCKETS, add_weights
from kmeans.thread_hosts import run_hosts
from kmeans.threads import Threads
from kmeans.types import DoubleArray, LabelArray


def rows_of(k: int, n_rows: int, seed: int = 0) -> tuple[LabelArray, DoubleArray]:
    """Draw clusters and squared distances from 1e-30 to 1e30, some of them 0."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n_rows)
    distances = 10.0 ** rng.uniform(-3, 3, k)[labels] * rng.chisquare(3, n_rows)
    distances[::50] *= 10.0 ** rng.uniform(-27, 27, len(distances[::50]))
    distances[::7] = 0.0
    return labels, distances


def histogram_of(labels: LabelArray, distances: DoubleArray, k: int, max_pages: int) -> DistanceHistogram:
    histogram = DistanceHistogram(k, max_pages)
    histogram.add(labels, distances)
    return histogram


def assert_same(one: DistanceHistogram, other: DistanceHistogram) -> None:
    assert one.relative_error == other.relative_error
    for found, expected in zip(one.distances(), other.distances(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_kernel_adds_up_what_is_in_each_bucket() -> None:
    labels, distances = rows_of(5, 3000)
    weights = np.random.default_rng(1).integers(1, 9, 3000).astype(np.float64)
    bits = distances.view(np.int64)
    expected: Counter[int] = Counter()
    for label, bit, weight in zip(labels.tolist(), bits.tolist(), weights.tolist(), strict=True):
        expected[(label << BUCKET_BITS) | (bit >> 45)] += weight
    slots, keys = np.full(4096, FREE), np.empty(1000, np.int64)
    totals = np.zeros((1000, PAGE_BUCKETS))
    n_added, n_pages = add_weights(labels, bits, 45, weights, slots, keys, totals, 0)
    assert n_added == 3000
    assert n_pages == len({bucket >> PAGE_BITS for bucket in expected})
    found = {
        (int(keys[page]) << PAGE_BITS) | int(place): totals[page, place]
        for page, place in zip(*np.nonzero(totals[:n_pages]), strict=True)
    }
    assert found == expected


def test_the_kernel_stops_where_there_is_no_page() -> None:
    slots, keys, totals = np.full(4, FREE), np.empty(2, np.int64), np.zeros((2, PAGE_BUCKETS))
    bits = np.array([1.0, 1.0, 2.0, 4.0, 1.0]).view(np.int64)
    labels = np.zeros(5, np.int64)
    assert add_weights(labels, bits, 46, np.ones(1), slots, keys, totals, 0) == (3, 2)
    assert totals.sum() == 3.0
    assert add_weights(labels[4:], bits[4:], 46, np.ones(1), slots, keys, totals, 2) == (1, 2)
    assert totals.max() == 3.0


@pytest.mark.parametrize("max_pages", [1 << 17, 200, 40, 1])
def test_the_order_and_the_parts_of_the_rows_do_not_matter(max_pages: int) -> None:
    labels, distances = rows_of(20, 4000)
    whole = histogram_of(labels, distances, 20, max_pages)
    order = np.random.default_rng(1).permutation(4000)
    assert_same(histogram_of(labels[order], distances[order], 20, max_pages), whole)
    joined = DistanceHistogram(20, max_pages)
    # Whether the parts have coarser buckets than the whole, or finer ones.
    parts = [DistanceHistogram(20, most) for most in (max_pages, 1 << 17, max_pages)]
    for part, rows in zip(parts, np.array_split(order, 3), strict=True):
        part.add(labels[rows], distances[rows])
        joined.take(part)
        assert len(part.distances().labels) == 0
    assert_same(joined, whole)
    assert (whole.relative_error == 2.0**-8) == (max_pages == 1 << 17)


@pytest.mark.parametrize("max_pages", [1 << 17, 150])
@pytest.mark.parametrize("sizes", [(2000, 2000), (4000, 0), (1, 3000, 999)])
def test_hosts_add_theirs_up(max_pages: int, sizes: tuple[int, ...]) -> None:
    labels, distances = rows_of(20, 4000)
    whole = histogram_of(labels, distances, 20, max_pages)
    parts = np.split(np.arange(4000), np.cumsum(sizes)[:-1])

    def on_host(hosts: Communicator) -> DistanceHistogram:
        rows = parts[hosts.rank]
        histogram = histogram_of(labels[rows], distances[rows], 20, max_pages)
        histogram.combine(hosts)
        return histogram

    for found in run_hosts(len(sizes), on_host):
        assert_same(found, whole)


def test_a_row_of_weight_3_counts_as_three_rows() -> None:
    labels, distances = rows_of(6, 2000)
    weights = np.random.default_rng(1).integers(1, 4, 2000)
    weighted = DistanceHistogram(6)
    weighted.add(labels, distances, weights.astype(np.float64))
    assert_same(weighted, histogram_of(labels.repeat(weights), distances.repeat(weights), 6, 1 << 17))


@pytest.mark.parametrize("max_pages", [1 << 17, 200, 100])
def test_quantiles_are_as_near_as_they_say(max_pages: int) -> None:
    labels, distances = rows_of(20, 5000)
    histogram = histogram_of(labels, distances, 20, max_pages)
    tally = Tally(20)
    tally.add(labels, distances)
    found = histogram.distribution(tally.score())
    assert found.exact
    assert found.relative_error == histogram.relative_error < 0.5
    for label in range(20):
        expected = np.quantile(distances[labels == label], QUANTILES, method="inverted_cdf")
        np.testing.assert_allclose(found.squared_quantiles[:, label], expected, rtol=found.relative_error)


def test_rows_at_their_centers_are_at_zero() -> None:
    histogram = histogram_of(np.zeros(5, np.int64), np.zeros(5), 3, 10)
    found = histogram.distances()
    assert [part.tolist() for part in found] == [[0], [0.0], [5.0]]
    assert isinstance(found, WeightedDistances)
    empty = DistanceHistogram(3)
    empty.add(np.empty(0, np.int64), np.empty(0))
    assert len(empty.distances().labels) == 0


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize(("bulk_rows", "thread_pages"), [(1 << 16, 1 << 13), (100, 20)])
def test_threads_count_the_same(
    monkeypatch: pytest.MonkeyPatch, n_threads: int, bulk_rows: int, thread_pages: int
) -> None:
    monkeypatch.setattr(counting, "BULK_ROWS", bulk_rows)
    monkeypatch.setattr(counting, "THREAD_PAGES", thread_pages)
    labels, distances = rows_of(20, 4000)
    with Threads(n_threads) as threads:
        counter = counting.DistanceCounter(20, threads)
        for part in np.array_split(np.arange(4000), 70):
            counter.add(labels[part], distances[part])
        assert_same(counter.histogram(), histogram_of(labels, distances, 20, 1 << 17))
