"""The coreset, the search for swaps, and refinement on both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmeans.communicator import SingleHost
from kmeans.coreset import coreset
from kmeans.lloyd import lloyd
from kmeans.local_search import SearchLimits, swap_centers
from kmeans.refinement import refine
from kmeans.reservoir import Reservoir
from kmeans.sample import Sample
from kmeans.shift import usual_values
from kmeans.shrinking import LloydSettings, search, shrink
from kmeans.state import State
from kmeans.streaming import Stream
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray
from tests.kmeans import naive

SETTINGS = LloydSettings("kmeans++", 1, 300, 0.0)
SETTINGS_OF_TRIALS = LloydSettings("kmeans++", 10, 300, 0.0)
LIMITS = SearchLimits(patience=50, work=1e10)


def blobs(n: int, d: int, k: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-10, 10, (k, d))
    return np.asarray(centers[rng.integers(0, k, n)] + rng.standard_normal((n, d)), np.float32)


def state_of(rows: FloatArray, n_centers: int, size: int, half_life: int = 0, seed: int = 0) -> State:
    """Stream rows in small mini-batches."""
    rng = np.random.default_rng(seed)
    shift = usual_values(rows)
    start = rows[rng.choice(len(rows), n_centers, replace=False)].astype(np.float64)
    stream = Stream(start, np.zeros(len(start)), shift, half_life, SingleHost(), Threads())
    reservoir = Reservoir(size, rows.shape[1], half_life, rng)
    for batch in np.array_split(rows, 10):
        reservoir.add(batch, *stream.add(batch))
        stream.step()
    return State(stream.centers, stream.weights, shift, reservoir.sample(SingleHost()))


def whole(rows: FloatArray) -> State:
    """Give a state whose sample is all rows; the stream has no part in it."""
    n, d = rows.shape
    sample = Sample(rows, np.zeros(n, np.int64), np.ones(n), complete=True)
    return State(np.zeros((1, d)), np.full(1, float(n)), np.zeros(d, np.float32), sample)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(1, 150), st.sampled_from([0, 40]), st.integers(0, 2**32 - 1))
def test_a_coreset_has_the_weight_and_the_mean_of_every_center(
    n_centers: int, size: int, half_life: int, seed: int
) -> None:
    state = state_of(blobs(200, 3, 4, seed), n_centers, size, half_life, seed).live()
    points = coreset(state)
    labels = np.concatenate(
        [state.sample.labels, np.setdiff1d(np.arange(len(state.centers)), np.unique(state.sample.labels))]
    )
    sums, counts = naive.add_rows(points.points.astype(np.float64), labels, points.weights, len(state.centers))
    np.testing.assert_allclose(counts, state.weights, rtol=1e-9)
    np.testing.assert_allclose(sums / counts[:, None], state.centers, rtol=1e-5, atol=1e-5)


def test_a_complete_sample_is_the_coreset() -> None:
    rows = blobs(200, 3, 4, 0)
    state = state_of(rows, 12, 200)
    points = coreset(state)
    assert points.points is state.sample.rows
    assert points.weights.tolist() == [1.0] * 200
    assert points.shift is state.shift


def test_clusters_of_whole_strata_have_the_means_of_all_rows() -> None:
    """However few rows the sample has: here 60 of 20,000, and an error without noise."""
    rows = blobs(20_000, 4, 6, 3)
    state = state_of(rows, 60, 60).live()
    truth = lloyd(rows, state.shift, np.ones(len(rows)), _spread(rows, 6), 300, 0.0, Threads())
    found = refine(state, [truth.centers], SETTINGS, np.random.SeedSequence(0), Threads(), SingleHost())
    centers = truth.centers if found is None else found.centers
    # Centers may come in another order.
    np.testing.assert_allclose(centers[naive.nearest(truth.centers, centers)[0]], truth.centers, atol=2e-2)


def _spread(rows: FloatArray, k: int) -> DoubleArray:
    """Give one row of each blob: the farthest from those before."""
    points = rows.astype(np.float64)
    chosen = [points[0]]
    while len(chosen) < k:
        distances = np.min([((points - center) ** 2).sum(axis=1) for center in chosen], axis=0)
        chosen.append(points[distances.argmax()])
    return np.array(chosen)


def test_swaps_leave_a_bad_local_optimum() -> None:
    rows = blobs(900, 2, 6, 5)
    zero = np.zeros(2, np.float32)
    # All centers but one amid one blob: Lloyd's iteration alone does not spread them over the others.
    start = np.concatenate([rows[:1], np.repeat(rows[1:2], 5, axis=0) + np.linspace(0, 0.1, 5)[:, None]])
    stuck = lloyd(rows, zero, np.ones(900), start.astype(np.float64), 300, 0.0, Threads())
    found = swap_centers(rows, zero, np.ones(900), stuck, LIMITS, np.random.default_rng(0), Threads())
    assert found.msd < 0.8 * stuck.msd
    assert found.msd == pytest.approx(naive.nearest(rows, found.centers)[1].mean(), rel=1e-9)


def test_swaps_never_raise_the_loss_and_depend_on_the_generator_alone() -> None:
    rows = blobs(500, 3, 8, 1)
    zero, weights = np.zeros(3, np.float32), np.random.default_rng(0).uniform(0, 3, 500)
    start = lloyd(rows, zero, weights, rows[:8].astype(np.float64), 300, 0.0, Threads())
    found = [
        swap_centers(rows, zero, weights, start, LIMITS, np.random.default_rng(7), Threads(count)).centers.tobytes()
        for count in (1, 3, 3)
    ]
    assert len(set(found)) == 1
    assert swap_centers(rows, zero, weights, start, LIMITS, np.random.default_rng(8), Threads()).msd <= start.msd


def test_a_search_without_room_for_one_swap_changes_nothing() -> None:
    rows = blobs(500, 3, 8, 1)
    zero = np.zeros(3, np.float32)
    start = lloyd(rows, zero, np.ones(500), rows[:8].astype(np.float64), 300, 0.0, Threads())
    for limits in (SearchLimits(patience=50, work=500 * 3 * 8), SearchLimits(patience=0, work=1e10)):
        assert swap_centers(rows, zero, np.ones(500), start, limits, np.random.default_rng(0), Threads()) is start


def test_swaps_of_points_that_are_all_centers_end_at_once() -> None:
    rows = np.array([[0.0], [1.0]], np.float32)
    zero = np.zeros(1, np.float32)
    start = lloyd(rows, zero, np.ones(2), rows.astype(np.float64), 300, 0.0, Threads())
    assert swap_centers(rows, zero, np.ones(2), start, LIMITS, np.random.default_rng(0), Threads()) is start


def test_a_search_among_the_centers_betters_the_trials_of_the_recipe() -> None:
    rng = np.random.default_rng(3)
    centers = rng.uniform(-10, 10, (200, 8))
    no_sample = Sample(np.empty((0, 8), np.float32), np.empty(0, np.int64), np.empty(0), complete=False)
    state = State(centers, rng.uniform(1, 3, 200), np.zeros(8, np.float32), no_sample)
    seeds = np.random.SeedSequence(0)
    trials = shrink(state, 30, SETTINGS_OF_TRIALS, seeds, Threads(), lambda _, __: None, SingleHost())
    results = [
        search(state, trials, SETTINGS_OF_TRIALS, np.random.SeedSequence(1), Threads(count), SingleHost())
        for count in (1, 2, 3)
    ]
    found = results[0]
    assert found[0].msd < 0.99 * trials[0].msd
    assert [trial.msd for trial in found] == sorted({trial.msd for trial in found})
    nearest = naive.nearest(centers.astype(np.float32), found[0].centers)[1]
    assert found[0].msd == pytest.approx(np.average(nearest, weights=state.weights), rel=1e-9)
    assert len({b"".join(trial.centers.tobytes() for trial in result) for result in results}) == 1


def test_refinement_never_raises_the_loss_of_the_sample() -> None:
    rows = blobs(1000, 4, 6, 2)
    start = rows[:6].astype(np.float64)
    refined = refine(whole(rows), [start], SETTINGS, np.random.SeedSequence(0), Threads(), SingleHost())
    assert refined is not None
    assert refined.msd < naive.nearest(rows, start)[1].mean()


def test_refinement_is_no_worse_than_lloyd_from_the_best_of_its_starts() -> None:
    rows = blobs(1000, 4, 6, 2)
    rng = np.random.default_rng(0)
    starts = [rows[rng.choice(1000, 6, replace=False)].astype(np.float64) for _ in range(10)]
    alone = [lloyd(rows, np.zeros(4, np.float32), np.ones(1000), start, 300, 0.0, Threads()) for start in starts]
    together = refine(whole(rows), starts, SETTINGS, np.random.SeedSequence(0), Threads(), SingleHost())
    assert together is not None
    assert together.msd <= min(found.msd for found in alone) * 1.001


def test_refinement_that_lowers_nothing_says_so() -> None:
    rows = np.array([[0.0], [1.0], [10.0]], np.float32)
    optimum = np.array([[0.5], [10.0]])
    assert refine(whole(rows), [optimum], SETTINGS, np.random.SeedSequence(0), Threads(), SingleHost()) is None
