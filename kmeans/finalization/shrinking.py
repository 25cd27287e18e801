"""From the K weighted centers of the stream to k: the built-in's recipe."""

from collections.abc import Callable
from typing import assert_never

import numpy as np

from kmeans.communicator import Communicator
from kmeans.finalization.deadline import NEVER, Deadline
from kmeans.finalization.distributed_trials import clusterings
from kmeans.finalization.lloyd import Clustering, clustering_of, lloyd
from kmeans.kmeans_plus_plus import kmeans_plus_plus, random_rows
from kmeans.settings import LloydSettings
from kmeans.state import State
from kmeans.threads import Threads
from kmeans.types import as_points

# Trials run side by side, each in a thread of its own.
ONE_THREAD = Threads(1)
# So many of the best trials go on at most; memory does not grow with further ones.
KEPT_TRIALS = 100


def shrink(
    state: State,
    k: int,
    settings: LloydSettings,
    seeds: np.random.SeedSequence,
    threads: Threads,
    attempted: Callable[[int, float], None],
    communicator: Communicator,
    deadline: Deadline = NEVER,
) -> list[Clustering]:
    """Cluster K weighted centers into k.

    Parameters
    ----------
    state
        K >= k centers with positive weights.
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
    communicator
        The hosts, among which the trials are divided.
    deadline
        Once it has passed, trials end at once, and only the first one of a host is begun.

    Returns
    -------
    list of Clustering
        The best trials, that of the least loss first; `labels` say which of the k each of the K centers went to.
    """
    centers, weights = state.centers, state.weights
    points, shift = as_points(centers), state.shift

    def attempt(seed: np.random.SeedSequence) -> Clustering:
        rng = np.random.default_rng(seed)
        match settings.init_method:
            case "random":
                start = random_rows(centers, k, rng)
            case "kmeans++":
                start = kmeans_plus_plus(points, weights, k, rng, ONE_THREAD, stopping=deadline.passed)
                # Float32 may hold fewer than k of the centers apart.
                if len(start) < k:
                    start = random_rows(centers, k, rng)
            case other:
                assert_never(other)
        iterations, tolerance = settings.max_iterations, settings.tolerance
        return lloyd(points, shift, weights, start, iterations, tolerance, ONE_THREAD, deadline.passed)

    best: list[Clustering] = []
    for begun in range(0, settings.n_trials, KEPT_TRIALS):
        if begun and deadline.agreed(communicator):
            break
        trials = clusterings(
            seeds.spawn(min(KEPT_TRIALS, settings.n_trials - begun)),
            attempt,
            lambda found: clustering_of(points, shift, weights, found, threads),
            (k, centers.shape[1]),
            threads,
            communicator,
            deadline,
        )
        for trial, found in enumerate(trials, begun):
            attempted(trial, found.msd)
        best = sorted(best + trials, key=lambda trial: trial.msd)[:KEPT_TRIALS]
    return best
