"""The streaming part of a job on one host: it can be kept, and continued, at any border of a mini-batch."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np

from kmeans.communicator import Communicator, nothing
from kmeans.memory import most_sample_rows
from kmeans.observer import Observer
from kmeans.packed_rows import PackedRows
from kmeans.settings import Settings
from kmeans.source import Source, Stretch
from kmeans.stream.first_centers import own_generator
from kmeans.stream.groups import Group
from kmeans.stream.reservoir import Reservoir
from kmeans.stream.snapshot import Snapshot
from kmeans.stream.stream import Step, Stream, Votes
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray


@dataclass(frozen=True)
class Control:
    """What the surroundings ask of a run; looked at at every border of a mini-batch, and `hurrying` all the time.

    Attributes
    ----------
    stopping
        Whether to end the stream early, once it has k rows; the model is then made of the rows seen.
    hurrying
        Whether to end it at once, and to make do with the best model found so far. Any thread may ask.
    saving
        Whether it is time to keep a snapshot.
    save
        Keeps one; also called at the end of every epoch. Its arrays are valid until it returns.
    """

    stopping: Callable[[], bool] = nothing
    hurrying: Callable[[], bool] = nothing
    saving: Callable[[], bool] = nothing
    save: Callable[[Snapshot], None] = lambda _: None


class Run:
    """A stream, the sample of its rows, and where both are in the epochs.

    Parameters
    ----------
    centers, weights, shift, outlier_distance
        Where the stream starts; see `Stream`.
    settings
        What to train.
    communicator, threads
        The hosts of the job and the threads of this one.
    seeds
        The source of chance of the sample.
    memory_bytes
        What this host has of memory.

    Attributes
    ----------
    stream
        The centers.
    reservoir
        The sample of this host's rows of the epoch.
    epoch
        The epoch that is going on, from 0; when all are over, their number.
    amid_epoch
        Whether this epoch has begun.
    stopped
        Whether the stream has ended early, on all hosts.
    steps
        Steps so far.
    outlier_distance
        As given.
    reassigned
        Centers that were given up for far rows.
    """

    def __init__(
        self,
        centers: DoubleArray,
        weights: DoubleArray,
        shift: FloatArray,
        outlier_distance: float,
        settings: Settings,
        communicator: Communicator,
        threads: Threads,
        seeds: np.random.SeedSequence,
        memory_bytes: float = math.inf,
    ) -> None:
        self._most_sample_rows = most_sample_rows(settings, memory_bytes)
        self.stream = Stream(
            centers,
            weights,
            shift,
            settings.half_life,
            communicator,
            threads,
            outlier_distance=outlier_distance if settings.reassign_far_rows else None,
        )
        self.outlier_distance = outlier_distance
        self.epoch = 0
        self.steps = 0
        self.reassigned = 0
        self._settings = settings
        self._communicator = communicator
        self._threads = threads
        self._seeds = seeds
        self._step_rows = settings.batch_size * settings.batches_per_step(communicator.size)
        self.amid_epoch = True
        self.stopped = False
        self.reservoir = self._new_reservoir()

    def take_rows(
        self, source: Source, stretches: Iterator[Stretch] | None, observer: Observer, control: Control
    ) -> None:
        """Take in what is left of the epochs.

        Parameters
        ----------
        source
            The rows of this host.
        stretches
            What is left of the epoch; None between two epochs.
        observer
            Told of every step and epoch.
        control
            What is asked of the run.
        """
        # An epoch has begun when some host has rows of it; until then the sample is that of the one before.
        reservoir = self.reservoir
        # Of a stretch in memory, what is not taken yet.
        rest: PackedRows | None = None
        while self.epoch < self._settings.epochs and not self.stopped:
            if stretches is None:
                self.stream.begin_epoch()
                reservoir = self._new_reservoir()
                stretches = source.stretches()
            first: Stretch | None = rest or next(stretches, None)
            rest = None
            if isinstance(first, np.ndarray) and len(first) > self._step_rows:
                first = PackedRows.of_memory(first)
            if isinstance(first, PackedRows):
                self._take_packed(first, reservoir, observer, control)
                if not first.in_memory or not first.n_rows or self.stopped:
                    continue
                # What can't be taken with others, and the last rows.
                rest, first = first, first.next_block(self._step_rows)
                rest = rest if rest.n_rows else None
            # What lies in a file comes in blocks if nobody takes it, as in the middle of a mini-batch.
            following = (each for each in stretches if isinstance(each, np.ndarray))
            blocks = chain([] if first is None else [first], following)
            step = self._step(blocks, reservoir, control, source.read_ahead)
            self.steps += 1
            reservoir.raise_threshold(step.votes.bound)
            if step.rows:
                self.reservoir, self.amid_epoch = reservoir, True
                self.reassigned += len(step.reassignments)
                self.reservoir.relabel(step.reassignments, self._communicator.rank)
                observer.stepped(step)
            if step.votes.ended:
                observer.epoch_ended(self.epoch)
                self.epoch, self.amid_epoch = self.epoch + 1, False
                stretches = None
            if step.votes.ended or step.votes.stopping or step.votes.saving:
                control.save(self.snapshot(observer))
            self.stopped = step.votes.stopping
        if self.stopped and self.amid_epoch:
            observer.epoch_ended(self.epoch)
        if self.stopped:
            observer.stopped()

    def _take_packed(self, packed: PackedRows, reservoir: Reservoir, observer: Observer, control: Control) -> None:
        """Take in the mini-batches of a stretch, as far as they can be taken together and nothing else is asked."""
        stream, n_rows = self.stream, self._settings.batch_size
        group: Group | None = None
        left = not stream.takes_groups
        while not (self.stopped or left) and packed.n_rows >= n_rows:
            with stream.group(packed, n_rows, reservoir.key, reservoir.limits) as running:
                # What the group before has left is looked at while other threads are at work on this one.
                if group:
                    self._note(group, reservoir, observer)
            group = running.group
            left = group.left
            hurrying = control.hurrying() and stream.rows_added > 0
            self.stopped = hurrying or (control.stopping() and stream.rows_seen >= self._settings.k)
            if self.stopped or control.saving():
                self._note(group, reservoir, observer)
                group = None
                if self.amid_epoch:
                    control.save(self.snapshot(observer))
        if group:
            self._note(group, reservoir, observer)

    def _note(self, group: Group, reservoir: Reservoir, observer: Observer) -> None:
        """Take in what a group of mini-batches has left."""
        if group.n_batches:
            self.reservoir, self.amid_epoch = reservoir, True
        candidates, ends = group.candidates()
        first = begin = 0
        for number, (inertia, changes) in enumerate(zip(group.inertias(), group.reassignments(), strict=True), start=1):
            self.steps += 1
            self.reassigned += len(changes)
            # Rows that came before a change of labels follow it, others do not.
            if changes or number == group.n_batches:
                end = ends[number - 1]
                offered = candidates.part(slice(begin, end))
                last_position = float(group.first_position + number * group.batch_rows - 1)
                reservoir.take(offered, (number - first) * group.batch_rows, last_position)
                reservoir.relabel(changes, self._communicator.rank)
                first, begin = number, end
            observer.stepped(Step(group.batch_rows, inertia, group.batch_rows, changes))

    def rest_of_epoch(self, source: Source) -> Iterator[Stretch] | None:
        """Return what was not yet taken in of this epoch; None between two epochs."""
        return source.stretches(self.reservoir.rows_seen) if self.amid_epoch else None

    def _step(
        self,
        blocks: Iterator[FloatArray],
        reservoir: Reservoir,
        control: Control,
        read_ahead: Callable[[], bool],
    ) -> Step:
        """Take in a mini-batch, or what there is of one."""
        ended = False
        offer: Callable[[], object] = nothing
        stream = self.stream
        # A mini-batch is cut short only where there is no time for it; without a row there is no model.
        while not (ended or stream.pending >= self._step_rows or (stream.rows_added and control.hurrying())):
            # The next block may lie where this one did.
            offer()
            offer = nothing
            block = next(blocks, None)
            if block is None:
                ended = True
            else:
                offer = partial(reservoir.add, block, *stream.add(block))
        enough = ended or stream.rows_seen + stream.pending >= self._settings.k
        stopping = control.hurrying() or (control.stopping() and enough)
        # A source that is to stop may have given up on its rows: there may be more of them.
        votes = Votes(ended and not stopping, stopping, control.saving(), reservoir.bound)
        return stream.step(votes, _in_turns(offer, read_ahead).__next__)

    def _new_reservoir(self) -> Reservoir:
        return Reservoir(
            self._settings.sample_size,
            self._settings.n_features,
            self._settings.half_life,
            own_generator(self._seeds, self._communicator),
            self.stream.rows_added,
            self._communicator.size,
            self._most_sample_rows,
        )

    def snapshot(self, observer: Observer) -> Snapshot:
        """Give all that `restored` needs to go on from here."""
        stream, reservoir = self.stream, self.reservoir
        return Snapshot(
            step=self.steps,
            arrays={
                "centers": stream.centers,
                "weights": stream.weights,
                "spreads": stream.spreads,
                "shift": stream.shift,
                "active": stream.active,
                "with_rows": stream.with_rows,
                **{f"reservoir_{name}": array for name, array in reservoir.arrays().items()},
            },
            facts={
                "epoch": self.epoch,
                "amid_epoch": self.amid_epoch,
                "reassigned": self.reassigned,
                "outlier_distance": self.outlier_distance,
                "rows_added": stream.rows_added,
                "rows_seen": stream.rows_seen,
                "reservoir": reservoir.facts(),
                "observer": observer.facts(),
            },
        )

    @classmethod
    def restored(
        cls,
        snapshot: Snapshot,
        settings: Settings,
        communicator: Communicator,
        threads: Threads,
        seeds: np.random.SeedSequence,
        observer: Observer,
        memory_bytes: float = math.inf,
    ) -> "Run":
        """Make the run of which `snapshot` was taken, out of its arrays; the observer goes on counting too."""
        arrays, facts = snapshot.arrays, snapshot.facts
        start = arrays["centers"], arrays["weights"], arrays["shift"], facts["outlier_distance"]
        run = cls(*start, settings, communicator, threads, seeds, memory_bytes)
        run.epoch, run.steps, run.reassigned = facts["epoch"], snapshot.step, facts["reassigned"]
        run.amid_epoch = facts["amid_epoch"]
        run.stream.rows_added, run.stream.rows_seen = facts["rows_added"], facts["rows_seen"]
        run.stream.spreads[:] = arrays["spreads"]
        run.stream.active[:], run.stream.with_rows[:] = arrays["active"], arrays["with_rows"]
        prefix = "reservoir_"
        run.reservoir.restore(
            {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)},
            facts["reservoir"],
        )
        observer.restore(facts["observer"])
        return run


def _in_turns(first: Callable[[], object], then: Callable[[], bool]) -> Iterator[bool]:
    """Call `first` once, then `then`, a call each time; tell whether there is more to do."""
    first()
    yield True
    while then():
        yield True
    yield False
