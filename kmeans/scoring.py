"""How well centers fit rows."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kmeans.assignment import Centers, nearest
from kmeans.communicator import Communicator
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray


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
    k = len(centers)
    # One buffer, one reduction over the hosts: sizes, sums of squares, rows and ssd.
    totals: DoubleArray = np.zeros(2 * k + 2)
    for block in blocks:
        labels, squared_distances = nearest(block, centers, threads)
        totals[:k] += np.bincount(labels, minlength=k)
        totals[k:-2] += np.bincount(labels, squared_distances, minlength=k)
        totals[-2:] += len(block), squared_distances.sum()
    communicator.sum(totals)
    return Score(int(totals[-2]), float(totals[-1]), totals[:k], totals[k:-2])
