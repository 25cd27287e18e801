"""Out of a local optimum of Lloyd's iteration: split one cluster, merge two others, iterate, keep what lowers the loss.

Lloyd's iteration can't move a center from where there are too many to where there are too few. Which clusters are worth
two centers is known at little cost: each is split in two on its own, and the fall of its loss is exact. So is what the
merger of two others costs (Ward 1963). The pair that promises most is tried first. At the beginning all pairs that
promise something are tried at once, then the better half of them, and so on. Similar searches are those of Kaukoranta,
Fränti & Nevalainen (1998, "Iterative split-and-merge algorithm for VQ codebook generation") and of Capó, Pérez & Lozano
(2020, "An efficient split-merge re-start for the K-means algorithm").

Where no pair is left, a center that is easily missed is put on a point drawn with probability weight * D^2 (Fränti
2018, "Efficiency of random swap clustering"; Lattanzi & Sohler 2019).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeans.communicator import nothing
from kmeans.finalization.coreset import Coreset
from kmeans.finalization.lloyd import Clustering, lloyd
from kmeans.kernels.splits import merger_costs, split_clusters
from kmeans.threads import Threads
from kmeans.types import DoubleArray, LabelArray

# Clusters to split, and mergers, of which all pairs are looked at.
MOST_SPLITS = 40
MOST_MERGERS = 60
# Lloyd's iterations that a change gets to show its worth: so many in any case, and at most.
LEAST_ITERATIONS = 2
USUAL_ITERATIONS = 4
MOST_ITERATIONS = 16
# Loss falls by less from iteration to iteration: a change is given up that is farther behind than this many falls.
CATCH_UP = 4.0
# After so many failures in a row, clusters are split anew, from other points.
NEW_SPLITS = 8
# A center that is put elsewhere is one of the so many that cost least.
EASILY_MISSED = 10
# What is done with the centers alone takes as long as what is done with this many points.
LEAST_POINTS = 64
# What is done with a point beside comparing it with centers takes as long as so many products.
POINT_WORK = 256
# A loss that is lower by rounding alone is not lower.
ROUNDING = 1e-9


@dataclass(frozen=True)
class SearchLimits:
    """When a search ends.

    Attributes
    ----------
    patience
        After so many changes in a row that lower nothing.
    changes
        After so many in all.
    work
        When so much was done; see `work_of_an_iteration`. 1e10 take a core half a second or so.
    least_work
        Whatever the patience, so much is done.
    """

    patience: int
    changes: int
    work: float
    least_work: float = 0.0

    def allow(self, points: Coreset, k: int, done: float = 0.0) -> bool:
        """Return whether there is work left for a single change, after what was done."""
        return done + (USUAL_ITERATIONS + 1) * work_of_an_iteration(points, k) <= self.work


def work_of_a_point(k: int, n_features: int) -> int:
    """Return what an iteration of Lloyd's takes for a point, in products of a center and a feature."""
    return k * n_features + POINT_WORK


def work_of_an_iteration(points: Coreset, k: int) -> float:
    """Return what an iteration of Lloyd's takes, in products of a point, a center and a feature."""
    n_points, n_features = points.points.shape
    return float(max(n_points, LEAST_POINTS) * work_of_a_point(k, n_features))


@dataclass(frozen=True)
class _Change:
    """A cluster to split, and two to merge."""

    split: int
    merged: int
    into: int


def improve(
    points: Coreset,
    start: Clustering,
    limits: SearchLimits,
    rng: np.random.Generator,
    threads: Threads,
    stopping: Callable[[], bool] = nothing,
) -> Clustering:
    """Search for a clustering of less loss.

    Parameters
    ----------
    points
        What is clustered.
    start
        Where to search from.
    limits
        When to end.
    rng
        The source of chance.
    threads
        The threads to use.
    stopping
        Whether to return the best one found so far; asked before each iteration.

    Returns
    -------
    Clustering
        The best one found, `start` itself if there was none better; Lloyd's iteration on it may be unfinished.
    """
    k = len(start.centers)
    if not limits.allow(points, k):
        return start
    work = 0.0
    failures = changes = 0
    at_once = k
    search = _Search(points, start, rng)
    while changes < limits.changes and limits.allow(points, k, work) and not stopping():
        if failures >= limits.patience and work >= limits.least_work:
            break
        if not search.best.msd > 0.0:
            break
        chosen = search.promising(at_once) if at_once > 1 else []
        if len(chosen) < 2:
            # Every other change is a guess: what promises most is not all there is.
            at_once, chosen = 1, search.most_promising() if failures % 2 == 0 else []
        race = _Race(search.best.msd)
        found = lloyd(
            points.points,
            points.shift,
            points.weights,
            search.changed(chosen),
            MOST_ITERATIONS,
            0.0,
            threads,
            stopping,
            race.decided,
        )
        changes += 1
        work += (race.iterations + 1) * work_of_an_iteration(points, k)
        if found.msd < search.best.msd * (1.0 - ROUNDING):
            search.accept(found)
            failures = 0
        else:
            failures += 1
            search.reject(chosen)
            at_once = len(chosen) // 2
            if failures % NEW_SPLITS == 0:
                search.split(np.arange(k))
    return search.best


class _Race:
    """Whether a change can be expected to lower the loss.

    Parameters
    ----------
    rival
        The loss to get below.
    """

    def __init__(self, rival: float) -> None:
        self.iterations = 0
        self._rival = rival
        self._before = np.inf

    def decided(self, msd: float) -> bool:
        """Hear of the loss after an iteration; return whether to iterate no further."""
        self.iterations += 1
        behind, fall = msd - self._rival, self._before - msd
        self._before = msd
        if behind <= 0.0:
            return self.iterations >= USUAL_ITERATIONS
        return self.iterations >= LEAST_ITERATIONS and behind > CATCH_UP * fall


