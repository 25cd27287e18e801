"""From the K weighted centers of the stream to k: the built-in's recipe."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeans.coreset import point_offset
from kmeans.lloyd import Clustering, lloyd
from kmeans.seeding import kmeans_plus_plus, random_rows
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray


@dataclass(frozen=True)
class LloydSettings:
    """How Lloyd's iteration runs at the end.

    Attributes
    ----------
    init_method
        "kmeans++" or "random".
    n_trials
        How often Lloyd runs from new starts; the best loss is kept.
    max_iterations, tolerance
        See `kmeans.lloyd.lloyd`.
    """

    init_method: str
    n_trials: int
    max_iterations: int
    tolerance: float


def shrink(
    centers: DoubleArray,
    weights: DoubleArray,
    shift: FloatArray,
    k: int,
    settings: LloydSettings,
    seeds: np.random.SeedSequence,
    threads: Threads,
    attempted: Callable[[int, float], None],
) -> list[Clustering]:
    """Cluster K weighted centers into k.

    Parameters
    ----------
    centers
        float64 (K, d), relative to `shift`, K >= k.
    weights
        float64 (K,), positive.
    shift
        float32 (d,).
    k
        How many centers are wanted.
    settings
        Trials, start and end of Lloyd's iteration.
    seeds
        Each trial has a generator of its own from it.
    threads
        The threads to use.
    attempted
        Told the number and the weighted mean squared distance of each trial.

    Returns
    -------
    list of Clustering
        The trials, that of the least loss first; `labels` say which of the k each of the K centers went to.
    """
    offset = point_offset(centers, shift)
    points = (centers + offset).astype(np.float32)

    def attempt(seed: np.random.SeedSequence) -> Clustering:
        rng = np.random.default_rng(seed)
        if settings.init_method == "random":
            start = random_rows(centers, k, rng)
        else:
            start = kmeans_plus_plus(centers, weights, k, rng)
        return lloyd(points, offset, weights, start, settings.max_iterations, settings.tolerance, ONE_THREAD)

    trials = threads.map(attempt, seeds.spawn(settings.n_trials))
    for trial, found in enumerate(trials):
        attempted(trial, found.msd)
    return sorted(trials, key=lambda trial: trial.msd)


# Trials run side by side, each in a thread of its own.
ONE_THREAD = Threads(1)
