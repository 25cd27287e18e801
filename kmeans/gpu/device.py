"""The GPU of this host: what it has, its streams, and the memory in which rows are assigned."""

import math
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

import numpy as np

from kmeans.gpu import nearest, sums  # noqa: F401  (the kernels to load)
from kmeans.gpu.jit import cuda, load
from kmeans.gpu.shapes import SEGMENT, TILE
from kmeans.memory import NotEnoughMemoryError
from kmeans.types import DoubleArray, FloatArray

DeviceArray = Any
Stream = Any
Event = Any

# Rows are copied and assigned in tiles of this many bytes: while one is assigned, the next one is copied.
TILE_BYTES = 1 << 26
# Rows of a chunk, in which one thread counts labels; and counters of all chunks, for which chunks may be longer.
CHUNK = 256
MAX_COUNTERS = 1 << 24
# Blocks of rows and centers that occupy a multiprocessor; and shares of the centers, at most, for few rows.
BLOCKS = 2
MAX_SHARES = 16
# What CUDA answers when there is no more memory.
OUT_OF_MEMORY = 2


def count() -> int:
    """Return the number of GPUs that CUDA finds."""
    return len(cuda.gpus) if cuda.is_available() else 0


class Gpu:
    """The first GPU of this host, with its kernels loaded; one thread uses it at a time.

    Attributes
    ----------
    name : str
        Its name.
    lock : RLock
        Held by the thread that uses it.
    copies, work : Stream
        The streams of copies to the GPU, and of kernels and copies from it.
    """

    def __init__(self) -> None:
        device = cuda.current_context().device
        name = getattr(device, "name", "a simulated GPU")
        self.name = name.decode() if isinstance(name, bytes) else str(name)
        self._multiprocessors = int(getattr(device, "MULTIPROCESSOR_COUNT", 1))
        self.lock = RLock()
        self.copies: Stream = cuda.stream()
        self.work: Stream = cuda.stream()
        self._space: Space | None = None
        load()

    def shares(self, n_rows: int, n_centers: int) -> int:
        """Return among how many blocks the centers are divided, so that few rows occupy the GPU."""
        blocks = math.ceil(n_rows / TILE)
        return max(1, min(MAX_SHARES, math.ceil(n_centers / TILE), BLOCKS * self._multiprocessors // blocks))

    def space(self, n_rows: int, n_centers: int, n_features: int) -> "Space":
        """Return memory for tiles of rows: the last one, if it is large enough.

        Raises
        ------
        NotEnoughMemoryError
            If there is too little for the smallest tile.
        """
        rows = math.ceil(min(n_rows, max(TILE_BYTES // (4 * n_features), 1)) / TILE) * TILE
        if self._space is None or not self._space.holds(rows, n_centers, n_features):
            # Freed before there is another one.
            self._space = None
            self._space = self._new_space(rows, n_centers, n_features)
        return self._space

    def _new_space(self, asked_rows: int, n_centers: int, n_features: int) -> "Space":
        n_rows = asked_rows
        while True:
            try:
                return Space(n_rows, n_centers, n_features, asked_rows, self.shares(n_rows, n_centers))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            if n_rows == TILE:
                what = f"On the GPU, {TILE} rows of {n_features} features and the sums of {n_centers} centers"
                needed = 4 * TILE * n_features + 8 * n_centers * (n_features + 2)
                raise NotEnoughMemoryError(what, needed, free_bytes())
            n_rows = max(TILE, n_rows // 2 // TILE * TILE)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether CUDA had no more memory."""
    return getattr(error, "code", None) == OUT_OF_MEMORY or "OUT_OF_MEMORY" in str(error)


def free_bytes() -> float:
    """Return the free memory of the GPU, in bytes."""
    return float(cuda.current_context().get_memory_info()[0])


@dataclass
class Slot:
    """One of two places for a tile of rows, on both sides.

    Attributes
    ----------
    rows, weights : DeviceArray
        The rows, float32 (r, d), and their weights, float64 (r,).
    host_rows, host_weights : ndarray
        The same in pinned memory of the host, from which they are copied.
    host_labels, host_distances : ndarray
        Labels, int32 (r,), and squared distances, float64 (r,), in pinned memory.
    copied, done : Event
        After the copy to the GPU, and after that from it.
    taken : slice or None
        Which rows of the call are here, until their results are fetched.
    """

    rows: DeviceArray
    weights: DeviceArray
    host_rows: FloatArray
    host_weights: DoubleArray
    host_labels: Any
    host_distances: DoubleArray
    copied: Event = field(default_factory=cuda.event)
    done: Event = field(default_factory=cuda.event)
    taken: slice | None = None


class Space:
    """Memory in which tiles of rows are assigned and added up; see the kernels.

    Parameters
    ----------
    n_rows, n_centers, n_features : int
        Rows of a tile, centers and features that there is room for.
    asked_rows : int
        Rows of a tile that were asked for: more than `n_rows`, if there was not enough memory.
    shares : int
        The number of shares of the centers.
    """

    def __init__(self, n_rows: int, n_centers: int, n_features: int, asked_rows: int, shares: int) -> None:
        self.n_rows = n_rows
        self.shares = shares
        self._shape = asked_rows, n_centers, n_features
        # So that a chunk is no shorter than CHUNK rows, and the counters of all are not too many.
        self.chunk_rows = max(CHUNK, math.ceil(n_rows * (n_centers + 1) / MAX_COUNTERS))
        self.slots = [
            Slot(
                rows=cuda.device_array((n_rows, n_features), np.float32),
                weights=cuda.device_array(n_rows, np.float64),
                host_rows=cuda.pinned_array((n_rows, n_features), np.float32),
                host_weights=cuda.pinned_array(n_rows, np.float64),
                host_labels=cuda.pinned_array(n_rows, np.int32),
                host_distances=cuda.pinned_array(n_rows, np.float64),
            )
            for _ in range(2)
        ]
        self.least = cuda.device_array((shares, n_rows), np.float32)
        self.second = cuda.device_array((shares, n_rows), np.float32)
        self.labels = cuda.device_array((shares, n_rows), np.int32)
        self.squared_distances = cuda.device_array(n_rows, np.float64)
        self.doubtful = cuda.device_array(n_rows, np.int32)
        self.n_doubtful = cuda.device_array(1, np.int32)
        self.keys = cuda.device_array(n_rows, np.int32)
        self.order = cuda.device_array(n_rows, np.int32)
        self.counts = cuda.device_array(math.ceil(n_rows / self.chunk_rows) * (n_centers + 1), np.int32)
        self.starts = cuda.device_array(n_centers + 2, np.int32)
        segments = math.ceil(n_rows / SEGMENT)
        self.heads = cuda.device_array((segments, n_features + 2), np.float64)
        self.tails = cuda.device_array((segments, n_features + 2), np.float64)
        self.totals = cuda.device_array((n_centers, n_features + 2), np.float64)
        self.host_totals: DoubleArray = cuda.pinned_array((n_centers, n_features + 2), np.float64)

    def holds(self, n_rows: int, n_centers: int, n_features: int) -> bool:
        """Return whether there is room for tiles of this shape, as far as memory allows."""
        most_rows, most_centers, own_features = self._shape
        return n_rows <= most_rows and n_centers <= most_centers and n_features == own_features