class _Search:
    """The best clustering so far, and what changes to it promise.

    Parameters
    ----------
    points
        What is clustered.
    start
        The first one.
    rng
        The source of chance.
    """

    def __init__(self, points: Coreset, start: Clustering, rng: np.random.Generator) -> None:
        self.best = start
        self._points, self._rng = points, rng
        k, n_features = start.centers.shape
        self._gains: DoubleArray = np.zeros(k)
        self._halves: DoubleArray = np.empty((k, 2, n_features))
        self._tried: set[_Change] = set()
        self._look(np.arange(k))

    def accept(self, found: Clustering) -> None:
        """Go on from a better one."""
        before, self.best = self.best, found
        moved = before.labels != found.labels
        touched = np.unique(np.concatenate([before.labels[moved], found.labels[moved]]))
        # An empty cluster may have been filled, or the other way round, without a label of either.
        touched = np.union1d(touched, np.flatnonzero((before.centers != found.centers).any(axis=1)))
        self._tried = {one for one in self._tried if not np.isin([one.split, one.merged, one.into], touched).any()}
        self._look(touched)

    def reject(self, changes: list[_Change]) -> None:
        """Keep a change in mind that lowered nothing."""
        if len(changes) == 1:
            self._tried.add(changes[0])

    def _look(self, clusters: LabelArray) -> None:
        """Measure the clusters, of which some are new."""
        best, k = self.best, len(self.best.centers)
        weights = self._points.weights
        self._sizes = np.bincount(best.labels, weights, minlength=k).astype(np.float64, copy=False)
        self._order = np.argsort(best.labels, kind="stable")
        self._starts = np.searchsorted(best.labels[self._order], np.arange(k + 1))
        self._losses: DoubleArray = np.concatenate([[0.0], np.cumsum((weights * best.squared_distances)[self._order])])
        self._costs: DoubleArray = np.empty(k)
        self._partners: LabelArray = np.empty(k, np.int64)
        merger_costs(best.centers, self._sizes, self._costs, self._partners)
        self._gains[clusters] = 0.0
        self.split(clusters)

    def split(self, clusters: LabelArray) -> None:
        """Split clusters in two, from a point each that is drawn by its loss; keep what is better than before."""
        k, n_features = self.best.centers.shape
        gains: DoubleArray = np.zeros(k)
        halves: DoubleArray = np.empty((k, 2, n_features))
        split_clusters(
            self._points.points,
            self._points.weights,
            self.best.squared_distances,
            self._order,
            self._starts,
            self._rng.random((k,)),
            clusters,
            gains,
            halves,
        )
        better = clusters[gains[clusters] > self._gains[clusters]]
        self._gains[better], self._halves[better] = gains[better], halves[better]
        self._tried = {one for one in self._tried if not np.isin(one.split, better)}

    def _mergers(self) -> LabelArray:
        """Return the centers whose mergers cost least, the cheapest first; of two that suit each other best, one."""
        cheapest = np.argsort(self._costs, kind="stable")
        partners = self._partners[cheapest]
        twice = (self._partners[partners] == cheapest) & (partners < cheapest)
        chosen: LabelArray = cheapest[~twice & (partners >= 0)]
        return chosen

    def promising(self, most: int) -> list[_Change]:
        """Return changes that may be made together, each of which lowers the loss by itself; the best ones first."""
        used = np.zeros(len(self._gains), bool)
        mergers = iter(self._mergers().tolist())
        chosen: list[_Change] = []
        for split in np.argsort(-self._gains, kind="stable").tolist():
            if len(chosen) == most:
                break
            if used[split]:
                continue
            for merged in mergers:
                into = int(self._partners[merged])
                if not (used[merged] or used[into] or split in (merged, into)):
                    break
            else:
                break
            if self._gains[split] <= self._costs[merged]:
                break
            chosen.append(_Change(split, merged, into))
            used[[split, merged, into]] = True
        return chosen

    def most_promising(self) -> list[_Change]:
        """Return the change that promises most among those not tried yet, alone; nothing if there is none."""
        splits = np.argsort(-self._gains, kind="stable")[:MOST_SPLITS]
        mergers = self._mergers()[:MOST_MERGERS]
        promises = self._gains[splits][:, None] - self._costs[mergers]
        for place in np.argsort(-promises, axis=None, kind="stable").tolist():
            split, merged = splits[place // len(mergers)], mergers[place % len(mergers)]
            change = _Change(int(split), int(merged), int(self._partners[merged]))
            if change.split not in (change.merged, change.into) and change not in self._tried:
                return [change] if self._gains[split] > 0.0 else []
        return []

    def changed(self, changes: list[_Change]) -> DoubleArray:
        """Return the centers after some changes, or with one of them put on a point that is drawn."""
        centers = self.best.centers.copy()
        for change in changes:
            a, b = self._sizes[change.merged], self._sizes[change.into]
            if a + b > 0.0:
                # Where both have the same value, however large, it stays exactly that.
                centers[change.into] += a / (a + b) * (centers[change.merged] - centers[change.into])
            centers[change.split], centers[change.merged] = self._halves[change.split]
        if not changes:
            place = np.searchsorted(self._losses, self._rng.random() * self._losses[-1], side="right") - 1
            point = self._order[min(int(place), len(self._order) - 1)]
            cheapest = np.argsort(self._costs, kind="stable")[:EASILY_MISSED]
            centers[self._rng.choice(cheapest)] = self._points.points[point]
        return centers
