"""The model on a coreset of the rows: the best trial, out of its local optimum, to the end of Lloyd's iteration."""

import numpy as np

from kmeans.communicator import Communicator
from kmeans.coreset import Coreset, coreset
from kmeans.deadline import NEVER, Deadline
from kmeans.lloyd import Clustering, lloyd
from kmeans.local_search import SearchLimits, swap_centers
from kmeans.shrinking import ONE_THREAD, LloydSettings
from kmeans.spreading import clusterings
from kmeans.state import State
from kmeans.threads import Threads
from kmeans.types import DoubleArray

# Lloyd's iterations between two halvings of the candidates.
ROUND_ITERATIONS = 5
# So many rows show the structure; the rest of the sample makes the centers precise.
SEARCH_ROWS = 20_000
# Fewer where they are wide, so that they stay in the processor's cache; but enough to tell clusters apart.
SEARCH_VALUES = 4_000_000
LEAST_SEARCH_ROWS = 2_000
SEARCH = SearchLimits(patience=50, work=2e10)


def refine(
    state: State,
    starts: list[DoubleArray],
    settings: LloydSettings,
    seeds: np.random.SeedSequence,
    threads: Threads,
    communicator: Communicator,
    deadline: Deadline = NEVER,
) -> Clustering | None:
    """Refine a model.

    The K centers show a trial's loss only as far as they show the rows, so every trial gets a few iterations on the
    rows themselves; the better half goes on, until one is left. That one is searched for swaps, and runs to its end.

    Parameters
    ----------
    state
        What the stream has left; its centers have weights.
    starts
        float64 (k, d) each; the first one is the model so far.
    settings
        The end of Lloyd's iteration.
    seeds
        The source of chance.
    threads
        The threads to use.
    communicator
        The hosts: they divide the starts, and search each on their own for swaps.
    deadline
        Once it has passed, the best one found so far goes on to the end, without further iterations.

    Returns
    -------
    Clustering or None
        None when the loss is not lower than that of the first start.
    """
    for_rows, *for_search = seeds.spawn(1 + communicator.size)
    everything = few = coreset(state)
    n_search = min(SEARCH_ROWS, max(LEAST_SEARCH_ROWS, SEARCH_VALUES // state.centers.shape[1]))
    if len(state.sample.rows) > n_search:
        few = coreset(state.reduced(n_search, np.random.default_rng(for_rows)))
    shape = starts[0].shape

    def run(points: Coreset, start: DoubleArray, iterations: int, tolerance: float) -> Clustering:
        return lloyd(
            points.points, points.shift, points.weights, start, iterations, tolerance, threads, deadline.passed
        )

    def judge(centers: DoubleArray) -> Clustering:
        return run(few, centers, 0, 0.0)

    def run_round(start: DoubleArray) -> Clustering:
        return run(few, start, ROUND_ITERATIONS, 0.0)

    def search(seed: np.random.SeedSequence) -> Clustering:
        rng = np.random.default_rng(seed)
        return swap_centers(few.points, few.shift, few.weights, best, SEARCH, rng, threads, deadline.passed)

    first = starts[0]
    # One after the other: all threads work on each.
    one_by_one = (judge, shape, ONE_THREAD, communicator, deadline)
    while len(starts) > 1:
        found = sorted(clusterings(starts, run_round, *one_by_one), key=lambda one: one.msd)
        left = 1 if deadline.agreed(communicator) else len(found) // 2
        starts = [one.centers for one in found[:left]]
    best = run(few, starts[0], settings.max_iterations, settings.tolerance)
    best = min(clusterings(for_search, search, *one_by_one), key=lambda one: one.msd)
    after = run(everything, best.centers, settings.max_iterations, settings.tolerance)
    before = run(everything, first, 0, 0.0)
    return after if after.msd < before.msd else None
