"""The training loop: start from a sample; for each epoch, for each batch, step; finalize; score."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

import numpy as np

from kmeans.assignment import Centers
from kmeans.communicator import Communicator
from kmeans.curve import curve_ks, msd_by_k
from kmeans.finalization import FinalizationSettings, finalize
from kmeans.observer import Observer
from kmeans.reservoir import Reservoir
from kmeans.scoring import Score, score
from kmeans.seeding import distinct, kmeans_plus_plus, random_rows
from kmeans.state import State
from kmeans.streaming import Step, Stream
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray

# The rows that centers are drawn from take no more than this, unless K rows do.
START_BYTES = 64 << 20


class Source(Protocol):
    """Where rows come from."""

    @property
    def rereadable(self) -> bool:
        """Whether rows can be drawn before the first pass."""
        ...

    def blocks(self) -> Iterator[FloatArray]:
        """Give one pass over the rows, float32 (n, d) each, valid until the next.

        A mini-batch is a block, or several where it is large; none holds rows of two mini-batches.
        """
        ...

    def sample(self, size: int, rng: np.random.Generator) -> FloatArray:
        """Draw `size` rows uniformly without replacement, or all when there are fewer."""
        ...


@dataclass(frozen=True)
class Settings:
    """What to train.

    Attributes
    ----------
    k
        Centers of the model.
    n_centers
        Centers of the stream, K >= k.
    n_features
        Features of a row.
    batch_size
        Rows of a mini-batch.
    epochs
        Passes over the rows.
    init_method
        "random" or "kmeans++".
    half_life
        Rows after which a row weighs 1/2; 0 for no decay.
    finalization
        How K centers become k.
    sample_size
        Rows kept to score the model on, and to refine it.
    kept_sample_size
        Rows of the sample that stay in the model's state.
    seed
        The only source of chance.
    """

    k: int
    n_centers: int
    n_features: int
    batch_size: int
    epochs: int
    init_method: str
    half_life: int
    finalization: FinalizationSettings
    sample_size: int
    kept_sample_size: int
    seed: int


@dataclass
class Model:
    """What training found.

    Attributes
    ----------
    centers
        float32 (k, d).
    score
        On the sample of training rows.
    score_is_exact
        Whether the sample holds every row of the last epoch.
    state
        What the stream has left; a model of another k can be made of it.
    msd_by_k
        Estimates of the msd for other k, by k.
    events
        How often each policy was applied, by name.
    """

    centers: FloatArray
    score: Score
    score_is_exact: bool
    state: State
    msd_by_k: dict[int, float]
    events: dict[str, int] = field(default_factory=dict)


def fit(
    source: Source,
    settings: Settings,
    communicator: Communicator,
    threads: Threads,
    observer: Observer,
    stopping: Callable[[], bool] = lambda: False,
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
    stopping
        Asked after each mini-batch whether to end the stream early; the model is then made of the rows seen.

    Raises
    ------
    TooFewDistinctRowsError
        When no k distinct rows were seen.
    """
    # One generator for each use, so that one use does not shift the numbers of another.
    for_sample, for_start, for_reservoir, for_finalization, for_keeping, for_curve = np.random.SeedSequence(
        settings.seed
    ).spawn(6)

    first_rows, first_pass = _first_rows(source, settings, np.random.default_rng(for_sample))
    shift: FloatArray = first_rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    start = _start(first_rows.astype(np.float64) - shift, settings, np.random.default_rng(for_start), observer)
    observer.initialized(len(first_rows), len(start))

    stream = Stream(start, shift, settings.half_life, communicator, threads, reassigns=settings.finalization.refine)
    reassigned = 0
    for epoch in range(settings.epochs):
        reservoir = Reservoir(
            settings.sample_size,
            settings.n_features,
            settings.half_life,
            np.random.default_rng(for_reservoir),
            stream.rows_added,
        )
        blocks = first_pass if epoch == 0 else source.blocks()
        for step in _steps(blocks, settings.batch_size, stream, reservoir):
            reservoir.relabel(step.reassignments, communicator.rank)
            reassigned += len(step.reassignments)
            observer.stepped(step)
            if stopping():
                break
        observer.epoch_ended(epoch)
        if stopping():
            break
    if reassigned:
        observer.reassigned(reassigned)

    state = State(stream.centers, stream.weights, shift, reservoir.sample())
    centers = finalize(state, settings.k, settings.finalization, for_finalization, threads, observer)
    final = (centers + shift).astype(np.float32)
    ks = curve_ks(settings.k, settings.n_centers, settings.n_features)
    msds = msd_by_k(state, ks, for_curve, threads)
    fit_of_sample = score([state.sample.rows], Centers(final.astype(np.float64) - shift, shift), communicator, threads)
    return Model(
        centers=final,
        score=fit_of_sample,
        score_is_exact=state.sample.complete,
        state=state.reduced(settings.kept_sample_size, np.random.default_rng(for_keeping)),
        msd_by_k={**msds, settings.k: fit_of_sample.msd},
        events=dict(observer.events),
    )


def _first_rows(
    source: Source, settings: Settings, rng: np.random.Generator
) -> tuple[FloatArray, Iterable[FloatArray]]:
    """Give the rows that centers are drawn from, and the first pass, which holds them too."""
    wanted = max(settings.n_centers, min(settings.batch_size, START_BYTES // (4 * settings.n_features)))
    if source.rereadable:
        return source.sample(wanted, rng), source.blocks()
    blocks = source.blocks()
    held: list[FloatArray] = []
    n_rows = 0
    for block in blocks:
        held.append(block.copy())
        n_rows += len(block)
        if n_rows >= wanted:
            break
    return np.concatenate(held), chain(held, blocks)


def _steps(blocks: Iterable[FloatArray], batch_size: int, stream: Stream, reservoir: Reservoir) -> Iterator[Step]:
    """Feed blocks to the stream and the sample; give the step after each mini-batch."""
    for block in blocks:
        reservoir.add(block, stream.add(block))
        if stream.pending >= batch_size:
            yield stream.step()
    if stream.pending:
        yield stream.step()


def _start(points: DoubleArray, settings: Settings, rng: np.random.Generator, observer: Observer) -> DoubleArray:
    """Choose the stream's first centers, float64 (K, d), among `points`, which may hold fewer distinct ones."""
    candidates = distinct(points)
    if settings.init_method == "random":
        centers = random_rows(candidates, settings.n_centers, rng)
    else:
        centers = kmeans_plus_plus(points, np.ones(len(points)), settings.n_centers, rng)
    missing = settings.n_centers - len(centers)
    if missing:
        observer.happened(
            "missing_centers",
            missing,
            f"The {len(points)} rows drawn to initialize hold {len(candidates)} distinct ones: "
            f"starting with {len(centers)} centers instead of {settings.n_centers}.",
        )
        if settings.finalization.refine:
            # Twins of a center get no rows, since the first of equally near centers does: they wait for far rows.
            centers = np.concatenate([centers, np.repeat(centers[:1], missing, axis=0)])
    return centers
