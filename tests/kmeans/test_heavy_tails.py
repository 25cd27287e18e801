"""Data of which few rows make most of the loss: a model is no worse than the best of ten runs of scikit-learn."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.cluster import KMeans

from kmeans.types import FloatArray, as_points
from tests.kmeans import naive
from tests.kmeans.rows import heavy_tailed, settings_for
from tests.kmeans.test_training import train

N_ROWS = 4000


def power_law() -> FloatArray:
    rng = np.random.default_rng(0)
    return as_points(rng.pareto(1.5, (N_ROWS, 4)) + rng.standard_normal((N_ROWS, 4)))


def with_fill_values() -> FloatArray:
    rows = heavy_tailed(N_ROWS, 4, 0)
    rows[np.random.default_rng(0).random(rows.shape) < 0.02] = -999.0
    return rows


DATA: dict[str, Callable[[], FloatArray]] = {
    "logarithms are normal": lambda: heavy_tailed(N_ROWS, 4, 0),
    "power law": power_law,
    "fill values": with_fill_values,
}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("k", [10, 50])
def test_a_model_is_no_worse_than_the_best_of_ten(name: str, k: int) -> None:
    rows = DATA[name]()
    model = train(rows, settings_for(rows, k), threads=2)
    # Both round the same optimum to float32.
    best = KMeans(k, n_init=10, random_state=0).fit(rows.astype(np.float64)).inertia_ / len(rows)
    assert naive.nearest(rows, model.centers.astype(np.float64))[1].mean() <= 1.002 * best


def test_so_is_one_whose_sample_is_a_part_of_the_rows() -> None:
    rows = heavy_tailed(20_000, 4, 0)
    model = train(rows, settings_for(rows, 20, sample_size=5000), threads=2)
    best = KMeans(20, n_init=10, random_state=0).fit(rows.astype(np.float64)).inertia_ / len(rows)
    assert naive.nearest(rows, model.centers.astype(np.float64))[1].mean() <= 1.01 * best


@pytest.mark.parametrize("far", [1e18, 3.4e38])
def test_a_far_row_costs_the_cluster_that_it_takes(far: float) -> None:
    rows = heavy_tailed(N_ROWS, 4, 0)
    usual = rows.copy()
    rows[1234, 2] = far
    model = train(rows, settings_for(rows, 11), threads=2)
    best = KMeans(10, n_init=10, random_state=0).fit(np.delete(usual, 1234, axis=0).astype(np.float64)).inertia_
    squared = naive.nearest(rows, model.centers.astype(np.float64))[1]
    assert squared[1234] == 0.0
    assert squared.sum() <= 1.002 * best


def test_far_rows_that_differ_cost_a_cluster_each() -> None:
    usual = heavy_tailed(N_ROWS, 4, 0)
    rows = usual.copy()
    places = np.array([5, 900, 1234, 3999])
    rows[places, 2] = 1e18, -1e18, 3e38, 3.4e38
    model = train(rows, settings_for(rows, 14), threads=2)
    best = KMeans(10, n_init=10, random_state=0).fit(np.delete(usual, places, axis=0).astype(np.float64)).inertia_
    squared = naive.nearest(rows, model.centers.astype(np.float64))[1]
    assert (squared[places] == 0.0).all()
    assert squared.sum() <= 1.01 * best


@pytest.mark.parametrize("half_life", [0, 8_000])
def test_the_loss_after_several_epochs_is_stated_right(half_life: int) -> None:
    """Far rows are centers from the first epoch on: they have no distance then, and few of them are in the sample."""
    rows = as_points(np.random.default_rng(1).lognormal(0, 2, (20_000, 3)))
    chosen = settings_for(rows, 10, batch_size=1000, epochs=2, sample_size=3_000, half_life=half_life)
    model = train(rows, chosen, rereadable=False)
    _, squared = naive.nearest(rows, model.centers.astype(np.float64))
    weights = np.exp2(np.arange(1 - len(rows), 1) / half_life) if half_life else np.ones(len(rows))
    assert model.score.msd == pytest.approx(np.average(squared, weights=weights), rel=0.03)
