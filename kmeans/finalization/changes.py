"""Changes to a clustering, of which each may lower the loss: split one cluster and merge two others.

What a change promises is known at little cost. Each cluster is split in two on its own, and the fall of its loss is
exact; so is the growth of the loss when two clusters are merged (Ward 1963).
"""

from dataclasses import dataclass

import numpy as np

from kmeans.finalization.lloyd import Clustering
from kmeans.kernels.splits import merger_costs, split_clusters
from kmeans.points import WeightedPoints
from kmeans.types import DoubleArray, LabelArray

# Clusters to split, and mergers, of which all pairs are compared.
MAX_SPLITS = 40
MAX_MERGERS = 60
# A center that is put elsewhere is one of these many that cost least.
EASILY_MISSED = 10


@dataclass(frozen=True)
class Change:
    """A cluster to split, and two to merge.

    Attributes
    ----------
    split : int
        The cluster to split.
    merged : int
        The cluster whose center becomes the second one of the split cluster.
    into : int
        The cluster that it is merged with.
    """

    split: int
    merged: int
    into: int


class Changes:
    """The best clustering so far, and what changes to it promise.

    Parameters
    ----------
    points : WeightedPoints
        The points.
    start : Clustering
        The first clustering.
    rng : numpy.random.Generator
        The source of chance.

    Attributes
    ----------
    best : Clustering
        The best clustering so far.
    """

    def __init__(self, points: WeightedPoints, start: Clustering, rng: np.random.Generator) -> None:
        self.best = start
        self._points, self._rng = points, rng
        k, n_features = start.centers.shape
        self._gains: DoubleArray = np.zeros(k)
        self._halves: DoubleArray = np.empty((k, 2, n_features))
        self._rejected: set[Change] = set()
        self._measure(np.arange(k))

    def accept(self, better: Clustering) -> None:
        """Replace the best clustering."""
        before, self.best = self.best, better
        moved = before.labels != better.labels
        touched = np.unique(np.concatenate([before.labels[moved], better.labels[moved]]))
        # A cluster may have become empty, or the other way round, without a point that changed its label.
        touched = np.union1d(touched, np.flatnonzero((before.centers != better.centers).any(axis=1)))
        self._rejected = {
            one for one in self._rejected if not np.isin([one.split, one.merged, one.into], touched).any()
        }
        self._measure(touched)

    def reject(self, changes: list[Change]) -> None:
        """Remember a change that did not lower the loss; of several made together none is known to be useless."""
        if len(changes) == 1:
            self._rejected.add(changes[0])

    def _measure(self, clusters: LabelArray) -> None:
        """Measure all mergers, and the splits of some clusters."""
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
        """Split clusters in two, each from a point drawn by its loss; keep what is better than before."""
        k, n_features = self.best.centers.shape
        gains: DoubleArray = np.zeros(k)
        halves: DoubleArray = np.empty((k, 2, n_features))
        split_clusters(
            self._points.values,
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
        self._rejected = {one for one in self._rejected if not np.isin(one.split, better)}

    def _mergers(self) -> LabelArray:
        """Return the centers by the cost of their merger, the cheapest first; of two that are each other's, one."""
        cheapest = np.argsort(self._costs, kind="stable")
        partners = self._partners[cheapest]
        twice = (self._partners[partners] == cheapest) & (partners < cheapest)
        chosen: LabelArray = cheapest[~twice & (partners >= 0)]
        return chosen

    def promising(self, max_changes: int) -> list[Change]:
        """Return changes that can be made together, each of which lowers the loss by itself; the best ones first."""
        used = np.zeros(len(self._gains), bool)
        mergers = iter(self._mergers().tolist())
        chosen: list[Change] = []
        for split in np.argsort(-self._gains, kind="stable").tolist():
            if len(chosen) == max_changes:
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
            chosen.append(Change(split, merged, into))
            used[[split, merged, into]] = True
        return chosen

    def most_promising(self) -> list[Change]:
        """Return the change that promises most of those not rejected, in a list; an empty list if there is none."""
        splits = np.argsort(-self._gains, kind="stable")[:MAX_SPLITS]
        mergers = self._mergers()[:MAX_MERGERS]
        promises = self._gains[splits][:, None] - self._costs[mergers]
        for place in np.argsort(-promises, axis=None, kind="stable").tolist():
            split, merged = splits[place // len(mergers)], mergers[place % len(mergers)]
            change = Change(int(split), int(merged), int(self._partners[merged]))
            if change.split not in (change.merged, change.into) and change not in self._rejected:
                return [change] if self._gains[split] > 0.0 else []
        return []

    def applied(self, changes: list[Change]) -> DoubleArray:
        """Return the centers after some changes; without any, with one of them put on a point that is drawn."""
        centers = self.best.centers.copy()
        for change in changes:
            a, b = self._sizes[change.merged], self._sizes[change.into]
            if a + b > 0.0:
                # Where both have the same value, however large, the result is exactly that value.
                centers[change.into] += a / (a + b) * (centers[change.merged] - centers[change.into])
            centers[change.split], centers[change.merged] = self._halves[change.split]
        if not changes:
            place = np.searchsorted(self._losses, self._rng.random() * self._losses[-1], side="right") - 1
            point = self._order[min(int(place), len(self._order) - 1)]
            cheapest = np.argsort(self._costs, kind="stable")[:EASILY_MISSED]
            centers[self._rng.choice(cheapest)] = self._points.values[point]
        return centers
