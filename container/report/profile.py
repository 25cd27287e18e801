"""The profiles of clusters: how far centers are from the mean of all rows, feature by feature."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kmeans.sample import Sample
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Clusters in the table and in the heat map; features in the heat map.
MAX_LISTED = 500
MAX_CLUSTERS = 40
MAX_FEATURES = 64
# With many features fewer clusters are shown, so that the work is bounded.
MAX_NUMBERS = 4_000_000
# A feature is special to a cluster from this number of standard deviations on.
MIN_DIFFERENCE = 0.5


@dataclass(frozen=True)
class Baseline:
    """The distribution of all rows, estimated from the sample.

    Attributes
    ----------
    mean : ndarray of float64, shape (d,)
        The mean of each feature.
    deviation : ndarray of float64, shape (d,)
        The standard deviation of each feature.
    """

    mean: DoubleArray
    deviation: DoubleArray

    @classmethod
    def of(cls, sample: Sample) -> "Baseline":
        """Return the baseline of a sample."""
        rows = sample.rows.astype(np.float64)
        mean = np.average(rows, axis=0, weights=sample.weights)
        rows -= mean
        return cls(mean, np.sqrt(np.average(np.square(rows, out=rows), axis=0, weights=sample.weights)))

    def standardized(self, center: FloatArray) -> DoubleArray:
        """Return how far a center is from the mean, in standard deviations, float64 (d,); 0 for constant features."""
        difference = center.astype(np.float64) - self.mean
        return np.divide(difference, self.deviation, out=np.zeros_like(difference), where=self.deviation > 0.0)


@dataclass(frozen=True)
class HeatMap:
    """The part of the profiles that is shown.

    Attributes
    ----------
    clusters : ndarray of int64, shape (n,)
        The clusters, in ascending order.
    features : ndarray of int64, shape (m,)
        The features, in ascending order.
    standardized : ndarray of float64, shape (n, m)
        The differences from the mean, in standard deviations.
    centers : ndarray of float64, shape (n, m)
        The values of the centers.
    """

    clusters: LabelArray
    features: LabelArray
    standardized: DoubleArray
    centers: DoubleArray


def largest(sizes: DoubleArray, n_features: int, most: int) -> LabelArray:
    """Return the `most` largest clusters, the largest first, or fewer if there are many features."""
    bound = min(most, max(2, MAX_NUMBERS // n_features))
    return np.argsort(-sizes, kind="stable")[:bound]


def heat_map(centers: FloatArray, sizes: DoubleArray, baseline: Baseline) -> HeatMap:
    """Choose the largest clusters, and the features in which these differ most from the mean.

    Clusters choose their special features in turns, so that no single cluster determines all of them.
    """
    clusters = np.sort(largest(sizes, centers.shape[1], MAX_CLUSTERS))
    standardized = np.array([baseline.standardized(centers[cluster]) for cluster in clusters])
    strength = np.abs(standardized)
    ranked = np.argsort(-strength, axis=1, kind="stable")[:, :MAX_FEATURES]
    special = np.take_along_axis(strength, ranked, axis=1) >= MIN_DIFFERENCE
    others = np.argsort(-strength.max(axis=0), kind="stable")
    named = np.concatenate([ranked.T[special.T], others])
    _, first = np.unique(named, return_index=True)
    features = np.sort(named[np.sort(first)[:MAX_FEATURES]])
    return HeatMap(clusters, features, standardized[:, features], centers[np.ix_(clusters, features)].astype(float))


def strongest(center: FloatArray, baseline: Baseline, most: int) -> Iterator[tuple[int, float]]:
    """Yield the features in which a center differs most from the mean, by at least `MIN_DIFFERENCE`.

    Parameters
    ----------
    center : ndarray of float32, shape (d,)
        The center.
    baseline : Baseline
        The distribution of all rows.
    most : int
        Maximum number of features.

    Yields
    ------
    feature : int
        The index of the feature.
    difference : float
        The difference from the mean, in standard deviations.
    """
    standardized = baseline.standardized(center)
    strength = np.abs(standardized)
    candidates = np.argpartition(-strength, min(most, len(strength)) - 1)[:most]
    for feature in candidates[np.lexsort((candidates, -strength[candidates]))]:
        if strength[feature] >= MIN_DIFFERENCE:
            yield int(feature), float(standardized[feature])
