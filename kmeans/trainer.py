"""The stages of training, on one host: the stream, the model made of it, and what makes that better."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kmeans.assignment.engine import MIN_GPU_ROWS, Engine
from kmeans.assignment.scoring import score
from kmeans.assignment.shift import usual_values
from kmeans.communicator import Communicator, SingleHost, any_host
from kmeans.events import Events
from kmeans.finalization import closing
from kmeans.finalization.coreset import reduced_state
from kmeans.finalization.curve import Curve
from kmeans.finalization.deadline import Deadline
from kmeans.finalization.estimated_distances import estimated_distribution
from kmeans.finalization.estimation import estimate
from kmeans.finalization.exploration import explore, ks_to_explore
from kmeans.finalization.finalization import TooFewDistinctRowsError, finalize
from kmeans.finalization.keeping import KeepingPass
from kmeans.finalization.optimism import optimism
from kmeans.finalization.resources import Resources
from kmeans.memory import centers_fit, check_memory, max_sample_rows
from kmeans.model import Model
from kmeans.observer import MiniBatch, Observer
from kmeans.points import with_weights
from kmeans.sample import Far, Sample
from kmeans.settings import TrainingSettings
from kmeans.source import RowSource, Stretch
from kmeans.state import State
from kmeans.stream.control import Control
from kmeans.stream.first_centers import GivenCenters, NoRowsError, choose_centers, first_rows, own_generator, with_twins
from kmeans.stream.reassignment import outlier_distance
from kmeans.stream.reservoir import Reservoir
from kmeans.stream.run import Run
from kmeans.stream.snapshot import RunSnapshot
from kmeans.stream.start import StreamStart
from kmeans.threads import Threads
from kmeans.types import DoubleArray, as_points

if TYPE_CHECKING:
    # Imports CUDA.
    from kmeans.gpu.device import Gpu


class Seeds:
    """One source of randomness for each use, so that one use does not shift the numbers of another.

    Parameters
    ----------
    seed : int
        Determines them all.
    """

    def __init__(self, seed: int) -> None:
        parts = np.random.SeedSequence(seed).spawn(6)
        self.sample, self.start, self.reservoir, self.finalization, self.keeping, self.curve = parts


@dataclass(frozen=True)
class Trainer:
    """Trains a model; see `kmeans.training.fit` for the attributes."""

    source: RowSource
    settings: TrainingSettings
    communicator: Communicator
    threads: Threads
    observer: Observer
    events: Events
    control: Control
    deadline: Deadline
    seeds: Seeds
    earlier: GivenCenters | None
    memory_bytes: float
    gpu: "Gpu | None"

    def begun(self) -> Run:
        """Return a new run that has taken all rows."""
        run, stretches = self._begin()
        control = self.control
        if any_host(control.stopping(), self.communicator):
            # Centers that were chosen in a hurry, or among few rows, are not worth resuming from.
            control = replace(control, save=lambda _: None)
        self._take_rows(run, stretches, control)
        return run

    def resumed(self, snapshot: RunSnapshot) -> Run:
        """Return an interrupted run that has taken the remaining rows."""
        run = Run.restored(
            snapshot, self.settings, self.communicator, self.threads, self.seeds.reservoir, self.memory_bytes
        )
        self.events.restore(snapshot.observer["events"])
        self.observer.restore(snapshot.observer)
        stretches = run.rest_of_epoch(self.source)
        self._take_rows(run, stretches, self.control)
        return run

    def _take_rows(self, run: Run, stretches: Iterator[Stretch] | None, control: Control) -> None:
        if self.gpu is not None and self.settings.batch_size >= MIN_GPU_ROWS:
            run.stream.use(self.gpu)
        run.take_rows(self.source, stretches, self.observer, self.events, control)

    def _begin(self) -> tuple[Run, Iterator[Stretch]]:
        """Return a new run with the rows of its first epoch."""
        settings, communicator = self.settings, self.communicator
        first = first_rows(
            self.source,
            settings,
            communicator,
            self.seeds.sample,
            self.control.stopping,
            centers_fit=centers_fit(settings, self.memory_bytes),
        )
        rows = first.rows
        if not first.complete:
            check_memory(settings, first.n_rows, self.memory_bytes)
        there = None if self.earlier is None else self.source.relative(self.earlier.centers)
        # Where memory is short as well, too few rows are the better reason to end.
        if first.complete and len(first.distinct) + (0 if there is None else len(there)) < settings.k:
            raise TooFewDistinctRowsError(settings.k, len(rows), len(first.distinct))
        check_memory(settings, first.n_rows, self.memory_bytes)
        shift = usual_values(rows)
        outlier_distances = np.array([outlier_distance(rows, shift)])
        rng = np.random.default_rng(self.seeds.start)
        centers = choose_centers(first, settings, there, rng, self.threads, self.control.hurrying)
        missing = settings.n_centers - len(centers)
        if missing > 0:
            self.events.happened(
                "missing_centers",
                missing,
                f"The {len(rows)} rows drawn to initialize hold {len(first.distinct)} distinct ones: "
                f"starting with {len(centers)} centers instead of {settings.n_centers}.",
            )
            if settings.reassign_far_rows:
                centers = with_twins(centers, settings.n_centers)
        communicator.broadcast(shift)
        communicator.broadcast(outlier_distances)
        # Those of the leader: hosts in a hurry may have chosen others, or fewer.
        centers = communicator.gather_rows(centers[: 0 if communicator.rank else None])
        self.observer.initialized(len(rows), len(centers))
        weights = np.zeros(len(centers))
        if self.earlier is not None:
            weights[: len(self.earlier.weights)] = self.earlier.weights
        start = StreamStart(centers, weights, shift, float(outlier_distances[0]))
        run = Run(start, settings, communicator, self.threads, self.seeds.reservoir, self.memory_bytes)
        run.stream.with_rows[:] = first.with_rows
        run.stream.begin_epoch()
        return run, iter(first.first_pass)

    def model_of(self, run: Run) -> Model:
        """Return the model of a run that has taken all rows."""
        settings, communicator = self.settings, self.communicator
        if run.reassigned:
            self.events.counts["reassigned_centers"] += run.reassigned
            self.observer.reassigned(run.reassigned)
        if run.levelled_off:
            self.events.counts["epochs_left_out"] += settings.epochs - run.epoch
        sample = run.reservoir.sample(communicator)
        seen = np.array([float(run.reservoir.rows_seen), run.reservoir.weight_seen])
        communicator.sum(seen)
        n_rows, weight = int(seen[0]), float(seen[1])
        # The weights alone include rows of an earlier job, or of an earlier epoch than a later one that has begun.
        alike = not self._continues_weights and not (run.within_epoch and run.epoch > 0)
        state = self._state(run, sample, weight, alike=alike)
        engine = Engine(self.threads, state.shift, self.gpu, spherical=settings.spherical)
        resources = Resources(engine, communicator, self.deadline, self.events)
        centers = self._finalized(state, resources)
        final = as_points(centers)
        in_double = final.astype(np.float64)
        fit_of_rows = (
            score([with_weights(sample.rows, sample.own)], engine.assigner(in_double), SingleHost())
            if sample.complete
            else estimate(state, n_rows, in_double, engine, weight if settings.weighted else None)
        )
        rng = np.random.default_rng(self.seeds.keeping)
        model = Model(
            centers=final,
            rows=n_rows,
            stopped=run.stopped,
            score=fit_of_rows,
            state=reduced_state(state, in_double, settings.kept_sample_size, rng, engine),
            curve=Curve((), 0.0, None),
            epochs=run.epoch + run.within_epoch,
        )
        if settings.finalization.refine:
            # Neither the weights of an earlier model's rows nor decayed ones count each row once.
            count_once = not (run.stopped or settings.half_life or self._continues_weights)
            model = self._closed(model, len(sample.rows), resources, count_once=count_once)
            model = self._raised(model, state, resources)
        inhabited = int(np.count_nonzero(model.score.cluster_sizes))
        # Every row is at a center, and some centers have no row.
        if alike and model.score_is_exact and model.score.ssd == 0.0 and inhabited < settings.k:
            raise TooFewDistinctRowsError(settings.k, model.rows, inhabited)
        ks = ks_to_explore(settings.k, settings.n_centers, settings.n_features, state.work)
        return self._described(model, state, ks, resources)

    def kept(self, given: GivenCenters) -> Model:
        """Return a model that keeps the k centers given, scored on all rows in a single pass."""
        settings, communicator, stopping = self.settings, self.communicator, self.control.stopping
        first = first_rows(self.source, settings, communicator, self.seeds.sample, stopping)
        check_memory(settings, first.n_rows, self.memory_bytes)
        shift = usual_values(first.rows)
        communicator.broadcast(shift)
        centers = as_points(self.source.relative(given.centers))
        in_double = centers.astype(np.float64)
        engine = Engine(self.threads, shift, self.gpu, spherical=settings.spherical)
        resources = Resources(engine, communicator, self.deadline, self.events)
        reservoir = Reservoir(
            settings.sample_size,
            settings.n_features,
            0,
            own_generator(self.seeds.reservoir, communicator),
            communicator.size,
            max_sample_rows(settings, self.memory_bytes),
            weighted=settings.weighted,
        )
        one = KeepingPass(in_double, reservoir, resources)
        self.observer.assigning(len(centers))
        stopped = any_host(not one.take(first.first_pass, stopping), communicator)
        state = one.state()
        score = one.tally.score()
        if not score.rows:
            raise NoRowsError
        weight = score.weight if settings.weighted else None
        self.observer.assigned(MiniBatch(score.rows, score.ssd, one.own_rows, weight=weight))
        if stopped:
            self.observer.stopped()
        rng = np.random.default_rng(self.seeds.keeping)
        kept_state = reduced_state(state, in_double, settings.kept_sample_size, rng, engine)
        model = Model(centers, score.rows, stopped, score, kept_state, Curve((), 0.0, None))
        return self._described(model, state, [settings.k], resources)

    @property
    def _continues_weights(self) -> bool:
        """Whether the stream has started with weights, of rows of an earlier job."""
        return self.earlier is not None and bool(self.earlier.weights.any())

    def _state(self, run: Run, sample: Sample, n_rows: float, *, alike: bool) -> State:
        """Return what the stream has left of rows that count as `n_rows` in an epoch.

        `alike` says that its weights are those of the rows of the sample's epoch.
        """
        stream = run.stream
        far = None if sample.complete or sample.far is None else self._of_all_epochs(sample.far, run, n_rows)
        kept = replace(sample, complete=sample.complete and alike, far=far)
        return State(stream.centers, stream.weights, stream.shift, kept, stream.spreads if alike else None)

    def _of_all_epochs(self, far: Far, run: Run, n_rows: float) -> Far:
        """Return the farthest rows of the last epoch with the weight that each has from all epochs."""
        half_life = self.settings.half_life
        decay = 2.0 ** (-n_rows / half_life) if half_life else 1.0
        return replace(far, weights=far.weights * sum(decay**age for age in range(run.epoch + run.within_epoch)))

    def _finalized(self, state: State, resources: Resources) -> DoubleArray:
        """Return k centers, the same on every host."""
        settings = self.settings
        centers = finalize(state, settings.k, settings.finalization, self.seeds.finalization, self.observer, resources)
        self.communicator.broadcast(centers)
        if resources.late():
            self.events.happened(
                "finalization_cut_short",
                1,
                "There was no time to look for a better model than the best one found so far.",
            )
        return centers

    def _closed(self, model: Model, n_sampled: int, resources: Resources, *, count_once: bool) -> Model:
        """Return a model after closing passes, where they promise a gain and each row counts once."""
        excess = 0.0 if model.score_is_exact else closing.expected_excess(model.score, n_sampled, model.rows)
        worthwhile = self.source.rereadable and excess > closing.MIN_EXCESS
        if not any_host(worthwhile and count_once, self.communicator):
            return model
        hurried = replace(resources, deadline=Deadline(lambda: self.control.stopping() or self.deadline.passed()))
        closed = closing.close(self.source, model.centers, model.rows, self.observer, hurried)
        return model if closed is None else replace(model, centers=closed.centers).rescored(closed.score)

    def _raised(self, model: Model, state: State, resources: Resources) -> Model:
        """Return a model with its loss raised by what it is too low on rows that the centers were fitted to."""
        if model.score_is_exact or resources.late():
            return model
        centers = model.centers.astype(np.float64)
        too_low = np.array([optimism(state, centers, resources.engine, resources.deadline.passed)])
        self.communicator.broadcast(too_low)
        return model.rescored(model.score.raised(float(too_low[0])))

    def _described(self, model: Model, state: State, ks: Sequence[int], resources: Resources) -> Model:
        """Return a model with its indices of validity, estimates for other k, distances of rows, and events."""
        centers = model.centers.astype(np.float64)
        curve = explore(state, centers, model.score, ks, self.seeds.curve, resources)
        distances = estimated_distribution(state, model.centers, model.score, resources.engine)
        return replace(model, curve=curve, distances=distances, events=dict(self.events.counts))
