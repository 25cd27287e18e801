"""The memory that groups of mini-batches are taken in; see `kmeans.kernels.group_parts`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kmeans.kernels.far_rows import EXTRA
from kmeans.kernels.group import N_COUNTERS
from kmeans.kernels.group_parts import Results, Workspace
from kmeans.kernels.packed import WIDE, WORD
from kmeans.kernels.pieces import ROW_BLOCK
from kmeans.stream.group import Batches
from kmeans.stream.piece_sums import n_pieces, piece_rows
from kmeans.types import DoubleArray

# Bytes that a thread reads at a time: they stay in its cache until their rows are added up.
BLOCK_BYTES = 1 << 17


@dataclass(frozen=True)
class GroupSizes:
    """What the memory of groups depends on, apart from their mini-batches.

    Attributes
    ----------
    n_centers : int
        K.
    n_features : int
        d.
    n_threads : int
        Threads that work on a group.
    n_ranges : int
        Ranges of centers.
    n_far : int
        Rows of a mini-batch that centers may be reassigned to.
    """

    n_centers: int
    n_features: int
    n_threads: int
    n_ranges: int
    n_far: int


class GroupMemory:
    """Gives groups their memory, and allocates it only when there was less.

    Parameters
    ----------
    sizes : GroupSizes
        What it depends on.
    """

    def __init__(self, sizes: GroupSizes) -> None:
        self._sizes = sizes
        self._work: Workspace | None = None
        self._results: Results | None = None
        self._results_before: Results | None = None
        self._batch_rows = 0

    def of(self, batches: Batches) -> tuple[Workspace, Results]:
        """Return memory for mini-batches; that of the results is not the one that the group before has used."""
        n_features, batch_rows = self._sizes.n_features, batches.batch_rows
        # The results of the group before may still be needed.
        self._results, self._results_before = self._results_before, self._results
        block_rows = max(1, BLOCK_BYTES // (4 * n_features * ROW_BLOCK)) * ROW_BLOCK
        block_rows = min(block_rows, piece_rows(batch_rows, self._sizes.n_centers, n_features), batch_rows)
        head = batches.packed.head
        block_bytes = -(-len(head) // WORD) * WORD + block_rows * batches.packed.stride + WIDE
        work, results = self._work, self._results
        if work is None or batch_rows != self._batch_rows or work.bytes.shape[1] < block_bytes:
            work = self._new_workspace(batches.row_weights, block_rows, block_bytes)
        work.bytes[:, : len(head)] = np.frombuffer(head, np.uint8)
        if results is None or len(results.inertias) < batches.count or len(results.rows) < batches.count * batch_rows:
            results = self._new_results(batches.count, batch_rows)
        self._work, self._results, self._batch_rows = work, results, batch_rows
        return work, results

    def _pieces(self, batch_rows: int) -> int:
        return n_pieces(batch_rows, self._sizes.n_centers, self._sizes.n_features)

    def _new_workspace(self, row_weights: DoubleArray, block_rows: int, block_bytes: int) -> Workspace:
        n_features, n_threads, n_far = self._sizes.n_features, self._sizes.n_threads, self._sizes.n_far
        # Rows are copied in wide blocks, which may end after the last one.
        rows: NDArray[np.float32] = np.empty(
            (n_threads, block_rows + -(-WIDE // (4 * n_features)), n_features), np.float32
        )
        return Workspace(
            counters=np.zeros(N_COUNTERS, np.int64),
            row_weights=row_weights,
            inertias=np.zeros(self._pieces(len(row_weights))),
            far_batches=np.full(n_threads, -1, np.int64),
            far_distances=np.zeros((n_threads, n_far)),
            far_labels=np.zeros((n_threads, n_far), np.int64),
            far_numbers=np.zeros((n_threads, n_far), np.int64),
            far_slots=np.tile(np.arange(n_far), (n_threads, 1)),
            far_rows=np.zeros((n_threads, n_far, n_features), np.float32),
            far_table=np.zeros((n_far, n_features + EXTRA)),
            changes=np.zeros((n_far, 3), np.int64),
            costs=np.full(self._sizes.n_ranges, np.inf),
            nobody=np.zeros(self._sizes.n_centers, bool),
            bytes=np.empty((n_threads, block_bytes), np.uint8),
            rows=rows,
            labels=np.empty((n_threads, block_rows), np.int64),
            squared_distances=np.empty((n_threads, block_rows)),
            chosen=np.empty((n_threads, block_rows), np.int64),
            draws=np.empty((n_threads, block_rows)),
        )

    def _new_results(self, n_batches: int, batch_rows: int) -> Results:
        n_rows = n_batches * batch_rows
        return Results(
            inertias=np.empty(n_batches),
            n_changes=np.empty(n_batches, np.int64),
            changes=np.empty((n_batches, self._sizes.n_far, 3), np.int64),
            n_chosen=np.empty((n_batches, self._pieces(batch_rows)), np.int64),
            rows=np.empty((n_rows, self._sizes.n_features), np.float32),
            labels=np.empty(n_rows, np.int64),
            numbers=np.empty(n_rows, np.int64),
            draws=np.empty(n_rows),
            squared_distances=np.empty(n_rows),
        )
