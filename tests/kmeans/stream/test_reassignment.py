"""Centers that are reassigned to far rows."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmeans.assignment.sums import ClusterSums
from kmeans.communicator import Communicator, SingleHost, nothing
from kmeans.kernels.far_rows import DISTANCE, EXTRA, HOST, LABEL, POSITION, WEIGHT, cheapest_merger
from kmeans.stream.reassignment import FarRows, reassign
from kmeans.stream.reservoir import Reservoir
from kmeans.stream.start import StreamStart
from kmeans.stream.step import Step
from kmeans.stream.stream import Stream
from kmeans.thread_hosts import run_hosts
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray
from tests.kmeans import naive


def stream_of(centers: list[list[float]], half_life: int = 0, outlier_distance: float = math.inf) -> Stream:
    shift = np.zeros(len(centers[0]), np.float32)
    start = StreamStart(np.array(centers), np.zeros(len(centers)), shift, outlier_distance)
    return Stream(start, half_life, SingleHost(), Threads(), reassign_far_rows=True)


def take(stream: Stream, rows: list[list[float]] | FloatArray) -> Step:
    stream.add(np.array(rows, np.float32))
    return stream.step()


def test_a_center_that_never_had_rows_goes_to_the_outlier() -> None:
    stream = stream_of([[0.0], [10.0], [50.0]])
    step = take(stream, [[-1.0], [1.0], [9.0], [11.0], [-9.0]])
    assert [(change.center, change.position) for change in step.reassignments] == [(2, 4)]
    assert stream.centers[:, 0].tolist() == [0.0, 10.0, -9.0]
    assert stream.weights.tolist() == [2.0, 2.0, 1.0]


def test_two_near_centers_merge_for_a_far_row() -> None:
    stream = stream_of([[0.0], [1.0], [100.0]])
    step = take(stream, [[0.0], [0.0], [1.0], [100.0], [100.0], [1000.0]])
    assert [(change.center, change.merged_into) for change in step.reassignments] == [(1, 0)]
    assert stream.weights.tolist() == [3.0, 1.0, 2.0]
    assert stream.centers[:, 0].tolist() == [pytest.approx(1 / 3), 1000.0, 100.0]


def test_nothing_moves_where_a_merger_costs_more() -> None:
    stream = stream_of([[0.0], [100.0]])
    step = take(stream, [[0.0], [0.0], [100.0], [100.0], [101.0]])
    assert step.reassignments == []


def test_a_center_starved_by_decay_is_the_one_to_go() -> None:
    stream = stream_of([[0.0], [50.0], [100.0]], half_life=10)
    take(stream, [[0.0], [50.0], [100.0]])
    take(stream, [[float(value)] for value in [0, 100] * 60])
    step = take(stream, [[0.0]] * 30 + [[100.0]] * 30 + [[120.0]])
    assert [change.center for change in step.reassignments] == [1]
    assert stream.centers[1, 0] == 120.0


def test_without_reassignment_the_stream_keeps_to_the_recipe() -> None:
    start = StreamStart(np.array([[0.0], [10.0], [50.0]]), np.zeros(3), np.zeros(1, np.float32))
    stream = Stream(start, 0, SingleHost(), Threads())
    step = take(stream, [[-1.0], [1.0], [9.0], [11.0], [-9.0]])
    assert step.reassignments == []
    assert stream.weights[2] == 0.0


@pytest.mark.parametrize("far", [1e13, -1e18, 3.4e38])
@pytest.mark.parametrize("half_life", [0, 50])
def test_outliers_take_no_digits_from_the_centers_that_were_nearest(far: float, half_life: int) -> None:
    usual = np.array([[0.0], [1.0], [10.0], [11.0], [30.0], [32.0]] * 10, np.float32)
    outliers = np.array([[far], [far * 0.9]], np.float32)
    centers = [[0.0], [1.0], [10.0], [11.0], [31.0]]
    stream = stream_of(centers, half_life, outlier_distance=1e12)
    step = take(stream, np.concatenate([usual, outliers]))
    assert {(change.center, change.merged_into) for change in step.reassignments} <= {(0, 1), (1, 0), (2, 3), (3, 2)}
    assert len(step.reassignments) == 2
    # The outliers came last, so that all other rows have decayed alike.
    alone = stream_of(centers, half_life)
    take(alone, usual)
    pairs = [np.average(alone.centers[i : i + 2, 0], weights=alone.weights[i : i + 2]) for i in (0, 2)]
    expected = sorted([*pairs, alone.centers[4, 0], *outliers[:, 0].tolist()])
    np.testing.assert_allclose(np.sort(stream.centers[:, 0]), expected, rtol=1e-12)


@pytest.mark.parametrize("far", [1e13, -1e18, 3.4e38])
def test_an_outlier_that_no_center_is_reassigned_to_joins_its_own(far: float) -> None:
    stream = stream_of([[0.0]], outlier_distance=1e12)
    step = take(stream, np.array([[1.0], [3.0], [far], [2.0]], np.float32))
    assert step.reassignments == []
    assert stream.weights.tolist() == [4.0]
    assert stream.centers[0, 0] == pytest.approx(float(np.float32(far)) / 4 + 1.5, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 8),
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
    st.sampled_from([0.0, 1.0, 100.0, math.inf]),
    st.sampled_from([0, 7, 50]),
    st.integers(0, 2**32 - 1),
)
def test_weight_mean_and_spread_are_those_of_all_rows(
    n_centers: int, sizes: list[int], outlier_distance: float, half_life: int, seed: int
) -> None:
    """Each center is the mean of the rows that carry its label, whatever was reassigned on the way."""
    rng = np.random.default_rng(seed)
    rows = (rng.standard_normal((sum(sizes), 2)) * rng.pareto(1.0, (sum(sizes), 1))).astype(np.float32)
    stream = stream_of(rng.standard_normal((n_centers, 2)).tolist(), half_life, outlier_distance)
    reservoir = Reservoir(len(rows), 2, half_life, rng)
    for block in np.split(rows, np.cumsum(sizes)[:-1]):
        reservoir.add(block, *stream.add(block))
        reservoir.relabel(stream.step().reassignments, 0)
    sample = reservoir.sample(SingleHost())
    labels, weights = sample.labels, sample.weights
    np.testing.assert_allclose(stream.weights, np.bincount(labels, weights, minlength=n_centers), rtol=1e-6)
    for label in np.unique(labels):
        own = labels == label
        mean = np.average(rows[own].astype(np.float64), axis=0, weights=weights[own])
        np.testing.assert_allclose(stream.centers[label], mean, rtol=1e-7, atol=1e-7 * np.abs(rows).max())
    expected = naive.spreads(rows, labels, weights, stream.centers)
    np.testing.assert_allclose(stream.spreads, expected, rtol=1e-6, atol=1e-9 * np.square(rows).max())


@pytest.mark.parametrize("seed", range(20))
def test_the_cheapest_merger_is_that_of_its_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_centers = int(rng.integers(1, 200))
    # In many features, a part of them rules out most mergers.
    centers = rng.standard_normal((n_centers, 300 if seed % 2 else 11)).round(1)
    weights = rng.pareto(1.0, n_centers) * (rng.random(n_centers) > 0.1)
    barred = rng.random(n_centers) < 0.2
    candidates = rng.permutation(np.flatnonzero(~barred))[:16]
    found = cheapest_merger(centers, weights, barred, candidates, np.inf, 0, n_centers)
    expected = naive.cheapest_merger(centers, weights, barred, candidates)
    assert found[2] == pytest.approx(expected[2], rel=1e-12)
    if expected[2] > 0.0:
        assert tuple(map(int, found[:2])) == expected[:2]
        assert cheapest_merger(centers, weights, barred, candidates, 1.01 * found[2], 0, n_centers) == found
        assert cheapest_merger(centers, weights, barred, candidates, 0.99 * found[2], 0, n_centers)[0] == -1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
    st.integers(1, 10),
    st.sampled_from([0.0, 3.0, 6.0, 100.0]),
    st.integers(0, 2**32 - 1),
)
def test_the_farthest_rows_are_those_of_their_twin(
    sizes: list[int], n_hosts: int, outlier_distance: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    rows = rng.standard_normal((n, 3), np.float32)
    # Many are equal.
    distances = rng.integers(0, 8, n).astype(np.float64)
    labels, weights = rng.integers(0, 5, n), rng.uniform(0, 1, n)
    third = SingleHost()
    third.rank, third.size = 2, n_hosts
    far = FarRows(third, 3, outlier_distance)
    into = ClusterSums.zeros(5, 3)
    sums, counts, losses = into.sums, into.counts, into.losses
    begin = 0
    for size in sizes:
        some = slice(begin, begin + size)
        far.offer(rows[some], labels[some], distances[some], weights[some], 100 + begin, into)
        begin += size
    expected = naive.farthest_rows(distances, len(far.table))
    found = far.table[: len(expected)]
    assert found[:, POSITION].tolist() == [100 + i for i in expected]
    assert found[:, DISTANCE].tolist() == distances[expected].tolist()
    assert found[:, LABEL].tolist() == labels[expected].tolist()
    assert found[:, WEIGHT].tolist() == weights[expected].tolist()
    assert (found[:, HOST] == 2.0).all()
    assert found[:, :3].tolist() == rows[expected].tolist()
    assert not far.table[len(expected) :].any()
    # Outliers without a place there are in the sums.
    added = np.setdiff1d(np.flatnonzero(distances > outlier_distance), expected)
    expected_sums, expected_counts = naive.add_rows(rows[added].astype(np.float64), labels[added], weights[added], 5)
    np.testing.assert_allclose(sums, expected_sums, atol=1e-12)
    np.testing.assert_allclose(counts, expected_counts, atol=1e-12)
    expected_losses = np.bincount(labels[added], weights[added] * distances[added], minlength=5)
    np.testing.assert_allclose(losses, expected_losses, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 40), st.integers(1, 8), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_centers_are_reassigned_as_by_their_twin(n_centers: int, n_rows: int, n_features: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((n_centers, n_features))
    weights = rng.pareto(1.0, n_centers) * (rng.random(n_centers) > 0.2)
    table = rng.standard_normal((n_rows, n_features + EXTRA)) * 10
    table[:, LABEL] = rng.integers(0, n_centers, n_rows)
    table[:, WEIGHT] = rng.pareto(1.0, n_rows) * (rng.random(n_rows) > 0.2)
    table[:, [HOST, POSITION]] = 0.0, 7.0
    table[:, DISTANCE] = rng.uniform(0, 10, n_rows)
    outlier_distance = rng.choice([0.0, 5.0, 10.0])
    spreads = rng.pareto(1.0, n_centers)
    expected_centers, expected_weights, expected_spreads = centers.copy(), weights.copy(), spreads.copy()
    expected = naive.reassign(table, outlier_distance, expected_centers, expected_weights, expected_spreads)
    done = reassign(table, outlier_distance, centers, weights, spreads)
    assert [(one.center, one.merged_into) for one in done] == [two[1:] for two in expected]
    assert all((one.host, one.position) == (0, 7) for one in done)
    np.testing.assert_allclose(centers, expected_centers, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(weights, expected_weights, rtol=1e-12)
    np.testing.assert_allclose(spreads, expected_spreads, rtol=1e-9, atol=1e-9)


class Counted:
    """Counts the numbers of each sum of a host."""

    def __init__(self, hosts: Communicator) -> None:
        self._sum = hosts.sum
        self.lengths: list[int] = []
        hosts.sum = self.sum  # type: ignore[method-assign]

    def sum(self, values: DoubleArray, meanwhile: Callable[[], bool] = nothing) -> None:
        self.lengths.append(len(values))
        self._sum(values, meanwhile)


@pytest.mark.parametrize("n_hosts", [2, 3, 5, 16])
@pytest.mark.parametrize("outlier_distance", [math.inf, 1e4])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_hosts_exchange_far_rows_when_they_matter(n_hosts: int, outlier_distance: float, n_threads: int) -> None:
    rng = np.random.default_rng(n_hosts)
    n_centers, n_features = 40, 1300
    start = np.repeat(rng.standard_normal((n_centers // 2, n_features)) * 10, 2, axis=0)
    start[1::2] += 0.1
    steps = [start[rng.permutation(np.repeat(np.arange(n_centers), 8))] for _ in range(3)]
    steps = [(step + 0.01 * rng.standard_normal(step.shape)).astype(np.float32) for step in steps]
    # The last rows of hosts: two that become centers, one beyond what is an outlier.
    steps[1][-1], steps[1][-n_hosts // 2 - 1] = 2.0, 500.0

    def stream(hosts: Communicator) -> tuple[DoubleArray, DoubleArray, list[list[tuple[int, int]]], list[int]]:
        counted = Counted(hosts)
        begin = StreamStart(start, np.zeros(n_centers), np.zeros(n_features, np.float32), outlier_distance)
        with Threads(n_threads) as threads:
            made = Stream(begin, 0, hosts, threads, reassign_far_rows=True)
            changes = []
            for step in steps:
                made.add(np.ascontiguousarray(step[hosts.rank :: hosts.size]))
                done = made.step().reassignments
                changes.append([(change.center, change.merged_into) for change in done])
        return made.centers, made.weights, changes, counted.lengths

    centers, weights, changes, _ = stream(SingleHost())
    assert [len(change) for change in changes] == [0, 2, 0]
    found = run_hosts(n_hosts, stream)
    assert len({host[0].tobytes() for host in found}) == 1
    np.testing.assert_allclose(found[0][0], centers, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[0][1], weights, rtol=1e-9)
    assert found[0][2] == changes
    n_facts = n_hosts * max(1, 8 // n_hosts)
    each = n_centers * (n_features + 2) + 5 + 2 * n_hosts + n_facts * EXTRA
    rows = min(8, n_facts) * (n_features + EXTRA)
    assert found[0][3] == [each, each, rows, each]


@pytest.mark.parametrize("n_rows", [900, 1030, 1045, 1060, 1100])
def test_centers_that_have_nearly_lost_their_weight_merge_to_a_finite_one(n_rows: int) -> None:
    """The reciprocal of their weight is infinite."""
    stream = stream_of([[0.0], [50.0], [100.0]], half_life=1)
    take(stream, [[0.0], [50.0], [100.0]])
    take(stream, [[100.0]] * n_rows)
    step = take(stream, [[100.0]] * 5 + [[1000.0]])
    assert step.reassignments
    assert np.isfinite(stream.centers).all()
    assert 1000.0 in stream.centers
