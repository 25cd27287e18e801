"""How well centers fit rows."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from kmeans.assignment.assigner import Assigner
from kmeans.communicator import Communicator
from kmeans.points import Rows, parts
from kmeans.types import DoubleArray, LabelArray


@dataclass
class Score:
    """The fit of centers to rows.

    Attributes
    ----------
    rows : int
        The number of rows.
    ssd : float
        The sum of their squared distances to the nearest center, times their weights.
    cluster_sizes : ndarray of float64, shape (k,)
        How many of them are nearest to each center; whole numbers that add up to `rows`. If rows have weights, these
        are added up instead.
    cluster_ssds : ndarray of float64, shape (k,)
        The sum of the squared distances of these, times their weights.
    msd_error : float
        The standard error of `msd`; 0 where it is exact.
    sample_rows : int or None
        The number of rows that the score is estimated from; None where it is exact.
    """

    rows: int
    ssd: float
    cluster_sizes: DoubleArray
    cluster_ssds: DoubleArray
    msd_error: float = 0.0
    sample_rows: int | None = None

    @property
    def weight(self) -> float:
        """The sum of the weights of the rows; their number where they have none."""
        return float(self.cluster_sizes.sum())

    @property
    def msd(self) -> float:
        """The mean squared distance; 0 without rows."""
        return self.ssd / self.weight if self.rows else 0.0

    @property
    def is_exact(self) -> bool:
        """Whether it was computed from all rows."""
        return self.sample_rows is None

    def raised(self, part: float) -> "Score":
        """Return a score whose loss is higher by a part of itself; the part may be off by half."""
        error = math.hypot(self.msd_error, 0.5 * part * self.msd)
        return replace(
            self, ssd=(1.0 + part) * self.ssd, cluster_ssds=(1.0 + part) * self.cluster_ssds, msd_error=error
        )


class Tally:
    """Sums over rows and their clusters, in float64 and in the order of the rows.

    Parameters
    ----------
    k : int
        The number of centers.

    Attributes
    ----------
    totals : ndarray of float64, shape (2 k + 2,)
        All sums, in one buffer, which hosts add up in one reduction.
    """

    def __init__(self, k: int) -> None:
        self._k = k
        self.totals: DoubleArray = np.zeros(2 * k + 2)

    def add(self, labels: LabelArray, squared_distances: DoubleArray, weights: DoubleArray | None = None) -> None:
        """Add rows.

        Parameters
        ----------
        labels : ndarray of int64, shape (n,)
            The nearest centers of the rows.
        squared_distances : ndarray of float64, shape (n,)
            The squared distances to these.
        weights : ndarray of float64, shape (n,), or None
            What each row counts as, 1 without weights. Rows of weight 0 are left out.
        """
        k, totals = self._k, self.totals
        losses = squared_distances if weights is None else weights * squared_distances
        totals[:k] += np.bincount(labels, weights, minlength=k)
        totals[k:-2] += np.bincount(labels, losses, minlength=k)
        totals[-2:] += len(labels) if weights is None else int(np.count_nonzero(weights)), losses.sum()

    @property
    def rows(self) -> int:
        """The number of rows added."""
        return int(self.totals[-2])

    @property
    def sizes(self) -> DoubleArray:
        """The number of rows that are nearest to each center, or the sum of their weights, float64 (k,)."""
        return self.totals[: self._k]

    def score(self) -> Score:
        """Return the fit of the centers to these rows."""
        return Score(self.rows, float(self.totals[-1]), self.sizes, self.totals[self._k : -2])


def score(blocks: Iterable[Rows], assigner: Assigner, communicator: Communicator) -> Score:
    """Score centers on all rows of all hosts.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (n, d), or WeightedPoints
        The rows of this host.
    assigner : Assigner
        An assigner to the centers.
    communicator : Communicator
        The hosts of the job.

    Returns
    -------
    Score
        The same on every host.
    """
    tally = Tally(len(assigner))
    for block in blocks:
        rows, weights = parts(block)
        tally.add(*assigner.assign(rows), weights)
    communicator.sum(tally.totals)
    return tally.score()
