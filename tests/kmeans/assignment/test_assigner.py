"""Labels, distances and sums against their naive forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmeans.assignment.engine import Engine
from kmeans.assignment.plain import PlainAssigner
from kmeans.assignment.shift import usual_values
from kmeans.assignment.sums import ClusterSums
from kmeans.communicator import SingleHost
from kmeans.stream.start import StreamStart
from kmeans.stream.stream import Stream
from kmeans.threads import ONE_THREAD, Threads
from tests.kmeans import naive
from tests.kmeans.rows import SCALES_OF, mixed_scales

SHAPES = [
    (1, 1, 1),
    (7, 2, 1),
    (1000, 1, 9),
    (1000, 2, 100),
    (333, 10, 7),
    (3000, 50, 100),
    (96, 16, 8),
    (97, 64, 17),
    (145, 65, 16),
    (257, 784, 10),
    (40, 3, 400),
]


@pytest.mark.parametrize("n_centers", [1, 5, 60])
def test_rows_get_the_same_answer_alone_and_among_many(n_centers: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((200, 70), dtype=np.float32)
    assigner = Engine(ONE_THREAD, np.full(70, 0.1, np.float32)).assigner(rng.standard_normal((n_centers, 70)))
    together = assigner.assign(rows)
    for n_rows in (1, 3, 4, 5, 20, 47):
        parts = [assigner.assign(rows[start : start + n_rows]) for start in range(0, 200, n_rows)]
        for all_at_once, in_parts in zip(together, zip(*parts, strict=True), strict=True):
            assert all_at_once.tobytes() == np.concatenate(in_parts).tobytes()


@pytest.mark.parametrize(("n", "d", "k"), SHAPES)
def test_labels_and_distances_are_those_of_float64_brute_force(n: int, d: int, k: int, threads: Threads) -> None:
    rng = np.random.default_rng(n)
    rows = rng.standard_normal((n, d), dtype=np.float32)
    centers = rng.standard_normal((k, d))
    labels, squared = Engine(threads, np.zeros(d, np.float32)).assigner(centers).assign(rows)
    expected_labels, expected_squared = naive.nearest(rows, centers)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(squared, expected_squared, rtol=1e-12)


def test_rows_far_from_the_origin_get_the_right_labels(threads: Threads) -> None:
    rng = np.random.default_rng(0)
    rows = (1e4 + rng.standard_normal((2000, 8))).astype(np.float32)
    centers = 1e4 + rng.standard_normal((50, 8))
    shift = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    labels, squared = Engine(threads, shift).assigner(centers).assign(rows)
    expected_labels, expected_squared = naive.nearest(rows, centers)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(squared, expected_squared, rtol=1e-9)


def test_near_ties_are_decided_in_float64() -> None:
    # The two centers differ by far less than float32 can resolve in a product of this size.
    centers = np.array([[1000.0, 1.0 + 1e-9], [1000.0, 1.0], [-1000.0, 0.0]])
    rows = np.array([[1000.0, 0.0], [1000.0, 2.0]] * 100, np.float32)
    labels, _ = Engine(ONE_THREAD, np.zeros(2, np.float32)).assigner(centers).assign(rows)
    assert labels.tolist() == [1, 0] * 100


@pytest.mark.parametrize("d", [5, 200])
@pytest.mark.parametrize("apart", [1e-4, 1e-6, 1e-8])
def test_many_near_ties_are_decided_as_in_float64(d: int, apart: float) -> None:
    rng = np.random.default_rng(d)
    centers = rng.standard_normal((5, 1, d)) + apart * rng.standard_normal((5, 7, d))
    rows = rng.standard_normal((1000, d), dtype=np.float32)
    labels, _ = Engine(ONE_THREAD, np.zeros(d, np.float32)).assigner(centers.reshape(35, d)).assign(rows)
    np.testing.assert_array_equal(labels, naive.nearest(rows, centers.reshape(35, d))[0])


def test_of_equal_centers_the_first_is_taken() -> None:
    centers = np.ones((5, 3))
    labels, squared = Engine(ONE_THREAD, np.zeros(3, np.float32)).assigner(centers).assign(np.ones((4, 3), np.float32))
    assert labels.tolist() == [0, 0, 0, 0]
    assert squared.tolist() == [0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("scale", [1e-30, 1e18, 1.8e19, 1e25, 3e38])
def test_values_whose_squares_leave_float32_still_get_exact_labels(scale: float) -> None:
    rng = np.random.default_rng(3)
    rows = (rng.uniform(-1, 1, (300, 5)) * scale).astype(np.float32)
    centers = rng.uniform(-1, 1, (20, 5)) * scale
    labels, squared = Engine(ONE_THREAD, np.zeros(5, np.float32)).assigner(centers).assign(rows)
    expected_labels, expected_squared = naive.nearest(rows, centers)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(squared, expected_squared, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 130), st.integers(1, 140), st.integers(1, 30), st.integers(-12, 12), st.integers(0, 2**32 - 1))
def test_any_shape_and_scale_gives_the_labels_of_float64(n: int, d: int, k: int, exponent: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0**exponent
    rows = (rng.standard_normal((n, d)) * scale).astype(np.float32)
    shift = (rng.standard_normal(d) * scale).astype(np.float32)
    # Some centers lie on rows, and some of them twice.
    centers = np.where(rng.random((k, 1)) < 0.5, rows[rng.integers(0, n, k)], rng.standard_normal((k, d)) * scale)
    labels, squared = Engine(ONE_THREAD, shift).assigner(centers).assign(rows)
    expected_labels, expected_squared = naive.nearest(rows, centers)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(squared, expected_squared, rtol=1e-9, atol=1e-20 * scale**2)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 130),
    st.integers(1, 40),
    st.integers(1, 30),
    st.sampled_from(SCALES_OF),
    st.integers(0, 2**32 - 1),
)
def test_data_of_mixed_scales_get_the_labels_of_float64(n: int, d: int, k: int, of: str, seed: int) -> None:
    """From 1e-30 to the largest float32, side by side, whatever the shift."""
    rng = np.random.default_rng(seed)
    rows = mixed_scales(rng, n, d, of)
    centers = np.where(rng.random((k, 1)) < 0.3, rows[rng.integers(0, n, k)], mixed_scales(rng, k, d, of)).astype(
        np.float64
    )
    shift = [np.zeros(d, np.float32), usual_values(rows), mixed_scales(rng, 1, d, of)[0]][rng.integers(0, 3)]
    labels, squared = Engine(ONE_THREAD, shift).assigner(centers).assign(rows)
    expected_labels, expected_squared = naive.nearest(rows, centers)
    np.testing.assert_allclose(squared, expected_squared, rtol=1e-12)
    # Sums in another order differ by roundings, which may decide between distances that are equal but for these.
    other = ((rows - centers[labels]) ** 2).sum(axis=1)
    undecided = other <= expected_squared * (1 + 1e-13)
    assert (undecided | (labels == expected_labels)).all()


@pytest.mark.parametrize("d", [3, 70])
def test_whole_numbers_with_many_ties_get_the_first_of_the_nearest_centers(d: int) -> None:
    rng = np.random.default_rng(d)
    rows = rng.integers(-1, 2, (500, d)).astype(np.float32)
    centers = rng.integers(-1, 2, (60, d)).astype(np.float64)
    labels, squared = Engine(ONE_THREAD, np.zeros(d, np.float32)).assigner(centers).assign(rows)
    expected_labels, expected_squared = naive.nearest(rows, centers)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_array_equal(squared, expected_squared)


@pytest.mark.parametrize("far", [1e3, 1e10, 1e19, 1e30, 1e200])
def test_a_far_center_changes_nothing_for_the_others(far: float) -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((300, 6), dtype=np.float32)
    centers = rng.standard_normal((9, 6))
    centers[4] = far
    labels, squared = Engine(ONE_THREAD, np.zeros(6, np.float32)).assigner(centers).assign(rows)
    others = np.delete(np.arange(9), 4)
    expected_labels, expected_squared = naive.nearest(rows, centers[others])
    np.testing.assert_array_equal(labels, others[expected_labels])
    np.testing.assert_allclose(squared, expected_squared, rtol=1e-12)


@pytest.mark.parametrize(("d", "k"), [(2, 30), (70, 5)])
def test_a_row_gets_the_same_bytes_wherever_it_lies(d: int, k: int) -> None:
    rng = np.random.default_rng(d)
    rows = rng.standard_normal((500, d), dtype=np.float32)
    shift = rng.standard_normal(d, dtype=np.float32)
    assigner = Engine(ONE_THREAD, shift).assigner(rng.standard_normal((k, d)))
    labels, squared = assigner.assign(rows)
    for start, end in ((0, 1), (1, 48), (13, 200), (499, 500)):
        some_labels, some_squared = assigner.assign(np.ascontiguousarray(rows[start:end]))
        assert some_labels.tobytes() == labels[start:end].tobytes()
        assert some_squared.tobytes() == squared[start:end].tobytes()


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    rng = np.random.default_rng(0)
    n, d, k = 40_000, 33, 40
    rows, shift = rng.standard_normal((n, d), dtype=np.float32), rng.standard_normal(d, dtype=np.float32)
    centers = rng.standard_normal((k, d))
    results = []
    for count in (1, 2, 5):
        threads = Threads(count)
        start = StreamStart(centers, np.zeros(k), shift, outlier_distance=50.0)
        stream = Stream(start, 1000, SingleHost(), threads, reassign_far_rows=True)
        labels, *_ = stream.add(rows)
        stream.step()
        found = Engine(threads, shift).assigner(centers).assign(rows)
        threads.close()
        results.append(
            b"".join(array.tobytes() for array in (labels, *found, stream.centers, stream.weights, stream.spreads))
        )
    assert results[0] == results[1] == results[2]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_sums_and_counts(n: int, d: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d), dtype=np.float32)
    labels = rng.integers(0, k, n)
    weights = rng.uniform(0, 2, n)
    found = ClusterSums.zeros(k, d)
    found.add(rows, labels, weights)
    expected_sums, expected_counts = naive.add_rows(rows.astype(np.float64), labels, weights, k)
    np.testing.assert_allclose(found.sums, expected_sums, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.counts, expected_counts, rtol=1e-13)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 130), st.integers(1, 40), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_the_plain_assigner_does_what_the_one_of_the_engine_does(n: int, d: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, weights = rng.standard_normal((n, d), dtype=np.float32), rng.uniform(0, 2, n)
    centers = rng.standard_normal((k, d))
    assigners = Engine(ONE_THREAD, usual_values(centers)).assigner(centers), PlainAssigner(centers)
    assert [len(assigner) for assigner in assigners] == [k, k]
    sums = [ClusterSums.zeros(k, d) for _ in assigners]
    outlier_distance = float(np.median(assigners[1].assign(rows)[1])) if n else 1.0
    (labels, squared), (expected_labels, expected_squared) = (
        assigner.assign_and_sum(rows, weights, into, outlier_distance * (1 + 1e-9))
        for assigner, into in zip(assigners, sums, strict=True)
    )
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(squared, expected_squared, rtol=1e-12)
    np.testing.assert_allclose(sums[0].sums, sums[1].sums, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(sums[0].counts, sums[1].counts, rtol=1e-13)
    np.testing.assert_allclose(sums[0].losses, sums[1].losses, rtol=1e-12)
    assert sums[0].counts.sum() == pytest.approx(weights[squared <= outlier_distance * (1 + 1e-9)].sum())
