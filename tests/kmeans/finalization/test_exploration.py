"""Models of other k than the model's own."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.cluster import KMeans

from kmeans.assignment.engine import Engine
from kmeans.assignment.scoring import Score, score
from kmeans.communicator import SingleHost
from kmeans.finalization.curve import Curve
from kmeans.finalization.deadline import Deadline
from kmeans.finalization.exploration import MAX_KS, explore, ks_to_explore
from kmeans.finalization.resources import Resources
from kmeans.state import State
from kmeans.thread_hosts import run_hosts
from kmeans.threads import ONE_THREAD, Threads
from kmeans.types import DoubleArray, FloatArray
from tests.kmeans.finalization.test_refinement import resources_for, state_of, whole
from tests.kmeans.rows import blobs, heavy_tailed


@pytest.mark.parametrize(
    ("k", "n_centers", "expected"),
    [(2, 20, [2, 3, 4]), (4, 4, [2, 3, 4]), (4, 6, [2, 3, 4, 5, 6])],
)
def test_every_k_is_looked_at_while_they_are_few(k: int, n_centers: int, expected: list[int]) -> None:
    assert ks_to_explore(k, n_centers, 10) == expected


def test_many_are_spread_out_and_k_is_among_them() -> None:
    ks = ks_to_explore(517, 2000, 4)
    assert len(ks) <= MAX_KS + 1
    assert (ks[0], ks[-1]) == (2, 2 * 517)
    assert 517 in ks
    assert ks == sorted(set(ks))


def test_wide_rows_get_fewer_points() -> None:
    ks = ks_to_explore(10, 100, 100_000)
    assert 5 <= len(ks) <= 6
    assert (ks[0], ks[-1]) == (2, 20)
    assert 10 in ks


def test_numbers_that_take_too_long_are_left_out_but_for_k() -> None:
    *others, k = ks_to_explore(1000, 3000, 384)
    assert (others[0], k) == (2, 1000)
    assert len(others) == 5
    assert others[-1] < 700
    # A stream that takes long leaves time for more.
    assert ks_to_explore(1000, 3000, 384, streamed=1e14)[-1] == 2000


def fitted(rows: FloatArray, k: int) -> tuple[DoubleArray, Score]:
    """Cluster all rows; return the best centers of a few starts, and their score."""
    centers = KMeans(k, n_init=4, random_state=0).fit(rows).cluster_centers_.astype(np.float64)
    engine = Engine(ONE_THREAD, np.zeros(rows.shape[1], np.float32))
    return centers, score([rows], engine.assigner(centers), SingleHost())


def explored(
    state: State, centers: DoubleArray, fit: Score, ks: list[int], resources: Resources | None = None
) -> Curve:
    return explore(state, centers, fit, ks, np.random.SeedSequence(0), resources or resources_for(state))


@pytest.mark.parametrize("rows", [blobs(6_000, 4, 6, 9), heavy_tailed(6_000, 3, 1)], ids=["blobs", "heavy tails"])
def test_each_loss_is_that_of_a_model_of_that_k(rows: FloatArray) -> None:
    """Of one that was fitted to all rows, although these are fitted to a part of them."""
    state = state_of(rows, 60, len(rows))
    curve = explored(state, *fitted(rows, 8), list(range(2, 17)))
    losses = {one.k: one for one in curve.figures}
    assert list(losses) == list(range(2, 17))
    for k in (2, 5, 7, 9, 12, 16):
        assert losses[k].msd == pytest.approx(fitted(rows, k)[1].msd, rel=0.03)
        assert 0.0 <= losses[k].msd_error < 0.05 * losses[k].msd
    assert all(one.msd >= other.msd for one, other in pairwise(curve.figures))


def test_a_sample_says_what_all_rows_say() -> None:
    """Its own loss is lower by what centers gain that are means of its rows."""
    rows = blobs(30_000, 8, 5, 4)
    state = state_of(rows, 40, 5_000)
    for one in explored(state, *fitted(rows, 5), [5, 10, 15]).figures:
        assert one.msd == pytest.approx(fitted(rows, one.k)[1].msd, rel=0.02)


def test_the_model_itself_has_its_own_score() -> None:
    rows = blobs(3_000, 2, 5, 3)
    centers, fit = fitted(rows, 5)
    curve = explored(state_of(rows, 40, 3_000), centers, fit, [4, 5, 6])
    own = curve.of(5)
    assert own is not None
    assert own.msd == fit.msd
    again = curve.with_score(5, Score(3_000, 3_000 * 2 * fit.msd, fit.cluster_sizes, fit.cluster_ssds, 0.5))
    assert [one.msd >= 2 * fit.msd for one in again.figures] == [True, True, False]
    assert again.figures[1].msd == pytest.approx(2 * fit.msd)
    assert again.figures[1].msd_error == 0.5
    assert again.of(7) is None


@pytest.mark.parametrize(("k", "n_features"), [(3, 2), (6, 4), (12, 10)])
def test_the_number_of_blobs_is_suggested(k: int, n_features: int) -> None:
    rows = blobs(5_000, n_features, k, 2)
    curve = explored(state_of(rows, 80, 5_000), *fitted(rows, 8), list(range(2, 17)))
    assert curve.suggestion is not None
    assert curve.suggestion.low <= curve.suggestion.k == k <= curve.suggestion.high


def test_numbers_that_were_left_out_are_looked_at_where_one_is_suggested() -> None:
    rows = blobs(5_000, 8, 7, 2)
    curve = explored(state_of(rows, 80, 5_000), *fitted(rows, 10), [2, 4, 6, 10, 16])
    assert {7, 8, 9} <= {one.k for one in curve.figures}
    assert curve.suggestion is not None
    assert curve.suggestion.k == 7


@pytest.mark.parametrize("kind", ["uniform", "cloud", "long cloud", "log-normal", "heavy tails"])
def test_there_is_no_number_of_clusters_in_noise(kind: str) -> None:
    rng = np.random.default_rng(3)
    shape = (4_000, 3)
    made = {
        "uniform": lambda: rng.random(shape),
        "cloud": lambda: rng.standard_normal(shape),
        "long cloud": lambda: rng.standard_normal(shape) * [1.0, 3.0, 20.0],
        "log-normal": lambda: rng.lognormal(size=shape),
        "heavy tails": lambda: rng.standard_t(1.5, shape),
    }
    rows = made[kind]().astype(np.float32)
    assert explored(state_of(rows, 80, 4_000), *fitted(rows, 8), list(range(2, 17))).suggestion is None


def test_more_clusters_than_were_tried_are_not_guessed() -> None:
    rows = blobs(4_000, 6, 20, 1)
    assert explored(state_of(rows, 80, 4_000), *fitted(rows, 5), list(range(2, 11))).suggestion is None


def test_a_k_beyond_the_centers_is_left_out() -> None:
    rows = blobs(100, 2, 3, 0)
    state = state_of(rows, 5, 100)
    curve = explored(state, *fitted(rows, 2), [2, 5, 6, 7])
    assert [one.k for one in curve.figures] == [2, 5]


def test_a_k_beyond_the_different_rows_is_left_out() -> None:
    rows = np.repeat(np.array([[0, 0], [0, 9], [9, 0]], np.float32), 20, axis=0)
    state = whole(rows)
    state = State(np.zeros((9, 2)), np.ones(9), state.shift, state.sample)
    centers = rows[[0, 20]].astype(np.float64)
    fit = score([rows], Engine(ONE_THREAD, state.shift).assigner(centers), SingleHost())
    curve = explored(state, centers, fit, [2, 3, 4, 5])
    assert [one.k for one in curve.figures] == [2, 3]
    assert curve.figures[1].msd == 0.0
    assert curve.figures[1].calinski_harabasz == np.inf
    assert curve.suggestion is None


def test_centers_at_one_place_leave_clusters_without_rows() -> None:
    rows = np.repeat(np.array([[0, 0], [0, 9], [9, 0]], np.float32), 20, axis=0)
    state = whole(rows)
    state = State(np.zeros((9, 2)), np.ones(9), state.shift, state.sample)
    centers = rows[[0, 20, 40, 0, 20]].astype(np.float64)
    fit = score([rows], Engine(ONE_THREAD, state.shift).assigner(centers), SingleHost())
    curve = explored(state, centers, fit, [2, 3, 4, 5])
    assert [one.k for one in curve.figures] == [2, 3, 4, 5]
    assert [one.msd for one in curve.figures[1:]] == [0.0, 0.0, 0.0]


def test_without_time_only_the_model_is_evaluated() -> None:
    rows = blobs(300, 2, 3, 0)
    state = state_of(rows, 20, 300)
    late = replace(resources_for(state), deadline=Deadline(lambda: True))
    curve = explored(state, *fitted(rows, 3), [2, 3, 4], late)
    assert [one.k for one in curve.figures] == [3]


def test_threads_that_divide_each_iteration_find_the_same() -> None:
    rows = blobs(4_000, 500, 100, 6)
    state, centers = state_of(rows, 150, len(rows)), rows[:120].astype(np.float64)
    engine = Engine(ONE_THREAD, state.shift)
    model = centers, score([rows], engine.assigner(centers), SingleHost())
    alone = explored(state, *model, [110, 120, 150], Resources(engine))
    with Threads(3) as threads:
        assert explored(state, *model, [110, 120, 150], Resources(Engine(threads, state.shift))) == alone
    assert [one.msd for one in alone.figures] == sorted((one.msd for one in alone.figures), reverse=True)


def test_hosts_and_threads_find_the_same() -> None:
    rows = blobs(4_000, 3, 5, 0)
    state, model = state_of(rows, 30, 2_000), fitted(rows, 5)
    ks = list(range(2, 9))
    alone = explored(state, *model, ks)
    with Threads(2) as threads:
        assert explored(state, *model, ks, Resources(Engine(threads, state.shift))) == alone
    engine = Engine(ONE_THREAD, state.shift)
    on_hosts = run_hosts(2, lambda communicator: explored(state, *model, ks, Resources(engine, communicator)))
    assert on_hosts == [alone, alone]
