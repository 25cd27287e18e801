"""The training loop: start from a sample; for each epoch, for each batch, step; finalize; score."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

import numpy as np

from kmeans.assignment import Centers
from kmeans.communicator import Communicator
from kmeans.finalization import LloydSettings, refine, shrink
from kmeans.observer import Observer
from kmeans.reservoir import Reservoir
from kmeans.scoring import Score, score
from kmeans.seeding import distinct, kmeans_plus_plus, random_rows
from kmeans.streaming import Stream
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray


class Source(Protocol):
    """Where rows come from."""

    @property
    def rereadable(self) -> bool:
        """Whether rows can be drawn before the first pass."""
        ...

    def batches(self) -> Iterator[FloatArray]:
        """Give one pass over the rows as mini-batches, float32 (n, d); each is valid until the next."""
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
    lloyd
        How K centers become k.
    sample_size
        Rows kept to score the model on, and to refine it.
    refine
        Whether to refine the model on the sample.
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
    lloyd: LloydSettings
    sample_size: int
    refine: bool
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
    stream_centers, stream_weights
        float64 (K, d) and (K,): the state of the stream.
    events
        How often each policy was applied, by name.
    """

    centers: FloatArray
    score: Score
    score_is_exact: bool
    stream_centers: DoubleArray
    stream_weights: DoubleArray
    events: dict[str, int] = field(default_factory=dict)


class TooFewDistinctRowsError(ValueError):
    """The rows seen hold fewer than k distinct ones."""


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
    for_start, for_trials, for_reservoir, for_filling = np.random.SeedSequence(settings.seed).spawn(4)

    first_rows, first_pass = _first_rows(source, settings, np.random.default_rng(for_start))
    shift: FloatArray = first_rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    points = first_rows.astype(np.float64) - shift
    start = _start(points, settings, np.random.default_rng(for_start.spawn(1)[0]), observer)
    observer.initialized(len(first_rows), len(start))

    stream = Stream(start, shift, settings.half_life, communicator, threads)
    for epoch in range(settings.epochs):
        reservoir = Reservoir(
            settings.sample_size, settings.n_features, settings.half_life, np.random.default_rng(for_reservoir)
        )
        for batch in first_pass if epoch == 0 else source.batches():
            reservoir.add(batch)
            observer.stepped(stream.step(batch))
            if stopping():
                break
        observer.epoch_ended(epoch)
        if stopping():
            break

    rows, _ = reservoir.sample()
    centers = _finalize(stream, rows, settings, for_trials, np.random.default_rng(for_filling), threads, observer)
    final = (centers + shift).astype(np.float32)
    return Model(
        centers=final,
        score=score([rows], Centers(final.astype(np.float64) - shift, shift), communicator, threads),
        score_is_exact=reservoir.rows_seen <= settings.sample_size,
        stream_centers=stream.centers + shift,
        stream_weights=stream.weights,
        events=dict(observer.events),
    )


def _first_rows(
    source: Source, settings: Settings, rng: np.random.Generator
) -> tuple[FloatArray, Iterable[FloatArray]]:
    """Give the rows that centers are drawn from, and the first pass, which holds them too."""
    wanted = max(settings.batch_size, settings.n_centers)
    if source.rereadable:
        return source.sample(wanted, rng), source.batches()
    batches = source.batches()
    held: list[FloatArray] = []
    n_rows = 0
    for batch in batches:
        held.append(batch.copy())
        n_rows += len(batch)
        if n_rows >= wanted:
            break
    return np.concatenate(held), chain(held, batches)


def _start(points: DoubleArray, settings: Settings, rng: np.random.Generator, observer: Observer) -> DoubleArray:
    """Choose the stream's first centers, float64 (K, d), among `points`; fewer when they hold fewer distinct ones."""
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
            f"using {len(centers)} centers instead of {settings.n_centers}.",
        )
    return centers


def _finalize(
    stream: Stream,
    rows: FloatArray,
    settings: Settings,
    seeds: np.random.SeedSequence,
    rng: np.random.Generator,
    threads: Threads,
    observer: Observer,
) -> DoubleArray:
    """Reduce the stream's centers to k and refine them on `rows`; float64 (k, d), relative to the stream's shift."""
    live = stream.weights > 0.0
    if not live.all():
        observer.happened(
            "centers_without_weight",
            int((~live).sum()),
            f"{int((~live).sum())} of {len(live)} centers have no weight: they take no part in the model.",
        )
    centers, weights = stream.centers[live], stream.weights[live]
    starts = [centers]
    if len(centers) > settings.k:
        observer.shrinking(len(centers), settings.k)
        trials = shrink(centers, weights, settings.k, settings.lloyd, seeds, threads, observer.attempted)
        observer.shrunk(trials[0].msd)
        _count_relocations(observer, trials[0].relocated)
        # Trials often end alike; one of each loss is enough.
        starts = [trial.centers for trial in {f"{trial.msd:.9g}": trial for trial in reversed(trials)}.values()][::-1]
    elif settings.n_centers == settings.k:
        observer.shrinking_unneeded()
    if len(centers) < settings.k:
        starts = [_fill(centers, rows, stream.shift, settings, rng, observer)]
    if settings.refine and len(rows):
        refined = refine(rows, stream.shift, starts, settings.lloyd, threads)
        observer.refined(len(rows), None if refined is None else refined.msd)
        if refined is not None:
            _count_relocations(observer, refined.relocated)
            return refined.centers
    return starts[0]


def _count_relocations(observer: Observer, relocated: int) -> None:
    if relocated:
        observer.happened("relocated_clusters", relocated, f"Moved {relocated} empty clusters to the farthest points.")


def _fill(
    centers: DoubleArray,
    rows: FloatArray,
    shift: FloatArray,
    settings: Settings,
    rng: np.random.Generator,
    observer: Observer,
) -> DoubleArray:
    """Add centers from the sample where the stream has fewer than k."""
    points = rows.astype(np.float64) - shift
    filled = kmeans_plus_plus(points, np.ones(len(points)), settings.k, rng, initial=centers)
    if len(filled) < settings.k:
        raise TooFewDistinctRowsError(
            f"k = {settings.k} clusters need at least as many distinct rows; the {len(rows)} training rows looked at "
            f"hold {len(distinct(points))}."
        )
    observer.happened(
        "centers_added_from_sample",
        len(filled) - len(centers),
        f"Added {len(filled) - len(centers)} centers from the sample to reach k = {settings.k}.",
    )
    return filled
