"""The model on a coreset of the rows: several starts, each taken out of its local optimum, the best one to the end."""

from dataclasses import replace

import numpy as np

from kmeans.assignment.engine import Engine
from kmeans.finalization.agglomeration import MAX_CENTERS, agglomerate, agglomerate_points
from kmeans.finalization.coreset import coreset, reduced
from kmeans.finalization.distributed_trials import clusterings
from kmeans.finalization.lloyd import Clustering, StopRule, evaluate, lloyd
from kmeans.finalization.resources import Resources
from kmeans.finalization.split_merge import SearchLimits, improve, work_of_a_point
from kmeans.kmeans_plus_plus import kmeans_plus_plus, work_of_kmeans_plus_plus
from kmeans.points import WeightedPoints
from kmeans.settings import LloydSettings
from kmeans.state import State
from kmeans.types import DoubleArray

# The starts: the best ones of those given, and some from rows, in no more work than this.
MAX_GIVEN = 2
FROM_ROWS = 3
FROM_ROWS_WORK = 5e9
# Groups of points for each center of the model, and points for each group; all in no more work than this.
GROUPS = 10
POINTS_OF_A_GROUP = 15
GROUPS_WORK = 5e9
# Products of points, centers and features: this many take a core about half a second.
SEARCH_WORK = 1e10
# Where the stream took long, the search may take this part of its work, and grouping this one.
SHARE_OF_STREAM = 0.05
GROUPS_SHARE_OF_STREAM = 0.6
# This many points, well drawn, show the structure; all of them make the centers precise.
SEARCH_POINTS = 20_000
# Fewer where they are wide, so that they stay in the processor's cache, but enough to tell clusters apart.
SEARCH_VALUES = 4_000_000
MIN_SEARCH_POINTS = 2_000
POINTS_OF_A_CLUSTER = 20
# More where they cost little.
FREE_WORK = 10_000_000
# Lloyd's iterations before the first search.
ROUND_ITERATIONS = 5
# A look at every start, and a long search from the best ones.
LOOK = SearchLimits(patience=3, changes=12, work=SEARCH_WORK / 5)
SEARCH = SearchLimits(patience=20, changes=1000, work=SEARCH_WORK, min_work=SEARCH_WORK / 12)
SEARCHED = 2
# The last iterations of spherical k-means end at this part of the tolerance. In many dimensions rows are nearly
# orthogonal to all centers: most of the loss is the same for any model, and its relative changes are small.
SPHERICAL_TOLERANCE = 0.01


def refine(
    state: State,
    given: list[DoubleArray],
    settings: LloydSettings,
    seeds: np.random.SeedSequence,
    resources: Resources,
) -> Clustering | None:
    """Refine a model.

    The loss of a trial on the K centers is near its loss on the rows only if the K centers represent the rows well. So
    there are other starts in addition to the trials, and each is ranked by the result of a short search on points. Long
    searches start from the best of these, and Lloyd's iteration continues from the best result until it converges.

    Parameters
    ----------
    state : State
        What the stream has left; its centers have weights.
    given : list of ndarray of float64, shape (k, d)
        Starts; the first one is the model so far.
    settings : LloydSettings
        The end of Lloyd's iteration.
    seeds : numpy.random.SeedSequence
        The source of randomness.
    resources : Resources
        The hosts, which divide the starts. Once the deadline has passed, the best start so far is the result, without
        further iterations.

    Returns
    -------
    Clustering or None
        None when the loss is not lower than that of the first start.
    """
    engine, deadline = resources.engine, resources.deadline
    for_points, for_groups, for_starts, *for_search = seeds.spawn(3 + SEARCHED)
    everything = coreset(state)
    k, n_features = given[0].shape
    merged: list[DoubleArray | None] = []
    if k < len(state.centers) <= MAX_CENTERS:
        merged.append(agglomerate(state.centers, state.weights, k, engine.threads, deadline.passed))
    before = evaluate(everything, given[0], engine)
    few = reduced(everything, before, _search_points(k, n_features), np.random.default_rng(for_points))
    factor = max(1.0, SHARE_OF_STREAM * state.work / SEARCH_WORK)
    points, n_groups = _groups(everything, few, k, max(GROUPS_WORK, GROUPS_SHARE_OF_STREAM * state.work))
    if n_groups >= 2 * k:
        rng = np.random.default_rng(for_groups)
        merged.append(agglomerate_points(points, n_groups, k, rng, engine, deadline.passed))
    starts = [*given[:MAX_GIVEN], *(start for start in merged if start is not None)]
    n_from_rows = int(FROM_ROWS_WORK * factor / work_of_kmeans_plus_plus(len(few), k, n_features))
    search = _Search(few, given[0], settings, factor, resources)

    def judge(centers: DoubleArray) -> Clustering:
        return evaluate(few, centers, engine)

    shape = k, n_features
    candidates = [*starts, *[None] * min(FROM_ROWS, n_from_rows)]
    looks = list(zip(candidates, for_starts.spawn(len(candidates)), strict=True))
    found = clusterings(looks, search.look, judge, shape, resources)
    found.sort(key=lambda one: one.msd)
    if not resources.late():
        best = list(zip(found[:SEARCHED], for_search, strict=False))
        found = clusterings(best, search.search, judge, shape, resources)
    start = min(found, key=lambda one: one.msd).centers
    tolerance = (SPHERICAL_TOLERANCE if engine.spherical else 1.0) * _tolerance(settings)
    stop = StopRule(settings.max_iterations, tolerance, deadline.passed)
    after = lloyd(everything, start, stop, engine)
    return after if after.msd < before.msd else None


