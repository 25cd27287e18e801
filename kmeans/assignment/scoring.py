"""How well centers fit rows."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from kmeans.assignment.assigner import Centers, nearest
from kmeans.communicator import Communicator
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray


@dataclass
class Score:
    """The fit of centers to rows.

    Attributes
    ----------
    rows
        The number of rows.
    ssd
        Sum of their squared distances to the nearest center.
    cluster_sizes
        float64 (k,): how many of them are nearest to each center; whole numbers that add up to `rows`.
    cluster_ssds
        float64 (k,): the sum of the squared distances of these.
    msd_error
        The standard error of `msd`; 0 where it is exact.
    sample_rows
        The number of rows that the score is estimated from; None where it is exact.
    """

    rows: int
    ssd: float
    cluster_sizes: DoubleArray
    cluster_ssds: DoubleArray
    msd_error: float = 0.0
    sample_rows: int | None = None

    @property
    def msd(self) -> float:
        """The mean squared distance; 0 without rows."""
        return self.ssd / self.rows if self.rows else 0.0

    @property
    def is_exact(self) -> bool:
        """Whether every row was looked at."""
        return self.sample_rows is None

    def raised(self, part: float) -> "Score":
        """Return a score with a loss that is higher by a part of itself, which may be off by half."""
        error = math.hypot(self.msd_error, 0.5 * part * self.msd)
        return replace(
            self, ssd=(1.0 + part) * self.ssd, cluster_ssds=(1.0 + part) * self.cluster_ssds, msd_error=error
        )


class Tally:
    """Sums over rows and their clusters, in float64 and in the order of the rows.

    Parameters
    ----------
    k
        How many centers there are.

    Attributes
    ----------
    totals
        float64 (2 k + 2,): all sums, in one buffer so that hosts add them up in one reduction.
    """

    def __init__(self, k: int) -> None:
        self._k = k
        self.totals: DoubleArray = np.zeros(2 * k + 2)

    def add(self, labels: LabelArray, squared_distances: DoubleArray) -> None:
        """Take in rows: labels, int64 (n,), and squared distances to these centers, float64 (n,)."""
        k, totals = self._k, self.totals
        totals[:k] += np.bincount(labels, minlength=k)
        totals[k:-2] += np.bincount(labels, squared_distances, minlength=k)
        totals[-2:] += len(labels), squared_distances.sum()

    @property
    def rows(self) -> int:
        """How many rows were taken in."""
        return int(self.totals[-2])

    @property
    def sizes(self) -> DoubleArray:
        """How many of them are nearest to each center, float64 (k,)."""
        return self.totals[: self._k]

    def score(self) -> Score:
        """Return the fit of the centers to these rows."""
        return Score(self.rows, float(self.totals[-1]), self.sizes, self.totals[self._k : -2])


def score(blocks: Iterable[FloatArray], centers: Centers, communicator: Communicator, threads: Threads) -> Score:
    """Score `centers` on all rows of all hosts.

    Parameters
    ----------
    blocks
        float32 (n, d) each: this host's rows.
    centers
        The centers.
    communicator, threads
        The hosts of the job and the threads of this one.
    """
    tally = Tally(len(centers))
    for block in blocks:
        tally.add(*nearest(block, centers, threads))
    communicator.sum(tally.totals)
    return tally.score()
