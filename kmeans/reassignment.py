"""Centers for far rows: one center is given up where that costs less than the row would.

A mini-batch may bring a row that lies far from every center: an outlier, or the first of a cluster that the rows drawn
at the start missed. It becomes a center of its own when that lowers the loss by more than the cheapest merger of two
centers raises it (Ward 1963); the merged center has the weight and the mean of both. So a center without weight, from
the start or after decay, is the first to go, and no weight is made or lost.
"""

from dataclasses import dataclass

import numpy as np

from kmeans.jit import kernel
from kmeans.types import BoolArray, DoubleArray, FloatArray, LabelArray

# Rows of a mini-batch that may become centers.
MAX_ROWS = 8
# The rest of its center's weight, as a share of a row's own, below which the row is the center.
LEAST_SHARE = 1e-6
# Centers that may be given up: those of least weight, for which a merger costs least.
MAX_CENTERS = 16


@dataclass
class Reassignment:
    """A center that was given up for a row.

    Attributes
    ----------
    center
        The center, now at the row.
    merged_into
        The center that took its rows over.
    host
        The rank of the host that has the row.
    position
        The row's place among the rows of its host.
    """

    center: int
    merged_into: int
    host: int
    position: int


class FarRows:
    """The rows of a mini-batch that are farthest from their centers.

    Parameters
    ----------
    host, n_hosts
        Rank of this host, and how many there are; each has its share of `MAX_ROWS`, or one row.
    n_features
        Features of a row.

    Attributes
    ----------
    table
        float64 (rows, n_features + EXTRA), the farthest row first; places without a row are 0.
    """

    # Beside its features a row has these numbers.
    DISTANCE, LABEL, HOST, POSITION, WEIGHT = range(-5, 0)
    EXTRA = 5

    def __init__(self, host: int, n_hosts: int, n_features: int) -> None:
        self._host = host
        self.table: DoubleArray = np.zeros((max(1, MAX_ROWS // n_hosts), n_features + self.EXTRA))

    def offer(
        self,
        block: FloatArray,
        shift: FloatArray,
        labels: LabelArray,
        squared_distances: DoubleArray,
        weights: DoubleArray,
        first_position: int,
    ) -> None:
        """Look at the rows of a block; `weights` are as of its last row."""
        n = min(len(self.table), len(block))
        far = np.argpartition(squared_distances, len(block) - n)[len(block) - n :]
        found = np.empty((n, self.table.shape[1]))
        found[:, : block.shape[1]] = block[far].astype(np.float64) - shift
        found[:, self.DISTANCE] = squared_distances[far]
        found[:, self.LABEL] = labels[far]
        found[:, self.HOST] = self._host
        found[:, self.POSITION] = first_position + far
        found[:, self.WEIGHT] = weights[far]
        self.table = farthest(np.concatenate([self.table, found]), len(self.table))

    def decay(self, factor: float) -> None:
        """Lower the weights of the rows that are held."""
        self.table[:, self.WEIGHT] *= factor

    def clear(self) -> None:
        """Begin a new mini-batch."""
        self.table[:] = 0.0


def farthest(table: DoubleArray, count: int = MAX_ROWS) -> DoubleArray:
    """Give the `count` farthest rows of a table, the farthest first; of equally far ones the earlier."""
    order = np.lexsort((table[:, FarRows.POSITION], table[:, FarRows.HOST], -table[:, FarRows.DISTANCE]))
    return table[order[:count]]


def reassign(table: DoubleArray, centers: DoubleArray, weights: DoubleArray) -> list[Reassignment]:
    """Make centers of far rows where that pays.

    Parameters
    ----------
    table
        Far rows of all hosts, the farthest first; see `FarRows`. They are in the centers already.
    centers, weights
        INOUT float64 (K, d) and (K,).

    Returns
    -------
    list of Reassignment
        In the order in which they were made.
    """
    done: list[Reassignment] = []
    new_label = np.arange(len(centers))
    rows_of_now = np.zeros(len(centers), np.bool_)
    # Stays what it is until a center is given up.
    merger = None
    for entry in table:
        row, weight = entry[: centers.shape[1]], float(entry[FarRows.WEIGHT])
        own = int(new_label[int(entry[FarRows.LABEL])])
        rest = weights[own] - weight
        # A row that is nearly all of its center gains nothing.
        if not rest > LEAST_SHARE * weight > 0.0:
            continue
        gain = weight * weights[own] / rest * float(((row - centers[own]) ** 2).sum())
        merger = merger or _cheapest_merger(centers, weights, rows_of_now)
        center, target, cost = merger
        if gain <= cost:
            continue
        merger = None
        centers[own] += weight / rest * (centers[own] - row)
        weights[own] = rest
        both = weights[center] + weights[target]
        if both > 0.0:
            centers[target] += weights[center] / both * (centers[center] - centers[target])
        weights[target] = both
        centers[center], weights[center] = row, weight
        new_label[new_label == center] = target
        rows_of_now[center] = True
        done.append(Reassignment(center, target, int(entry[FarRows.HOST]), int(entry[FarRows.POSITION])))
    return done


def _cheapest_merger(centers: DoubleArray, weights: DoubleArray, barred: BoolArray) -> tuple[int, int, float]:
    """Give the center to be given up, the one to take its rows, and by how much the loss grows."""
    lightest = np.argsort(np.where(barred, np.inf, weights), kind="stable")[:MAX_CENTERS]
    center, target, cost = cheapest_of(centers, weights, barred, lightest[~barred[lightest]])
    return int(center), int(target), cost


@kernel("Tuple((int64, int64, float64))(float64[:, ::1], float64[::1], boolean[::1], int64[::1])")
def cheapest_of(
    centers: DoubleArray,  # IN (K, d)
    weights: DoubleArray,  # IN (K,)
    barred: BoolArray,  # IN (K,)
    candidates: LabelArray,  # IN (m,), none of them barred
) -> tuple[np.int64, np.int64, float]:
    """Find the cheapest merger of a candidate with another center."""
    best_center, best_target, best_cost = np.int64(-1), np.int64(-1), np.inf
    for center in candidates:
        for target in range(len(centers)):
            if barred[target] or target == center:
                continue
            both = weights[center] + weights[target]
            share = weights[center] * weights[target] / both if both > 0.0 else 0.0
            distance = 0.0
            for f in range(centers.shape[1]):
                difference = centers[target, f] - centers[center, f]
                distance += difference * difference
            cost = share * distance
            if cost < best_cost:
                best_center, best_target, best_cost = center, np.int64(target), cost
    return best_center, best_target, best_cost
