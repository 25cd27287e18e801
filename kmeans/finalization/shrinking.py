"""From the K weighted centers of the stream to k: the built-in's recipe."""

from collections.abc import Callable
from typing import assert_never

import numpy as np

from kmeans.finalization.distributed_trials import clusterings
from kmeans.finalization.lloyd import Clustering, StopRule, evaluate, lloyd
from kmeans.finalization.resources import Resources
from kmeans.kmeans_plus_plus import kmeans_plus_plus, random_rows
from kmeans.points import WeightedPoints
from kmeans.settings import LloydSettings
from kmeans.state import State
from kmeans.types import as_points

# How many of the best trials are kept at most: memory does not grow with further ones.
KEPT_TRIALS = 100


def shrink(
    state: State,
    k: int,
    settings: LloydSettings,
    seeds: np.random.SeedSequence,
    attempted: Callable[[int, float], None],
    resources: Resources,
) -> list[Clustering]:
    """Cluster K weighted centers into k.

    Parameters
    ----------
    state : State
        K >= k centers with positive weights.
    k : int
        How many centers are wanted.
    settings : LloydSettings
        Trials, start and end of Lloyd's iteration.
    seeds : numpy.random.SeedSequence
        The source of chance; each trial has a generator of its own.
    attempted : callable
        Called with the number and the weighted mean squared distance of each trial.
    resources : Resources
        The hosts and threads among which the trials are divided. Once the deadline has passed, trials end at once, and
        a host that has one starts no other.

    Returns
    -------
    list of Clustering
        The best trials, that of the least loss first; `labels` say which of the k each of the K centers went to.
    """
    centers = state.centers
    points = WeightedPoints(as_points(centers), state.weights)
    engine, deadline = resources.engine.on_one_thread(), resources.deadline
    stop = StopRule(settings.max_iterations, settings.tolerance, deadline.passed)

    def attempt(seed: np.random.SeedSequence) -> Clustering:
        rng = np.random.default_rng(seed)
        match settings.init_method:
            case "random":
                start = random_rows(centers, k, rng)
            case "kmeans++":
                start = kmeans_plus_plus(points, k, rng, engine.threads, stopping=deadline.passed)
                # In float32 fewer than k of the centers may differ.
                if len(start) < k:
                    start = random_rows(centers, k, rng)
            case other:
                assert_never(other)
        return lloyd(points, start, stop, engine)

    best: list[Clustering] = []
    for first in range(0, settings.n_trials, KEPT_TRIALS):
        if first and resources.late():
            break
        trials = clusterings(
            seeds.spawn(min(KEPT_TRIALS, settings.n_trials - first)),
            attempt,
            lambda from_elsewhere: evaluate(points, from_elsewhere, resources.engine),
            (k, centers.shape[1]),
            resources,
        )
        for number, trial in enumerate(trials, first):
            attempted(number, trial.msd)
        best = sorted(best + trials, key=lambda trial: trial.msd)[:KEPT_TRIALS]
    return best
