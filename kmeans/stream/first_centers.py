"""Where the stream starts: rows drawn over all hosts, and centers chosen among them."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from kmeans.communicator import Communicator, any_host
from kmeans.kmeans_plus_plus import kmeans_plus_plus, random_rows
from kmeans.observer import Observer
from kmeans.points import WeightedPoints
from kmeans.settings import Settings
from kmeans.source import GivenUpError, Source, Stretch
from kmeans.stream.largest_keys import chosen_of_all
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray

# The rows that centers are drawn from take no more than this, unless K rows do.
START_BYTES = 64 << 20


class NoRowsError(ValueError):
    """No host has a row."""


@dataclass(frozen=True)
class EarlierModel:
    """What an earlier job has left, to go on from.

    Attributes
    ----------
    centers
        float64 (K, d), in the units of the rows.
    weights
        float64 (K,): how many rows went to each; 0 where that is not known.
    """

    centers: DoubleArray
    weights: DoubleArray


@dataclass(frozen=True)
class FirstRows:
    """Rows that centers are chosen from, and what was learned in drawing them.

    Attributes
    ----------
    rows
        float32 (n, d), the same on every host.
    n_rows
        How many rows all hosts have; None where that is not known.
    with_rows
        bool (hosts,): which hosts have rows.
    first_pass
        The blocks of this host's first pass, which hold its rows too.
    """

    rows: FloatArray
    n_rows: int | None
    with_rows: NDArray[np.bool_]
    first_pass: Iterable[Stretch]

    @property
    def complete(self) -> bool:
        """Whether these are all rows of all hosts."""
        return self.n_rows == len(self.rows)


def own_generator(seeds: np.random.SeedSequence, communicator: Communicator) -> np.random.Generator:
    """Give a generator of this host's own, the same at each call; the leader has that of a single host."""
    if communicator.rank:
        seeds = np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, communicator.rank))
    return np.random.default_rng(seeds)


def first_rows(
    source: Source,
    settings: Settings,
    communicator: Communicator,
    seeds: np.random.SeedSequence,
    stopping: Callable[[], bool],
    *,
    centers_fit: bool = True,
) -> FirstRows:
    """Draw the rows that centers are chosen from.

    Parameters
    ----------
    source
        The rows of this host.
    settings
        What to train.
    communicator
        The hosts.
    seeds
        The source of chance.
    stopping
        Whether to make do with k rows.
    centers_fit
        Whether there is memory for K rows. Without it so few are drawn that it may be none: enough to tell where there
        are too few for k clusters.

    Returns
    -------
    FirstRows
        The rows.

    Raises
    ------
    NoRowsError
        When no host has a row.
    """
    n_hosts = communicator.size
    wanted = min(settings.batch_size, START_BYTES // (4 * settings.n_features))
    if centers_fit:
        wanted = max(wanted, settings.n_centers)
    rng = own_generator(seeds, communicator)
    # Of rows that all hosts share the leader draws alone.
    drawing = wanted if not source.shared or communicator.rank == 0 else 0
    drawn: tuple[FloatArray, int] | None = None
    if source.rereadable:
        with suppress(GivenUpError):
            drawn = source.sample(drawing, rng)
    # Where a host has given up, all make do with the first rows, as with those that can be read only once.
    if not any_host(drawn is None, communicator) and drawn is not None:
        rows, n_own = drawn
        known = True
        if n_hosts > 1 and not source.shared:
            rows = rows[chosen_of_all(_keys(len(rows), n_own, rng), wanted, communicator)[0]]
        first_pass: Iterable[Stretch] = source.stretches()
    else:
        blocks = source.blocks()
        held: list[FloatArray] = []
        n_own, known = 0, False
        while n_own < -(-(settings.k if stopping() else wanted) // n_hosts):
            block = next(blocks, None)
            if block is None:
                # One that is to stop may have given up on its rows.
                known = not stopping()
                break
            held.append(block.copy())
            n_own += len(block)
        rows = np.concatenate([np.empty((0, settings.n_features), np.float32), *held])
        first_pass = chain(held, blocks)
    rows = communicator.gather_rows(rows)
    n_everyones, known_everywhere = communicator.gather_rows(np.array([[n_own, known]], np.int64)).T
    n_rows = None
    if known_everywhere.all():
        n_rows = int(n_everyones.max() if source.shared and source.rereadable else n_everyones.sum())
    if not n_everyones.any() and (wanted or n_rows == 0):
        raise NoRowsError
    return FirstRows(rows, n_rows, n_everyones > 0, first_pass)


def _keys(n_drawn: int, n_rows: int, rng: np.random.Generator) -> DoubleArray:
    """Give keys to rows drawn from `n_rows`, as if every one of these had a uniform key and the largest were drawn.

    So the largest keys of all hosts belong to a uniform sample of the rows of all hosts. The i-th largest of n uniform
    numbers is the one before times u^(1 / (n - i)); the keys are logarithms (Devroye 1986, section V.3).
    """
    left = n_rows - np.arange(n_drawn)
    return rng.permutation(np.cumsum(-rng.standard_exponential(n_drawn) / left))


def start_centers(
    rows: FloatArray,
    candidates: DoubleArray,
    settings: Settings,
    earlier: DoubleArray | None,
    rng: np.random.Generator,
    threads: Threads,
    observer: Observer,
    stopping: Callable[[], bool],
) -> DoubleArray:
    """Choose the stream's first centers.

    Parameters
    ----------
    rows
        float32 (n, d): the rows to choose from.
    candidates
        float64 (m, d): the distinct ones among them; there may be fewer than K.
    settings
        What to train.
    earlier
        float64 (m, d): centers of an earlier model, which stay; there may be more than K.
    rng
        The source of chance.
    threads
        The threads to use.
    observer
        Told when there are too few.
    stopping
        Whether to choose what is left at once.

    Returns
    -------
    ndarray of float64, shape (K, d) or longer
        The earlier ones first.
    """
    there = np.empty((0, rows.shape[1])) if earlier is None else earlier
    wanted = settings.n_centers - len(there)
    if wanted <= 0:
        return there
    match settings.init_method:
        case "random":
            centers = np.concatenate([there, random_rows(candidates, wanted, rng)])
        case "kmeans++":
            points = WeightedPoints.alike(rows)
            centers = kmeans_plus_plus(points, settings.n_centers, rng, threads, there, stopping)
        case other:
            assert_never(other)
    missing = settings.n_centers - len(centers)
    if missing:
        observer.happened(
            "missing_centers",
            missing,
            f"The {len(rows)} rows drawn to initialize hold {len(candidates)} distinct ones: "
            f"starting with {len(centers)} centers instead of {settings.n_centers}.",
        )
        if settings.reassign_far_rows:
            # Twins of a center get no rows, since the first of equally near centers does: they wait for far rows.
            centers = np.concatenate([centers, np.repeat(centers[:1], missing, axis=0)])
    return centers
