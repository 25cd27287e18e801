"""The state of the stream and one step of it: Sculley's mini-batch k-means (2010) with weights that decay.

A batch moves every center towards the mean of its new points by the share that they have in its weight::

    c <- c + p (mean - c),    p = w_new / (w_old + w_new)

Decay is by point: one that came h points ago weighs 1/2 of one that comes now, wherever the borders of batches fall.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kmeans.assignment.assigner import Assigner
from kmeans.assignment.compiled import MIN_PRODUCTS, prepare, prepared_bytes
from kmeans.assignment.engine import Engine, pays_on_gpu
from kmeans.assignment.plain import PlainAssigner
from kmeans.assignment.sums import ClusterSums
from kmeans.communicator import Communicator, nothing
from kmeans.kernels.far_rows import DISTANCE, EXTRA
from kmeans.kernels.jit import INTERPRETED
from kmeans.kernels.moving import move, spread_out
from kmeans.kernels.pieces import put_together, take_pieces
from kmeans.packed_rows import PackedRows
from kmeans.stream.candidates import Limits
from kmeans.stream.groups import Group, Groups, RunningGroup
from kmeans.stream.piece_sums import Pieces, n_pieces
from kmeans.stream.reassignment import FarRows, Reassignment, add_entries, farthest, reassign
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray

if TYPE_CHECKING:
    # Imports CUDA.
    from kmeans.gpu.device import Gpu

# Shares of the work for each thread: each costs a call.
SHARES = 2


def stream_bytes(n_centers: int, n_features: int) -> int:
    """Return the bytes that a stream of one host takes at the end of a step, beside those of its rows.

    They are those of centers and sums with their weights and spreads, and of the prepared centers, new ones beside
    the old.
    """
    return 2 * 8 * n_centers * (n_features + 2) + 2 * prepared_bytes(n_centers, n_features)


@dataclass(frozen=True)
class Votes:
    """What a host has to say at the border of a mini-batch.

    Attributes
    ----------
    ended
        It has no further rows in this epoch.
    stopping
        The stream is to end early.
    saving
        The state is to be kept.
    bound
        Of its sample; see `Reservoir`.
    """

    ended: bool = False
    stopping: bool = False
    saving: bool = False
    bound: float = -math.inf


@dataclass
class Step:
    """What one mini-batch showed, over all hosts.

    Attributes
    ----------
    rows
        Rows of the mini-batch.
    inertia
        Sum of their squared distances to the centers as they were before the step.
    own_rows
        Those of this host among the rows.
    reassignments
        Centers that were given up for far rows.
    votes
        What all hosts agree on: the epoch has ended when it has on every host; one that wants to stop or to save is
        enough; the bound is the least of all.
    """

    rows: int
    inertia: float
    own_rows: int = 0
    reassignments: list[Reassignment] = field(default_factory=list)
    votes: Votes = field(default_factory=Votes)


class Stream:
    """K weighted centers that follow a stream of mini-batches.

    Rows of a mini-batch are added in one or more blocks; then one step moves the centers, by the mini-batches of all
    hosts together. The rows of hosts count as taken in turns: one of each host that still has rows, then the next of
    each. That decides what decay makes of them. The last rows of a shorter shard count as the last ones of their step.

    Parameters
    ----------
    centers
        float64 (K, d).
    weights
        float64 (K,): their weights at the start; the rows that they stand for are in no spread.
    shift
        float32 (d,): usual values of the rows; see `kmeans.shift.usual_values`.
    half_life
        After how many further points a point weighs 1/2; 0 for no decay.
    communicator, threads
        The hosts of the job and the threads of this one.
    outlier_distance
        That of `kmeans.stream.reassignment`, whereby far rows may become centers; None if they may not.

    Attributes
    ----------
    centers
        float64 (K, d).
    weights
        float64 (K,): the decayed number of points of each center.
    spreads
        float64 (K,): the decayed sum of the squared distances of these points to the center, as it is now.
    pending
        Rows of this host added since the latest step.
    rows_added
        Rows of this host, over all epochs.
    rows_seen
        Rows over all hosts and epochs.
    with_rows
        bool (hosts,): which hosts have rows at all.
    active
        bool (hosts,): which hosts still have rows in this epoch.
    """

    def __init__(
        self,
        centers: DoubleArray,
        weights: DoubleArray,
        shift: FloatArray,
        half_life: int,
        communicator: Communicator,
        threads: Threads,
        *,
        outlier_distance: float | None = None,
    ) -> None:
        self.centers = centers.astype(np.float64)
        self.weights = weights.astype(np.float64)
        self.spreads: DoubleArray = np.zeros(len(centers))
        self.shift = shift
        self.half_life = half_life
        self.pending = 0
        self.rows_added = 0
        self.rows_seen = 0
        self.with_rows: NDArray[np.bool_] = np.ones(communicator.size, bool)
        self.active: NDArray[np.bool_] = self.with_rows.copy()
        self._communicator = communicator
        self._threads = threads
        self._prepared = prepare(self.centers, shift)
        self._engine: Engine | None = None
        self._assigner: Assigner | None = None
        self._weights_of_rows: tuple[tuple[int, int, int], DoubleArray] = (0, 0, 0), np.empty(0)
        self._pieces = Pieces(len(centers), centers.shape[1])
        self._groups = Groups(len(centers), centers.shape[1], threads, outlier_distance)
        self._far_rows = (
            None
            if outlier_distance is None
            else FarRows(communicator.rank, communicator.size, centers.shape[1], outlier_distance)
        )
        # One buffer, one reduction over the hosts.
        n_centers, n_features = centers.shape
        n_far = self._far_rows.table.size * communicator.size if self._far_rows else 0
        sizes = (n_centers * n_features, n_centers, n_centers, 4, communicator.size, communicator.size, n_far)
        self._totals: DoubleArray = np.zeros(sum(sizes))
        parts = np.split(self._totals, np.cumsum(sizes)[:-1])
        sums, self._counts, self._losses, self._facts, self._ended, self._bounds, far = parts
        self._sums = sums.reshape(n_centers, n_features)
        self._decaying = self._totals[: n_centers * (n_features + 2)]
        self._far_tables = far.reshape(-1, n_features + EXTRA) if self._far_rows else far

    @property
    def takes_groups(self) -> bool:
        """Whether mini-batches can be taken together; see `group`."""
        return not INTERPRETED and self._assigner is None

    def use(self, gpu: "Gpu") -> None:
        """Assign and add rows on a GPU from now on, one mini-batch at a time, if it has enough to do."""
        if pays_on_gpu(*self.centers.shape):
            self._engine = Engine(self._threads, self.shift, gpu)
            self._assigner = self._engine.assigner(self.centers)

    def begin_epoch(self) -> None:
        """Expect rows of every host again that has any."""
        self.active[:] = self.with_rows

    def add(self, block: FloatArray) -> tuple[LabelArray, DoubleArray, DoubleArray]:
        """Assign rows of a mini-batch to the centers as they are.

        Parameters
        ----------
        block
            float32 (n, d).

        Returns
        -------
        labels : ndarray of int64, shape (n,)
            The nearest center of each.
        positions : ndarray of float64, shape (n,)
            The places of the rows among those of all hosts, whole numbers.
        squared_distances : ndarray of float64, shape (n,)
            Of the rows to their centers.
        """
        hosts, turn = self._turns()
        positions = self.rows_seen + turn + hosts * np.arange(self.pending, self.pending + len(block), dtype=np.float64)
        weights = self._row_weights(len(block))
        if self.half_life:
            decay = float(np.exp2(-hosts * len(block) / self.half_life))
            self._decaying *= decay
            if self._far_rows:
                self._far_rows.decay(decay)
        labels, squared_distances = self._assign_and_add(block, weights)
        if self._far_rows:
            sums = self._sums, self._counts, self._losses
            self._far_rows.offer(block, labels, squared_distances, weights, self.rows_added, *sums)
        self.rows_added += len(block)
        self._facts[:2] += len(block), squared_distances.sum()
        self.pending += len(block)
        return labels, positions, squared_distances

    def _assign_and_add(self, block: FloatArray, weights: DoubleArray) -> tuple[LabelArray, DoubleArray]:
        """Find the nearest center of each row and add the row to its sum, unless it is an outlier.

        Returns
        -------
        labels : ndarray of int64, shape (n,)
        squared_distances : ndarray of float64, shape (n,)
        """
        outlier_distance = self._far_rows.outlier_distance if self._far_rows else math.inf
        assigner = PlainAssigner(self.centers) if INTERPRETED else self._assigner
        if assigner is not None:
            into = ClusterSums(self._sums, self._counts, self._losses)
            return assigner.assign_and_sum(block, weights, into, outlier_distance)
        labels: LabelArray = np.empty(len(block), np.int64)
        squared_distances: DoubleArray = np.empty(len(block), np.float64)
        n_centers = len(self.centers)
        count = n_pieces(len(block), *self.centers.shape)
        pieces, number = self._pieces.begin(len(block))

        def take(some: slice) -> None:
            taken = weights, count, some.start, some.stop, self._prepared
            take_pieces(block, *taken, outlier_distance, number, pieces, labels, squared_distances)

        def join(some: slice) -> None:
            sums = self._sums, self._counts, self._losses
            put_together(pieces, count, number, some.start, some.stop, *sums)

        self._threads.map(take, self._shares(count, block.size * n_centers))
        self._threads.map(join, self._shares(n_centers, count * self.centers.size))
        return labels, squared_distances

    def _shares(self, n_items: int, work: int) -> list[slice]:
        """Share items out among the threads, as far as the work, in products, is worth waking them."""
        threads = self._threads.count
        shares = min(n_items, SHARES * threads) if threads > 1 and work > MIN_PRODUCTS else 1
        return [slice(n_items * share // shares, n_items * (share + 1) // shares) for share in range(shares)]

    def group(
        self, packed: PackedRows, batch_rows: int, key: np.uint64, limits: Callable[[float], Limits]
    ) -> RunningGroup:
        """Begin to take several mini-batches, where this is the only host; see `kmeans.stream.groups`.

        Parameters
        ----------
        packed
            The rows; there are enough for a mini-batch. What is taken is taken from it.
        batch_rows
            Rows of a mini-batch.
        key
            Of the draws of rows; see `kmeans.stream.candidates`.
        limits
            Tells of the place of the last row, among those of all hosts, what candidates must reach.

        Returns
        -------
        RunningGroup
            A context; until it is left, the stream is in the hands of other threads.
        """
        n_batches = self._groups.size(packed, batch_rows, self.rows_seen)
        return self._groups.begin(
            packed,
            n_batches,
            self._row_weights(batch_rows),
            float(np.exp2(-batch_rows / self.half_life)) if self.half_life else 1.0,
            (self.centers, self.weights, self.spreads, self._sums, self._counts, self._losses),
            self._prepared,
            self._pieces,
            (self.rows_added, self.rows_seen),
            key,
            limits(float(self.rows_seen + n_batches * batch_rows - 1)),
            self._taken,
        )

    def _taken(self, group: Group) -> None:
        """Hear that a group was taken."""
        self._totals[:] = 0.0
        self.rows_added += group.n_batches * group.batch_rows
        self.rows_seen += group.n_batches * group.batch_rows

    def step(self, votes: Votes = Votes(), meanwhile: Callable[[], bool] = nothing) -> Step:
        """Move the centers by the rows that all hosts have added since the latest step.

        `meanwhile` is called while the hosts exchange their sums; see `Communicator.sum`.
        """
        self._facts[2:] = votes.stopping, votes.saving
        self._ended[self._communicator.rank] = votes.ended
        self._bounds[self._communicator.rank] = votes.bound
        if self._far_rows:
            own = self._far_rows.table
            self._far_tables[self._communicator.rank * len(own) :][: len(own)] = own
        self._communicator.sum(self._totals, meanwhile)
        rows, inertia = int(self._facts[0]), float(self._facts[1])
        decay = float(np.exp2(-rows / self.half_life)) if self.half_life else 1.0
        reassignments: list[Reassignment] = []
        if self._far_rows:
            outlier_distance = self._far_rows.outlier_distance
            candidates, rest = farthest(self._far_tables)
            add_entries(rest[rest[:, DISTANCE] > outlier_distance], self._sums, self._counts, self._losses)
            self._move(decay)
            reassignments = reassign(candidates, outlier_distance, self.centers, self.weights, self.spreads)
            self._far_rows.clear()
        else:
            self._move(decay)
        if self._engine is None:
            self._prepared = prepare(self.centers, self.shift)
        else:
            self._assigner = self._engine.assigner(self.centers)
        self.active = self._ended == 0.0
        agreed = Votes(not self.active.any(), bool(self._facts[2]), bool(self._facts[3]), float(self._bounds.min()))
        own_rows = self.pending
        self._totals[:] = 0.0
        self.pending = 0
        self.rows_seen += rows
        return Step(rows, inertia, own_rows, reassignments, agreed)

    def _move(self, decay: float) -> None:
        spread_out(self.centers, self.weights, self.spreads, self._sums, self._counts, self._losses, decay)
        move(self.centers, self.weights, self._sums, self._counts, decay)

    def _turns(self) -> tuple[int, int]:
        """Give how many hosts take turns, and the place of this one among them."""
        return max(1, int(self.active.sum())), int(self.active[: self._communicator.rank].sum())

    def _row_weights(self, n_rows: int) -> DoubleArray:
        hosts, turn = self._turns()
        known, weights = self._weights_of_rows
        if known != (n_rows, hosts, turn):
            if self.half_life:
                # Relative to the latest row of all hosts, were this block the last one and every host's as long.
                weights = np.exp2((hosts * np.arange(1 - n_rows, 1) - (hosts - 1 - turn)) / self.half_life)
            else:
                weights = np.ones(n_rows)
            # Most mini-batches are alike.
            self._weights_of_rows = (n_rows, hosts, turn), weights
        return weights
