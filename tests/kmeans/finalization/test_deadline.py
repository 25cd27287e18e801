"""Time that runs out: wherever training is by then, there is a model, and hosts agree on it."""

import functools
import itertools
from collections.abc import Callable

import numpy as np
import pytest

from kmeans.communicator import Communicator, SingleHost
from kmeans.kmeans_plus_plus import distinct, kmeans_plus_plus
from kmeans.model import Model
from kmeans.observer import Observer, Silent
from kmeans.points import WeightedPoints
from kmeans.source import GivenUpError
from kmeans.stream.control import Control
from kmeans.stream.snapshot import RunSnapshot
from kmeans.thread_hosts import run_hosts
from kmeans.threads import ONE_THREAD, Threads
from kmeans.training import fit
from kmeans.types import FloatArray
from tests.kmeans import naive
from tests.kmeans.rows import Rows, settings_for

K = 20
# When the deadline passes: after this part of the looks at it that a model takes which is not hurried.
PARTS = (0.0, 0.001, 0.03, 0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9, 0.98)


def after_looks(count: int) -> Callable[[], bool]:
    """Return a deadline that passes after it was asked `count` times."""
    looks = itertools.count()
    return lambda: next(looks) >= count


def training(
    rows: FloatArray, init_method: str, hurrying: Callable[[], bool], observer: Observer | None = None
) -> Model:
    chosen = settings_for(rows, K, batch_size=100, init_method=init_method)
    threads = Threads(2)
    model = fit(Rows(rows, 100), chosen, SingleHost(), threads, observer or Silent(), Control(hurrying=hurrying))
    threads.close()
    return model


@functools.cache
def unhurried_looks(init_method: str) -> int:
    """Return how often the deadline is looked at until the model is refined."""
    looks = itertools.count()
    taken: list[int] = []

    class Refined(Silent):
        def refined(self, n_rows: int, msd: float | None) -> None:
            taken.append(next(looks))

    training(rows_of(), init_method, lambda: next(looks) < 0, Refined())
    return taken[0]


def rows_of(n: int = 1000) -> FloatArray:
    return np.random.default_rng(0).standard_normal((n, 6)).astype(np.float32)


def check(model: Model, rows: FloatArray) -> None:
    assert model.centers.shape == (K, rows.shape[1])
    assert np.isfinite(model.centers).all()
    assert len(np.unique(model.centers, axis=0)) == K
    loss = naive.nearest(rows, model.centers.astype(np.float64))[1].mean()
    assert loss < ((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("init_method", ["random", "kmeans++"])
def test_time_that_runs_out_anywhere_leaves_a_model(part: float, init_method: str) -> None:
    rows = rows_of()
    model = training(rows, init_method, after_looks(int(part * unhurried_looks(init_method))))
    check(model, rows)
    assert model.events["finalization_cut_short"] == 1


@pytest.mark.parametrize("part", PARTS[::2])
def test_hosts_whose_time_runs_out_at_different_moments_have_one_model(part: float) -> None:
    rows = rows_of()
    chosen = settings_for(rows, K, batch_size=100, init_method="kmeans++")
    # Three hosts divide the work.
    looks = int(part * unhurried_looks("kmeans++") / 6)

    def train(hosts: Communicator) -> Model:
        # On the first one it does not run out at all.
        hurrying = after_looks(looks * hosts.rank if hosts.rank else 10**9)
        source = Rows(rows[hosts.rank :: 3], 100)
        return fit(source, chosen, hosts, Threads(), Silent(), Control(hurrying=hurrying))

    models = run_hosts(3, train)
    assert len({model.centers.tobytes() for model in models}) == 1
    check(models[0], rows)
    assert models[0].events["finalization_cut_short"] == 1


def test_with_no_time_at_all_the_first_rows_make_a_model() -> None:
    rows = rows_of()
    now = Control(lambda: True, lambda: True)
    model = fit(Rows(rows, 100), settings_for(rows, K, init_method="kmeans++"), SingleHost(), Threads(), Silent(), now)
    assert model.stopped
    assert model.rows == 100
    check(model, rows[:100])
    assert list(model.msd_by_k) == [K]


def test_a_job_that_is_to_stop_takes_in_k_rows_first() -> None:
    rows = rows_of()
    model = fit(
        Rows(rows, 8), settings_for(rows, K, batch_size=8), SingleHost(), Threads(), Silent(), Control(lambda: True)
    )
    assert model.stopped
    assert model.rows == 24
    check(model, rows[:24])


class Endless(Rows):
    """A source that stops while rows are drawn from it."""

    def sample(self, size: int, rng: np.random.Generator) -> tuple[FloatArray, int]:
        raise GivenUpError


@pytest.mark.parametrize("given_up", [(0,), (1,), (0, 1, 2)])
def test_where_no_rows_can_be_drawn_the_first_ones_are_taken(given_up: tuple[int, ...]) -> None:
    """Nothing that an interrupted start leaves is kept to resume from."""
    rows = rows_of()
    chosen = settings_for(rows, K, batch_size=100)
    kept: list[RunSnapshot] = []

    def train(hosts: Communicator) -> Model:
        made = Endless if hosts.rank in given_up else Rows
        own = made(rows[300 * hosts.rank :][:300], 100)
        control = Control(lambda: hosts.rank in given_up, save=kept.append)
        return fit(own, chosen, hosts, Threads(), Silent(), control)

    models = run_hosts(3, train)
    assert len({model.centers.tobytes() for model in models}) == 1
    assert models[0].rows == 300
    check(models[0], rows[:900])
    assert kept == []


def test_centers_drawn_at_once_are_distinct_and_apart_from_those_there() -> None:
    rng = np.random.default_rng(0)
    points = WeightedPoints.alike(np.repeat(rng.standard_normal((30, 2)).astype(np.float32), 3, axis=0))
    for looks, initial in itertools.product(range(30), (None, points.values[:5].astype(np.float64))):
        found = kmeans_plus_plus(points, 25, rng, ONE_THREAD, initial, after_looks(looks))
        there = 0 if initial is None else 5
        assert len(found) == 25
        assert len(distinct(found)) == 25 - (there - len(distinct(found[:there])) if there else 0)
    # There are no more than 30.
    assert len(kmeans_plus_plus(points, 40, rng, ONE_THREAD, stopping=lambda: True)) == 30


def test_points_without_weight_are_not_drawn() -> None:
    points = np.arange(10, dtype=np.float32).reshape(-1, 1)
    weights = np.where(points[:, 0] < 4, 1.0, 0.0)
    weighted = WeightedPoints(points, weights)
    found = kmeans_plus_plus(weighted, 6, np.random.default_rng(0), ONE_THREAD, stopping=lambda: True)
    assert sorted(found[:, 0].tolist()) == [0.0, 1.0, 2.0, 3.0]
