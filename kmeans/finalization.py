"""From the K centers of the stream to the k of the model: weighted Lloyd, then refinement on a sample of the rows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeans.lloyd import Clustering, lloyd
from kmeans.seeding import kmeans_plus_plus, random_rows
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray


@dataclass(frozen=True)
class LloydSettings:
    """How the K centers are reduced to k.

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
    k: int,
    settings: LloydSettings,
    seeds: np.random.SeedSequence,
    threads: Threads,
    attempted: Callable[[int, float], None],
) -> Clustering:
    """Cluster K weighted centers into k.

    Parameters
    ----------
    centers
        float64 (K, d), relative to the shift, K >= k.
    weights
        float64 (K,), positive.
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
    Clustering
        The trial of the least loss; `labels` say which of the k each of the K centers went to.
    """
    points = np.ascontiguousarray(centers, dtype=np.float32)
    no_shift: FloatArray = np.zeros(centers.shape[1], np.float32)
    best: Clustering | None = None
    for trial, seed in enumerate(seeds.spawn(settings.n_trials)):
        rng = np.random.default_rng(seed)
        if settings.init_method == "random":
            start = random_rows(centers, k, rng)
        else:
            start = kmeans_plus_plus(centers, weights, k, rng)
        found = lloyd(points, no_shift, weights, start, settings.max_iterations, settings.tolerance, threads)
        attempted(trial, found.msd)
        if best is None or found.msd < best.msd:
            best = found
    if best is None:
        raise ValueError(f"the number of trials must be at least 1, got {settings.n_trials}")
    return best


def refine(
    rows: FloatArray, shift: FloatArray, centers: DoubleArray, settings: LloydSettings, threads: Threads
) -> Clustering | None:
    """Run Lloyd's iteration on a sample of the rows, from `centers`.

    Parameters
    ----------
    rows
        float32 (n, d), the sample.
    shift
        float32 (d,).
    centers
        float64 (k, d), relative to `shift`.
    settings
        The iteration's end; its trials have no part here.
    threads
        The threads to use.

    Returns
    -------
    Clustering or None
        None when the sample's loss could not be lowered.
    """
    weights: DoubleArray = np.ones(len(rows))
    before = lloyd(rows, shift, weights, centers, 0, 0.0, threads)
    after = lloyd(rows, shift, weights, centers, settings.max_iterations, settings.tolerance, threads)
    return after if after.msd < before.msd else None
