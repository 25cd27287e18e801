"""The score of all rows, estimated from what a stream has left of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmeans.assignment.engine import Engine
from kmeans.communicator import SingleHost
from kmeans.finalization.coreset import reduced_state
from kmeans.finalization.estimation import _whole, estimate
from kmeans.state import State
from kmeans.stream.candidates import Candidates
from kmeans.stream.farthest import Farthest
from kmeans.stream.reservoir import Reservoir
from kmeans.stream.start import StreamStart
from kmeans.stream.stream import Stream
from kmeans.threads import ONE_THREAD, Threads
from kmeans.types import DoubleArray, FloatArray
from tests.kmeans import naive


def heavy_tailed(rng: np.random.Generator, n: int) -> FloatArray:
    """Return rows of which a few make most of the loss."""
    return (rng.standard_normal((n, 3)) * rng.pareto(1.2, (n, 1))).astype(np.float32)


def state_of(rows: FloatArray, n_centers: int, sample_size: int, half_life: int = 0, seed: int = 0) -> State:
    rng = np.random.default_rng(seed)
    shift = np.zeros(rows.shape[1], np.float32)
    centers = rows[rng.choice(len(rows), n_centers, replace=False)].astype(np.float64)
    start = StreamStart(centers, np.zeros(n_centers), shift)
    stream = Stream(start, half_life, SingleHost(), Threads(), reassign_far_rows=True)
    reservoir = Reservoir(sample_size, rows.shape[1], half_life, rng)
    for block in np.array_split(rows, max(1, len(rows) // 1000)):
        reservoir.add(block, *stream.add(block))
        reservoir.relabel(stream.step().reassignments, 0)
    return State(stream.centers, stream.weights, shift, reservoir.sample(SingleHost()), stream.spreads)


def model_of(state: State, k: int) -> DoubleArray:
    heaviest = np.argsort(-(state.spreads if state.spreads is not None else state.weights))
    return state.centers[heaviest[:k]]


@pytest.mark.parametrize("seed", range(3))
def test_heavy_tails_are_estimated_to_a_part_of_a_percent(seed: int) -> None:
    rows = heavy_tailed(np.random.default_rng(seed), 60_000)
    state = state_of(rows, 100, 2000, seed=seed)
    centers = model_of(state, 10)
    found = estimate(state, len(rows), centers, Engine(ONE_THREAD, state.shift))
    labels, squared = naive.nearest(rows, centers)
    assert not found.is_exact
    assert (found.rows, found.sample_rows) == (60_000, 2000)
    assert abs(found.msd - squared.mean()) < 3 * found.msd_error
    assert 3 * found.msd_error < 0.01 * squared.mean()
    assert found.cluster_sizes.sum() == len(rows)
    # Those of the sample alone are off by several percent, or by a multiple.
    _, of_sample = naive.nearest(state.sample.rows, centers)
    assert abs(of_sample.mean() / squared.mean() - 1) > 0.02
    assert found.cluster_ssds.sum() == pytest.approx(found.ssd)
    assert (found.cluster_sizes[np.bincount(labels, minlength=10) > 0] > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_without_spreads_the_farthest_rows_are_scored_one_by_one(seed: int) -> None:
    rows = heavy_tailed(np.random.default_rng(seed), 60_000)
    state = replace(state_of(rows, 100, 5000, seed=seed), spreads=None)
    centers = state.centers[:10]
    found = estimate(state, len(rows), centers, Engine(ONE_THREAD, state.shift))
    _, squared = naive.nearest(rows, centers)
    assert abs(found.msd - squared.mean()) < 4 * found.msd_error < 0.05 * squared.mean()
    assert found.cluster_sizes.sum() == len(rows)


def test_without_spreads_decayed_rows_add_up_whether_or_not_the_farthest_are_in_the_sample() -> None:
    """A reduced state has them once."""
    rows = heavy_tailed(np.random.default_rng(0), 60_000)
    half_life = 3_000
    state = replace(state_of(rows, 100, 20_000, half_life), spreads=None)
    centers, engine = model_of(state, 10), Engine(ONE_THREAD, state.shift)
    kept = reduced_state(state, centers, 2_000, np.random.default_rng(0), engine)
    assert kept.sample.far is not None
    _, squared = naive.nearest(rows, centers)
    expected = np.average(squared, weights=np.exp2(np.arange(1 - len(rows), 1) / half_life))
    for one in (state, kept):
        assert estimate(one, len(rows), centers, engine).msd == pytest.approx(expected, rel=0.02)


def test_whole_strata_need_no_sample() -> None:
    """Two clusters far apart: no border of the model runs through a stratum."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30_000, 2)).astype(np.float32)
    rows[::2, 0] += 1000.0
    state = state_of(rows, 8, 20)
    state.sample.far = None
    centers = np.array([[0.0, 0.0], [1000.0, 0.0]])
    found = estimate(state, len(rows), centers, Engine(ONE_THREAD, state.shift))
    labels, squared = naive.nearest(rows, centers)
    assert found.ssd == pytest.approx(squared.sum(), rel=1e-9)
    assert found.cluster_sizes.tolist() == [15_000, 15_000]
    np.testing.assert_allclose(found.cluster_ssds, np.bincount(labels, squared), rtol=1e-9)


