"""How the distances of rows to their centers are distributed: the radius and quantiles of each cluster."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from kmeans.types import DoubleArray, LabelArray

if TYPE_CHECKING:
    from kmeans.assignment.scoring import Score  # this imports numba, which serving does not need

# The parts of the rows of a cluster that are no farther than a quantile.
QUANTILES: Final = (0.5, 0.9, 0.95, 0.99, 0.999)
# The parts of all rows that may be anomalies: all decimals of two digits from 0.00001 to 0.5, ascending.
CONTAMINATIONS: Final = (
    *(digits / 10**place for place in (6, 5, 4, 3) for digits in range(10, 100)),
    *(digits / 100 for digits in range(10, 51)),
)
# Sums of weights may be off by this part of themselves.
_ROUNDING = 1e-12


class WeightedDistances(NamedTuple):
    """The squared distances of some rows to their centers, in ascending order within each cluster.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        The cluster of each, ascending.
    squared_distances : ndarray of float64, shape (n,)
        The squared distances.
    weights : ndarray of float64, shape (n,)
        As how many rows each counts, more than 0.
    """

    labels: LabelArray
    squared_distances: DoubleArray
    weights: DoubleArray


@dataclass(frozen=True, eq=False)
class DistanceDistribution:
    """The distribution of the squared distances of rows to their centers.

    Attributes
    ----------
    squared_radii : ndarray of float64, shape (k,)
        The mean squared distance of the rows of each cluster. Where a cluster has no rows, or all are at its center, it
        is that of all rows; if these are at their centers too, it is 1. So it is more than 0.
    squared_quantiles : ndarray of float64, shape (len(QUANTILES), k)
        The least squared distance that is not exceeded by these parts of the rows of a cluster; NaN for a cluster
        without rows.
    squared_thresholds : ndarray of float64, shape (len(CONTAMINATIONS),)
        The least squared distance, as a multiple of the squared radius, that is exceeded by no more than these parts of
        all rows.
    relative_error : float
        The part of itself by which a squared quantile or threshold may differ from that of the rows.
    exact : bool
        Whether these are all rows, not some that stand for them.
    """

    squared_radii: DoubleArray
    squared_quantiles: DoubleArray
    squared_thresholds: DoubleArray
    relative_error: float
    exact: bool

    @classmethod
    def of(
        cls, distances: WeightedDistances, score: "Score", *, relative_error: float = 0.0, exact: bool
    ) -> "DistanceDistribution":
        """Return the distribution of distances.

        Parameters
        ----------
        distances : WeightedDistances
            Those of all rows, or of some that stand for them.
        score : Score
            The score of the centers on all rows.
        relative_error : float
            The part of itself by which a squared distance may be off.
        exact : bool
            Whether these are all rows.

        Returns
        -------
        DistanceDistribution
            Each quantile, and threshold, is one of the distances.
        """
        labels, squared_distances, weights = distances
        squared_radii = _squared_radii(score)
        k = len(squared_radii)
        ends = np.searchsorted(labels, np.arange(k + 1))
        quantiles: DoubleArray = np.full((len(QUANTILES), k), np.nan)
        for label in np.flatnonzero(np.diff(ends)):
            rows = slice(ends[label], ends[label + 1])
            quantiles[:, label] = _quantiles(squared_distances[rows], weights[rows], np.array(QUANTILES))
        ratios = squared_distances / squared_radii[labels]
        order = np.argsort(ratios)
        thresholds = _quantiles(ratios[order], weights[order], 1.0 - np.array(CONTAMINATIONS))
        return cls(squared_radii, quantiles, thresholds, relative_error, exact)


def _squared_radii(score: "Score") -> DoubleArray:
    sizes, ssds = score.cluster_sizes, score.cluster_ssds
    overall = score.msd if score.msd > 0.0 else 1.0
    own = np.divide(ssds, sizes, out=np.zeros_like(ssds), where=sizes > 0.0)
    return np.where(own > 0.0, own, overall)


def _quantiles(values: DoubleArray, weights: DoubleArray, parts: DoubleArray) -> DoubleArray:
    """Return the least of ascending values such that all up to it have these parts of the weight."""
    sums = np.cumsum(weights)
    places = np.searchsorted(sums, (parts - _ROUNDING) * sums[-1])
    found: DoubleArray = values[np.minimum(places, len(values) - 1)]
    return found
