"""Mini-batches taken in groups, straight from a file: all threads work at one, and none waits for Python between two.

The result of a mini-batch is the same as where it is taken alone (`Stream.add` and `Stream.step`); it does not depend
on how many mini-batches make a group, or on the number of threads.
"""

import time
from collections.abc import Callable

import numpy as np

from kmeans.kernels.group import ALONE, BATCHES, LEFT, RETURN, take_group
from kmeans.kernels.group_parts import GroupShape, StreamCenters, Terms
from kmeans.kernels.prepared import Prepared
from kmeans.packed_rows import PackedRows
from kmeans.stream.candidates import Limits
from kmeans.stream.group import Batches, Group, RunningGroup
from kmeans.stream.group_memory import GroupMemory, GroupSizes
from kmeans.stream.piece_sums import Pieces, n_pieces
from kmeans.stream.reassignment import MAX_ROWS
from kmeans.threads import Threads

# A group takes about this long at most: a stop or a checkpoint waits for its end.
MAX_SECONDS = 0.05
# Rows of a group, in bytes: there is memory for all of them as candidates.
MAX_GROUP_BYTES = 16 << 20
# And their number: each has results of 40 bytes.
MAX_GROUP_ROWS = 1 << 19
# And as a part of the rows before.
MAX_GROWTH = 1 / 4
# Ranges of centers, at most, and the numbers of each at least.
MAX_RANGES, MIN_RANGE_VALUES = 16, 250
# Centers of a range are a multiple of this, which is one of the centers that are laid out together.
RANGE_BLOCK = 8


class Groups:
    """Takes groups for a stream.

    Parameters
    ----------
    n_centers : int
        K.
    n_features : int
        d.
    threads : Threads
        The threads to use.
    outlier_distance : float or None
        See `StreamStart`; None where no center may be reassigned to far rows.

    Attributes
    ----------
    alone_ticks : int
        For how long only one of the threads could work, in ticks of the processor's clock.
    """

    def __init__(self, n_centers: int, n_features: int, threads: Threads, outlier_distance: float | None) -> None:
        self._n_centers, self._n_features = n_centers, n_features
        self._threads = threads
        self._outlier_distance = np.inf if outlier_distance is None else outlier_distance
        wanted = max(1, min(MAX_RANGES, n_centers * n_features // MIN_RANGE_VALUES))
        self._range_centers = RANGE_BLOCK * max(1, -(-n_centers // wanted // RANGE_BLOCK))
        self._ranges = -(-n_centers // self._range_centers)
        n_far = 0 if outlier_distance is None else MAX_ROWS
        self._memory = GroupMemory(GroupSizes(n_centers, n_features, threads.count, self._ranges, n_far))
        self._rows_per_second = 0.0
        self.alone_ticks = 0

    def size(self, packed: PackedRows, batch_rows: int, rows_seen: int) -> int:
        """Return how many mini-batches to take at once; 0 if there is none."""
        # Limits are those of the beginning; later on fewer rows would exceed them. Until it is known how long a group
        # takes, it is one mini-batch.
        max_rows = min(
            MAX_GROUP_ROWS,
            MAX_GROUP_BYTES // (4 * self._n_features),
            int(MAX_GROWTH * rows_seen),
            int(MAX_SECONDS * self._rows_per_second),
        )
        return min(packed.n_rows // batch_rows, max(1, max_rows // batch_rows))

    def begin(
        self,
        batches: Batches,
        limits: Limits,
        centers: StreamCenters,
        prepared: Prepared,
        pieces: Pieces,
        taken: Callable[[Group], None],
    ) -> RunningGroup:
        """Begin to take mini-batches, by all threads but this one.

        Parameters
        ----------
        batches : Batches
            The mini-batches.
        limits : Limits
            What makes a row a candidate.
        centers : StreamCenters
            INOUT: the centers.
        prepared : Prepared
            INOUT: the centers laid out.
        pieces : Pieces
            Memory for the sums of pieces.
        taken : callable
            Called at the end with the result.

        Returns
        -------
        RunningGroup
            The computation, which is to be waited for.
        """
        work, results = self._memory.of(batches)
        batch_rows = batches.batch_rows
        shape = GroupShape(
            batches=batches.count,
            batch_rows=batch_rows,
            pieces=n_pieces(batch_rows, self._n_centers, self._n_features),
            ranges=self._ranges,
            range_centers=self._range_centers,
            block_rows=work.labels.shape[1],
        )
        packed, location = batches.packed, batches.location
        # The rows that are not taken yet.
        memory = packed.memory[packed.taken :]
        terms = Terms(batches.decay, self._outlier_distance, *limits)
        sums, number = pieces.begin(batch_rows, batches.count)
        work.counters[:] = 0
        began = time.perf_counter()

        def take(thread: int) -> None:
            try:
                take_group(shape, location, memory, terms, centers, prepared, sums, results, work, number, thread)
            except BaseException:
                # No other thread may wait for what this one has begun.
                work.counters[RETURN] = 1
                raise

        def end() -> Group:
            n_batches, left = int(work.counters[BATCHES]), bool(work.counters[LEFT])
            group = Group(batches, shape, results, n_batches, left=left)
            if n_batches:
                self._rows_per_second = n_batches * batch_rows / (time.perf_counter() - began)
            self.alone_ticks += int(work.counters[ALONE])
            packed.take(n_batches * batch_rows)
            taken(group)
            return group

        return RunningGroup(self._threads, take, end, work)
