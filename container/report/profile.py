"""What makes a cluster special: how far its center lies from the mean of all rows, feature by feature."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kmeans.sample import Sample
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Clusters of a table, and of a heat map; features of a heat map.
MAX_LISTED = 500
MAX_CLUSTERS = 40
MAX_FEATURES = 64
# With more features there are fewer clusters, so that the work is bounded too.
MAX_NUMBERS = 4_000_000
# Standard deviations below which a feature is nothing special.
LEAST_DIFFERENCE = 0.5


@dataclass(frozen=True)
class Baseline:
    """All rows, as far as the sample tells.

    Attributes
    ----------
    mean, deviation
        float64 (d,): the mean of each feature and its standard deviation.
    """

    mean: DoubleArray
    deviation: DoubleArray

    @classmethod
    def of(cls, sample: Sample) -> "Baseline":
        """Measure it."""
        rows = sample.rows.astype(np.float64)
        mean = np.average(rows, axis=0, weights=sample.weights)
        rows -= mean
        return cls(mean, np.sqrt(np.average(np.square(rows, out=rows), axis=0, weights=sample.weights)))

    def standardized(self, center: FloatArray) -> DoubleArray:
        """Give the difference of a center from the mean in standard deviations, float64 (d,); 0 where all is equal."""
        difference = center.astype(np.float64) - self.mean
        return np.divide(difference, self.deviation, out=np.zeros_like(difference), where=self.deviation > 0.0)


@dataclass(frozen=True)
class HeatMap:
    """The part of all profiles that can be looked at.

    Attributes
    ----------
    clusters, features
        int64 (n,) and int64 (m,): which are shown, in order of their numbers.
    standardized, centers
        float64 (n, m): differences from the mean in standard deviations, and the values themselves.
    """

    clusters: LabelArray
    features: LabelArray
    standardized: DoubleArray
    centers: DoubleArray


def largest(sizes: DoubleArray, n_features: int, most: int) -> LabelArray:
    """Give the numbers of the `most` largest clusters, the largest first, or of fewer if there are many features."""
    bound = min(most, max(2, MAX_NUMBERS // n_features))
    return np.argsort(-sizes, kind="stable")[:bound]


def heat_map(centers: FloatArray, sizes: DoubleArray, baseline: Baseline) -> HeatMap:
    """Choose the largest clusters, and the features in which these differ most from the mean.

    Clusters name their special features in turn, so that no single one takes all places.
    """
    clusters = np.sort(largest(sizes, centers.shape[1], MAX_CLUSTERS))
    standardized = np.array([baseline.standardized(centers[cluster]) for cluster in clusters])
    strength = np.abs(standardized)
    ranked = np.argsort(-strength, axis=1, kind="stable")[:, :MAX_FEATURES]
    special = np.take_along_axis(strength, ranked, axis=1) >= LEAST_DIFFERENCE
    others = np.argsort(-strength.max(axis=0), kind="stable")
    named = np.concatenate([ranked.T[special.T], others])
    _, first = np.unique(named, return_index=True)
    features = np.sort(named[np.sort(first)[:MAX_FEATURES]])
    return HeatMap(clusters, features, standardized[:, features], centers[np.ix_(clusters, features)].astype(float))


def strongest(center: FloatArray, baseline: Baseline, most: int) -> Iterator[tuple[int, float, float]]:
    """Give the features in which a center differs most from the mean, by `LEAST_DIFFERENCE` at least.

    Parameters
    ----------
    center
        float32 (d,).
    baseline
        All rows.
    most
        How many features to give.

    Yields
    ------
    feature, value, difference
        Its number, the center's value, and the difference in standard deviations.
    """
    standardized = baseline.standardized(center)
    strength = np.abs(standardized)
    candidates = np.argpartition(-strength, min(most, len(strength)) - 1)[:most]
    for feature in candidates[np.lexsort((candidates, -strength[candidates]))]:
        if strength[feature] >= LEAST_DIFFERENCE:
            yield int(feature), float(center[feature]), float(standardized[feature])
