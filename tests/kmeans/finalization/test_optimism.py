"""How much too low a loss is on the rows of a sample that the centers were fitted to."""

from dataclasses import replace

import numpy as np
import pytest

from kmeans.assignment.engine import Engine
from kmeans.finalization.coreset import coreset
from kmeans.finalization.estimation import estimate
from kmeans.finalization.lloyd import StopRule, lloyd
from kmeans.finalization.optimism import optimism
from kmeans.kmeans_plus_plus import kmeans_plus_plus
from kmeans.threads import ONE_THREAD
from kmeans.types import DoubleArray
from tests.kmeans import naive
from tests.kmeans.finalization.test_estimation import state_of


@pytest.mark.parametrize("half_life", [0, 1_000_000])
@pytest.mark.parametrize("sample_size", [2000, 10_000])
def test_a_loss_on_fitted_rows_is_raised_to_that_of_all_rows(sample_size: int, half_life: int) -> None:
    errors = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        rows = rng.standard_normal((20_000, 10)).astype(np.float32)
        state = state_of(rows, 200, sample_size, half_life)
        points = coreset(state)
        engine = Engine(ONE_THREAD, state.shift)
        start = kmeans_plus_plus(points, 50, rng, ONE_THREAD)
        centers = lloyd(points, start, StopRule(50), engine).centers
        true = naive.nearest(rows, centers)[1].mean()
        before = estimate(state, len(rows), centers, engine)
        after = before.raised(optimism(state, centers, engine))
        assert after.cluster_ssds.sum() == pytest.approx(after.ssd)
        assert abs(after.msd - true) < 3 * after.msd_error
        errors.append([before.msd / true - 1, after.msd / true - 1])
    too_low, left = np.mean(errors, axis=0)
    assert too_low < -0.008
    assert abs(left) < 0.4 * -too_low


def test_centers_that_were_not_fitted_to_the_sample_are_judged_as_those_that_were() -> None:
    """It depends on the rows and their number, and hardly on where exactly the centers are."""
    rows = np.random.default_rng(1).standard_normal((20_000, 5)).astype(np.float32)
    state = state_of(rows, 100, 1000)
    assert 0.0 < optimism(state, rows[:20].astype(np.float64), Engine(ONE_THREAD, state.shift)) < 0.05


def test_nothing_is_raised_where_there_is_no_telling() -> None:
    rows = np.repeat(np.eye(3, dtype=np.float32), 400, axis=0)
    centers: DoubleArray = np.eye(3)
    state = state_of(rows, 1000, 1)
    engine = Engine(ONE_THREAD, state.shift)
    assert optimism(state, centers, engine) == 0.0
    assert optimism(replace(state_of(rows, 1000, 100), spreads=None), centers, engine) == 0.0


def test_who_is_in_a_hurry_does_without_iterations() -> None:
    rows = np.random.default_rng(1).standard_normal((5000, 5)).astype(np.float32)
    state = state_of(rows, 100, 500)
    engine = Engine(ONE_THREAD, state.shift)
    assert optimism(state, rows[:20].astype(np.float64), engine, lambda: True) == 0.0
