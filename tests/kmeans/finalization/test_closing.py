"""Passes over all rows that end a model's training: exact, agreed on by all hosts, and only where they pay."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from kmeans.assignment.engine import Engine
from kmeans.assignment.scoring import Score
from kmeans.communicator import Communicator, SingleHost
from kmeans.events import Events
from kmeans.finalization.closing import MAX_PASSES, MIN_EXCESS, Closed, close, expected_excess
from kmeans.finalization.deadline import Deadline
from kmeans.finalization.resources import Resources
from kmeans.model import Model
from kmeans.observer import Silent
from kmeans.settings import FinalizationSettings, LloydSettings, TrainingSettings
from kmeans.stream.control import Control
from kmeans.stream.first_centers import GivenCenters
from kmeans.thread_hosts import run_hosts
from kmeans.threads import ONE_THREAD, Threads
from kmeans.training import fit
from kmeans.types import FloatArray
from tests.kmeans import naive
from tests.kmeans.rows import Rows, settings_for

K = 12
SHIFT = np.zeros(4, np.float32)
UNREFINED = FinalizationSettings(LloydSettings("kmeans++", 10, 300, 1e-4), refine=False)


class Recorder(Silent):
    """Records what it observes; `on_pass` is called as each pass begins."""

    def __init__(self, on_pass: Callable[[int], None] = lambda _: None) -> None:
        super().__init__()
        self.on_pass = on_pass
        self.msds: list[float] = []
        self.messages: list[str] = []
        self.events = Events(self.messages.append)

    def closing(self, number: int) -> None:
        self.on_pass(number)

    def closed(self, number: int, msd: float) -> None:
        assert number == len(self.msds) + 1
        self.msds.append(msd)


class Changing(Rows):
    """Rows that are different in the passes from `first` on, or fail."""

    def __init__(self, rows: FloatArray, others: FloatArray | Exception, first: int = 2) -> None:
        super().__init__(rows, 100)
        self.others = others
        self.first = first

    def blocks(self, skip: int = 0) -> Iterator[FloatArray]:
        if self.passes + 1 < self.first:
            return super().blocks(skip)
        self.passes += 1
        if isinstance(self.others, Exception):
            return self._failing(self.others)
        return Rows(self.others, self.batch_size).blocks(skip)

    def _failing(self, error: Exception) -> Iterator[FloatArray]:
        yield self.rows[:30]
        raise error


def rows_of(n: int = 3000, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return (3 * rng.standard_normal((30, 4))[rng.integers(0, 30, n)] + rng.standard_normal((n, 4))).astype(np.float32)


def closed_on(
    source: Rows, centers: FloatArray, n_rows: int, recorder: Recorder, threads: Threads, hosts: Communicator
) -> Closed | None:
    return close(source, centers, n_rows, recorder, Resources(Engine(threads, SHIFT), hosts, events=recorder.events))


def train(source: Rows, chosen: TrainingSettings, recorder: Recorder, **more: object) -> Model:
    return fit(source, chosen, SingleHost(), Threads(), recorder, events=recorder.events, **more)  # type: ignore[arg-type]


def loss(rows: FloatArray, centers: FloatArray) -> float:
    return float(naive.nearest(rows, centers.astype(np.float64))[1].mean())


def test_passes_are_those_of_lloyd_and_the_last_one_scores(threads: Threads) -> None:
    rows = rows_of()
    centers = rows[:K].copy()
    recorder = Recorder()
    closed = closed_on(Rows(rows, 100), centers, len(rows), recorder, threads, SingleHost())
    assert closed is not None
    assert len(recorder.msds) == MAX_PASSES
    expected = centers
    for number, msd in enumerate(recorder.msds, start=1):
        labels, squared = naive.nearest(rows, expected.astype(np.float64))
        assert msd == pytest.approx(squared.mean(), rel=1e-12)
        if number < MAX_PASSES:
            expected = np.stack([rows[labels == j].astype(np.float64).mean(axis=0) for j in range(K)]).astype(
                np.float32
            )
    np.testing.assert_allclose(closed.centers, expected, rtol=1e-6)
    labels, squared = naive.nearest(rows, closed.centers.astype(np.float64))
    assert closed.score.rows == len(rows)
    assert closed.score.msd == recorder.msds[-1] == pytest.approx(squared.mean(), rel=1e-12)
    assert closed.score.cluster_sizes.tolist() == np.bincount(labels, minlength=K).tolist()


def test_they_end_when_they_gain_nothing_and_a_center_without_rows_stays() -> None:
    rows = np.repeat(np.array([[0, 0, 0, 0], [8, 0, 0, 0]], np.float32), 50, axis=0)
    rows[:, 1] = np.arange(100) % 2
    centers = np.array([[0, 0.5, 0, 0], [8, 0.5, 0, 0], [99, 9, 9, 9]], np.float32)
    recorder = Recorder()
    closed = closed_on(Rows(rows, 30), centers, 100, recorder, Threads(), SingleHost())
    assert closed is not None
    assert recorder.msds == [0.25, 0.25]
    assert closed.centers.tolist() == centers.tolist()
    assert closed.score.cluster_sizes.tolist() == [50, 50, 0]


def test_the_same_bytes_for_any_number_of_threads() -> None:
    rows = rows_of()
    pools = [Threads(count) for count in (1, 2, 3, 8)]
    ended = [closed_on(Rows(rows, 700), rows[:K], len(rows), Recorder(), threads, SingleHost()) for threads in pools]
    for threads in pools:
        threads.close()
    assert len({closed.centers.tobytes() for closed in ended if closed}) == 1
    assert len({closed.score.msd for closed in ended if closed}) == 1
    assert None not in ended


@pytest.mark.parametrize("shared", [True, False])
def test_hosts_agree_and_reach_what_one_host_reaches(shared: bool) -> None:
    rows = rows_of()
    recorder = Recorder()
    alone = closed_on(Rows(rows, 100), rows[:K], len(rows), recorder, Threads(), SingleHost())
    parts = [rows[:2000], rows[:0], rows[2000:]]

    def work(hosts: Communicator) -> tuple[Closed | None, list[float]]:
        source = Rows(rows, 100, share=(hosts.rank, 3)) if shared else Rows(parts[hosts.rank], 100)
        own = Recorder()
        return closed_on(source, rows[:K], len(rows), own, Threads(), hosts), own.msds

    found = run_hosts(3, work)
    assert alone is not None
    for closed, msds in found:
        assert closed is not None
        assert closed.centers.tobytes() == found[0][0].centers.tobytes()  # type: ignore[union-attr]
        assert msds == pytest.approx(recorder.msds, rel=1e-12)
        np.testing.assert_array_equal(closed.score.cluster_sizes, alone.score.cluster_sizes)


def test_a_model_of_a_small_sample_gains_by_them() -> None:
    # Enough that the farthest ones, which are kept in addition to the sample, are few of them.
    rows = rows_of(40_000)
    chosen = settings_for(rows, K, sample_size=300)
    once = train(Rows(rows, 500, rereadable=False), chosen, Recorder())
    recorder = Recorder()
    model = train(Rows(rows, 500), chosen, recorder)
    assert not once.score_is_exact
    assert model.score_is_exact
    assert model.score.rows == model.rows == len(rows)
    assert model.score.msd == recorder.msds[-1] == min(recorder.msds) < 0.998 * recorder.msds[0]
    assert model.score.msd == pytest.approx(loss(rows, model.centers), rel=1e-9)
    assert model.msd_by_k[K] == model.score.msd
    assert not {"closing_failed", "closing_cut_short", "rows_changed"} & model.events.keys()


@pytest.mark.parametrize(
    ("changes", "rereadable", "more"),
    [
        ({"sample_size": 6000}, True, {}),
        ({"half_life": 2000}, True, {}),
        ({"finalization": UNREFINED, "reassign_far_rows": False}, True, {}),
        ({}, False, {}),
        ({}, True, {"earlier": GivenCenters(rows_of(seed=3)[:5].astype(np.float64), np.full(5, 100.0))}),
        ({}, True, {"control": Control(stopping=lambda: True)}),
    ],
    ids=["complete sample", "decay", "the built-in's recipe", "pipe", "rows of an earlier model", "stopped"],
)
def test_there_are_none_where_they_are_not_asked_for(
    changes: dict[str, object], rereadable: bool, more: dict[str, object]
) -> None:
    rows = rows_of(6000)
    recorder = Recorder()
    chosen = replace(settings_for(rows, K, sample_size=300), **changes)  # type: ignore[arg-type]
    train(Rows(rows, 500, rereadable), chosen, recorder, **more)
    assert recorder.msds == []
    assert "closing_cut_short" not in recorder.events.counts


def test_centers_of_an_earlier_model_without_weights_are_no_hindrance() -> None:
    rows = rows_of(6000)
    recorder = Recorder()
    earlier = GivenCenters(rows[:5].astype(np.float64), np.zeros(5))
    train(Rows(rows, 500), settings_for(rows, K, sample_size=300), recorder, earlier=earlier)
    assert recorder.msds


def test_what_a_sample_may_have_cost() -> None:
    # Of clusters that are alike, k / m of the loss, less what the sample holds of all rows.
    alike = Score(1000, 500.0, np.full(10, 100.0), np.full(10, 50.0))
    assert expected_excess(alike, 1000, 10**9) == pytest.approx(10 / 1000, rel=1e-5)
    assert expected_excess(alike, 1000, 2000) == pytest.approx(5 / 1000)
    assert expected_excess(alike, 1000, 1000) == 0.0
    # More where a few rows make the loss.
    uneven = Score(1000, 500.0, np.array([990.0, 10.0]), np.array([1.0, 499.0]))
    assert expected_excess(uneven, 1000, 10**9) == pytest.approx((499 / 10) / 1000 / 0.5, rel=1e-3)
    # With the default sample a few clusters have nothing at stake.
    few = Score(200_000, 1.0, np.full(100, 2000.0), np.full(100, 0.01))
    assert expected_excess(few, 200_000, 10**9) < MIN_EXCESS
    assert expected_excess(Score(5, 0.0, np.array([5.0, 0.0]), np.zeros(2)), 5, 10) == 0.0


@pytest.mark.parametrize("ending", [1, 2, 3])
@pytest.mark.parametrize("n_hosts", [1, 3])
def test_a_stop_in_a_pass_leaves_the_best_that_was_scored(ending: int, n_hosts: int) -> None:
    rows = rows_of()

    def work(hosts: Communicator) -> tuple[Closed | None, Recorder]:
        stopped: list[bool] = []
        looks = iter(range(10**9))

        def stopping() -> bool:
            # One host alone is stopped, a few blocks into the pass.
            return hosts.rank == n_hosts - 1 and bool(stopped) and next(looks) > 2

        recorder = Recorder(lambda number: stopped.append(True) if number == ending else None)
        own = np.ascontiguousarray(rows[hosts.rank :: n_hosts])
        resources = Resources(Engine(ONE_THREAD, SHIFT), hosts, Deadline(stopping), recorder.events)
        return close(Rows(own, 100), rows[:K], len(rows), recorder, resources), recorder

    for closed, recorder in run_hosts(n_hosts, work):
        assert len(recorder.msds) == ending - 1
        assert recorder.events.counts == {"closing_cut_short": 1}
        assert (closed is None) == (ending == 1)
        if closed is not None:
            assert closed.score.msd == recorder.msds[-1]
            assert closed.score.msd == pytest.approx(loss(rows, closed.centers), rel=1e-9)


@pytest.mark.parametrize(
    ("others", "event", "message"),
    [
        (rows_of()[:2950], "rows_changed", "expected 3000, got 2950"),
        (rows_of(5000), "rows_changed", "expected 3000, got 5000"),
        (rows_of()[:0], "rows_changed", "expected 3000, got 0"),
        (ValueError("record 7 is torn"), "closing_failed", "record 7 is torn"),
    ],
)
@pytest.mark.parametrize("first", [2, 3])
def test_other_rows_than_before_leave_the_model_as_it_was(
    others: FloatArray | Exception, event: str, message: str, first: int
) -> None:
    rows = rows_of()
    chosen = settings_for(rows, K, batch_size=100, sample_size=300)
    stopped: list[int] = []
    control = Control(stopping=lambda: bool(stopped))
    before = train(Rows(rows, 100), chosen, Recorder(stopped.append), control=control)
    recorder = Recorder()
    model = train(Changing(rows, others, first), chosen, recorder)
    assert {**before.events, event: 1}.items() - {"closing_cut_short": 1}.items() == model.events.items()
    assert message in recorder.messages[-1]
    assert len(recorder.msds) == first - 2
    if first == 2:
        assert model.centers.tobytes() == before.centers.tobytes()
        assert model.score.msd == before.score.msd
        assert not model.score_is_exact
    else:
        assert model.score_is_exact
        assert model.score.msd == pytest.approx(loss(rows, model.centers), rel=1e-9)


def test_a_host_that_cannot_read_its_rows_ends_the_passes_of_all() -> None:
    rows = rows_of()

    def work(hosts: Communicator) -> tuple[Closed | None, Recorder]:
        own = np.ascontiguousarray(rows[hosts.rank :: 3])
        source = Changing(own, OSError("gone"), 2) if hosts.rank == 1 else Rows(own, 100)
        recorder = Recorder()
        return closed_on(source, rows[:K], len(rows), recorder, Threads(), hosts), recorder

    found = run_hosts(3, work)
    assert len({closed.centers.tobytes() for closed, _ in found if closed}) == 1
    for closed, recorder in found:
        assert closed is not None
        assert len(recorder.msds) == 1
        assert recorder.events.counts == {"closing_failed": 1}
    assert [("gone" in recorder.messages[0]) for _, recorder in found] == [False, True, False]


def test_numbers_from_end_to_end_of_float32_stay_finite() -> None:
    rows = rows_of()
    rows[::7] *= np.float32(1e37)
    recorder = Recorder()
    closed = closed_on(Rows(rows, 100), rows[:K], len(rows), recorder, Threads(), SingleHost())
    assert closed is not None
    assert np.isfinite(closed.centers).all()
    assert np.isfinite(closed.score.msd)


def test_a_run_ends_the_same_whatever_its_threads() -> None:
    rows = rows_of(6000)
    chosen = settings_for(rows, K, sample_size=300)
    pools = [Threads(count) for count in (1, 3)]
    models = [fit(Rows(rows, 500), chosen, SingleHost(), threads, Recorder()) for threads in pools]
    for threads in pools:
        threads.close()
    assert models[0].centers.tobytes() == models[1].centers.tobytes()
    assert models[0].score.msd == models[1].score.msd


def test_hosts_of_a_run_have_one_model() -> None:
    rows = rows_of(6000)
    chosen = settings_for(rows, K, sample_size=300, batch_size=100)
    parts = [rows[:4000], rows[:0], rows[4000:]]
    run = partial(fit, settings=chosen)
    models = run_hosts(
        3,
        lambda hosts: run(Rows(parts[hosts.rank], 100), communicator=hosts, threads=Threads(), observer=Recorder()),
    )
    assert len({model.centers.tobytes() for model in models}) == 1
    for model in models:
        assert model.score_is_exact
        assert model.score.msd == pytest.approx(loss(rows, model.centers), rel=1e-9)
