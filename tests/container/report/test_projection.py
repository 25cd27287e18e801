"""The plane of the first two principal components."""

import numpy as np
import pytest

from container.report.projection import MAX_ROWS, MAX_WIDE_ROWS, project
from kmeans.assignment.scoring import Score
from kmeans.model import Model
from kmeans.prediction import Predictor
from kmeans.sample import Sample
from kmeans.state import State
from kmeans.types import FloatArray


def model_of(rows: FloatArray, centers: FloatArray) -> Model:
    """Return a model with these centers, and these rows as its sample."""
    k = len(centers)
    sample = Sample(rows, np.zeros(len(rows), np.int64), np.ones(len(rows)), complete=True)
    state = State(centers.astype(np.float64), np.ones(k), np.zeros(rows.shape[1], np.float32), sample)
    score = Score(len(rows), 0.0, np.ones(k), np.zeros(k))
    return Model(centers, len(rows), False, score, state, {})


@pytest.mark.parametrize(("n_rows", "n_features"), [(300, 5), (20, 90), (50, 50), (3, 3)])
def test_it_is_that_of_the_singular_value_decomposition(n_rows: int, n_features: int) -> None:
    rng = np.random.default_rng(0)
    rows = (rng.normal(50.0, 1.0, (n_rows, n_features)) * np.linspace(5.0, 1.0, n_features)).astype(np.float32)
    shown = project(model_of(rows, rows[:3]), np.arange(3), seed=0)
    centered = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    left, values, _ = np.linalg.svd(centered, full_matrices=False)
    expected = left[:, :2] * values[:2]
    assert shown.axes == "component"
    assert shown.shares == pytest.approx(values[:2] ** 2 / (values**2).sum(), rel=1e-9)
    # Either sign of a component is right.
    np.testing.assert_allclose(np.abs(shown.rows), np.abs(expected), atol=1e-6)
    np.testing.assert_allclose(shown.centers, shown.rows[:3], atol=1e-9)


def test_one_or_two_features_are_shown_as_they_are() -> None:
    rows = np.array([[1.0, 10.0], [2.0, 30.0], [6.0, 20.0]], np.float32)
    two = project(model_of(rows, rows[:2]), np.arange(2), seed=0)
    assert two.axes == "feature"
    assert two.rows.tolist() == rows.tolist()
    assert two.centers.tolist() == rows[:2].tolist()
    assert sum(two.shares) == pytest.approx(1.0)
    one = project(model_of(rows[:, :1], rows[:2, :1]), np.arange(2), seed=0)
    assert one.axes == "feature"
    assert one.flat
    assert one.rows[:, 0].tolist() == [1.0, 2.0, 6.0]
    assert one.shares == (1.0, 0.0)


def test_rows_on_a_line_are_flat() -> None:
    rows = np.outer(np.arange(9), [1.0, -2.0, 3.0]).astype(np.float32)
    shown = project(model_of(rows, rows[:2]), np.arange(2), seed=0)
    assert shown.flat
    assert shown.shares == pytest.approx((1.0, 0.0))


def test_rows_that_are_all_the_same_have_no_direction() -> None:
    rows = np.full((4, 3), 7.0, np.float32)
    shown = project(model_of(rows, np.array([[7, 7, 7], [8, 7, 7]], np.float32)), np.arange(2), seed=0)
    assert shown.shares == (0.0, 0.0)
    assert np.isfinite(shown.rows).all()
    assert np.isfinite(shown.centers).all()


@pytest.mark.parametrize(("n_features", "most"), [(4, MAX_ROWS), (600, MAX_WIDE_ROWS)])
def test_rows_are_drawn_by_the_seed_and_keep_their_labels(n_features: int, most: int) -> None:
    rows = np.random.default_rng(0).normal(size=(3 * MAX_ROWS, n_features)).astype(np.float32)
    model = model_of(rows, rows[:5])
    first, again, other = (project(model, np.arange(5), seed) for seed in (1, 1, 2))
    assert first.rows.shape == (most, 2)
    assert first.rows.tobytes() == again.rows.tobytes()
    assert first.rows.tobytes() != other.rows.tobytes()
    drawn = np.sort(np.random.default_rng(1).choice(len(rows), most, replace=False))
    np.testing.assert_array_equal(first.labels, Predictor(model.centers).predict(rows[drawn])[0])
