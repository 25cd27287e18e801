"""The coreset, and refinement on it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from kmeans.assignment.engine import Engine
from kmeans.assignment.shift import usual_values
from kmeans.communicator import Communicator, SingleHost
from kmeans.finalization.coreset import coreset
from kmeans.finalization.deadline import Deadline
from kmeans.finalization.lloyd import StopRule, lloyd
from kmeans.finalization.refinement import refine
from kmeans.finalization.resources import Resources
from kmeans.points import WeightedPoints
from kmeans.sample import Sample
from kmeans.settings import LloydSettings
from kmeans.state import State
from kmeans.stream.reservoir import Reservoir
from kmeans.stream.start import StreamStart
from kmeans.stream.stream import Stream
from kmeans.thread_hosts import run_hosts
from kmeans.threads import ONE_THREAD, Threads
from kmeans.types import DoubleArray, FloatArray
from tests.kmeans import naive
from tests.kmeans.rows import blobs, heavy_tailed

SETTINGS = LloydSettings("kmeans++", 1, 300, 0.0)


def state_of(rows: FloatArray, n_centers: int, size: int, half_life: int = 0, seed: int = 0) -> State:
    """Stream rows in small mini-batches."""
    rng = np.random.default_rng(seed)
    shift = usual_values(rows)
    start = rows[rng.choice(len(rows), n_centers, replace=False)].astype(np.float64)
    stream = Stream(StreamStart(start, np.zeros(len(start)), shift), half_life, SingleHost(), Threads())
    reservoir = Reservoir(size, rows.shape[1], half_life, rng)
    for batch in np.array_split(rows, 10):
        reservoir.add(batch, *stream.add(batch))
        stream.step()
    return State(stream.centers, stream.weights, shift, reservoir.sample(SingleHost()))


def whole(rows: FloatArray) -> State:
    """Return a state whose sample is all rows; the stream has no part in it."""
    n, d = rows.shape
    sample = Sample(rows, np.zeros(n, np.int64), np.ones(n), complete=True)
    return State(np.zeros((1, d)), np.full(1, float(n)), np.zeros(d, np.float32), sample)


def resources_for(state: State) -> Resources:
    return Resources(Engine(ONE_THREAD, state.shift))


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
    sums, counts = naive.add_rows(points.values.astype(np.float64), labels, points.weights, len(state.centers))
    np.testing.assert_allclose(counts, state.weights, rtol=1e-9)
    np.testing.assert_allclose(sums / counts[:, None], state.centers, rtol=1e-5, atol=1e-5)


def test_a_complete_sample_is_the_coreset() -> None:
    rows = blobs(200, 3, 4, 0)
    state = state_of(rows, 12, 200)
    points = coreset(state)
    assert points.values is state.sample.rows
    assert points.weights.tolist() == [1.0] * 200


def test_clusters_of_whole_strata_have_the_means_of_all_rows() -> None:
    """However few rows the sample has: here 60 of 20,000, and an error without noise."""
    rows = blobs(20_000, 4, 6, 3)
    state = state_of(rows, 60, 60).live()
    truth = lloyd(WeightedPoints.alike(rows), _spread(rows, 6), StopRule(300), Engine(ONE_THREAD, state.shift))
    found = refine(state, [truth.centers], SETTINGS, np.random.SeedSequence(0), resources_for(state))
    centers = truth.centers if found is None else found.centers
    # Centers may come in another order.
    np.testing.assert_allclose(centers[naive.nearest(truth.centers, centers)[0]], truth.centers, atol=2e-2)


def _spread(rows: FloatArray, k: int) -> DoubleArray:
    """Return one row of each blob: the farthest from those before."""
    points = rows.astype(np.float64)
    chosen = [points[0]]
    while len(chosen) < k:
        distances = np.min([((points - center) ** 2).sum(axis=1) for center in chosen], axis=0)
        chosen.append(points[distances.argmax()])
    return np.array(chosen)


def test_refinement_never_raises_the_loss_of_the_sample() -> None:
    rows = blobs(1000, 4, 6, 2)
    start = rows[:6].astype(np.float64)
    refined = refine(whole(rows), [start], SETTINGS, np.random.SeedSequence(0), resources_for(whole(rows)))
    assert refined is not None
    assert refined.msd < naive.nearest(rows, start)[1].mean()


def test_refinement_is_no_worse_than_lloyd_from_the_best_of_its_starts() -> None:
    rows = blobs(1000, 4, 6, 2)
    rng = np.random.default_rng(0)
    starts = [rows[rng.choice(1000, 6, replace=False)].astype(np.float64) for _ in range(10)]
    engine = Engine(ONE_THREAD, np.zeros(4, np.float32))
    alone = [lloyd(WeightedPoints.alike(rows), start, StopRule(300), engine) for start in starts]
    together = refine(whole(rows), starts, SETTINGS, np.random.SeedSequence(0), resources_for(whole(rows)))
    assert together is not None
    assert together.msd <= min(found.msd for found in alone) * 1.001


def test_refinement_that_lowers_nothing_says_so() -> None:
    rows = np.array([[0.0], [1.0], [10.0]], np.float32)
    optimum = np.array([[0.5], [10.0]])
    assert refine(whole(rows), [optimum], SETTINGS, np.random.SeedSequence(0), resources_for(whole(rows))) is None


def test_refinement_leaves_the_local_optima_of_all_its_starts() -> None:
    rows = blobs(900, 2, 6, 5)
    start = np.concatenate([rows[:1], np.repeat(rows[1:2], 5, axis=0) + np.linspace(0, 0.1, 5)[:, None]])
    engine = Engine(ONE_THREAD, np.zeros(2, np.float32))
    stuck = lloyd(WeightedPoints.alike(rows), start.astype(np.float64), StopRule(300), engine)
    found = refine(whole(rows), [stuck.centers] * 3, SETTINGS, np.random.SeedSequence(0), resources_for(whole(rows)))
    assert found is not None
    assert found.msd < 0.8 * stuck.msd


def test_refinement_depends_on_the_seed_alone(threads: Threads) -> None:
    rows = heavy_tailed(3000, 4, 0)
    state = state_of(rows, 40, 2000)
    starts = [rows[:8].astype(np.float64), rows[8:16].astype(np.float64)]
    found = [
        refine(state.live(), starts, SETTINGS, np.random.SeedSequence(3), Resources(Engine(some, state.shift)))
        for some in (ONE_THREAD, threads, threads)
    ]
    assert len({one.centers.tobytes() for one in found if one is not None}) == 1


def test_refinement_on_fewer_points_sees_heavy_tails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The points that are searched on are a twentieth of all."""
    rows = heavy_tailed(20_000, 4, 1)
    monkeypatch.setattr("kmeans.finalization.refinement._search_points", lambda _k, _d: 1000)
    start = rows[:10].astype(np.float64)
    found = refine(whole(rows), [start], SETTINGS, np.random.SeedSequence(0), resources_for(whole(rows)))
    assert found is not None
    best = KMeans(10, n_init=10, random_state=0).fit(rows.astype(np.float64)).inertia_ / len(rows)
    assert found.msd <= 1.01 * best