def test_with_decay_it_is_that_of_the_decayed_rows() -> None:
    rows = heavy_tailed(np.random.default_rng(5), 60_000)
    half_life = 10_000
    state = state_of(rows, 100, 2000, half_life)
    centers = model_of(state, 10)
    found = estimate(state, len(rows), centers, Engine(ONE_THREAD, state.shift))
    labels, squared = naive.nearest(rows, centers)
    weights = np.exp2(np.arange(1 - len(rows), 1) / half_life)
    expected = np.average(squared, weights=weights)
    assert abs(found.msd - expected) < 3 * found.msd_error < 0.02 * expected
    shares = np.bincount(labels, weights, minlength=10) / weights.sum()
    np.testing.assert_allclose(found.cluster_sizes / len(rows), shares, atol=0.02)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=5), st.sampled_from([0, 100, 5000]), st.integers(0, 99))
def test_the_farthest_rows_are_all_that_are_as_far(sizes: list[int], half_life: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, d = sum(sizes), 1500
    # Many are equally far.
    squared = np.where(rng.random(n) < 0.5, rng.integers(0, 50, n), rng.pareto(1.0, n)).astype(np.float64)
    rows = np.zeros((n, d), np.float32)
    rows[:, 0] = np.arange(n)
    growth = np.log(2) / half_life if half_life else 0.0
    farthest = Farthest(d, growth)
    begin = 0
    for size in sizes:
        some = slice(begin, begin + size)
        positions = np.arange(begin, begin + size, dtype=np.float64)
        numbers = np.arange(begin, begin + size)
        labels, draws = np.zeros(size, np.int64), np.ones(size)
        farthest.add(Candidates(rows, numbers, labels, numbers, positions, draws, squared[some]))
        begin += size
    found, _, positions, _ = farthest.gathered(SingleHost())
    with np.errstate(divide="ignore"):
        keys = np.log(squared) + growth * np.arange(n)
    least = np.sort(keys)[::-1][farthest.size] if n > farthest.size else -np.inf
    expected = np.flatnonzero(keys > least)
    assert sorted(positions.tolist()) == expected.tolist()
    assert sorted(found[:, 0].tolist()) == expected.tolist()


@settings(deadline=None)
@given(st.lists(st.just(0.0) | st.floats(1e-6, 1e6), min_size=1, max_size=30).filter(any), st.integers(30, 10**7))
def test_sizes_are_rounded_to_the_number_of_rows(sizes: list[float], total: int) -> None:
    found = _whole(np.array(sizes), total)
    assert found.sum() == total
    assert (found == np.round(found)).all()
    assert ((found > 0) == (np.array(sizes) > 0)).all()
