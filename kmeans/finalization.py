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
) -> list[Clustering]:
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
    list of Clustering
        The trials, that of the least loss first; `labels` say which of the k each of the K centers went to.
    """
    points = np.ascontiguousarray(centers, dtype=np.float32)
    no_shift: FloatArray = np.zeros(centers.shape[1], np.float32)
    trials: list[Clustering] = []
    for trial, seed in enumerate(seeds.spawn(settings.n_trials)):
        rng = np.random.default_rng(seed)
        if settings.init_method == "random":
            start = random_rows(centers, k, rng)
        else:
            start = kmeans_plus_plus(centers, weights, k, rng)
        found = lloyd(points, no_shift, weights, start, settings.max_iterations, settings.tolerance, threads)
        attempted(trial, found.msd)
        trials.append(found)
    return sorted(trials, key=lambda trial: trial.msd)


# Lloyd's iterations between two halvings of the candidates.
ROUND_ITERATIONS = 5


def refine(
    rows: FloatArray, shift: FloatArray, starts: list[DoubleArray], settings: LloydSettings, threads: Threads
) -> Clustering | None:
    """Run Lloyd's iteration on a sample of the rows, from the centers of the trials.

    The K centers show a trial's loss only as far as they show the rows, so every trial gets a few iterations on the
    rows themselves; the better half goes on, until one is left, which runs to its end.

    Parameters
    ----------
    rows
        float32 (n, d), the sample.
    shift
        float32 (d,).
    starts
        float64 (k, d) each, relative to `shift`; the first one is the model so far.
    settings
        The iteration's end; its trials have no part here.
    threads
        The threads to use.

    Returns
    -------
    Clustering or None
        None when the sample's loss is not lower than that of the first start.
    """
    weights: DoubleArray = np.ones(len(rows))

    def run(centers: DoubleArray, iterations: int, tolerance: float) -> Clustering:
        return lloyd(rows, shift, weights, centers, iterations, tolerance, threads)

    before = run(starts[0], 0, 0.0)
    while len(starts) > 1:
        found = sorted((run(start, ROUND_ITERATIONS, 0.0) for start in starts), key=lambda candidate: candidate.msd)
        starts = [candidate.centers for candidate in found[: len(found) // 2]]
    after = run(starts[0], settings.max_iterations, settings.tolerance)
    return after if after.msd < before.msd else None
