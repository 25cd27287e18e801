"""The update of the stream and its decay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmeans.communicator import SingleHost
from kmeans.stream.start import StreamStart
from kmeans.stream.step import Step
from kmeans.stream.stream import Stream
from kmeans.threads import Threads
from kmeans.types import FloatArray
from tests.kmeans import naive


def make(centers: np.ndarray, half_life: int = 0) -> Stream:
    start = StreamStart(centers.astype(np.float64), np.zeros(len(centers)), np.zeros(centers.shape[1], np.float32))
    return Stream(start, half_life, SingleHost(), Threads())


def take(stream: Stream, *blocks: FloatArray) -> Step:
    """Add a mini-batch to a stream."""
    for block in blocks:
        stream.add(block)
    assert stream.pending == sum(map(len, blocks))
    return stream.step()


def split(rows: FloatArray, borders: list[int]) -> list[FloatArray]:
    return [part for part in np.split(rows, sorted(b % (len(rows) + 1) for b in borders)) if len(part)]


def test_documented_examples_of_the_share() -> None:
    # Weights 100, 150 and 450 meet 25, 40 and 5 new points.
    stream = make(np.array([[0.0], [100.0], [200.0]]))
    stream.weights[:] = 100, 150, 450
    batch = np.array([[1.0]] * 25 + [[101.0]] * 40 + [[201.0]] * 5, np.float32)
    take(stream, batch)
    expected = [25 / (100 + 25), 100 + 40 / (150 + 40), 200 + 5 / (450 + 5)]
    np.testing.assert_allclose(stream.centers[:, 0], expected, rtol=1e-14)
    assert stream.weights.tolist() == [125, 190, 455]


def test_the_first_points_of_a_center_replace_where_it_started() -> None:
    stream = make(np.array([[5.0, 5.0]]))
    take(stream, np.array([[1, 2], [3, 4]], np.float32))
    assert stream.centers.tolist() == [[2.0, 3.0]]


def test_a_center_without_points_stays() -> None:
    stream = make(np.array([[0.0], [50.0]]))
    step = take(stream, np.array([[1.0], [2.0]], np.float32))
    assert stream.centers.tolist() == [[1.5], [50.0]]
    assert stream.weights.tolist() == [2.0, 0.0]
    assert (step.rows, step.inertia) == (2, 5.0)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 50),
    st.integers(0, 40),
    st.lists(st.integers(0, 100), max_size=6),
    st.integers(0, 2**32 - 1),
)
def test_steps_equal_the_law_applied_point_by_point(n: int, half_life: int, borders: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    batches = split(rng.standard_normal((n, 3), dtype=np.float32), borders)
    start = rng.standard_normal((4, 3))
    stream = make(start, half_life)
    for batch in batches:
        take(stream, batch)
    centers, weights = naive.stream(batches, start, half_life)
    np.testing.assert_allclose(stream.weights, weights, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(stream.centers, centers, rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 30), st.lists(st.integers(0, 100), max_size=6))
def test_h_points_later_a_point_weighs_half_wherever_borders_fall(n: int, half_life: int, borders: list[int]) -> None:
    rows = np.arange(n, dtype=np.float32)[:, None]
    stream = make(np.zeros((1, 1)), half_life)
    for batch in split(rows, borders):
        take(stream, batch)
    weights = 0.5 ** (np.arange(n - 1, -1, -1) / half_life)
    np.testing.assert_allclose(stream.weights[0], weights.sum(), rtol=1e-12)
    np.testing.assert_allclose(stream.centers[0, 0], weights @ rows[:, 0] / weights.sum(), rtol=1e-9, atol=1e-12)


def test_a_very_short_half_life_forgets_without_harm() -> None:
    stream = make(np.array([[0.0], [1000.0]]), half_life=1)
    for _ in range(3):
        take(stream, np.concatenate([np.full((3000, 1), 1000.0), np.full((3000, 1), 1.0)]).astype(np.float32))
    assert np.isfinite(stream.centers).all()
    assert stream.centers[0, 0] == pytest.approx(1.0)
    assert stream.weights[0] == pytest.approx(2.0)
