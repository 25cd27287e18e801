"""Points of length 1, as numpy and the kernel make them, and spherical k-means with them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from kmeans.assignment.engine import Engine
from kmeans.communicator import SingleHost
from kmeans.finalization.lloyd import StopRule, lloyd
from kmeans.kernels.packed import scale_to_unit
from kmeans.observer import Silent
from kmeans.points import WeightedPoints
from kmeans.threads import ONE_THREAD, Threads
from kmeans.training import fit
from kmeans.types import DoubleArray, FloatArray
from kmeans.unit_length import scaled_to_unit
from tests.kmeans.rows import Rows, settings_for


def around(n: int, d: int, k: int, seed: int) -> FloatArray:
    """Make rows of length 1 around `k` directions."""
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(k, d))
    return scaled_to_unit(places[rng.integers(k, size=n)] + 0.7 * rng.normal(size=(n, d))).astype(np.float32)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=11),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
def test_the_kernel_scales_to_the_same_bytes(rows: FloatArray) -> None:
    found = np.ascontiguousarray(rows[rows.any(axis=1)])
    expected = scaled_to_unit(found).astype(np.float32)
    assert scale_to_unit(found)
    assert found.tobytes() == expected.tobytes()
    lengths = np.linalg.norm(found.astype(np.float64), axis=1)
    np.testing.assert_allclose(lengths, 1.0, atol=1.2e-7)
    # Scaling again changes nothing.
    assert scaled_to_unit(found).astype(np.float32).tobytes() == found.tobytes()


@pytest.mark.parametrize("factor", [1e-310, 1e-200, 1e-40, 1.0, 1e38, 1e200, 1e308])
def test_no_length_overflows_or_underflows(factor: float) -> None:
    points = np.array([[3.0, 4.0, 0.0], [-0.3, 0.0, 0.4]]) / 4.0 * factor
    np.testing.assert_allclose(scaled_to_unit(points), [[0.6, 0.8, 0.0], [-0.6, 0.0, 0.8]], rtol=1e-10)


def test_a_row_of_zeros_stays_and_is_told() -> None:
    rows = np.array([[1.0, 1.0], [0.0, -0.0], [2.0, 0.0]], np.float32)
    assert scaled_to_unit(rows)[1].tolist() == [0.0, 0.0]
    assert not scale_to_unit(rows)
    assert scale_to_unit(rows[:1])


def test_a_center_of_rows_that_add_up_to_nothing_is_put_somewhere() -> None:
    engine = Engine(ONE_THREAD, np.zeros(3, np.float32), spherical=True)
    centers: DoubleArray = np.array([[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    assert engine.placed(centers).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    labels, squared_distances = engine.assigner(centers).assign(np.array([[0.0, 0.0, 1.0]], np.float32))
    assert (labels.tolist(), squared_distances.tolist()) == ([0], [2.0])


def naive(rows: FloatArray, weights: DoubleArray, start: FloatArray) -> NDArray[np.float64]:
    """Return the centers of spherical k-means, iterated until no label changes."""
    centers, before = start.astype(np.float64), np.empty(0)
    while not np.array_equal(before, labels := (rows @ centers.T).argmax(axis=1)):
        before = labels
        for cluster in np.unique(labels):
            some = labels == cluster
            centers[cluster] = weights[some] @ rows[some]
            centers[cluster] /= np.linalg.norm(centers[cluster])
    return centers


@pytest.mark.parametrize("seed", range(3))
def test_lloyd_reaches_what_spherical_k_means_reaches_from_the_same_start(seed: int, threads: Threads) -> None:
    rows, weights = around(1500, 20, 8, seed), np.random.default_rng(seed).uniform(0.5, 2, 1500)
    engine = Engine(threads, np.zeros(20, np.float32), spherical=True)
    found = lloyd(WeightedPoints(rows, weights), rows[:8].astype(np.float64), StopRule(300), engine)
    expected = naive(rows, weights, rows[:8])
    np.testing.assert_allclose(engine.placed(found.centers), expected, atol=1e-6)
    cosines = (rows @ expected.T).max(axis=1)
    assert found.msd == pytest.approx(2.0 - 2.0 * float(np.average(cosines, weights=weights)), rel=1e-6)


def test_a_model_of_a_sample_is_scored_as_on_all_rows(threads: Threads) -> None:
    rows = around(20_000, 30, 12, 0)
    settings = settings_for(rows, 12, spherical=True, sample_size=3000)
    models = [fit(Rows(rows, 500, again), settings, SingleHost(), threads, Silent()) for again in (False, True)]
    for model in models:
        np.testing.assert_allclose(np.linalg.norm(model.centers.astype(np.float64), axis=1), 1.0, atol=1e-7)
        exact = 2.0 - 2.0 * float((rows.astype(np.float64) @ model.centers.T).max(axis=1).mean())
        assert model.score.msd == pytest.approx(exact, rel=0.005)
    # Closing passes make it exact, and better.
    estimated, closed = models
    assert closed.score_is_exact
    assert not estimated.score_is_exact
    assert closed.score.msd < exact * (1.0 + 1e-9)


def test_models_of_other_k_are_estimated_by_their_directions(threads: Threads) -> None:
    rows = around(6000, 30, 12, 0)
    model, *others = (
        fit(Rows(rows, 500), settings_for(rows, k, spherical=True), SingleHost(), threads, Silent())
        for k in (12, 11, 20)
    )
    for other in others:
        estimated = model.curve.of(len(other.centers))
        assert estimated is not None
        assert estimated.msd == pytest.approx(other.score.msd, rel=0.02)
    total = 2.0 - 2.0 * float(np.linalg.norm(rows.astype(np.float64).mean(axis=0)))
    assert model.curve.total_msd == pytest.approx(total, rel=1e-6)
    assert model.curve.suggestion is not None
    assert model.curve.suggestion.k == 12
