"""The closest center against a direct comparison in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from kmeans.prediction import Predictor
from kmeans.types import DoubleArray, FloatArray, LabelArray
from tests.kmeans.rows import SCALES_OF, mixed_scales

SMALL_INTEGERS = st.integers(-3, 3).map(float)
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def naive_squared_distances(rows: FloatArray, centers: FloatArray) -> DoubleArray:
    return np.array(
        [
            [sum((float(x) - float(c)) ** 2 for x, c in zip(row, center, strict=True)) for center in centers]
            for row in rows
        ]
    ).reshape(len(rows), len(centers))


def naive_predict(rows: FloatArray, centers: FloatArray) -> tuple[LabelArray, DoubleArray]:
    squared = naive_squared_distances(rows, centers)
    return squared.argmin(axis=1), np.sqrt(squared.min(axis=1))


def assert_closest(rows: FloatArray, centers: FloatArray) -> None:
    """Labels and distances are the naive ones; a float64 sum taken in another order may differ in its last digits."""
    labels, distances = Predictor(centers).predict(rows)
    squared = naive_squared_distances(rows, centers)
    chosen, best = squared[np.arange(len(rows)), labels], squared.min(axis=1)
    np.testing.assert_array_less(chosen, np.nextafter(best * (1 + 1e-12), np.inf))
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(distances, np.sqrt(chosen).astype(np.float32), rtol=1e-6)


@pytest.mark.parametrize(("n", "k", "d"), [(1, 1, 1), (7, 1, 3), (50, 10, 2), (40, 3, 300), (30, 70, 5)])
@pytest.mark.parametrize("offset", [0.0, 1e4, -1e6])
@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_labels_and_distances_are_those_of_a_direct_comparison(
    n: int, k: int, d: int, offset: float, scale: float
) -> None:
    rng = np.random.default_rng([n, k, d])
    rows = (offset + scale * rng.standard_normal((n, d))).astype(np.float32)
    centers = (offset + scale * rng.standard_normal((k, d))).astype(np.float32)
    labels, distances = Predictor(centers).predict(rows)
    expected_labels, expected_distances = naive_predict(rows, centers)
    assert labels.dtype == np.int64
    assert distances.dtype == np.float32
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-6)


def test_rows_far_from_the_origin_and_close_to_each_other() -> None:
    step = np.spacing(np.float32(1e4))
    centers = np.full((8, 40), 1e4, dtype=np.float32)
    centers[np.arange(8), np.arange(8)] += step
    labels, distances = Predictor(centers).predict(centers)
    np.testing.assert_array_equal(labels, np.arange(8))
    np.testing.assert_array_equal(distances, np.zeros(8))


def test_centers_that_only_a_direct_comparison_can_tell_apart() -> None:
    # The mean of the centers is near 3e7, so that their shifted squares are near 1e15 and a difference of 1 is lost.
    centers = np.array([[1.0, 0.0], [0.0, 1e-4], [1e8, 0.0]], dtype=np.float32)
    rows = np.array([[0.5, 0.0], [0.5, 1e-4], [0.5, 2e-4]], dtype=np.float32)
    labels, distances = Predictor(centers).predict(rows)
    expected_labels, expected_distances = naive_predict(rows, centers)
    np.testing.assert_array_equal(expected_labels, [0, 1, 1])
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-6)


def test_the_lowest_index_wins_a_tie() -> None:
    centers = np.array([[5, 5], [-1, 0], [1, 0], [-1, 0]], dtype=np.float32)
    labels, distances = Predictor(centers).predict(np.array([[0, 0], [0, 9], [-1, 0]], dtype=np.float32))
    np.testing.assert_array_equal(labels, [1, 0, 1])
    np.testing.assert_allclose(distances, [1, np.sqrt(41), 0], rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 6), st.integers(1, 4), st.integers(0, 6))
def test_ties_of_whole_numbers(data: st.DataObject, k: int, d: int, n: int) -> None:
    centers = data.draw(hnp.arrays(np.float32, (k, d), elements=SMALL_INTEGERS))
    rows = data.draw(hnp.arrays(np.float32, (n, d), elements=SMALL_INTEGERS))
    labels, distances = Predictor(centers).predict(rows)
    expected_labels, expected_distances = naive_predict(rows, centers) if n else (np.empty(0), np.empty(0))
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 6), st.integers(1, 4), st.integers(1, 6))
def test_any_finite_float32(data: st.DataObject, k: int, d: int, n: int) -> None:
    centers = data.draw(hnp.arrays(np.float32, (k, d), elements=FLOAT32))
    rows = data.draw(hnp.arrays(np.float32, (n, d), elements=FLOAT32))
    assert_closest(rows, centers)


def test_the_ends_of_float32() -> None:
    centers = np.array([[1e38, 1e38], [-1e38, 1e38], [1e-38, -1e-38]], dtype=np.float32)
    rows = np.array([[1.1e38, 9e37], [-3e38, 3e38], [0, 0]], dtype=np.float32)
    labels, distances = Predictor(centers).predict(rows)
    np.testing.assert_array_equal(labels, [0, 1, 2])
    np.testing.assert_allclose(distances, naive_predict(rows, centers)[1], rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 30), st.sampled_from(SCALES_OF), st.integers(0, 2**32))
def test_centers_and_rows_of_mixed_scales(k: int, d: int, of: str, seed: int) -> None:
    """So many rows that scores are compared first, with numbers from 1e-30 to the largest float32."""
    rng = np.random.default_rng(seed)
    centers = mixed_scales(rng, k, d, of)
    rows = np.concatenate([mixed_scales(rng, 20_000 // (k * d) + 1, d, of), centers])
    labels, _ = Predictor(centers).predict(rows)
    squared = ((rows[:, None].astype(np.float64) - centers) ** 2).sum(axis=2)
    # Sums in another order differ by roundings, which may decide between distances that are equal but for these.
    chosen = squared[np.arange(len(rows)), labels]
    assert (chosen <= squared.min(axis=1) * (1 + 1e-13)).all()


@pytest.mark.parametrize("far", [1e6, 1e18, 3e38])
def test_a_far_center_leaves_few_rows_to_direct_comparisons(far: float) -> None:
    compared = 0

    class CountingPredictor(Predictor):
        def _decide(self, rows: DoubleArray, candidates: NDArray[np.bool_]) -> LabelArray:
            nonlocal compared
            compared += len(rows)
            return super()._decide(rows, candidates)

    rng = np.random.default_rng(0)
    centers = rng.standard_normal((30, 20)).astype(np.float32)
    centers[7] = far
    rows = rng.standard_normal((2000, 20)).astype(np.float32)
    labels, _ = CountingPredictor(centers).predict(rows)
    np.testing.assert_array_equal(labels, naive_predict(rows, centers)[0])
    # Two centers are equally near a row, but for roundings of float32, here and there.
    assert compared <= 10


def test_a_distance_beyond_float32_is_infinite() -> None:
    largest = np.finfo(np.float32).max
    labels, distances = Predictor(np.array([[-largest]])).predict(np.array([[largest]]))
    assert labels.tolist() == [0]
    assert distances.tolist() == [np.inf]


@pytest.mark.parametrize(("k", "d"), [(10, 2), (10, 20), (300, 2), (300, 20)])
@pytest.mark.parametrize("ties", [False, True])
def test_many_rows_are_the_same_as_one_by_one(k: int, d: int, ties: bool) -> None:
    rng = np.random.default_rng(3)
    centers, rows = (rng.standard_normal((n, d)).astype(np.float32) for n in (k, 2000))
    if ties:
        centers, rows = np.round(centers), np.round(rows)
    predictor = Predictor(centers)
    labels, distances = predictor.predict(rows)
    for i in range(0, 2000, 97):
        one_label, one_distance = predictor.predict(rows[i : i + 1])
        assert (one_label[0], one_distance[0]) == (labels[i], distances[i])
    np.testing.assert_array_equal(labels[:50], naive_predict(rows[:50], centers)[0])


def test_no_rows() -> None:
    labels, distances = Predictor(np.zeros((2, 3), dtype=np.float32)).predict(np.empty((0, 3), dtype=np.float32))
    assert labels.shape == distances.shape == (0,)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected rows of shape \(n, 3\), got \(1, 2\)"):
        Predictor(np.zeros((2, 3), dtype=np.float32)).predict(np.zeros((1, 2), dtype=np.float32))
    for shape in [(0, 3), (3, 0), (3,)]:
        with pytest.raises(ValueError, match="expected centers of shape"):
            Predictor(np.zeros(shape, dtype=np.float32))
    with pytest.raises(ValueError, match="NaN or infinity"):
        Predictor(np.array([[np.nan]], dtype=np.float32))
