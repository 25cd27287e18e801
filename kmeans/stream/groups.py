"""Mini-batches taken in groups, straight from a file: all threads work at one, and none waits for Python between two.

What comes of a mini-batch is the same as where it is taken alone (`Stream.add` and `Stream.step`), and does not depend
on how many mini-batches make a group, or on the number of threads.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kmeans.kernels.far_rows import EXTRA
from kmeans.kernels.group import ALONE, BATCHES, LEFT, N_COUNTERS, RETURN, places_of, take_group
from kmeans.kernels.group_parts import Centers, Found, Place, Room, Shape, Terms
from kmeans.kernels.packed import WIDE, WORD
from kmeans.kernels.pieces import ROW_BLOCK
from kmeans.kernels.prepared import Prepared
from kmeans.packed_rows import PackedRows
from kmeans.stream.candidates import Candidates, Limits
from kmeans.stream.piece_sums import Pieces, n_pieces, piece_rows
from kmeans.stream.reassignment import MAX_ROWS, Reassignment
from kmeans.threads import Threads
from kmeans.types import DoubleArray, LabelArray

# A group takes no longer than about so many seconds, for whoever wants something of the stream waits for its end.
SECONDS = 0.05
# Rows of a group, in bytes, at most: there is room for all of them as candidates.
MOST_BYTES = 16 << 20
# And in number: 40 bytes are told of each.
MOST_ROWS = 1 << 19
# And as a part of the rows before.
GROWTH = 1 / 4
# Bytes that a thread reads at a time: they stay in its cache until their rows are added up.
BLOCK_BYTES = 1 << 17
# Ranges of centers, at most, and the numbers of each at least.
RANGES, RANGE_VALUES = 16, 250
# Centers of a range are a multiple of this, which is one of the centers that are laid out together.
RANGE_BLOCK = 8


class Group:
    """What came of a group of mini-batches: looked at only when it is asked for, until the group after the next begins.

    Parameters
    ----------
    shape, found
        As of `take_group`.
    first
        The place of the first row among those of this host, and of all hosts.
    n_batches
        How many mini-batches were taken.
    left
        Whether the next mini-batch can't be taken so, because of an outlier or an odd record.
    """

    def __init__(self, shape: Shape, found: Found, first: tuple[int, int], n_batches: int, *, left: bool) -> None:
        self.n_batches = n_batches
        self.left = left
        self.batch_rows = shape.batch_rows
        self.first_position = first[1]
        self._offset = float(first[1] - first[0])
        self._shape, self._found = shape, found

    def inertias(self) -> list[float]:
        """Return that of each mini-batch, as of `Step`."""
        inertias: list[float] = self._found.inertias[: self.n_batches].tolist()
        return inertias

    def reassignments(self) -> list[list[Reassignment]]:
        """Return those of each mini-batch."""
        counts = self._found.n_changes[: self.n_batches].tolist()
        return [
            [Reassignment(center, into, 0, row) for center, into, row in changes[:count].tolist()] if count else []
            for count, changes in zip(counts, self._found.changes, strict=False)
        ]

    def candidates(self) -> tuple[Candidates, list[int]]:
        """Return those of all mini-batches, and how many of them belong to each mini-batch or an earlier one."""
        found = self._found
        ends = np.cumsum(found.n_chosen[: self.n_batches].sum(axis=1)).tolist()
        places: LabelArray = np.empty(ends[-1] if ends else 0, np.int64)
        places_of(self._shape, found, self.n_batches, places)
        numbers = found.numbers[places]
        candidates = Candidates(
            source=found.rows,
            places=places,
            labels=found.labels[places],
            numbers=numbers,
            positions=(numbers + self._offset).astype(np.float64, copy=False),
            draws=found.draws[places],
            squared_distances=found.squared_distances[places],
        )
        return candidates, ends


class RunningGroup:
    """A group that other threads are at work on; at the end of the context this one joins them, and waits.

    Parameters
    ----------
    threads
        These.
    take
        Called by each with its number.
    end
        Returns what has come of it, once nobody works any more.
    room
        Where they work.

    Attributes
    ----------
    group
        What has come of it, once the context was left.
    """

    group: Group

    def __init__(self, threads: Threads, take: Callable[[int], None], end: Callable[[], Group], room: Room) -> None:
        self._threads, self._take, self._end, self._room = threads, take, end, room

    def __enter__(self) -> Self:
        """Set the others to work."""
        self._join = self._threads.begin(self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Work with the others, or, after an error, have them stop."""
        if kind is not None:
            self._room.counters[RETURN] = 1
        self._join()
        if kind is None:
            self.group = self._end()


