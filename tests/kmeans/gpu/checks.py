"""Checks of every kernel, and of the assigner, against plain numpy; they run in numba's simulator, or on a GPU."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kmeans.assignment.plain import PlainAssigner
from kmeans.assignment.sums import ClusterSums
from kmeans.gpu import device, nearest, shapes, sums
from kmeans.gpu.assigner import GpuAssigner
from kmeans.gpu.device import Gpu
from kmeans.gpu.jit import cuda
from kmeans.memory import NotEnoughMemoryError
from kmeans.types import DoubleArray, FloatArray, LabelArray
from tests.kmeans import naive

# Rows, features and centers: tiles that are full, and others that are not.
SHAPES = ((1, 1, 1), (1, 3, 2), (7, 1, 3), (8, 4, 8), (9, 5, 9), (20, 2, 25), (17, 7, 16))


def drawn(n: int, d: int, k: int, offset: float = 0.0, seed: int = 0) -> tuple[FloatArray, DoubleArray]:
    rng = np.random.default_rng(seed)
    rows = (rng.standard_normal((n, d)) + offset).astype(np.float32)
    return rows, rng.standard_normal((k, d)) + offset


def blocks(size: int, block: int) -> int:
    return -(-size // block)


def padded(centers: DoubleArray, shift: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what `lay_out` writes."""
    k, d = centers.shape
    points = np.zeros((blocks(d, shapes.FEATURES) * shapes.FEATURES, blocks(k, shapes.TILE) * shapes.TILE), np.float32)
    offsets, norms = np.full(points.shape[1], np.inf, np.float32), np.zeros(points.shape[1], np.float32)
    relative = centers - shift
    points[:d, :k] = relative.T
    offsets[:k] = 0.5 * (relative**2).sum(axis=1)
    norms[:k] = np.sqrt((relative**2).sum(axis=1))
    return points, offsets, norms


def check_lay_out_and_find_largest() -> None:
    for _, d, k in SHAPES:
        _, centers = drawn(1, d, k, offset=3.0)
        shift = np.full(d, 3.0, np.float32)
        expected = padded(centers, shift)
        written = [np.full_like(array, 7.0) for array in expected]
        nearest.lay_out[blocks(len(expected[1]), shapes.THREADS), shapes.THREADS](centers, shift, *written)
        for one, other in zip(written, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)
        largest = np.zeros(1, np.float32)
        nearest.find_largest[1, shapes.THREADS](expected[2], largest)
        assert largest[0] == expected[2].max()


def check_least_scores() -> None:
    for n, d, k in SHAPES[::2]:
        for shares in (1, 3):
            rows, centers = drawn(n, d, k)
            shift = np.full(d, 0.5, np.float32)
            points, offsets, _ = padded(centers, shift)
            least, second = np.empty((shares, n), np.float32), np.empty((shares, n), np.float32)
            labels = np.empty((shares, n), np.int32)
            grid = (blocks(n, shapes.TILE), shares)
            nearest.least_scores[grid, (shapes.SIDE, shapes.SIDE)](
                rows, n, shift, points, offsets, least, second, labels
            )
            scores = np.sort(offsets[:k] - (rows - shift) @ points[:d, :k], axis=1)
            np.testing.assert_allclose(least.min(axis=0), scores[:, 0], rtol=1e-4, atol=1e-5)
            both = np.sort(np.concatenate([least, second]), axis=0)
            if k > 1:
                np.testing.assert_allclose(both[1], scores[:, 1], rtol=1e-4, atol=1e-5)
            else:
                assert np.isinf(both[1]).all()


def check_decide_and_compare() -> None:
    rows, centers = drawn(9, 3, 5)
    n, d = rows.shape
    k = len(centers)
    shift = np.zeros(d, np.float32)
    points, offsets, norms = padded(centers, shift)
    scores = offsets[:k] - rows @ points[:d, :k]
    order = np.argsort(scores, axis=1)
    # Two shares of the centers, and the winner in the second one; the last row has no decision.
    least = np.stack([scores[np.arange(n), order[:, 2]], scores[np.arange(n), order[:, 0]]])
    second = np.stack([scores[np.arange(n), order[:, 3]], scores[np.arange(n), order[:, 1]]])
    labels = np.stack([order[:, 2], order[:, 0]]).astype(np.int32)
    least[1, -1] = second[1, -1] = least[0, -1] = second[0, -1] = np.inf
    labels[:, -1] = 0
    distances, doubtful, n_doubtful = np.empty(n), np.empty(n, np.int32), np.zeros(1, np.int32)
    largest = norms.max(keepdims=True)
    errors = nearest.rounding_of(d), nearest.tiny_of(d)
    nearest.decide[blocks(n, shapes.TEAMS), (shapes.LANES, shapes.TEAMS)](
        rows, n, shift, centers, norms, largest, *errors, least, second, labels, 2, distances, doubtful, n_doubtful
    )
    expected, exact = naive.nearest(rows, centers)
    assert n_doubtful[0] == 1
    assert doubtful[0] == n - 1
    np.testing.assert_array_equal(labels[0, :-1], expected[:-1])
    np.testing.assert_allclose(distances[:-1], exact[:-1])
    doubtful[:], n_doubtful[0] = np.arange(n), n
    labels[0], distances[:] = 0, 0.0
    nearest.compare[2, shapes.THREADS](
        rows, shift, points, offsets, centers, least, second, doubtful, n_doubtful, labels, distances
    )
    np.testing.assert_array_equal(labels[0], expected)
    np.testing.assert_allclose(distances, exact)


