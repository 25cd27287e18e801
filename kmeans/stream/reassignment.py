"""Reassigns centers to far rows: one center moves to a row where that costs less than leaving the row far away.

A mini-batch may bring a row that lies far from every center: an outlier, or the first of a cluster that the rows drawn
at the start missed. It becomes a center of its own when that lowers the loss by more than the cheapest merger of two
centers raises it (Ward 1963); the merged center has the weight and the mean of both. So a center without weight, from
the start or after decay, is the first to be reassigned, and no weight is created or lost.

Outliers (see `outlier_distance`) are added to no sum until it is known whether they become centers: a sum from which a
row of 1e18 is subtracted again has lost its digits.
"""

from dataclasses import dataclass

import numpy as np

from kmeans.assignment.shift import QUARTILE_ROWS, thinned
from kmeans.assignment.sums import ClusterSums
from kmeans.communicator import Communicator
from kmeans.kernels.far_rows import DISTANCE, EXTRA, HOST, LABEL, POSITION, WEIGHT, offer_rows, reassign_rows
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Rows of a step that may become centers.
MAX_ROWS = 8
# An outlier is farther away, as a multiple of the usual squared distance: a nearer row leaves a sum all digits that
# matter, at least 33 of 53 bits below the usual distance.
OUTLIER_FACTOR = 2.0**40


@dataclass
class Reassignment:
    """A center that was reassigned to a row.

    Attributes
    ----------
    center : int
        The center, now at the row.
    merged_into : int
        The center that took over its rows.
    host : int
        The rank of the host that has the row.
    position : int
        The row's place among the rows of its host.
    """

    center: int
    merged_into: int
    host: int
    position: int

    def relabel(self, labels: LabelArray, positions: LabelArray, host: int) -> None:
        """Change the labels of some rows accordingly.

        Parameters
        ----------
        labels : ndarray of int64, shape (n,)
            The labels of the rows; changed in place.
        positions : ndarray of int64, shape (n,)
            The places of the rows among those of their host.
        host : int
            The rank of that host.
        """
        labels[labels == self.center] = self.merged_into
        if self.host == host:
            labels[positions == self.position] = self.center


