"""The model on a coreset of the rows: several starts, each taken out of its local optimum, the best one to the end."""

from dataclasses import replace
from functools import partial

import numpy as np

from kmeans.communicator import Communicator
from kmeans.finalization.agglomeration import MOST_CENTERS, agglomerate, agglomerate_points
from kmeans.finalization.coreset import Coreset, coreset, reduced
from kmeans.finalization.deadline import NEVER, Deadline
from kmeans.finalization.distributed_trials import clusterings
from kmeans.finalization.lloyd import Clustering, clustering_of, lloyd
from kmeans.finalization.shrinking import ONE_THREAD
from kmeans.finalization.split_merge import SearchLimits, improve, work_of_a_point
from kmeans.kmeans_plus_plus import kmeans_plus_plus, seeding_work
from kmeans.settings import LloydSettings
from kmeans.state import State
from kmeans.threads import Threads
from kmeans.types import DoubleArray

# Starts: of those given the best ones, and from rows, if they do not take more work than that.
MOST_GIVEN = 2
FROM_ROWS = 3
FROM_ROWS_WORK = 5e9
# Groups of points for a center of the model, and points for a group; all in no more work than that.
GROUPS = 10
POINTS_OF_A_GROUP = 15
GROUPS_WORK = 5e9
# What is computed with so many products of points, centers and features takes a core half a second or so.
SEARCH_WORK = 1e10
# Where the stream took long, the search may take this share of what it did, and the groups that one.
SHARE_OF_STREAM = 0.05
GROUPS_SHARE_OF_STREAM = 0.6
# So many points show the structure, if they are drawn well; all of them make the centers precise.
SEARCH_POINTS = 20_000
# Fewer where they are wide, so that they stay in the processor's cache; but enough to tell clusters apart.
SEARCH_VALUES = 4_000_000
LEAST_SEARCH_POINTS = 2_000
POINTS_OF_A_CLUSTER = 20
# More where they cost little.
FREE_WORK = 10_000_000
# Lloyd's iterations before the first search, and before the second.
ROUND_ITERATIONS = 5
# A look at every start, and a long search from the best ones.
LOOK = SearchLimits(patience=3, changes=12, work=SEARCH_WORK / 5)
SEARCH = SearchLimits(patience=20, changes=1000, work=SEARCH_WORK, least_work=SEARCH_WORK / 12)
SEARCHED = 2


def refine(
    state: State,
    given: list[DoubleArray],
    settings: LloydSettings,
    seeds: np.random.SeedSequence,
    threads: Threads,
    communicator: Communicator,
    deadline: Deadline = NEVER,
) -> Clustering | None:
    """Refine a model.

    The K centers show a trial's loss only as far as they show the rows. So there are other starts beside the trials,
    and each is judged by where a short search on points leads it. The best ones are searched on, and the best of these
    runs to its end.

    Parameters
    ----------
    state
        What the stream has left; its centers have weights.
    given
        Starts, float64 (k, d) each; the first one is the model so far.
    settings
        The end of Lloyd's iteration.
    seeds
        The source of chance.
    threads
        The threads to use.
    communicator
        The hosts, which divide the starts.
    deadline
        Once it has passed, the best one found so far goes on to the end, without further iterations.

    Returns
    -------
    Clustering or None
        None when the loss is not lower than that of the first start.
    """
    for_points, for_groups, for_starts, *for_search = seeds.spawn(3 + SEARCHED)
    everything = coreset(state)
    k, n_features = given[0].shape
    merged: list[DoubleArray | None] = []
    if k < len(state.centers) <= MOST_CENTERS:
        merged.append(agglomerate(state.centers, state.weights, k, threads, deadline.passed))

    def run(points: Coreset, start: DoubleArray, iterations: int, threads: Threads) -> Clustering:
        return lloyd(
            points.points,
            points.shift,
            points.weights,
            start,
            iterations,
            settings.tolerance if iterations > ROUND_ITERATIONS else 0.0,
            threads,
            deadline.passed,
        )

    def judge(points: Coreset, centers: DoubleArray) -> Clustering:
        return clustering_of(points.points, points.shift, points.weights, centers, threads)

    before = judge(everything, given[0])
    few = reduced(everything, before, _search_points(k, n_features), np.random.default_rng(for_points))
    streamed = float(state.weights.sum()) * state.centers.size
    factor = max(1.0, SHARE_OF_STREAM * streamed / SEARCH_WORK)
    look_limits, search_limits = (replace(limits, work=limits.work * factor) for limits in (LOOK, SEARCH))
    groups_work = max(GROUPS_WORK, GROUPS_SHARE_OF_STREAM * streamed)
    points, n_groups = _groups(everything, few, k, groups_work)
    if n_groups >= 2 * k:
        rng = np.random.default_rng(for_groups)
        merged.append(agglomerate_points(points, n_groups, k, rng, threads, deadline.passed))
    starts = [*given[:MOST_GIVEN], *(start for start in merged if start is not None)]
    n_from_rows = int(FROM_ROWS_WORK * factor / seeding_work(len(few.points), k, n_features))

    def look(item: tuple[DoubleArray | None, np.random.SeedSequence]) -> Clustering:
        start, seed = item
        rng = np.random.default_rng(seed)
        if start is None:
            start = kmeans_plus_plus(few.points, few.weights, k, rng, ONE_THREAD, stopping=deadline.passed)
            # There may be fewer than k different points.
            start = start if len(start) == k else given[0]
        found = run(few, start, ROUND_ITERATIONS, ONE_THREAD)
        return improve(few, found, look_limits, rng, ONE_THREAD, deadline.passed)

    def search(item: tuple[Clustering, np.random.SeedSequence]) -> Clustering:
        start, seed = item
        if not search_limits.allow(few, k):
            return start
        found = run(few, start.centers, settings.max_iterations, ONE_THREAD)
        return improve(few, found, search_limits, np.random.default_rng(seed), ONE_THREAD, deadline.passed)

    shared = (partial(judge, few), (k, n_features), threads, communicator, deadline)
    candidates = [*starts, *[None] * min(FROM_ROWS, n_from_rows)]
    found = clusterings(list(zip(candidates, for_starts.spawn(len(candidates)), strict=True)), look, *shared)
    found.sort(key=lambda one: one.msd)
    if not deadline.agreed(communicator):
        found = clusterings(list(zip(found[:SEARCHED], for_search, strict=False)), search, *shared)
    best = min(found, key=lambda one: one.msd)
    after = run(everything, best.centers, settings.max_iterations, threads)
    return after if after.msd < before.msd else None


def _groups(everything: Coreset, few: Coreset, k: int, work: float) -> tuple[Coreset, int]:
    """Return which points to group, and into how many groups; less than twice k are of no use."""
    wanted = min(GROUPS * k, MOST_CENTERS)
    points = few if len(few.points) >= wanted * POINTS_OF_A_GROUP else everything
    n_points, n_features = points.points.shape
    return points, min(wanted, n_points // POINTS_OF_A_GROUP, int(work / (n_points * n_features)))


def _search_points(k: int, n_features: int) -> int:
    """Return on how many points to search."""
    few = max(LEAST_SEARCH_POINTS, POINTS_OF_A_CLUSTER * k, SEARCH_VALUES // n_features)
    return max(min(SEARCH_POINTS, few), POINTS_OF_A_CLUSTER * k, FREE_WORK // work_of_a_point(k, n_features))
