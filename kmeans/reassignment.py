"""Centers for far rows: one center is given up where that costs less than the row would.

A mini-batch may bring a row that lies far from every center: an outlier, or the first of a cluster that the rows drawn
at the start missed. It becomes a center of its own when that lowers the loss by more than the cheapest merger of two
centers raises it (Ward 1963); the merged center has the weight and the mean of both. So a center without weight, from
the start or after decay, is the first to go, and no weight is made or lost.
"""

from dataclasses import dataclass

import numpy as np

from kmeans.far_row_kernel import DISTANCE, EXTRA, HOST, POSITION, WEIGHT, offer_rows, reassign_rows
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Rows of a mini-batch that may become centers.
MAX_ROWS = 8


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

    def __init__(self, host: int, n_hosts: int, n_features: int) -> None:
        self._host = host
        self.table: DoubleArray = np.zeros((max(1, MAX_ROWS // n_hosts), n_features + EXTRA))

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
        offer_rows(block, shift, labels, squared_distances, weights, first_position, self._host, self.table)

    def decay(self, factor: float) -> None:
        """Lower the weights of the rows that are held."""
        self.table[:, WEIGHT] *= factor

    def clear(self) -> None:
        """Begin a new mini-batch."""
        self.table[:] = 0.0


def farthest(table: DoubleArray) -> DoubleArray:
    """Give the `MAX_ROWS` farthest rows of a table, the farthest first; of equally far ones the earlier."""
    order = np.lexsort((table[:, POSITION], table[:, HOST], -table[:, DISTANCE]))
    return table[order[:MAX_ROWS]]


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
    done = np.empty((len(table), 3), np.int64)
    count = reassign_rows(table, centers, weights, done)
    return [
        Reassignment(center, target, int(table[row, HOST]), int(table[row, POSITION]))
        for row, center, target in done[:count].tolist()
    ]
