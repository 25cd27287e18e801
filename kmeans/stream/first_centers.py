"""How the stream starts: rows are drawn over all hosts, and centers are chosen among them."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import assert_never

import numpy as np

from kmeans.communicator import Communicator, any_host
from kmeans.kmeans_plus_plus import distinct, kmeans_plus_plus, random_rows
from kmeans.points import Rows, WeightedPoints, parts
from kmeans.settings import TrainingSettings
from kmeans.source import GivenUpError, RowSource, Stretch
from kmeans.stream.largest_keys import chosen_of_all
from kmeans.threads import Threads
from kmeans.types import BoolArray, DoubleArray, FloatArray

# The rows that centers are chosen from take no more than this, unless K rows do.
MAX_BYTES = 64 << 20


class NoRowsError(ValueError):
    """No host has a row."""


@dataclass(frozen=True)
class GivenCenters:
    """Centers to start from or to keep.

    Attributes
    ----------
    centers : ndarray of float64, shape (K, d)
        In the units of the data.
    weights : ndarray of float64, shape (K,)
        The number of rows of each; 0 where that is not known.
    """

    centers: DoubleArray
    weights: DoubleArray


@dataclass(frozen=True)
class FirstRows:
    """Rows that centers are chosen from, and what was learned when they were drawn.

    Attributes
    ----------
    rows : ndarray of float32, shape (n, d)
        The same on every host.
    weights : ndarray of float64, shape (n,), or None
        Their weights; None where each counts once.
    n_rows : int or None
        The number of rows of all hosts; None where that is not known.
    with_rows : ndarray of bool, shape (hosts,)
        Which hosts have rows.
    first_pass : iterable of Stretch
        This host's first pass, which includes its part of `rows`.
    """

    rows: FloatArray
    weights: DoubleArray | None
    n_rows: int | None
    with_rows: BoolArray
    first_pass: Iterable[Stretch]

    @property
    def complete(self) -> bool:
        """Whether these are all rows of all hosts."""
        return self.n_rows == len(self.rows)

    @cached_property
    def distinct(self) -> DoubleArray:
        """The distinct ones among the rows, float64 (m, d)."""
        return distinct(self.rows.astype(np.float64))


def own_generator(seeds: np.random.SeedSequence, communicator: Communicator) -> np.random.Generator:
    """Return a generator of this host's own, the same at each call; the leader has that of a single host."""
    if communicator.rank:
        seeds = np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, communicator.rank))
    return np.random.default_rng(seeds)


