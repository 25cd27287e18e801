"""Histograms of the distances of many rows, for quantiles of each cluster after a single pass, in bounded memory.

Buckets are as wide as they are far: each holds the squared distances that agree in the first bits of their float64
form, so a number is known within a part of itself. Histograms of parts of the rows are added up (DDSketch; Masson, Rim
& Lee 2019). If they take too many pages, every two neighboring buckets become one, in all clusters (UDDSketch;
Epicoco, Melle, Cafaro, Pulimeno & Morleo 2020). The buckets are the finest ones with which all rows need no more pages
than allowed: that depends neither on the order of the rows nor on how threads and hosts divide them.
"""

import numpy as np

from kmeans.assignment.scoring import Score
from kmeans.communicator import Communicator
from kmeans.distribution import DistanceDistribution, WeightedDistances
from kmeans.kernels.pages import BUCKET_BITS, FREE, PAGE_BITS, PAGE_BUCKETS, add_weights
from kmeans.types import DoubleArray, LabelArray

# 64 MB. A cluster needs about ten pages, more if its tail is long.
MAX_PAGES = 1 << 17
_MIN_PAGES = 1 << 8
_SLOTS_PER_PAGE = 4
# The bits of a float64 number behind its exponent, and how many of these tell buckets apart at first.
_FRACTION_BITS, _FINEST_BITS = 52, 7
_ONE = np.ones(1)


class DistanceHistogram:
    """Counts rows by cluster and squared distance.

    Parameters
    ----------
    k : int
        The number of clusters.
    max_pages : int
        The number of pages of `PAGE_BUCKETS` buckets, in all clusters together; at least k.

    Attributes
    ----------
    n_pages : int
        How many there are so far.
    """

    def __init__(self, k: int, max_pages: int = MAX_PAGES) -> None:
        self._max_pages = max(k, max_pages)
        self.n_pages = 0
        self.clear()

    @property
    def relative_error(self) -> float:
        """The part of itself by which a squared distance may differ from that of `distances`, at most."""
        return 0.5 * 2.0 ** (self._dropped_bits - _FRACTION_BITS)

    def clear(self) -> None:
        """Begin again without rows."""
        self._dropped_bits = _FRACTION_BITS - _FINEST_BITS
        self._empty(min(_MIN_PAGES, self._max_pages))

    def add(self, labels: LabelArray, squared_distances: DoubleArray, weights: DoubleArray = _ONE) -> None:
        """Add rows.

        Parameters
        ----------
        labels : ndarray of int64, shape (n,)
            Their clusters.
        squared_distances : ndarray of float64, shape (n,)
            Their squared distances to the centers of these, finite.
        weights : ndarray of float64, shape (n,) or (1,)
            As how many rows each counts, more than 0.
        """
        bits = squared_distances.view(np.int64)
        while len(labels):
            n_added, self.n_pages = add_weights(
                labels, bits, self._dropped_bits, weights, self._slots, self._keys, self._totals, self.n_pages
            )
            labels, bits = labels[n_added:], bits[n_added:]
            weights = weights if len(weights) == 1 else weights[n_added:]
            if not len(labels):
                return
            if self.n_pages < self._max_pages:
                self._rebuild(min(2 * self.n_pages, self._max_pages), self._dropped_bits)
            else:
                self._rebuild(self._max_pages, self._dropped_bits + 1)

    def take(self, other: "DistanceHistogram") -> None:
        """Move the rows of another histogram to this one."""
        self._join(other._dropped_bits, *other._filled())
        other.clear()

    def combine(self, communicator: Communicator) -> None:
        """Add up the histograms of all hosts, which call this together."""
        dropped_bits = int(communicator.gather_rows(np.array([self._dropped_bits])).max())
        self._rebuild(len(self._keys), dropped_bits)
        buckets, weights = (communicator.gather_rows(part) for part in self._filled())
        self.clear()
        self._join(dropped_bits, buckets, weights)

    def distribution(self, score: Score) -> DistanceDistribution:
        """Return the distribution of the distances; `score` is that of the same rows."""
        return DistanceDistribution.of(self.distances(), score, relative_error=self.relative_error, exact=True)

    def distances(self) -> WeightedDistances:
        """Return the middle of each bucket that has rows, with their weight; 0 for rows at their center."""
        buckets, weights = self._filled()
        labels, least = _parts(buckets, self._dropped_bits)
        middles = (least.view(np.int64) | (1 << (self._dropped_bits - 1))).view(np.float64)
        return WeightedDistances(labels, np.where(least > 0.0, middles, 0.0), weights)

    def _join(self, dropped_bits: int, buckets: LabelArray, weights: DoubleArray) -> None:
        """Add the buckets of another histogram."""
        if self._dropped_bits < dropped_bits:
            self._rebuild(len(self._keys), dropped_bits)
        self.add(*_parts(buckets, dropped_bits), weights)

    def _filled(self) -> tuple[LabelArray, DoubleArray]:
        """Return the buckets that have rows, by cluster and distance, and their weights."""
        order = np.argsort(self._keys[: self.n_pages])
        totals = self._totals[order]
        pages, places = np.nonzero(totals)
        return (self._keys[order][pages] << PAGE_BITS) | places, totals[pages, places]

    def _empty(self, n_pages: int) -> None:
        """Make an empty table with room for some pages."""
        n_slots = 1 << (_SLOTS_PER_PAGE * n_pages - 1).bit_length()
        self._slots: LabelArray = np.full(n_slots, FREE)
        self._keys: LabelArray = np.empty(n_pages, np.int64)
        self._totals: DoubleArray = np.zeros((n_pages, PAGE_BUCKETS))
        self.n_pages = 0

    def _rebuild(self, n_pages: int, dropped_bits: int) -> None:
        """Make room for more pages, or make buckets wider."""
        buckets, weights = self._filled()
        parts = _parts(buckets, self._dropped_bits)
        self._dropped_bits = dropped_bits
        self._empty(n_pages)
        self.add(*parts, weights)


def _parts(buckets: LabelArray, dropped_bits: int) -> tuple[LabelArray, DoubleArray]:
    """Return the cluster of each bucket, and the least of its numbers."""
    least = (buckets & ((1 << BUCKET_BITS) - 1)) << dropped_bits
    return buckets >> BUCKET_BITS, least.view(np.float64)
