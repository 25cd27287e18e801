"""The streaming part of a job on one host: it can be saved, and resumed, between any two mini-batches."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

import numpy as np

from kmeans.communicator import Communicator, nothing
from kmeans.events import Events
from kmeans.memory import max_sample_rows
from kmeans.observer import MiniBatch, Observer
from kmeans.packed_rows import PackedRows
from kmeans.points import Rows, parts
from kmeans.settings import TrainingSettings
from kmeans.source import RowSource, Stretch
from kmeans.stream.control import Control
from kmeans.stream.epoch_losses import EpochLosses
from kmeans.stream.first_centers import own_generator
from kmeans.stream.group import Group
from kmeans.stream.reservoir import Reservoir
from kmeans.stream.sharing import batches_of_step
from kmeans.stream.snapshot import RunSnapshot
from kmeans.stream.start import StreamStart
from kmeans.stream.step import Step, StepFlags
from kmeans.stream.stream import Stream
from kmeans.stream.unpacking import Unpacker
from kmeans.threads import Threads


class Run:
    """A stream, the sample of its rows, and where both are in the epochs.

    Parameters
    ----------
    start : StreamStart
        Where the stream starts.
    settings : TrainingSettings
        What to train.
    communicator : Communicator
        The hosts of the job.
    threads : Threads
        The threads of this host.
    seeds : numpy.random.SeedSequence
        The source of randomness of the sample.
    memory_bytes : float
        The memory of this host.

    Attributes
    ----------
    stream : Stream
        The centers.
    reservoir : Reservoir
        The sample of this host's rows of the epoch.
    epoch : int
        The current epoch, from 0; when all are over, their number.
    within_epoch : bool
        Whether this epoch has begun.
    losses : EpochLosses
        The loss of each epoch.
    stopped : bool
        Whether the stream has ended early, on all hosts.
    steps : int
        Steps so far.
    outlier_distance : float
        That of the start.
    reassigned : int
        Centers that were reassigned to far rows.
    """

    def __init__(
        self,
        start: StreamStart,
        settings: TrainingSettings,
        communicator: Communicator,
        threads: Threads,
        seeds: np.random.SeedSequence,
        memory_bytes: float = math.inf,
    ) -> None:
        self._max_sample_rows = max_sample_rows(settings, memory_bytes)
        reassign_far_rows = settings.reassign_far_rows
        self.stream = Stream(start, settings.half_life, communicator, threads, reassign_far_rows=reassign_far_rows)
        self.outlier_distance = start.outlier_distance
        self.epoch = 0
        self.steps = 0
        self.reassigned = 0
        self._settings = settings
        self._communicator = communicator
        self._unpacker = Unpacker(settings.batch_size, settings.n_features, threads)
        self._seeds = seeds
        self.losses = EpochLosses()
        self.within_epoch = True
        self.stopped = False
        self.reservoir = self._new_reservoir()

    @property
    def levelled_off(self) -> bool:
        """Whether there are epochs left that would not pay; the same on all hosts."""
        left = self.epoch < self._settings.epochs and not self.within_epoch
        return left and self.losses.levelled_off(self._settings.early_stopping_tolerance)

    def take_rows(
        self,
        source: RowSource,
        stretches: Iterator[Stretch] | None,
        observer: Observer,
        events: Events,
        control: Control,
    ) -> None:
        """Take the rows that are left of all epochs.

        Parameters
        ----------
        source : RowSource
            The rows of this host.
        stretches : iterator of Stretch, or None
            What is left of the epoch; None between two epochs.
        observer : Observer
            Called after every step and epoch.
        events : Events
            The policies that were applied, for snapshots.
        control : Control
            What is asked of the run.
        """
        save = partial(self._save, observer, events, control)
        if stretches is not None:
            stretches = self._own(stretches)
        # An epoch has begun when some host has rows of it; until then the sample is that of the one before.
        reservoir = self.reservoir
        # The rows of a stretch in memory that are not taken yet.
        rest: PackedRows | None = None
        while self.epoch < self._settings.epochs and not (self.stopped or self.levelled_off):
            if stretches is None:
                self.stream.begin_epoch()
                reservoir = self._new_reservoir()
                stretches = self._own(source.stretches())
            first: Stretch | None = rest or next(stretches, None)
            rest = None
            if isinstance(first, np.ndarray) and len(first) > self._settings.batch_size:
                first = PackedRows.of_memory(first)
            if isinstance(first, PackedRows):
                self._take_packed(first, reservoir, observer, control, save)
                if not first.in_memory or not first.n_rows or self.stopped:
                    continue
                # A mini-batch that cannot be taken in a group, or the last rows.
                rest, first = first, first.next_block(self._settings.batch_size)
                rest = rest if rest.n_rows else None
            # Rows in a file come in blocks if nobody takes them, as in the middle of a mini-batch.
            following = (each for each in stretches if not isinstance(each, PackedRows))
            blocks = chain([] if first is None else [first], following)
            step = self._step(blocks, reservoir, control, source.read_ahead)
            self.steps += 1
            reservoir.raise_threshold(step.flags.bound)
            if step.rows:
                self.reservoir, self.within_epoch = reservoir, True
                self.reassigned += len(step.reassignments)
                self.reservoir.relabel(step.reassignments, self._communicator.rank)
                weight = step.weight if self._settings.weighted else None
                batch = MiniBatch(step.rows, step.inertia, step.own_rows, len(step.reassignments), weight)
                self.losses.add(batch.count, batch.inertia)
                observer.stepped(batch)
            if step.flags.ended:
                observer.epoch_ended(self.epoch)
                self.epoch, self.within_epoch = self.epoch + 1, False
                self.losses.end_epoch()
                stretches = None
            if step.flags.ended or step.flags.stopping or step.flags.saving:
                save()
            self.stopped = step.flags.stopping
        if self.stopped and self.within_epoch:
            observer.epoch_ended(self.epoch)
        if self.stopped:
            observer.stopped()
        if self.levelled_off:
            observer.epochs_ended_early(self.epoch, self.losses)

    def _own(self, stretches: Iterator[Stretch]) -> Iterator[Stretch]:
        """Return stretches as this host takes them: a single one takes packed rows in groups."""
        return stretches if self._communicator.size == 1 else self._unpacker.blocks(stretches)

    def _take_packed(
        self,
        packed: PackedRows,
        reservoir: Reservoir,
        observer: Observer,
        control: Control,
        save: Callable[[], None],
    ) -> None:
        """Take the mini-batches of a stretch, as far as they can be taken in groups and nothing else is asked."""
        stream, n_rows = self.stream, self._settings.batch_size
        group: Group | None = None
        left = not stream.takes_groups
        while not (self.stopped or left) and packed.n_rows >= n_rows:
            with stream.group(packed, n_rows, reservoir.limits) as running:
                # The results of the group before are evaluated while other threads work on this one.
                if group:
                    self._note(group, reservoir, observer)
            group = running.group
            left = group.left
            hurrying = control.hurrying() and stream.rows_added > 0
            self.stopped = hurrying or (control.stopping() and stream.rows_seen >= self._settings.k)
            if self.stopped or control.saving():
                self._note(group, reservoir, observer)
                group = None
                if self.within_epoch:
                    save()
        if group:
            self._note(group, reservoir, observer)

    def _note(self, group: Group, reservoir: Reservoir, observer: Observer) -> None:
        """Evaluate the results of a group of mini-batches."""
        if group.n_batches:
            self.reservoir, self.within_epoch = reservoir, True
        candidates, ends = group.candidates()
        first = begin = 0
        for number, (inertia, changes) in enumerate(zip(group.inertias(), group.reassignments(), strict=True), start=1):
            self.steps += 1
            self.reassigned += len(changes)
            # Labels of rows that came before a reassignment change with it, others do not.
            if changes or number == group.n_batches:
                end = ends[number - 1]
                offered = candidates.part(slice(begin, end))
                last_position = float(group.first_position + number * group.batch_rows - 1)
                reservoir.take(offered, (number - first) * group.batch_rows, last_position)
                reservoir.relabel(changes, self._communicator.rank)
                first, begin = number, end
            self.losses.add(group.batch_rows, inertia)
            observer.stepped(MiniBatch(group.batch_rows, inertia, group.batch_rows, len(changes)))

    def rest_of_epoch(self, source: RowSource) -> Iterator[Stretch] | None:
        """Return the rows of this epoch that were not taken yet; None between two epochs."""
        return source.stretches(self.reservoir.rows_seen) if self.within_epoch else None

    def _step(
        self,
        blocks: Iterator[Rows],
        reservoir: Reservoir,
        control: Control,
        read_ahead: Callable[[], bool],
    ) -> Step:
        """Take a mini-batch or, with several hosts, as many as make a step; or what there is of them."""
        ended = False
        offer: Callable[[], object] = nothing
        stream, settings = self.stream, self._settings
        n_batches = batches_of_step(settings, self._communicator.size, stream.rows_seen, stream.weight_seen)
        wanted = settings.batch_size * n_batches
        # A step is cut short only where there is no time for it; without a row there is no model.
        while not (ended or stream.pending >= wanted or (stream.rows_added and control.hurrying())):
            # The source may reuse the memory of this block for the next one.
            offer()
            offer = nothing
            block = next(blocks, None)
            if block is None:
                ended = True
            else:
                offer = partial(reservoir.add, parts(block)[0], *stream.add(block))
        enough = ended or stream.rows_seen + stream.pending >= self._settings.k
        stopping = control.hurrying() or (control.stopping() and enough)
        # A source that is to stop may have ended early: there may be more rows.
        flags = StepFlags(ended and not stopping, stopping, control.saving(), reservoir.bound)
        return stream.step(flags, _Meanwhile(offer, read_ahead))

    def _new_reservoir(self) -> Reservoir:
        reservoir = Reservoir(
            self._settings.sample_size,
            self._settings.n_features,
            self._settings.half_life,
            own_generator(self._seeds, self._communicator),
            self._communicator.size,
            self._max_sample_rows,
            weighted=self._settings.weighted,
        )
        reservoir.first_number = self.stream.rows_added
        return reservoir

    def _save(self, observer: Observer, events: Events, control: Control) -> None:
        """Save a snapshot."""
        snapshot = RunSnapshot(
            step=self.steps,
            epoch=self.epoch,
            within_epoch=self.within_epoch,
            reassigned=self.reassigned,
            outlier_distance=self.outlier_distance,
            losses=self.losses,
            stream=self.stream.snapshot(),
            reservoir=self.reservoir.snapshot(),
            observer={"events": dict(events.counts), **observer.facts()},
        )
        control.save(snapshot)

    @classmethod
    def restored(
        cls,
        snapshot: RunSnapshot,
        settings: TrainingSettings,
        communicator: Communicator,
        threads: Threads,
        seeds: np.random.SeedSequence,
        memory_bytes: float = math.inf,
    ) -> "Run":
        """Return the run that a snapshot was taken of; it takes over the snapshot's arrays."""
        stream = snapshot.stream
        start = StreamStart(stream.centers, stream.weights, stream.shift, snapshot.outlier_distance)
        run = cls(start, settings, communicator, threads, seeds, memory_bytes)
        run.epoch, run.steps, run.reassigned = snapshot.epoch, snapshot.step, snapshot.reassigned
        run.within_epoch, run.losses = snapshot.within_epoch, snapshot.losses
        run.stream.restore(stream)
        run.reservoir.restore(snapshot.reservoir)
        return run


class _Meanwhile:
    """Calls `first` once, then `following`, one call each time; returns whether there is more to do."""

    def __init__(self, first: Callable[[], object], following: Callable[[], bool]) -> None:
        self._first: Callable[[], object] | None = first
        self._following = following

    def __call__(self) -> bool:
        """Do the next piece of work."""
        if self._first is None:
            return self._following()
        first, self._first = self._first, None
        first()
        return True
