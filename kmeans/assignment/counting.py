"""Histograms of distances, counted by several threads while the caches are theirs."""

from collections.abc import Sequence

from kmeans.assignment.histogram import DistanceHistogram
from kmeans.threads import Threads
from kmeans.types import DoubleArray, LabelArray

# Rows that a thread counts at once: after the first ones, its pages are in the cache of its core.
BULK_ROWS = 1 << 16
# A thread's histogram is emptied when it has more pages: 4 MB.
THREAD_PAGES = 1 << 13

_Part = tuple[LabelArray, DoubleArray]


class DistanceCounter:
    """Counts rows by cluster and squared distance, as `DistanceHistogram` does.

    Parameters
    ----------
    k : int
        The number of clusters.
    threads : Threads
        The threads that count.
    """

    def __init__(self, k: int, threads: Threads) -> None:
        self._threads = threads
        self._total = DistanceHistogram(k)
        self._histograms = [DistanceHistogram(k) for _ in range(threads.count)]
        self._parts: list[_Part] = []
        self._n_rows = 0

    def add(self, labels: LabelArray, squared_distances: DoubleArray, weights: DoubleArray | None = None) -> None:
        """Add rows; see `DistanceHistogram.add`. The arrays must not change any more.

        Parameters
        ----------
        labels : ndarray of int64, shape (n,)
            Their clusters.
        squared_distances : ndarray of float64, shape (n,)
            Their squared distances to the centers of these, finite.
        weights : ndarray of float64, shape (n,), or None
            As how many rows each counts; those of weight 0 are left out. Weights are added up in the order of the rows
            by one thread, so that the sums are the same for any number of threads.
        """
        if weights is not None:
            counted = weights > 0.0
            self._total.add(labels[counted], squared_distances[counted], weights[counted])
            return
        self._parts.append((labels, squared_distances))
        self._n_rows += len(labels)
        if self._n_rows >= BULK_ROWS * len(self._histograms):
            self._count()

    def histogram(self) -> DistanceHistogram:
        """Return the histogram of all rows so far: the same for any number of threads."""
        self._count()
        for histogram in self._histograms:
            self._total.take(histogram)
        return self._total

    def _count(self) -> None:
        n = len(self._histograms)
        self._threads.map(_add, [(each, self._parts[i::n]) for i, each in enumerate(self._histograms)])
        self._parts, self._n_rows = [], 0
        for histogram in self._histograms:
            if histogram.n_pages > THREAD_PAGES:
                self._total.take(histogram)


def _add(job: tuple[DistanceHistogram, Sequence[_Part]]) -> None:
    histogram, parts = job
    for part in parts:
        histogram.add(*part)
