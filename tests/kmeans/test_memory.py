"""What is too large is refused before memory is asked for, and what is wide or many takes no more than it must."""

import math
from dataclasses import replace

import numpy as np
import pytest

from kmeans.assignment.engine import Engine
from kmeans.communicator import Communicator, SingleHost
from kmeans.finalization.deadline import Deadline
from kmeans.finalization.finalization import TooFewDistinctRowsError
from kmeans.finalization.resources import Resources
from kmeans.finalization.shrinking import KEPT_TRIALS, shrink
from kmeans.memory import NotEnoughMemoryError
from kmeans.model import Model
from kmeans.observer import Silent
from kmeans.sample import Sample
from kmeans.settings import FinalizationSettings, LloydSettings, TrainingSettings
from kmeans.state import State
from kmeans.stream.first_centers import GivenCenters, NoRowsError
from kmeans.stream.stream import stream_bytes
from kmeans.thread_hosts import run_hosts
from kmeans.threads import ONE_THREAD, Threads
from kmeans.training import fit
from tests.kmeans import naive
from tests.kmeans.rows import Rows, settings_for
from tests.memory import at_most

ROWS = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
LARGEST_K = 2**24
LARGEST = 2**31 - 1
MEGABYTE = 1 << 20
UNREFINED = FinalizationSettings(LloydSettings("kmeans++", 10, 300, 1e-4), refine=False)


def train(
    chosen: TrainingSettings,
    *,
    rereadable: bool = True,
    available: float = math.inf,
    earlier: GivenCenters | None = None,
) -> Model:
    source = Rows(ROWS, 50, rereadable)
    return fit(source, chosen, SingleHost(), Threads(), Silent(), earlier=earlier, memory_bytes=available)


@pytest.mark.parametrize("rereadable", [True, False])
@pytest.mark.parametrize("available", [math.inf, 1e9])
@pytest.mark.parametrize("init_method", ["random", "kmeans++"])
def test_too_few_rows_are_reported_before_centers_are_chosen(
    rereadable: bool, available: float, init_method: str
) -> None:
    chosen = settings_for(ROWS, LARGEST_K, n_centers=2 * LARGEST_K, init_method=init_method)
    with (
        at_most(64 * MEGABYTE),
        pytest.raises(TooFewDistinctRowsError, match=r"k = 16777216 .* the 200 training rows looked at hold 200\.$"),
    ):
        train(chosen, rereadable=rereadable, available=available)


@pytest.mark.parametrize("shared", [False, True])
def test_all_hosts_tell_that_all_rows_are_too_few(shared: bool) -> None:
    chosen = settings_for(ROWS, LARGEST_K, n_centers=2 * LARGEST_K)
    sources = [Rows(ROWS, 50, share=(rank, 2)) if shared else Rows(ROWS[rank::2], 50) for rank in range(2)]

    def told(hosts: Communicator) -> str:
        with pytest.raises(TooFewDistinctRowsError) as caught:
            fit(sources[hosts.rank], chosen, hosts, Threads(), Silent())
        return str(caught.value)

    with at_most(256 * MEGABYTE):
        first, second = run_hosts(2, told)
    assert first == second
    assert "the 200 training rows looked at hold 200" in first


def test_centers_of_an_earlier_model_count_in_addition_to_the_rows() -> None:
    earlier = GivenCenters(np.arange(30.0).reshape(10, 3) + 100, np.ones(10))
    assert len(train(settings_for(ROWS, 210), earlier=earlier).centers) == 210
    with pytest.raises(TooFewDistinctRowsError):
        train(settings_for(ROWS, 211), earlier=earlier)


@pytest.mark.parametrize("rereadable", [True, False])
@pytest.mark.parametrize("refine", [True, False])
def test_centers_without_memory_are_refused_with_the_numbers(rereadable: bool, refine: bool) -> None:
    settings = settings_for(ROWS, 2, n_centers=2 * LARGEST)
    if not refine:
        settings = settings_for(ROWS, 2, n_centers=2 * LARGEST, finalization=UNREFINED, reassign_far_rows=False)
    expected = (
        rf"^4294967294 intermediate centers of 3 features take at least {stream_bytes(2 * LARGEST, 3) / 1e9:.1f} GB of "
        r"memory, and there are 8\.0$"
    )
    with at_most(64 * MEGABYTE), pytest.raises(NotEnoughMemoryError, match=expected):
        train(settings, rereadable=rereadable, available=8e9)