def sorted_by_key(labels: LabelArray, distances: DoubleArray, limit: float, k: int, chunk_rows: int) -> tuple[Any, ...]:
    """Run the kernels that sort."""
    n = len(labels)
    n_chunks = blocks(n, chunk_rows)
    keys, order, counts = np.empty(n, np.int32), np.empty(n, np.int32), np.full(n_chunks * (k + 1), 5, np.int32)
    starts = np.empty(k + 2, np.int32)
    grid = blocks(n_chunks, shapes.LANES), shapes.LANES
    sums.clear[1, shapes.THREADS](counts, len(counts))
    assert not counts.any()
    in_shares = labels[None].astype(np.int32)
    sums.count[grid](in_shares, distances, n, limit, k, chunk_rows, keys, counts)
    expected = np.where(distances > limit, k, labels)
    np.testing.assert_array_equal(keys, expected)
    chunked = [np.bincount(expected[i : i + chunk_rows], minlength=k + 1) for i in range(0, n, chunk_rows)]
    np.testing.assert_array_equal(counts.reshape(n_chunks, k + 1), chunked)
    sums.rank[blocks(k + 1, shapes.LANES), shapes.LANES](counts, n_chunks, k, starts)
    np.testing.assert_array_equal(counts.reshape(n_chunks, k + 1), np.cumsum(chunked, axis=0) - chunked)
    np.testing.assert_array_equal(starts[: k + 1], np.sum(chunked, axis=0))
    sums.start[1, shapes.THREADS](starts, k)
    np.testing.assert_array_equal(starts, [0, *np.cumsum(np.sum(chunked, axis=0))])
    sums.place[grid](keys, n, k, chunk_rows, starts, counts, order)
    np.testing.assert_array_equal(order, np.argsort(expected, kind="stable"))
    return keys, order, starts


def check_sums() -> None:
    rng = np.random.default_rng(1)
    # Clusters of no rows, of one, of whole segments, and of parts of several.
    for n, d, k in ((1, 1, 1), (9, 2, 3), (16, 1, 2), (37, 3, 7), (30, 1, 40)):
        for alike in (False, True):
            rows = rng.standard_normal((n, d)).astype(np.float32)
            labels: LabelArray = np.full(n, k - 1) if alike else rng.integers(0, k, n)
            weights, distances = rng.random(n), rng.random(n)
            keys, order, starts = sorted_by_key(labels, distances, 0.9, k, 5)
            segments = blocks(n, shapes.SEGMENT)
            totals, heads, tails = np.ones((k, d + 2)), np.zeros((segments, d + 2)), np.zeros((segments, d + 2))
            sums.clear_totals[1, shapes.THREADS](totals)
            columns, block = blocks(d + 2, shapes.LANES), (shapes.LANES, shapes.TEAMS)
            sums.add_segments[(blocks(segments, shapes.TEAMS), columns), block](
                rows, weights, distances, k, keys, order, starts, totals, heads, tails
            )
            sums.join[(blocks(k, shapes.TEAMS), columns), block](k, starts, heads, tails, totals)
            usual = distances <= 0.9
            values = np.column_stack([rows.astype(np.float64), np.ones(n), distances])
            expected, _ = naive.add_rows(values[usual], labels[usual], weights[usual], k)
            np.testing.assert_allclose(totals, expected, rtol=1e-12, atol=1e-12)


def check_assigner(gpu: Gpu) -> None:
    for n, d, k in SHAPES:
        compare(gpu, *drawn(n, d, k), np.zeros(d, np.float32))
    compare(gpu, *drawn(9, 5, 9, 1e6), np.full(5, 1e6, np.float32))
    # Without a shift, float32 decides nothing here.
    compare(gpu, *drawn(9, 2, 9, 1e6), np.zeros(2, np.float32))


def check_ties(gpu: Gpu) -> None:
    rows, centers = drawn(12, 2, 5)
    twice = np.concatenate([centers, centers, centers[::-1]])
    labels = compare(gpu, rows, twice, np.zeros(2, np.float32))
    assert labels.max() < 5
    same = np.zeros((11, 3))
    assert not compare(gpu, np.ones((3, 3), np.float32), same, np.zeros(3, np.float32)).any()
    # Halfway between two centers.
    assert compare(gpu, np.zeros((1, 1), np.float32), np.array([[1.0], [-1.0]]), np.zeros(1, np.float32)) == [0]