class _Search:
    """The search for a better clustering of a few points, from one start in one thread.

    Parameters
    ----------
    points : WeightedPoints
        The points.
    fallback : ndarray of float64, shape (k, d)
        The start where there are fewer than k different points.
    settings : LloydSettings
        The end of Lloyd's iteration.
    factor : float
        How many times the usual work a search may take.
    resources : Resources
        The engine, of which one thread is used, and the deadline.
    """

    def __init__(
        self,
        points: WeightedPoints,
        fallback: DoubleArray,
        settings: LloydSettings,
        factor: float,
        resources: Resources,
    ) -> None:
        self._points = points
        self._fallback = fallback
        self._engine: Engine = resources.engine.on_one_thread()
        self._stopping = resources.deadline.passed
        self._round = StopRule(ROUND_ITERATIONS, stopping=self._stopping)
        self._end = StopRule(settings.max_iterations, _tolerance(settings), self._stopping)
        # Few clusters can't be changed in many ways.
        self._look, self._search = (
            replace(limits, work=limits.work * factor, patience=min(limits.patience, len(fallback)))
            for limits in (LOOK, SEARCH)
        )

    def look(self, item: tuple[DoubleArray | None, np.random.SeedSequence]) -> Clustering:
        """Return what a short search finds from a start; from one drawn by k-means++ if it is None."""
        start, seed = item
        rng = np.random.default_rng(seed)
        k = len(self._fallback)
        if start is None:
            start = kmeans_plus_plus(self._points, k, rng, self._engine.threads, stopping=self._stopping)
            start = start if len(start) == k else self._fallback
        found = lloyd(self._points, start, self._round, self._engine)
        return improve(self._points, found, self._look, rng, self._engine, self._stopping)

    def search(self, item: tuple[Clustering, np.random.SeedSequence]) -> Clustering:
        """Return what a long search finds from a clustering."""
        start, seed = item
        if not self._search.allow(self._points, len(self._fallback)):
            return start
        found = lloyd(self._points, start.centers, self._end, self._engine)
        rng = np.random.default_rng(seed)
        return improve(self._points, found, self._search, rng, self._engine, self._stopping)


def _tolerance(settings: LloydSettings) -> float:
    """Return the tolerance at the end; none where the iterations are so few that each of them counts."""
    return settings.tolerance if settings.max_iterations > ROUND_ITERATIONS else 0.0


def _groups(everything: WeightedPoints, few: WeightedPoints, k: int, work: float) -> tuple[WeightedPoints, int]:
    """Return which points to group, and the number of groups; fewer than 2 k are of no use."""
    wanted = min(GROUPS * k, MAX_CENTERS)
    points = few if len(few) >= wanted * POINTS_OF_A_GROUP else everything
    n_points, n_features = points.shape
    return points, min(wanted, n_points // POINTS_OF_A_GROUP, int(work / (n_points * n_features)))


def _search_points(k: int, n_features: int) -> int:
    """Return the number of points to search on."""
    few = max(MIN_SEARCH_POINTS, POINTS_OF_A_CLUSTER * k, SEARCH_VALUES // n_features)
    return max(min(SEARCH_POINTS, few), POINTS_OF_A_CLUSTER * k, FREE_WORK // work_of_a_point(k, n_features))