def first_rows(
    source: RowSource,
    settings: TrainingSettings,
    communicator: Communicator,
    seeds: np.random.SeedSequence,
    stopping: Callable[[], bool],
    *,
    centers_fit: bool = True,
) -> FirstRows:
    """Draw the rows that centers are chosen from.

    Parameters
    ----------
    source : RowSource
        The rows of this host.
    settings : TrainingSettings
        What to train.
    communicator : Communicator
        The hosts.
    seeds : numpy.random.SeedSequence
        The source of randomness.
    stopping : callable
        Returns whether to be content with k rows.
    centers_fit : bool
        Whether there is memory for K rows. Otherwise few are drawn, or none: enough to say when there are too few rows
        for k clusters.

    Returns
    -------
    FirstRows
        The rows.

    Raises
    ------
    NoRowsError
        If no host has a row.
    """
    n_hosts = communicator.size
    wanted = min(settings.batch_size, MAX_BYTES // (4 * settings.n_features))
    if centers_fit:
        wanted = max(wanted, settings.n_centers)
    rng = own_generator(seeds, communicator)
    # Only the leader draws from rows that all hosts share.
    drawing = wanted if not source.shared or communicator.rank == 0 else 0
    drawn: tuple[Rows, int] | None = None
    if source.rereadable:
        with suppress(GivenUpError):
            drawn = source.sample(drawing, rng)
    # Where a host could not draw, all use the first rows, as they do when rows can be read only once.
    if not any_host(drawn is None, communicator) and drawn is not None:
        (rows, weights), n_own = parts(drawn[0]), drawn[1]
        known = True
        if n_hosts > 1 and not source.shared:
            chosen = chosen_of_all(_keys(len(rows), n_own, rng), wanted, communicator)[0]
            rows, weights = rows[chosen], None if weights is None else weights[chosen]
        first_pass: Iterable[Stretch] = source.stretches()
    else:
        blocks = source.blocks()
        held: list[Rows] = []
        n_own, known = 0, False
        while n_own < -(-(settings.k if stopping() else wanted) // n_hosts):
            block = next(blocks, None)
            if block is None:
                # A source that is to stop may have ended early.
                known = not stopping()
                break
            held.append(block.copy())
            n_own += len(block)
        rows = np.concatenate([np.empty((0, settings.n_features), np.float32), *(parts(block)[0] for block in held)])
        weights = None
        if settings.weighted:
            own = (block.weights for block in held if isinstance(block, WeightedPoints))
            weights = np.concatenate([np.empty(0), *own])
        first_pass = chain(held, blocks)
    rows = communicator.gather_rows(rows)
    weights = None if weights is None else communicator.gather_rows(weights)
    n_everyones, known_everywhere = communicator.gather_rows(np.array([[n_own, known]], np.int64)).T
    n_rows = None
    if known_everywhere.all():
        n_rows = int(n_everyones.max() if source.shared and source.rereadable else n_everyones.sum())
    if not n_everyones.any() and (wanted or n_rows == 0):
        raise NoRowsError
    return FirstRows(rows, weights, n_rows, n_everyones > 0, first_pass)


def _keys(n_drawn: int, n_rows: int, rng: np.random.Generator) -> DoubleArray:
    """Return keys for rows drawn from `n_rows`, as if each of these had a uniform key and the largest were drawn.

    So the largest keys of all hosts belong to a uniform sample of the rows of all hosts. The i-th largest of n uniform
    numbers is the one before it times u^(1 / (n - i)); the keys are logarithms (Devroye 1986, section V.3).
    """
    left = n_rows - np.arange(n_drawn)
    return rng.permutation(np.cumsum(-rng.standard_exponential(n_drawn) / left))


def choose_centers(
    first: FirstRows,
    settings: TrainingSettings,
    earlier: DoubleArray | None,
    rng: np.random.Generator,
    threads: Threads,
    stopping: Callable[[], bool],
) -> DoubleArray:
    """Choose the stream's first centers.

    Parameters
    ----------
    first : FirstRows
        The rows to choose from.
    settings : TrainingSettings
        What to train.
    earlier : ndarray of float64, shape (m, d), or None
        Centers of an earlier model, which are kept; there may be more than K.
    rng : numpy.random.Generator
        The source of randomness.
    threads : Threads
        The threads to use.
    stopping : callable
        Returns whether to choose the remaining ones at once.

    Returns
    -------
    ndarray of float64, shape (n, d)
        The earlier ones first. There are fewer than K if there are too few distinct rows.
    """
    there = np.empty((0, first.rows.shape[1])) if earlier is None else earlier
    wanted = settings.n_centers - len(there)
    if wanted <= 0:
        return there
    match settings.init_method:
        case "random":
            return np.concatenate([there, random_rows(first.distinct, wanted, rng)])
        case "kmeans++":
            points = WeightedPoints.alike(first.rows)
            if first.weights is not None:
                points = WeightedPoints(first.rows, first.weights)
            return kmeans_plus_plus(points, settings.n_centers, rng, threads, there, stopping)
        case other:
            assert_never(other)


def with_twins(centers: DoubleArray, n_centers: int) -> DoubleArray:
    """Return the centers, and copies of the first one that make up for missing ones.

    Copies get no rows, since the first of equally near centers does: they wait for far rows.

    Parameters
    ----------
    centers : ndarray of float64, shape (n, d)
        The centers.
    n_centers : int
        K, at least n.

    Returns
    -------
    ndarray of float64, shape (n_centers, d)
        The centers first.
    """
    return np.concatenate([centers, np.repeat(centers[:1], n_centers - len(centers), axis=0)])