def check_extremes(gpu: Gpu) -> None:
    """Values whose scores leave the range of float32."""
    rows = np.array([[3e38, -3e38], [1e30, 1e30], [1e-40, 0.0], [0.0, 1.0]], np.float32)
    centers = np.array([[0.0, 0.0], [3e38, -3e38], [-3e38, 3e38], [1e30, 1e30], [1e-40, 1e-40]])
    compare(gpu, rows, centers, np.zeros(2, np.float32))
    # NaN is nearest to nothing; the rows next to it keep their centers.
    rows, centers = drawn(5, 2, 9)
    expected, _ = naive.nearest(rows, centers)
    rows[2] = np.nan
    labels, distances = GpuAssigner(centers, np.zeros(2, np.float32), gpu).assign(rows)
    assert labels[2] == 0
    assert distances[2] == math.inf
    np.testing.assert_array_equal(np.delete(labels, 2), np.delete(expected, 2))


def compare(gpu: Gpu, rows: FloatArray, centers: DoubleArray, shift: FloatArray) -> LabelArray:
    """Check labels, distances and sums of an assigner against those of the CPU's, in plain numpy."""
    assigner, plain = GpuAssigner(centers, shift, gpu), PlainAssigner(centers)
    weights = np.linspace(0.5, 1.5, len(rows))
    into, expected_into = (ClusterSums.zeros(*centers.shape) for _ in range(2))
    expected, exact = plain.assign(rows)
    limit = float(np.quantile(exact, 0.9))
    plain.assign_and_sum(rows, weights, expected_into, limit * (1 + 1e-9))
    assert len(assigner) == len(centers)
    labels, distances = assigner.assign_and_sum(rows, weights, into, limit * (1 + 1e-9))
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_allclose(distances, exact, rtol=1e-12)
    np.testing.assert_allclose(into.sums, expected_into.sums, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(into.counts, expected_into.counts, rtol=1e-12)
    np.testing.assert_allclose(into.losses, expected_into.losses, rtol=1e-12)
    return expected


def check_tiles(gpu: Gpu) -> None:
    """More rows than a tile holds, in tiles of two kinds of slots; no rows at all."""
    device.TILE_BYTES, before = 4 * 2 * shapes.TILE, device.TILE_BYTES
    try:
        rows, centers = drawn(5 * shapes.TILE + 3, 2, 9)
        shift = np.zeros(2, np.float32)
        compare(gpu, rows, centers, shift)
        assert gpu.space(len(rows), 9, 2).n_rows == shapes.TILE
        assigner = GpuAssigner(centers, shift, gpu)
        together = assigner.assign(rows)
        for all_at_once, alone in zip(together, assigner.assign(rows[3:5]), strict=True):
            assert all_at_once[3:5].tobytes() == alone.tobytes()
        assert len(assigner.assign(rows[:0])[0]) == 0
    finally:
        device.TILE_BYTES = before


def check_memory(gpu: Gpu) -> None:
    """Smaller tiles when memory is short, then an error."""
    real, most_rows = cuda.device_array, 2 * shapes.TILE

    def limited(shape: Any, dtype: Any, **words: Any) -> Any:
        if not most_rows or (isinstance(shape, tuple) and shape[1:] == (3,) and shape[0] > most_rows):
            raise RuntimeError("Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY")
        return real(shape, dtype, **words)

    rows, centers = drawn(6 * shapes.TILE, 3, 2, seed=5)
    shift = np.zeros(3, np.float32)
    cuda.device_array = limited
    try:
        compare(gpu, rows, centers, shift)
        assert shapes.TILE <= gpu.space(len(rows), 2, 3).n_rows <= most_rows
        most_rows = 0
        gpu._space = None
        with pytest.raises(NotEnoughMemoryError, match="On the GPU, 2 centers"):
            GpuAssigner(centers, shift, gpu)
        with pytest.raises(NotEnoughMemoryError, match=f"On the GPU, {shapes.TILE} rows"):
            gpu.space(len(rows), 2, 3)
    finally:
        cuda.device_array = real


CHECKS: tuple[Callable[[], None], ...] = (
    check_lay_out_and_find_largest,
    check_least_scores,
    check_decide_and_compare,
    check_sums,
)
CHECKS_WITH_GPU: tuple[Callable[[Gpu], None], ...] = (
    check_assigner,
    check_ties,
    check_extremes,
    check_tiles,
    check_memory,
)


def main() -> None:
    gpu = Gpu()
    for check in CHECKS:
        check()
    for check_with_gpu in CHECKS_WITH_GPU:
        check_with_gpu(gpu)


if __name__ == "__main__":
    main()
