"""The training loop: start from a sample; for each epoch, for each batch, step; finalize; score."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from kmeans.assignment.engine import MIN_GPU_ROWS, Engine
from kmeans.assignment.scoring import Score, score
from kmeans.assignment.shift import usual_values
from kmeans.communicator import Communicator, SingleHost, any_host
from kmeans.finalization import closing
from kmeans.finalization.coreset import reduced_state
from kmeans.finalization.curve import curve_ks, msd_by_k
from kmeans.finalization.deadline import Deadline
from kmeans.finalization.estimation import estimate
from kmeans.finalization.finalization import TooFewDistinctRowsError, finalize
from kmeans.finalization.optimism import optimism
from kmeans.finalization.resources import Resources
from kmeans.kmeans_plus_plus import distinct
from kmeans.memory import centers_fit, check_memory
from kmeans.observer import Observer
from kmeans.sample import Far, Sample
from kmeans.settings import Settings
from kmeans.source import Source, Stretch
from kmeans.state import State
from kmeans.stream.first_centers import EarlierModel, first_rows, start_centers
from kmeans.stream.reassignment import outlier_distance
from kmeans.stream.run import Control, Run
from kmeans.stream.snapshot import Snapshot
from kmeans.threads import Threads
from kmeans.types import FloatArray, as_points

if TYPE_CHECKING:
    # Imports CUDA.
    from kmeans.gpu.device import Gpu


@dataclass
class Model:
    """What training found.

    Attributes
    ----------
    centers
        float32 (k, d).
    rows
        Rows of the last epoch, or of its part until the stream was stopped.
    stopped
        Whether it was.
    score
        Of these rows; estimated where neither the sample holds all of them nor closing passes have read them.
    state
        What the stream has left; a model of another k can be made of it.
    msd_by_k
        Estimates of the msd for other k, by k.
    events
        How often each policy was applied, by name.
    """

    centers: FloatArray
    rows: int
    stopped: bool
    score: Score
    state: State
    msd_by_k: dict[int, float]
    events: dict[str, int] = field(default_factory=dict)

    @property
    def score_is_exact(self) -> bool:
        """Whether the score was computed from all rows."""
        return self.score.is_exact

    def rescored(self, score: Score) -> "Model":
        """Return the same model with another score."""
        msds = {**self.msd_by_k, len(self.centers): score.msd}
        return replace(self, score=score, msd_by_k=msds)


class Seeds:
    """One source of chance for each use, so that one use does not shift the numbers of another.

    Parameters
    ----------
    seed
        The seed of all.
    """

    def __init__(self, seed: int) -> None:
        parts = np.random.SeedSequence(seed).spawn(6)
        self.sample, self.start, self.reservoir, self.finalization, self.keeping, self.curve = parts


def fit(
    source: Source,
    settings: Settings,
    communicator: Communicator,
    threads: Threads,
    observer: Observer,
    control: Control | None = None,
    *,
    earlier: EarlierModel | None = None,
    snapshot: Snapshot | None = None,
    memory_bytes: float = math.inf,
    gpu: "Gpu | None" = None,
) -> Model:
    """Train a model.

    Parameters
    ----------
    source
        The rows of this host.
    settings
        What to train.
    communicator, threads
        The hosts of the job and the threads of this one.
    observer
        Told of every stage.
    control
        What is asked of the run while it goes on.
    earlier
        A model whose centers the stream starts from.
    snapshot
        Where an interrupted run goes on; it ends as if it had not been interrupted.
    memory_bytes
        What this host has of memory.
    gpu
        The GPU of this host, for what it is worth it.

    Returns
    -------
    Model
        The same on every host.

    Raises
    ------
    NoRowsError
        When no host has a row.
    TooFewDistinctRowsError
        When no k distinct rows were seen: before the stream begins, where all rows can be looked at by then.
    NotEnoughMemoryError
        When it is certain that the arrays do not fit.
    AbortedError
        When another host has failed.
    """
    seeds = Seeds(settings.seed)
    control = control or Control()
    deadline = Deadline(control.hurrying)
    if snapshot is None:
        run, stretches = _begun(
            source, settings, communicator, threads, observer, control, earlier, seeds, memory_bytes
        )
        if any_host(control.stopping(), communicator):
            # Centers chosen in haste, or among few rows, are nothing to resume from.
            control = replace(control, save=lambda _: None)
    else:
        run = Run.restored(snapshot, settings, communicator, threads, seeds.reservoir, observer, memory_bytes)
        stretches = run.rest_of_epoch(source)
    if gpu is not None and settings.batch_size >= MIN_GPU_ROWS:
        run.stream.use(gpu)
    run.take_rows(source, stretches, observer, control)
    if run.reassigned:
        observer.reassigned(run.reassigned)

    sample = run.reservoir.sample(communicator)
    n_rows = np.array([float(run.reservoir.rows_seen)])
    communicator.sum(n_rows)
    # Rows of an earlier job, or of an earlier epoch beside a part of a later one, are in the weights alone.
    alike = not _has_weight(earlier) and not (run.amid_epoch and run.epoch > 0)
    state = _left(run, sample, settings, n_rows[0], alike=alike)
    engine = Engine(threads, state.shift, gpu)
    resources = Resources(engine, communicator, deadline)
    centers = finalize(state, settings.k, settings.finalization, seeds.finalization, observer, resources)
    communicator.broadcast(centers)
    if deadline.agreed(communicator):
        observer.happened(
            "finalization_cut_short",
            1,
            "There was no time to look for a better model than the best one found so far.",
        )
    final = as_points(centers)
    in_double = final.astype(np.float64)
    ks = curve_ks(settings.k, settings.n_centers, settings.n_features)
    msds = msd_by_k(state, in_double, ks, seeds.curve, threads, communicator, deadline)
    fit_of_rows = (
        score([sample.rows], engine.assigner(in_double), SingleHost())
        if sample.complete
        else estimate(state, int(n_rows[0]), in_double, engine)
    )
    model = Model(
        centers=final,
        rows=int(n_rows[0]),
        stopped=run.stopped,
        score=fit_of_rows,
        state=reduced_state(state, in_double, settings.kept_sample_size, np.random.default_rng(seeds.keeping), engine),
        msd_by_k={**msds, settings.k: fit_of_rows.msd},
    )
    if settings.finalization.refine:
        job = _Job(source, observer, control, resources)
        # Neither the weights of an earlier model's rows nor those that decay are in the rows.
        count_once = not (run.stopped or settings.half_life or _has_weight(earlier))
        model = _closed(job, model, len(sample.rows), count_once=count_once)
        model = _raised(job, model, state)
    inhabited = int(np.count_nonzero(model.score.cluster_sizes))
    # Each of the rows is a center, and some centers are no row.
    if alike and model.score_is_exact and model.score.ssd == 0.0 and inhabited < settings.k:
        raise TooFewDistinctRowsError(settings.k, model.rows, inhabited)
    return replace(model, events=dict(observer.events))


def _begun(
    source: Source,
    settings: Settings,
    communicator: Communicator,
    threads: Threads,
    observer: Observer,
    control: Control,
    earlier: EarlierModel | None,
    seeds: Seeds,
    memory_bytes: float,
) -> tuple[Run, Iterator[Stretch] | None]:
    """Start a run; return it with the rows of its first epoch."""
    first = first_rows(
        source, settings, communicator, seeds.sample, control.stopping, centers_fit=centers_fit(settings, memory_bytes)
    )
    rows = first.rows
    if not first.complete:
        check_memory(settings, first.n_rows, memory_bytes)
    candidates = distinct(rows.astype(np.float64))
    there = None if earlier is None else source.relative(earlier.centers)
    # That there are too few rows is the better reason where there is too little memory as well.
    if first.complete and len(candidates) + (0 if there is None else len(there)) < settings.k:
        raise TooFewDistinctRowsError(settings.k, len(rows), len(candidates))
    check_memory(settings, first.n_rows, memory_bytes)
    shift = usual_values(rows)
    outlier_distances = np.array([outlier_distance(rows, shift)])
    rng = np.random.default_rng(seeds.start)
    centers = start_centers(rows, candidates, settings, there, rng, threads, observer, control.hurrying)
    communicator.broadcast(shift)
    communicator.broadcast(outlier_distances)
    # Of the leader, for hosts that hurry may choose others, or fewer.
    centers = communicator.gather_rows(centers[: 0 if communicator.rank else None])
    observer.initialized(len(rows), len(centers))
    weights = np.zeros(len(centers))
    if earlier is not None:
        weights[: len(earlier.weights)] = earlier.weights
    start = centers, weights, shift, float(outlier_distances[0])
    run = Run(*start, settings, communicator, threads, seeds.reservoir, memory_bytes)
    run.stream.with_rows[:] = first.with_rows
    run.stream.begin_epoch()
    return run, iter(first.first_pass)


def _left(run: Run, sample: Sample, settings: Settings, n_rows: float, *, alike: bool) -> State:
    """Return what a stream has left of `n_rows` rows an epoch; `alike` tells that it has weights of no others."""
    stream = run.stream
    far = None if sample.complete or sample.far is None else _of_all_epochs(sample.far, run, settings, n_rows)
    kept = replace(sample, complete=sample.complete and alike, far=far)
    return State(stream.centers, stream.weights, stream.shift, kept, stream.spreads if alike else None)


@dataclass(frozen=True)
class _Job:
    """What a model is made better with, once it is there; see `fit`."""

    source: Source
    observer: Observer
    control: Control
    resources: Resources


def _closed(job: _Job, model: Model, n_sampled: int, *, count_once: bool) -> Model:
    """Return a model after closing passes, where they promise something and each of its rows counts once."""
    excess = 0.0 if model.score_is_exact else closing.expected_excess(model.score, n_sampled, model.rows)
    worthwhile = job.source.rereadable and excess > closing.MIN_EXCESS
    if not any_host(worthwhile and count_once, job.resources.communicator):
        return model
    hurried = Deadline(lambda: job.control.stopping() or job.resources.deadline.passed())
    resources = replace(job.resources, deadline=hurried)
    closed = closing.close(job.source, model.centers, model.rows, job.observer, resources)
    return model if closed is None else replace(model, centers=closed.centers).rescored(closed.score)


def _raised(job: _Job, model: Model, state: State) -> Model:
    """Return a model with its loss raised by what it is too low on rows that the centers were fitted to."""
    resources = job.resources
    if model.score_is_exact or resources.late():
        return model
    centers = model.centers.astype(np.float64)
    too_low = np.array([optimism(state, centers, resources.engine, resources.deadline.passed)])
    resources.communicator.broadcast(too_low)
    return model.rescored(model.score.raised(float(too_low[0])))


def _of_all_epochs(far: Far, run: Run, settings: Settings, n_rows: float) -> Far:
    """Return the farthest rows of the last epoch with the weight that each has from all epochs."""
    decay = 2.0 ** (-n_rows / settings.half_life) if settings.half_life else 1.0
    return replace(far, weights=far.weights * sum(decay**age for age in range(run.epoch + run.amid_epoch)))


def _has_weight(earlier: EarlierModel | None) -> bool:
    return earlier is not None and bool(earlier.weights.any())
