"""Out of a local optimum of Lloyd's iteration: split one cluster, merge two others, iterate, keep what lowers the loss.

Lloyd's iteration can't move a center from where there are too many to where there are too few. Which clusters are worth
two centers, and which two are worth only one, is known at little cost; see `changes`. The pair that promises most is
tried first. At the beginning all pairs that promise something are tried together, then the better half of them, and so
on. Similar searches are those of Kaukoranta, Fränti & Nevalainen (1998, "Iterative split-and-merge algorithm for VQ
codebook generation") and of Capó, Pérez & Lozano (2020, "An efficient split-merge re-start for the K-means algorithm").

Where no pair is left, a center that is easily missed is put on a point drawn with probability weight * D^2 (Fränti
2018, "Efficiency of random swap clustering"; Lattanzi & Sohler 2019).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeans.assignment.engine import Engine
from kmeans.communicator import nothing
from kmeans.finalization.changes import Changes
from kmeans.finalization.lloyd import Clustering, StopRule, lloyd
from kmeans.points import WeightedPoints

# Lloyd's iterations that a change gets to lower the loss: at least, of one that does, and at most.
MIN_ITERATIONS = 2
USUAL_ITERATIONS = 4
MAX_ITERATIONS = 16
# Each iteration lowers the loss by less than the one before: a change is dropped if its loss is higher than that of the
# best clustering by more than this many times the latest fall.
CATCH_UP = 4.0
# Failures in a row after which clusters are split again, from other points.
NEW_SPLITS = 8
# What is done with the centers alone takes as long as what is done with this many points.
MIN_POINTS = 64
# What is done with a point, apart from comparing it with centers, takes as long as this many products.
POINT_WORK = 256
# What an iteration takes for its own sake, since it makes a number of calls of some microseconds each.
ITERATION_WORK = 5e5
# A loss that is lower by rounding alone is not lower.
ROUNDING = 1e-9


@dataclass(frozen=True)
class SearchLimits:
    """When a search ends.

    Attributes
    ----------
    patience : int
        After this many changes in a row that do not lower the loss.
    changes : int
        After this many changes in all.
    work : float
        After this much work; see `work_of_an_iteration`. 1e10 take a core about half a second.
    min_work : float
        Before this much work patience is not lost.
    """

    patience: int
    changes: int
    work: float
    min_work: float = 0.0

    def allow(self, points: WeightedPoints, k: int, done: float = 0.0) -> bool:
        """Return whether, after work that is done, there is enough left for a single change."""
        return done + (USUAL_ITERATIONS + 1) * work_of_an_iteration(points, k) <= self.work


def work_of_a_point(k: int, n_features: int) -> int:
    """Return the work of one Lloyd iteration for a point, in products of a center and a feature."""
    return k * n_features + POINT_WORK


def work_of_an_iteration(points: WeightedPoints, k: int) -> float:
    """Return the work of one Lloyd iteration, in products of a point, a center and a feature."""
    n_points, n_features = points.shape
    return max(n_points, MIN_POINTS) * work_of_a_point(k, n_features) + ITERATION_WORK


def improve(
    points: WeightedPoints,
    start: Clustering,
    limits: SearchLimits,
    rng: np.random.Generator,
    engine: Engine,
    stopping: Callable[[], bool] = nothing,
) -> Clustering:
    """Search for a clustering of less loss.

    Parameters
    ----------
    points : WeightedPoints
        The points.
    start : Clustering
        Where to search from.
    limits : SearchLimits
        When to end.
    rng : numpy.random.Generator
        The source of randomness.
    engine : Engine
        What computes.
    stopping : callable
        Called before each iteration; returns whether to end with the best clustering so far.

    Returns
    -------
    Clustering
        The best one found, `start` itself if there was none better; Lloyd's iteration on it may be unfinished.
    """
    k = len(start.centers)
    if not limits.allow(points, k):
        return start
    work = 0.0
    failures = n_changes = 0
    at_once = k
    changes = Changes(points, start, rng)
    while n_changes < limits.changes and limits.allow(points, k, work) and not stopping():
        if failures >= limits.patience and work >= limits.min_work:
            break
        if not changes.best.msd > 0.0:
            break
        chosen = changes.promising(at_once) if at_once > 1 else []
        if len(chosen) < 2:
            # Every other change is a guess, since what promises most may not be the best.
            at_once, chosen = 1, changes.most_promising() if failures % 2 == 0 else []
        race = _Race(changes.best.msd)
        found = lloyd(points, changes.applied(chosen), StopRule(MAX_ITERATIONS, 0.0, stopping, race.decided), engine)
        n_changes += 1
        work += (race.iterations + 1) * work_of_an_iteration(points, k)
        if found.msd < changes.best.msd * (1.0 - ROUNDING):
            changes.accept(found)
            failures = 0
        else:
            failures += 1
            changes.reject(chosen)
            at_once = len(chosen) // 2
            if failures % NEW_SPLITS == 0:
                changes.split(np.arange(k))
    return changes.best


class _Race:
    """Whether a change can be expected to lower the loss.

    Parameters
    ----------
    rival : float
        The loss to fall below.

    Attributes
    ----------
    iterations : int
        The number of iterations so far.
    """

    def __init__(self, rival: float) -> None:
        self.iterations = 0
        self._rival = rival
        self._before = np.inf

    def decided(self, msd: float) -> bool:
        """Return whether to end, given the loss after an iteration."""
        self.iterations += 1
        behind, fall = msd - self._rival, self._before - msd
        self._before = msd
        if behind <= 0.0:
            return self.iterations >= USUAL_ITERATIONS
        return self.iterations >= MIN_ITERATIONS and behind > CATCH_UP * fall
