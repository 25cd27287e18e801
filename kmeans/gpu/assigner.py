"""The assigner of the GPU; see `kmeans.gpu.nearest` and `kmeans.gpu.sums`."""

import math
from collections.abc import Callable

import numpy as np

from kmeans.assignment.assigner import Assigner
from kmeans.assignment.sums import ClusterSums
from kmeans.gpu import nearest, sums
from kmeans.gpu.device import DeviceArray, Gpu, Slot, Space, free_bytes, is_out_of_memory
from kmeans.gpu.jit import cuda
from kmeans.gpu.shapes import FEATURES, LANES, SEGMENT, SIDE, TEAMS, THREADS, TILE
from kmeans.memory import NotEnoughMemoryError
from kmeans.types import DoubleArray, FloatArray, LabelArray

# The number of blocks, at most, that go through a list.
MAX_LIST_BLOCKS = 512


class GpuAssigner(Assigner):
    """Assigns rows on a GPU, tile by tile: while one tile is assigned, the next one is copied.

    Parameters
    ----------
    centers : ndarray of float64, shape (K, d)
        The centers; they stay on the GPU.
    shift : ndarray of float32, shape (d,)
        Usual values of the rows; see `kmeans.assignment.shift`.
    gpu : Gpu
        The GPU.

    Raises
    ------
    NotEnoughMemoryError
        If the GPU has too little memory, be it here or when rows are assigned.
    """

    def __init__(self, centers: DoubleArray, shift: FloatArray, gpu: Gpu) -> None:
        self._gpu = gpu
        n_centers, n_features = centers.shape
        self._shape: tuple[int, int] = n_centers, n_features
        padded = math.ceil(n_centers / TILE) * TILE
        with gpu.lock:
            try:
                self._centers = cuda.to_device(np.ascontiguousarray(centers), stream=gpu.work)
                self._shift = cuda.to_device(np.ascontiguousarray(shift), stream=gpu.work)
                self._points = cuda.device_array((math.ceil(n_features / FEATURES) * FEATURES, padded), np.float32)
                self._offsets = cuda.device_array(padded, np.float32)
                self._norms = cuda.device_array(padded, np.float32)
                self._largest_norm = cuda.device_array(1, np.float32)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                what = f"On the GPU, {n_centers} centers of {n_features} features"
                raise NotEnoughMemoryError(what, 12 * centers.size, free_bytes()) from None
            nearest.lay_out[_blocks(padded, THREADS), THREADS, gpu.work](
                self._centers, self._shift, self._points, self._offsets, self._norms
            )
            nearest.find_largest[1, THREADS, gpu.work](self._norms, self._largest_norm)
            # Until then the caller's centers must not change.
            gpu.work.synchronize()

    def __len__(self) -> int:
        """Return the number of centers."""
        return self._shape[0]

    def assign(self, rows: FloatArray) -> tuple[LabelArray, DoubleArray]:
        """See `Assigner.assign`."""
        with self._gpu.lock:
            space = self._gpu.space(max(len(rows), 1), *self._shape)
            return self._run(rows, None, space, lambda slot, n_rows: self._assign(slot, n_rows, space))

    def assign_and_sum(
        self, rows: FloatArray, weights: DoubleArray, into: ClusterSums, outlier_distance: float = math.inf
    ) -> tuple[LabelArray, DoubleArray]:
        """See `Assigner.assign_and_sum`; rows are added in the order of their labels."""
        with self._gpu.lock:
            space, work = self._gpu.space(max(len(rows), 1), *self._shape), self._gpu.work
            totals, host_totals = space.totals[: len(self)], space.host_totals[: len(self)]
            sums.clear_totals[_list_blocks(math.prod(totals.shape)), THREADS, work](totals)

            def take(slot: Slot, n_rows: int) -> None:
                self._assign(slot, n_rows, space)
                self._add(slot, n_rows, space, totals, outlier_distance)

            result = self._run(rows, weights, space, take)
            totals.copy_to_host(host_totals, stream=work)
            work.synchronize()
            n_features = self._shape[1]
            into.sums[:] += host_totals[:, :n_features]
            into.counts[:] += host_totals[:, n_features]
            into.losses[:] += host_totals[:, n_features + 1]
            return result

    def _run(
        self, rows: FloatArray, weights: DoubleArray | None, space: Space, take: Callable[[Slot, int], None]
    ) -> tuple[LabelArray, DoubleArray]:
        """Copy rows tile by tile, call `take` to launch kernels for each, and return labels and distances."""
        gpu = self._gpu
        labels: LabelArray = np.empty(len(rows), np.int64)
        squared_distances: DoubleArray = np.empty(len(rows), np.float64)

        def fetch(slot: Slot) -> None:
            if slot.taken is not None:
                slot.done.synchronize()
                n_rows = slot.taken.stop - slot.taken.start
                labels[slot.taken] = slot.host_labels[:n_rows]
                squared_distances[slot.taken] = slot.host_distances[:n_rows]
                slot.taken = None

        try:
            for number, first in enumerate(range(0, len(rows), space.n_rows)):
                slot = space.slots[number % 2]
                fetch(slot)
                slot.taken = slice(first, min(first + space.n_rows, len(rows)))
                n_rows = slot.taken.stop - first
                slot.host_rows[:n_rows] = rows[slot.taken]
                slot.rows[:n_rows].copy_to_device(slot.host_rows[:n_rows], stream=gpu.copies)
                if weights is not None:
                    slot.host_weights[:n_rows] = weights[slot.taken]
                    slot.weights[:n_rows].copy_to_device(slot.host_weights[:n_rows], stream=gpu.copies)
                slot.copied.record(gpu.copies)
                slot.copied.wait(gpu.work)
                take(slot, n_rows)
                space.labels[0, :n_rows].copy_to_host(slot.host_labels[:n_rows], stream=gpu.work)
                space.squared_distances[:n_rows].copy_to_host(slot.host_distances[:n_rows], stream=gpu.work)
                slot.done.record(gpu.work)
            for slot in space.slots:
                fetch(slot)
        finally:
            # After an error, nothing of this call is fetched by the next one.
            for slot in space.slots:
                slot.taken = None
        return labels, squared_distances

    def _assign(self, slot: Slot, n_rows: int, space: Space) -> None:
        """Launch the kernels that find the nearest centers of the rows in a slot."""
        n_features, work = self._shape[1], self._gpu.work
        results = space.least, space.second, space.labels
        sums.clear[1, 1, work](space.n_doubtful, 1)
        nearest.least_scores[(_blocks(n_rows, TILE), space.shares), (SIDE, SIDE), work](
            slot.rows, n_rows, self._shift, self._points, self._offsets, *results
        )
        errors = self._norms, self._largest_norm, nearest.rounding_of(n_features), nearest.tiny_of(n_features)
        doubtful = space.doubtful, space.n_doubtful
        nearest.decide[_blocks(n_rows, TEAMS), (LANES, TEAMS), work](
            slot.rows,
            n_rows,
            self._shift,
            self._centers,
            *errors,
            *results,
            space.shares,
            space.squared_distances,
            *doubtful,
        )
        centers = self._shift, self._points, self._offsets, self._centers
        nearest.compare[min(n_rows, MAX_LIST_BLOCKS), THREADS, work](
            slot.rows, *centers, space.least, space.second, *doubtful, space.labels, space.squared_distances
        )

    def _add(self, slot: Slot, n_rows: int, space: Space, totals: DeviceArray, outlier_distance: float) -> None:
        """Launch the kernels that add the rows in a slot to the totals."""
        n_centers, n_features = self._shape
        chunk_rows, work = space.chunk_rows, self._gpu.work
        n_chunks = _blocks(n_rows, chunk_rows)
        chunks, threads = _blocks(n_chunks, LANES), LANES
        n_counts = n_chunks * (n_centers + 1)
        sums.clear[_list_blocks(n_counts), THREADS, work](space.counts, n_counts)
        sums.count[chunks, threads, work](
            space.labels,
            space.squared_distances,
            n_rows,
            outlier_distance,
            n_centers,
            chunk_rows,
            space.keys,
            space.counts,
        )
        sums.rank[_blocks(n_centers + 1, LANES), LANES, work](space.counts, n_chunks, n_centers, space.starts)
        sums.start[1, THREADS, work](space.starts, n_centers)
        sums.place[chunks, threads, work](
            space.keys, n_rows, n_centers, chunk_rows, space.starts, space.counts, space.order
        )
        columns, block = _blocks(n_features + 2, LANES), (LANES, TEAMS)
        sums.add_segments[(_blocks(_blocks(n_rows, SEGMENT), TEAMS), columns), block, work](
            slot.rows,
            slot.weights,
            space.squared_distances,
            n_centers,
            space.keys,
            space.order,
            space.starts,
            totals,
            space.heads,
            space.tails,
        )
        sums.join[(_blocks(n_centers, TEAMS), columns), block, work](
            n_centers, space.starts, space.heads, space.tails, totals
        )


def _blocks(size: int, block: int) -> int:
    """Return how many blocks hold `size` items."""
    return -(-size // block)


def _list_blocks(size: int) -> int:
    """Return how many blocks go through a list of `size` numbers."""
    return min(_blocks(size, THREADS), MAX_LIST_BLOCKS)
