"""The state of a stream without its rows."""

import numpy as np
import pytest

from kmeans.finalization.rowless import without_rows
from kmeans.sample import Far, Sample
from kmeans.state import State
from kmeans.types import FloatArray, as_points

NO_MODEL = np.full((1, 2), 99, np.float32)


def state_of(rows: FloatArray, labels: list[int]) -> State:
    """Return the state in which each row went to a center, which is the mean of its rows."""
    k = max(labels) + 1
    members = [rows[np.array(labels) == label].astype(np.float64) for label in range(k)]
    means = np.array([each.mean(axis=0) for each in members])
    spreads = np.array([((each - mean) ** 2).sum() for each, mean in zip(members, means, strict=True)])
    far = Far(rows[-1:], np.array(labels[-1:]), np.ones(1), np.zeros(len(rows), bool))
    sample = Sample(rows, np.array(labels), np.ones(len(rows)), complete=False, far=far)
    weights = np.array([float(len(each)) for each in members])
    return State(means, weights, np.zeros(rows.shape[1], np.float32), sample, spreads)


def test_centers_of_a_single_row_are_joined_with_the_nearest_ones() -> None:
    rows = np.array([[0, 0], [0, 2], [10, 0], [10, 2], [11, 1], [50, 50], [50, 52]], np.float32)
    state = state_of(rows, [0, 0, 1, 1, 2, 3, 4])
    found = without_rows(state, NO_MODEL, 1)
    expected = state_of(rows, [0, 0, 1, 1, 1, 2, 2])
    np.testing.assert_allclose(found.centers, expected.centers)
    np.testing.assert_array_equal(found.weights, expected.weights)
    np.testing.assert_allclose(found.spreads, expected.spreads)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.shift, state.shift)
    assert (found.sample.rows.shape, found.sample.far, found.sample.complete) == ((0, 2), None, False)


def test_those_that_the_model_shows_are_kept() -> None:
    rows = np.array([[0, 0], [0, 2], [1e30, 0], [0, 9]], np.float32)
    state = state_of(rows, [0, 0, 1, 2])
    found = without_rows(state, rows[2:3], 1)
    np.testing.assert_allclose(found.centers, [[0, 11 / 3], [1e30, 0]])
    np.testing.assert_array_equal(found.weights, [3.0, 1.0])


def test_an_outlier_does_not_blur_which_ones_are_near() -> None:
    rows = np.array([[1, 0], [1, 1], [-1, 0], [-1, 1], [-1, 2], [1e30, 1e30], [1e30, 1e30]], np.float32)
    found = without_rows(state_of(rows, [0, 0, 1, 1, 2, 3, 3]), NO_MODEL, 1)
    np.testing.assert_array_equal(found.weights, [2.0, 3.0, 2.0])


def test_a_row_counts_once_an_epoch() -> None:
    rows = np.array([[0, 0], [0, 2], [7, 7], [9, 9]], np.float32)
    state = state_of(rows, [0, 0, 1, 2])
    thrice = State(state.centers, 3 * state.weights, state.shift, state.sample, None)
    found = without_rows(thrice, NO_MODEL, 3)
    np.testing.assert_array_equal(found.centers, [[0, 1], [8, 8]])
    np.testing.assert_array_equal(found.weights, [6.0, 6.0])
    assert found.spreads is None


def test_centers_without_weight_are_dropped() -> None:
    state = state_of(np.array([[0, 0], [0, 2], [7, 7]], np.float32), [0, 0, 1])
    state.weights[1] = 0.0
    found = without_rows(state, NO_MODEL, 1)
    np.testing.assert_array_equal(found.centers, [[0, 1]])


@pytest.mark.parametrize("n_rows", [1, 2, 3, 100])
def test_no_center_is_a_row_even_if_all_were(n_rows: int) -> None:
    rows = np.random.default_rng(n_rows).normal(size=(n_rows, 2)).astype(np.float32)
    found = without_rows(state_of(rows, list(range(n_rows))), NO_MODEL, 1)
    assert found.weights.sum() == n_rows
    np.testing.assert_allclose(found.weights @ found.centers, rows.sum(axis=0, dtype=np.float64), atol=1e-9)
    shown = {center.tobytes() for center in as_points(found.centers)}
    # A single row has no other to be joined with.
    assert n_rows == 1 or not shown & {row.tobytes() for row in rows}
