"""Rows that lie packed in a file, as blocks that all threads read together: for the steps of several hosts."""

import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kmeans.kernels.packed import WIDE, WORD
from kmeans.kernels.reading import read_block
from kmeans.packed_rows import PackedRows
from kmeans.points import Rows
from kmeans.source import Stretch
from kmeans.stream.group import location_of
from kmeans.stream.group_memory import BLOCK_BYTES
from kmeans.threads import Threads
from kmeans.types import FloatArray

# Shares of a block for each thread: one may wait for the disk. A share has at least this many bytes.
SHARES, MIN_BYTES = 2, 1 << 17


class Unpacker:
    """Reads packed rows.

    Parameters
    ----------
    batch_rows : int
        Rows of a mini-batch.
    n_features : int
        d.
    threads : Threads
        The threads to use.
    """

    def __init__(self, batch_rows: int, n_features: int, threads: Threads) -> None:
        self._batch_rows, self._n_features = batch_rows, n_features
        self._threads = threads
        self._block: FloatArray = np.empty((0, n_features), np.float32)

    def blocks(self, stretches: Iterator[Stretch]) -> Iterator[Rows]:
        """Yield the rows of stretches, those that are packed as blocks of a mini-batch.

        Yields
        ------
        ndarray of float32, shape (n, d), or WeightedPoints
            Valid until the next one is asked for. A record that is not like the others ends a stretch; whoever yields
            the stretches yields that record and the next ones in a block.
        """
        for stretch in stretches:
            if not isinstance(stretch, PackedRows):
                yield stretch
                continue
            while stretch.n_rows >= self._batch_rows and self._read(stretch):
                yield self._block

    def _read(self, packed: PackedRows) -> bool:
        """Read a mini-batch; return whether all its records are as expected."""
        n_rows = self._batch_rows
        if len(self._block) < n_rows:
            self._block = np.empty((n_rows, self._n_features), np.float32)
        at_once = max(1, min(n_rows, BLOCK_BYTES // packed.stride))
        location = location_of(packed, 0)

        def read(some: slice) -> bool:
            head: NDArray[np.uint8] = np.frombuffer(packed.head, np.uint8)
            buffer = np.empty(-(-len(head) // WORD) * WORD + at_once * packed.stride + WIDE, np.uint8)
            buffer[: len(head)] = head
            space = np.empty((at_once + -(-WIDE // (4 * self._n_features)), self._n_features), np.float32)
            return bool(read_block(location, some.start, some.stop, at_once, buffer, space, self._block))

        count = min(n_rows, SHARES * self._threads.count, max(1, n_rows * packed.stride // MIN_BYTES))
        shares = [slice(n_rows * share // count, n_rows * (share + 1) // count) for share in range(count)]
        if not all(self._threads.map(read, shares)):
            return False
        packed.take(n_rows)
        # The system reads on while this mini-batch is processed.
        os.posix_fadvise(packed.file, packed.begin, n_rows * packed.stride, os.POSIX_FADV_WILLNEED)
        return True