@pytest.mark.parametrize("rereadable", [True, False])
def test_so_are_features_of_which_not_one_row_fits(rereadable: bool) -> None:
    class Wide(Rows):
        def sample(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
            assert size == 0
            return np.empty((0, LARGEST), np.float32), 200

    settings = settings_for(ROWS, 2, n_features=LARGEST)
    with at_most(64 * MEGABYTE), pytest.raises(NotEnoughMemoryError, match="20 intermediate centers of 2147483647 fea"):
        fit(Wide(ROWS, 50, rereadable), settings, SingleHost(), Threads(), Silent(), memory_bytes=8e9)


def test_no_rows_are_still_reported_as_such() -> None:
    for n_features in (3, LARGEST):
        source = Rows(ROWS[:0], 50)
        settings = settings_for(ROWS, 2, n_centers=2 * LARGEST, n_features=n_features)
        with at_most(64 * MEGABYTE), pytest.raises(NoRowsError):
            fit(source, settings, SingleHost(), Threads(), Silent(), memory_bytes=8e9)


def test_a_sample_is_counted_by_the_rows_that_there_are() -> None:
    settings = settings_for(ROWS, 2, sample_size=LARGEST)
    enough = stream_bytes(20, 3) + 200 * (4 * 3 + 32) + 8 * 20**2
    assert train(settings, available=enough).score_is_exact
    with pytest.raises(NotEnoughMemoryError, match="20 intermediate centers of 3 features and a sample of 200 rows"):
        train(settings, available=enough - 1)


def test_so_are_the_costs_of_pairs_of_centers_where_these_are_merged() -> None:
    """Those of 5,792 centers take 256 MiB, which may be more than all else."""
    rows = 200 * (4 * 3 + 32)
    settings = settings_for(ROWS, 100, n_centers=5792)
    expected = r"5792 intermediate centers of 3 features.*, and the costs of mergers of all pairs of these centers take"
    with at_most(64 * MEGABYTE), pytest.raises(NotEnoughMemoryError, match=expected):
        train(settings, available=stream_bytes(5792, 3) + rows + 8 * 200**2 - 1)
    for other in (replace(settings, finalization=UNREFINED), replace(settings, n_centers=5793)):
        assert train(other, available=stream_bytes(other.n_centers, 3) + rows).rows == 200


def test_a_sample_of_rows_that_nobody_has_counted_is_refused_when_it_has_grown_too_large() -> None:
    settings = settings_for(ROWS, 2, n_centers=2, batch_size=50, sample_size=LARGEST)
    rows_that_fit = 160
    available = stream_bytes(2, 3) + rows_that_fit * (4 * 3 + 32)
    with pytest.raises(NotEnoughMemoryError, match="200 rows of a sample with 3 features take at least"):
        train(settings, rereadable=False, available=available)
    assert train(replace(settings, sample_size=rows_that_fit), rereadable=False, available=available).rows == 200


def test_few_wide_rows_take_no_block_of_rows() -> None:
    n_features = 1_000_000
    rows = np.random.default_rng(0).standard_normal((4, n_features), np.float32)
    centers = np.ascontiguousarray(rows[:2], np.float64) + 0.5
    with at_most(150 * MEGABYTE):
        labels, squared = Engine(ONE_THREAD, np.zeros(n_features, np.float32)).assigner(centers).assign(rows)
    expected_labels, expected_squared = naive.nearest(rows, centers)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(squared, expected_squared, rtol=1e-12)


def lloyd_settings(n_trials: int) -> LloydSettings:
    return LloydSettings("random", n_trials, 2, 0.0)


def shrunk(n_trials: int, trials_in_time: float = math.inf) -> tuple[list[float], list[tuple[int, float]]]:
    """Return the losses of the trials kept, and those told of, of which the last ones are out of time."""
    sample = Sample(ROWS[:0], np.empty(0, np.int64), np.empty(0), complete=False)
    state = State(ROWS[:30].astype(np.float64), np.ones(30), np.zeros(3, np.float32), sample)
    told: list[tuple[int, float]] = []
    kept = shrink(
        state,
        7,
        lloyd_settings(n_trials),
        np.random.SeedSequence(0),
        lambda trial, msd: told.append((trial, msd)),
        Resources(Engine(ONE_THREAD, state.shift), deadline=Deadline(lambda: len(told) >= trials_in_time)),
    )
    return [trial.msd for trial in kept], told


def test_of_many_trials_the_best_are_kept() -> None:
    kept, told = shrunk(2 * KEPT_TRIALS + 50)
    assert [trial for trial, _ in told] == list(range(2 * KEPT_TRIALS + 50))
    assert kept == sorted(msd for _, msd in told)[:KEPT_TRIALS]
    assert shrunk(KEPT_TRIALS)[1] == told[:KEPT_TRIALS]


def test_endless_trials_take_no_memory_and_stop_when_asked_to() -> None:
    with at_most(64 * MEGABYTE):
        kept, told = shrunk(LARGEST, trials_in_time=KEPT_TRIALS + 1)
    assert len(told) == 2 * KEPT_TRIALS
    assert kept == sorted(msd for _, msd in told)[:KEPT_TRIALS]