class FarRows:
    """The rows of a step that are farthest from their centers.

    All hosts learn the facts of these rows at each step. The rows themselves are exchanged only if they may matter.

    Parameters
    ----------
    communicator : Communicator
        The hosts; each has its share of `MAX_ROWS`, or one row.
    n_features : int
        Features of a row.
    outlier_distance : float
        Squared; see the function of that name.

    Attributes
    ----------
    table : ndarray of float64, shape (rows, n_features + EXTRA)
        The farthest row first; entries without a row are 0.
    """

    def __init__(self, communicator: Communicator, n_features: int, outlier_distance: float) -> None:
        self._communicator = communicator
        self.outlier_distance = outlier_distance
        self.table: DoubleArray = np.zeros((max(1, MAX_ROWS // communicator.size), n_features + EXTRA))

    def offer(
        self,
        block: FloatArray,
        labels: LabelArray,
        squared_distances: DoubleArray,
        weights: DoubleArray,
        first_position: int,
        sums: ClusterSums,
    ) -> None:
        """Enter those rows of a block into the table that are among the farthest.

        Parameters
        ----------
        block : ndarray of float32, shape (n, d)
            The rows.
        labels : ndarray of int64, shape (n,)
            The centers of the rows.
        squared_distances : ndarray of float64, shape (n,)
            The squared distances of the rows to their centers.
        weights : ndarray of float64, shape (n,)
            The weights of the rows, decayed up to the last row.
        first_position : int
            The place of the first row among the rows of this host.
        sums : ClusterSums
            Changed in place: outliers that have no entry in the table are added.
        """
        held = self._outliers()
        offer_rows(block, labels, squared_distances, weights, first_position, self._communicator.rank, self.table)
        if not self.table[0, DISTANCE] > self.outlier_distance:
            return
        outliers = np.flatnonzero(squared_distances > self.outlier_distance)
        now_held = self._outliers()[:, POSITION]
        add_entries(held[~np.isin(held[:, POSITION], now_held)], sums)
        left = outliers[~np.isin(first_position + outliers, now_held)]
        distances = squared_distances[left]
        sums.add(block[left], labels[left], weights[left], distances)

    def _outliers(self) -> DoubleArray:
        """Return a copy of the entries that are outliers; the farthest rows come first."""
        return self.table[: np.count_nonzero(self.table[:, DISTANCE] > self.outlier_distance)].copy()

    @property
    def facts(self) -> DoubleArray:
        """What the table says of the rows apart from their features, float64 (rows, EXTRA)."""
        return self.table[:, -EXTRA:]

    def exchanged(self, facts: DoubleArray) -> DoubleArray:
        """Return rows of any hosts, on every host.

        Parameters
        ----------
        facts : ndarray of float64, shape (n, EXTRA)
            The facts of these rows, the same on every host.

        Returns
        -------
        ndarray of float64, shape (n, d + EXTRA)
            A table of the rows.
        """
        table: DoubleArray = np.zeros((len(facts), self.table.shape[1]))
        own = np.flatnonzero(facts[:, HOST] == self._communicator.rank)
        places = np.argmax(facts[own, POSITION, None] == self.table[:, POSITION], axis=1)
        table[own, :-EXTRA] = self.table[places, :-EXTRA]
        self._communicator.sum(table.reshape(-1))
        table[:, -EXTRA:] = facts
        return table

    def decay(self, factor: float) -> None:
        """Lower the weights of the rows in the table."""
        self.table[:, WEIGHT] *= factor

    def clear(self) -> None:
        """Start a new step."""
        self.table[:] = 0.0


def outlier_distance(rows: FloatArray, shift: FloatArray) -> float:
    """Return the squared distance beyond which a row is an outlier: `OUTLIER_FACTOR` times the usual one.

    Parameters
    ----------
    rows : ndarray of float32, shape (n, d)
        A sample of the rows.
    shift : ndarray of float32, shape (d,)
        Usual values. The usual squared distance is the median of the squared distances to these that are not 0.

    Returns
    -------
    float
        The largest float64 if all rows are alike.
    """
    differences = thinned(rows, QUARTILE_ROWS).astype(np.float64) - shift
    squared = np.einsum("nd,nd->n", differences, differences)
    apart = squared[squared > 0.0]
    return OUTLIER_FACTOR * float(np.median(apart)) if len(apart) else float(np.finfo(np.float64).max)


def farthest(facts: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Split the far rows of all hosts.

    Parameters
    ----------
    facts : ndarray of float64, shape (n, EXTRA)
        The facts of the rows; see `FarRows`. Those of entries without a row are left out.

    Returns
    -------
    candidates : ndarray of float64, shape (m, EXTRA)
        Those of the `MAX_ROWS` farthest rows, the farthest first; of equally far ones the earlier first.
    rest : ndarray of float64, shape (l, EXTRA)
        The others.
    """
    facts = facts[facts[:, DISTANCE] > 0.0]
    order = np.lexsort((facts[:, POSITION], facts[:, HOST], -facts[:, DISTANCE]))
    return facts[order[:MAX_ROWS]], facts[order[MAX_ROWS:]]


def add_entries(table: DoubleArray, sums: ClusterSums) -> None:
    """Add the rows of a table to the sums of their centers."""
    for entry in table:
        label = int(entry[LABEL])
        sums.sums[label] += entry[WEIGHT] * entry[:-EXTRA]
        sums.counts[label] += entry[WEIGHT]
        sums.losses[label] += entry[WEIGHT] * entry[DISTANCE]


def reassign(
    table: DoubleArray,
    outlier_distance: float,
    centers: DoubleArray,
    weights: DoubleArray,
    spreads: DoubleArray,
    least_cost: float = -1.0,
) -> list[Reassignment]:
    """Reassign centers to far rows where that pays.

    Parameters
    ----------
    table : ndarray of float64, shape (n, d + EXTRA)
        Far rows of all hosts, the farthest first; see `FarRows`. The centers include them already, except for outliers,
        which they include afterwards.
    outlier_distance : float
        Squared: rows beyond it are outliers.
    centers : ndarray of float64, shape (K, d)
        INOUT; see `Stream`.
    weights : ndarray of float64, shape (K,)
        INOUT; see `Stream`.
    spreads : ndarray of float64, shape (K,)
        INOUT; see `Stream`.
    least_cost : float
        No merger of two centers costs less; negative if that is not known.

    Returns
    -------
    list of Reassignment
        In the order in which they were made.
    """
    done = np.empty((len(table), 3), np.int64)
    count = reassign_rows(table, outlier_distance, centers, weights, spreads, least_cost, done)
    return [
        Reassignment(center, target, int(table[row, HOST]), int(table[row, POSITION]))
        for row, center, target in done[:count].tolist()
    ]
