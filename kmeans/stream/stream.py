"""The state of the stream and one step of it: Sculley's mini-batch k-means (2010) with weights that decay.

A batch moves every center towards the mean of its new points by the share that they have in its weight::

    c <- c + p (mean - c),    p = w_new / (w_old + w_new)

Decay is by point: one that came h points ago weighs 1/2 of one that comes now, wherever the boundaries of mini-batches
fall.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from kmeans.assignment.compiled import prepared_bytes
from kmeans.assignment.engine import Engine, pays_on_gpu
from kmeans.communicator import Communicator, nothing
from kmeans.kernels.group_parts import StreamCenters
from kmeans.packed_rows import PackedRows
from kmeans.points import Rows, parts
from kmeans.stream.adding import Adder, EngineAdder, PieceAdder
from kmeans.stream.candidates import AssignedRows, Limits
from kmeans.stream.group import Batches, Group, RunningGroup
from kmeans.stream.groups import Groups
from kmeans.stream.mover import Mover
from kmeans.stream.reassignment import FarRows, Reassignment
from kmeans.stream.row_weights import RowWeights, Turns
from kmeans.stream.snapshot import StreamSnapshot
from kmeans.stream.start import StreamStart
from kmeans.stream.step import NO_FLAGS, Step, StepFlags
from kmeans.stream.totals import Totals
from kmeans.threads import Threads
from kmeans.types import BoolArray, DoubleArray

if TYPE_CHECKING:
    # Imports CUDA.
    from kmeans.gpu.device import Gpu


def stream_bytes(n_centers: int, n_features: int) -> int:
    """Return the bytes that a stream of one host takes at the end of a step, in addition to those of its rows.

    They are those of centers and sums with their weights and spreads, and of the prepared centers, old and new ones.
    """
    return 2 * 8 * n_centers * (n_features + 2) + 2 * prepared_bytes(n_centers, n_features)


class Stream:
    """K weighted centers that follow a stream of mini-batches.

    Rows of a mini-batch are added in one or more blocks; then one step moves the centers, by the mini-batches of all
    hosts together. The rows of hosts count as taken in turns: one of each host that still has rows, then the next of
    each. That decides how they decay. The last rows of a shorter shard count as the last ones of their step.

    Parameters
    ----------
    start : StreamStart
        Where it starts.
    half_life : int
        After how many further points a point weighs 1/2; 0 for no decay.
    communicator : Communicator
        The hosts of the job.
    threads : Threads
        The threads of this host.
    reassign_far_rows : bool
        Whether centers may be reassigned to far rows; see `kmeans.stream.reassignment`.

    Attributes
    ----------
    centers : ndarray of float64, shape (K, d)
        The centers.
    weights : ndarray of float64, shape (K,)
        The decayed number of points of each center.
    spreads : ndarray of float64, shape (K,)
        The decayed sum of the squared distances of these points to the center, where it is now.
    shift : ndarray of float32, shape (d,)
        As given.
    pending : int
        Rows of this host that were added since the latest step.
    rows_added : int
        Rows of this host, over all epochs.
    rows_seen : int
        Rows over all hosts and epochs.
    weight_seen : float
        The sum of their weights; their number where they have none.
    with_rows : ndarray of bool, shape (hosts,)
        Which hosts have rows at all.
    active : ndarray of bool, shape (hosts,)
        Which hosts still have rows in this epoch.
    """

    def __init__(
        self,
        start: StreamStart,
        half_life: int,
        communicator: Communicator,
        threads: Threads,
        *,
        reassign_far_rows: bool = False,
    ) -> None:
        self.centers = start.centers.astype(np.float64)
        self.weights = start.weights.astype(np.float64)
        self.spreads: DoubleArray = np.zeros(len(start.centers))
        self.shift = start.shift
        self.pending = 0
        self.rows_added = 0
        self.rows_seen = 0
        self.weight_seen = 0.0
        self.with_rows: BoolArray = np.ones(communicator.size, bool)
        self.active: BoolArray = self.with_rows.copy()
        self._communicator = communicator
        self._threads = threads
        engine = Engine(threads, self.shift)
        self._pieces = PieceAdder(self.centers, self.shift, threads)
        self._adder: Adder = self._pieces if engine.compiled else EngineAdder(engine, self.centers)
        self._row_weights = RowWeights(half_life)
        self._pending_weight = 0.0
        n_centers, n_features = self.centers.shape
        self._mover = Mover(self.centers, self.weights, self.spreads, threads)
        far_rows = FarRows(communicator, n_features, start.outlier_distance)
        self._far_rows = far_rows if reassign_far_rows else None
        self._groups = Groups(n_centers, n_features, threads, start.outlier_distance if reassign_far_rows else None)
        n_far = len(self._far_rows.table) if self._far_rows else 0
        self._totals = Totals(n_centers, n_features, communicator, n_far)

    @property
    def alone_ticks(self) -> int:
        """For how long only one of the threads could work in groups, in ticks of the processor's clock."""
        return self._groups.alone_ticks

    @property
    def takes_groups(self) -> bool:
        """Whether mini-batches can be taken in groups; see `group`."""
        return self._adder is self._pieces

    def use(self, gpu: "Gpu") -> None:
        """Assign and add rows on a GPU from now on, one mini-batch at a time, if it has enough to do."""
        if pays_on_gpu(*self.centers.shape):
            self._adder = EngineAdder(Engine(self._threads, self.shift, gpu), self.centers)

    def begin_epoch(self) -> None:
        """Expect rows of every host again that has any."""
        self.active[:] = self.with_rows

    def add(self, block: Rows) -> AssignedRows:
        """Assign rows of a mini-batch to the centers as they are.

        Parameters
        ----------
        block : ndarray of float32, shape (n, d), or WeightedPoints
            The rows.

        Returns
        -------
        AssignedRows
            Their nearest centers and what else is known of them.
        """
        rows, given = parts(block)
        turns = self._turns()
        hosts, turn, n_rows = turns.hosts, turns.turn, len(rows)
        total: float = n_rows
        if given is None:
            positions = self.rows_seen + turn + hosts * np.arange(self.pending, self.pending + n_rows, dtype=np.float64)
            weights = self._row_weights.alike(n_rows, turns)
        else:
            begin = self.weight_seen + hosts * self._pending_weight
            positions, weights, total = self._row_weights.of(given, turns, begin)
        decay = self._row_weights.decay(hosts * total)
        if decay != 1.0:
            self._totals.decay(decay)
            if self._far_rows:
                self._far_rows.decay(decay)
        outlier_distance = self._far_rows.outlier_distance if self._far_rows else math.inf
        labels, squared_distances = self._adder.add(rows, weights, self._totals.sums, outlier_distance)
        if self._far_rows:
            self._far_rows.offer(rows, labels, squared_distances, weights, self.rows_added, self._totals.sums)
        self.rows_added += n_rows
        losses = squared_distances if given is None else given * squared_distances
        self._totals.count(n_rows, float(losses.sum()), total)
        self.pending += n_rows
        self._pending_weight += total
        return AssignedRows(labels, positions, squared_distances, given)

    def group(self, packed: PackedRows, batch_rows: int, limits: Callable[[float], Limits]) -> RunningGroup:
        """Begin to take several mini-batches, where this is the only host; see `kmeans.stream.groups`.

        Parameters
        ----------
        packed : PackedRows
            The rows, enough for a mini-batch. Those that are taken are marked as taken in it.
        batch_rows : int
            Rows of a mini-batch.
        limits : callable
            Returns what candidates must exceed, given the place of the last row among those of all hosts.

        Returns
        -------
        RunningGroup
            A context; until it is left, other threads change the stream.
        """
        sums = self._totals.sums
        count = self._groups.size(packed, batch_rows, self.rows_seen)
        batches = Batches(
            packed=packed,
            count=count,
            row_weights=self._row_weights.alike(batch_rows, self._turns()),
            decay=self._row_weights.decay(batch_rows),
            first_number=self.rows_added,
            first_position=self.rows_seen,
        )
        return self._groups.begin(
            batches,
            limits(float(self.rows_seen + count * batch_rows - 1)),
            StreamCenters(self.centers, self.weights, self.spreads, sums.sums, sums.counts, sums.losses),
            self._pieces.prepared,
            self._pieces.pieces,
            self._taken,
        )

    def _taken(self, group: Group) -> None:
        """Count the rows of a group that was taken."""
        self._totals.sums.clear()
        n_rows = group.n_batches * group.batch_rows
        self.rows_added += n_rows
        self.rows_seen += n_rows
        self.weight_seen += n_rows

    def step(self, flags: StepFlags = NO_FLAGS, meanwhile: Callable[[], bool] = nothing) -> Step:
        """Move the centers by the rows that all hosts have added since the latest step.

        Parameters
        ----------
        flags : StepFlags
            What this host reports.
        meanwhile : callable
            Called while the hosts exchange their sums; see `Communicator.sum`.

        Returns
        -------
        Step
            What it found, over all hosts.
        """
        totals = self._totals
        totals.reduce(flags, self._far_rows.facts if self._far_rows else None, meanwhile)
        rows, weight, inertia, agreed = totals.rows, totals.weight, totals.inertia, totals.flags
        decay = self._row_weights.decay(weight)
        reassignments: list[Reassignment] = []
        if self._far_rows:
            reassignments = self._mover.move_and_reassign(totals.sums, decay, self._far_rows, totals.far_facts)
            self._far_rows.clear()
        else:
            self._mover.move(totals.sums, decay)
        self._adder.follow()
        self.active = totals.active
        totals.clear()
        own_rows, self.pending, self._pending_weight = self.pending, 0, 0.0
        self.rows_seen += rows
        self.weight_seen += weight
        return Step(rows, inertia, weight, own_rows, reassignments, agreed)

    def _turns(self) -> Turns:
        """Return how the rows of hosts that still have some follow each other."""
        return Turns(max(1, int(self.active.sum())), int(self.active[: self._communicator.rank].sum()))

    def snapshot(self) -> StreamSnapshot:
        """Return what `restore` needs; the arrays are views."""
        return StreamSnapshot(
            centers=self.centers,
            weights=self.weights,
            spreads=self.spreads,
            shift=self.shift,
            active=self.active,
            with_rows=self.with_rows,
            rows_added=self.rows_added,
            rows_seen=self.rows_seen,
            weight_seen=None if self.weight_seen == self.rows_seen else self.weight_seen,
        )

    def restore(self, snapshot: StreamSnapshot) -> None:
        """Resume from a snapshot; the stream has started from its centers, weights and shift."""
        self.spreads[:] = snapshot.spreads
        self.active[:], self.with_rows[:] = snapshot.active, snapshot.with_rows
        self.rows_added, self.rows_seen = snapshot.rows_added, snapshot.rows_seen
        self.weight_seen = float(snapshot.rows_seen) if snapshot.weight_seen is None else snapshot.weight_seen
