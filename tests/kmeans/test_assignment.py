"""Labels, distances and sums against their naive forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmeans.assignment import Centers, add_rows, nearest
from kmeans.threads import Threads
from tests.kmeans import naive

SHAPES = [(1, 1, 1), (7, 2, 1), (1000, 2, 100), (333, 10, 7), (3000, 50, 100), (257, 784, 10), (40, 3, 400)]


@pytest.mark.parametrize(("n", "d", "k"), SHAPES)
def test_labels_and_distances_are_those_of_float64_brute_force(n: int, d: int, k: int, threads: Threads) -> None:
    rng = np.random.default_rng(n)
    rows = rng.standard_normal((n, d), dtype=np.float32)
    centers = rng.standard_normal((k, d))
    labels, squared = nearest(rows, Centers(centers, np.zeros(d, np.float32)), threads)
    expected_labels, expected_squared = naive.nearest(rows, centers)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(squared, expected_squared, rtol=1e-12)


def test_rows_far_from_the_origin_get_the_right_labels(threads: Threads) -> None:
    rng = np.random.default_rng(0)
    rows = (1e4 + rng.standard_normal((2000, 8))).astype(np.float32)
    centers = 1e4 + rng.standard_normal((50, 8))
    shift = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    labels, squared = nearest(rows, Centers(centers - shift, shift), threads)
    expected_labels, expected_squared = naive.nearest(rows, centers)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(squared, expected_squared, rtol=1e-9)


def test_near_ties_are_decided_in_float64() -> None:
    # The two centers differ by far less than float32 can resolve in a product of this size.
    centers = np.array([[1000.0, 1.0 + 1e-9], [1000.0, 1.0], [-1000.0, 0.0]])
    rows = np.array([[1000.0, 0.0], [1000.0, 2.0]], np.float32)
    labels, _ = nearest(rows, Centers(centers, np.zeros(2, np.float32)), Threads())
    assert labels.tolist() == [1, 0]


def test_of_equal_centers_the_first_is_taken() -> None:
    centers = np.ones((5, 3))
    labels, squared = nearest(np.ones((4, 3), np.float32), Centers(centers, np.zeros(3, np.float32)), Threads())
    assert labels.tolist() == [0, 0, 0, 0]
    assert squared.tolist() == [0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("scale", [1e-30, 1e18, 1.8e19, 1e25, 3e38])
def test_values_whose_squares_leave_float32_still_get_exact_labels(scale: float) -> None:
    rng = np.random.default_rng(3)
    rows = (rng.uniform(-1, 1, (300, 5)) * scale).astype(np.float32)
    centers = rng.uniform(-1, 1, (20, 5)) * scale
    labels, squared = nearest(rows, Centers(centers, np.zeros(5, np.float32)), Threads())
    expected_labels, expected_squared = naive.nearest(rows, centers)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(squared, expected_squared, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_sums_and_counts(n: int, d: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d), dtype=np.float32)
    shift = rng.standard_normal(d, dtype=np.float32)
    labels = rng.integers(0, k, n)
    weights = rng.uniform(0, 2, n)
    sums, counts = np.zeros((k, d)), np.zeros(k)
    add_rows(rows, shift, labels, weights, Threads(), sums, counts)
    expected_sums, expected_counts = naive.add_rows(
        rows.astype(np.float64) - shift.astype(np.float64), labels, weights, k
    )
    np.testing.assert_allclose(sums, expected_sums, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(counts, expected_counts, rtol=1e-13)