def test_states_with_and_without_time_have_a_model() -> None:
    """Time that runs out within the refinement leaves the best one so far, or none where there is none better."""
    rows = heavy_tailed(3000, 4, 0)
    state, start = state_of(rows, 40, 2000).live(), rows[:8].astype(np.float64)
    losses = []
    for looks in (0, 5, 40, 100, 10**9):
        asked = itertools.count()
        deadline = Deadline(lambda: next(asked) >= looks)  # noqa: B023
        resources = Resources(Engine(ONE_THREAD, state.shift), deadline=deadline)
        found = refine(state, [start], SETTINGS, np.random.SeedSequence(0), resources)
        losses.append(np.inf if found is None else found.msd)
    assert losses[0] == np.inf or losses[0] > losses[-1]
    assert min(losses) == losses[-1]


@pytest.mark.parametrize("n_hosts", [1, 2])
def test_fewer_different_points_than_centers_leave_all_centers(n_hosts: int) -> None:
    """Where the sample holds fewer: starts from its rows can't have k centers."""
    rows = np.repeat(np.array([[0.0], [1.0], [10.0]], np.float32), 20, axis=0)
    start = np.array([[0.5], [3.0], [9.0], [20.0]])

    def refined(hosts: Communicator) -> DoubleArray:
        state = whole(rows)
        resources = Resources(Engine(ONE_THREAD, state.shift), hosts)
        found = refine(state, [start], SETTINGS, np.random.SeedSequence(0), resources)
        assert found is not None
        return found.centers

    for centers in run_hosts(n_hosts, refined):
        assert centers.shape == (4, 1)
        assert {0.0, 1.0, 10.0} <= set(centers[:, 0].tolist())