class Groups:
    """Takes groups for a stream.

    Parameters
    ----------
    n_centers, n_features
        K and d.
    threads
        The threads to use.
    outlier_distance
        As of `Stream`; None where far rows may not become centers.

    Attributes
    ----------
    alone_ticks
        How long only one of the threads could work, in ticks of the processor's clock.
    """

    def __init__(self, n_centers: int, n_features: int, threads: Threads, outlier_distance: float | None) -> None:
        self._n_centers, self._n_features = n_centers, n_features
        self._threads = threads
        self._outlier_distance = np.inf if outlier_distance is None else outlier_distance
        self._n_far = 0 if outlier_distance is None else MAX_ROWS
        wanted = max(1, min(RANGES, n_centers * n_features // RANGE_VALUES))
        self._range_centers = RANGE_BLOCK * max(1, -(-n_centers // wanted // RANGE_BLOCK))
        self._rows_per_second = 0.0
        self._room: Room | None = None
        self._found: Found | None = None
        self._found_before: Found | None = None
        self._batch_rows = 0
        self.alone_ticks = 0

    def size(self, packed: PackedRows, batch_rows: int, rows_seen: int) -> int:
        """Return how many mini-batches to take at once; 0 if there is none."""
        # Limits are those of the beginning, which fewer rows would reach later on. Until it is known how long a group
        # takes, it is one mini-batch.
        most_rows = min(
            MOST_ROWS,
            MOST_BYTES // (4 * self._n_features),
            int(GROWTH * rows_seen),
            int(SECONDS * self._rows_per_second),
        )
        return min(packed.n_rows // batch_rows, max(1, most_rows // batch_rows))

    def begin(
        self,
        packed: PackedRows,
        n_batches: int,
        row_weights: DoubleArray,
        decay: float,
        centers: tuple[DoubleArray, ...],
        prepared: Prepared,
        pieces: Pieces,
        first: tuple[int, int],
        key: np.uint64,
        limits: Limits,
        taken: Callable[[Group], None],
    ) -> "RunningGroup":
        """Begin to take mini-batches, by all threads but this one.

        Parameters
        ----------
        packed
            The rows; those of the mini-batches that were taken are taken from it.
        n_batches
            How many, at most.
        row_weights
            float64 (rows of a mini-batch,).
        decay
            Of weights, in a mini-batch.
        centers
            INOUT centers, float64 (K, d), weights and spreads, (K,); room for sums, (K, d), counts and losses, (K,).
        prepared
            INOUT: the centers laid out.
        pieces
            Room for sums.
        first
            The place of the first row among those of this host, and of all hosts.
        key, limits
            See `kmeans.stream.candidates`.
        taken
            Told what came of it, at the end.
        """
        batch_rows = len(row_weights)
        room, found = self._made(n_batches, row_weights, packed)
        shape = Shape(
            batches=n_batches,
            batch_rows=batch_rows,
            pieces=n_pieces(batch_rows, self._n_centers, self._n_features),
            ranges=len(room.costs),
            range_centers=self._range_centers,
            block_rows=room.labels.shape[1],
        )
        # Those that are left of it, from the first one on.
        memory = packed.memory[packed.taken :]
        place = Place(packed.file, packed.begin, packed.stride, len(packed.head), first[0])
        terms = Terms(decay, self._outlier_distance, key, *limits)
        sums, number = pieces.begin(batch_rows, n_batches)
        room.counters[:] = 0
        began = time.perf_counter()

        def take(thread: int) -> None:
            try:
                take_group(shape, place, memory, terms, Centers(*centers), prepared, sums, found, room, number, thread)
            except BaseException:
                # Nobody is to wait for what this thread has begun.
                room.counters[RETURN] = 1
                raise

        def end() -> Group:
            group = Group(shape, found, first, int(room.counters[BATCHES]), left=bool(room.counters[LEFT]))
            if group.n_batches:
                self._rows_per_second = group.n_batches * batch_rows / (time.perf_counter() - began)
            self.alone_ticks += int(room.counters[ALONE])
            packed.take(group.n_batches * batch_rows)
            taken(group)
            return group

        return RunningGroup(self._threads, take, end, room)

    def _made(self, n_batches: int, row_weights: DoubleArray, packed: PackedRows) -> tuple[Room, Found]:
        """Return room for so many mini-batches, made anew only where there was less."""
        n_features, batch_rows = self._n_features, len(row_weights)
        sizes = batch_rows, self._n_centers, n_features
        records = -(-len(packed.head) // WORD) * WORD
        block_rows = max(1, BLOCK_BYTES // (4 * n_features * ROW_BLOCK)) * ROW_BLOCK
        block_rows = min(block_rows, piece_rows(*sizes), batch_rows)
        block_bytes = records + block_rows * packed.stride + WIDE
        # What the group before has left may still be looked at.
        self._found, self._found_before = self._found_before, self._found
        room, found = self._room, self._found
        if room is None or batch_rows != self._batch_rows or room.bytes.shape[1] < block_bytes:
            pieces, ranges, count = n_pieces(*sizes), -(-self._n_centers // self._range_centers), self._threads.count
            # Rows are copied in wide blocks, which may end behind the last one.
            rows: NDArray[np.float32] = np.empty(
                (count, block_rows + -(-WIDE // (4 * n_features)), n_features), np.float32
            )
            room = Room(
                counters=np.zeros(N_COUNTERS, np.int64),
                row_weights=row_weights,
                inertias=np.zeros(pieces),
                far_batches=np.full(count, -1, np.int64),
                far_distances=np.zeros((count, self._n_far)),
                far_labels=np.zeros((count, self._n_far), np.int64),
                far_numbers=np.zeros((count, self._n_far), np.int64),
                far_slots=np.tile(np.arange(self._n_far), (count, 1)),
                far_rows=np.zeros((count, self._n_far, n_features), np.float32),
                far_table=np.zeros((self._n_far, n_features + EXTRA)),
                changes=np.zeros((self._n_far, 3), np.int64),
                costs=np.full(ranges, np.inf),
                nobody=np.zeros(self._n_centers, bool),
                bytes=np.empty((count, block_bytes), np.uint8),
                rows=rows,
                labels=np.empty((count, block_rows), np.int64),
                squared_distances=np.empty((count, block_rows)),
                chosen=np.empty((count, block_rows), np.int64),
                draws=np.empty((count, block_rows)),
            )
        room.bytes[:, : len(packed.head)] = np.frombuffer(packed.head, np.uint8)
        if found is None or len(found.inertias) < n_batches or len(found.rows) < n_batches * batch_rows:
            n_rows = n_batches * batch_rows
            found = Found(
                inertias=np.empty(n_batches),
                n_changes=np.empty(n_batches, np.int64),
                changes=np.empty((n_batches, self._n_far, 3), np.int64),
                n_chosen=np.empty((n_batches, n_pieces(*sizes)), np.int64),
                rows=np.empty((n_rows, n_features), np.float32),
                labels=np.empty(n_rows, np.int64),
                numbers=np.empty(n_rows, np.int64),
                draws=np.empty(n_rows),
                squared_distances=np.empty(n_rows),
            )
        self._room, self._found, self._batch_rows = room, found, batch_rows
        return room, found
