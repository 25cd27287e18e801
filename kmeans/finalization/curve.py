"""The loss over k: one stream shows where more clusters stop paying (the elbow)."""

import numpy as np

from kmeans.assignment.engine import Engine
from kmeans.communicator import Communicator
from kmeans.finalization.coreset import coreset, reduced
from kmeans.finalization.deadline import NEVER, Deadline
from kmeans.finalization.lloyd import StopRule, evaluate, lloyd
from kmeans.finalization.resources import Resources
from kmeans.finalization.shrinking import shrink
from kmeans.settings import LloydSettings
from kmeans.state import State
from kmeans.threads import Threads
from kmeans.types import DoubleArray

# A curve is looked at, not deployed: fewer trials and iterations than a model has, on fewer rows.
TRIALS = 3
ITERATIONS = 5
ROWS = 5_000
MAX_POINTS = 30
# Fewer points where a trial for the largest k takes more than a part of so many multiplications.
MAX_WORK = 1e9


def curve_ks(k: int, n_centers: int, n_features: int) -> list[int]:
    """Give the numbers of clusters to look at: from 2 to 2 k, or to K if that is less, and k itself.

    All of them while they are few, else `MAX_POINTS` or so in equal ratios, or fewer where they take long.
    """
    last = min(2 * k, n_centers)
    n_points = max(5, min(MAX_POINTS, int(MAX_WORK / (last * n_centers * n_features))))
    if last - 1 <= n_points:
        return list(range(2, last + 1))
    ks = np.unique(np.geomspace(2, last, n_points).round().astype(int)).tolist()
    return sorted({*ks, k})


def msd_by_k(
    state: State,
    centers: DoubleArray,
    ks: list[int],
    seeds: np.random.SeedSequence,
    threads: Threads,
    communicator: Communicator,
    deadline: Deadline = NEVER,
) -> dict[int, float]:
    """Estimate the mean squared distance of the rows to the centers of a model, for several k.

    Parameters
    ----------
    state
        What the stream has left.
    centers
        float64 (k, d): a model of it.
    ks
        Numbers of clusters, at most as many as the state has centers with weight; larger ones are left out.
    seeds
        The source of chance.
    threads
        The threads to use.
    communicator
        The hosts, which divide the numbers of clusters.
    deadline
        Once it has passed, the numbers that are not done yet are left out.

    Returns
    -------
    dict of int to float
        By k; measured on `ROWS` points of the coreset, others than those that the centers were fitted to.
    """
    for_points, *for_trials = seeds.spawn(1 + len(ks))
    live = state.live()
    everything = coreset(live)
    engine = Engine(threads, state.shift)
    model = evaluate(everything, centers, engine)
    rng = np.random.default_rng(for_points)
    points, others = (reduced(everything, model, ROWS, rng) for _ in range(2))
    settings = LloydSettings("kmeans++", TRIALS, ITERATIONS, 0.0)
    # Larger k take longer, so each host gets one of every few.
    chosen = [(k, seed) for k, seed in zip(ks, for_trials, strict=True) if k <= len(live.centers)]
    losses: list[tuple[int, float]] = []
    for k, seed in chosen[communicator.rank :: communicator.size]:
        if deadline.passed():
            break
        trials = shrink(live, k, settings, seed, lambda _, __: None, Resources(engine, deadline=deadline))
        # Trials cut short say nothing about k.
        if deadline.passed():
            break
        found = lloyd(points, trials[0].centers, StopRule(ITERATIONS), engine)
        judged = evaluate(others, found.centers, engine)
        losses.append((k, judged.msd))
    table = communicator.gather_rows(np.array(losses, np.float64).reshape(-1, 2))
    return {int(k): msd for k, msd in sorted(table.tolist())}
