"""The model on a coreset of the rows: the best trial, out of its local optimum, to the end of Lloyd's iteration."""

import numpy as np

from kmeans.communicator import Communicator
from kmeans.coreset import Coreset, coreset
from kmeans.lloyd import Clustering, lloyd
from kmeans.local_search import SearchLimits, swap_centers
from kmeans.shrinking import LloydSettings
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
        return lloyd(points.points, points.shift, points.weights, start, iterations, tolerance, threads)

    def judge(centers: DoubleArray) -> Clustering:
        return run(few, centers, 0, 0.0)

    def run_round(own: list[DoubleArray]) -> list[Clustering]:
        return [run(few, start, ROUND_ITERATIONS, 0.0) for start in own]

    def search(own: list[np.random.SeedSequence]) -> list[Clustering]:
        return [
            swap_centers(few.points, few.shift, few.weights, best, SEARCH, np.random.default_rng(seed), threads)
            for seed in own
        ]

    first = starts[0]
    while len(starts) > 1:
        found = sorted(clusterings(starts, run_round, judge, shape, communicator), key=lambda one: one.msd)
        starts = [one.centers for one in found[: len(found) // 2]]
    best = run(few, starts[0], settings.max_iterations, settings.tolerance)
    best = min(clusterings(for_search, search, judge, shape, communicator), key=lambda one: one.msd)
    after = run(everything, best.centers, settings.max_iterations, settings.tolerance)
    before = run(everything, first, 0, 0.0)
    return after if after.msd < before.msd else None
