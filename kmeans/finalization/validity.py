"""How well clusters are told apart: indices of validity, for weighted points.

An index compares how close points are to their own cluster with how far they are from the others. The loss alone does
not: it falls with every further cluster. The simplified silhouette compares distances to centers instead of those
between all points (Hruschka, de Castro & Campello 2004, "Evolutionary algorithms for clustering gene-expression data").
"""

import itertools
from collections.abc import Iterator

import numpy as np

from kmeans.assignment.pieces import pieces_of
from kmeans.points import WeightedPoints
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Half the width of the windows in which density is compared, in distances of two centers.
WINDOW = 0.15
# Clusters that each is compared with, the nearest ones.
NEIGHBORS = 2
# A window of fewer points says nothing of density.
MIN_POINTS = 10.0
# Between two clusters there is at most this part of the density at their centers,
VALLEY = 0.5
# and that is no chance: the difference is this many standard errors.
STANDARD_ERRORS = 2.0


def simplified_silhouette(points: WeightedPoints, centers: DoubleArray, labels: LabelArray) -> float:
    """Return the mean over the points of (b - a) / max(a, b): a is the distance to its own center, b to the next.

    It is 1 where clusters are far apart, and 0 where points lie between them. A point that is alone in its cluster
    counts as 0, as in Rousseeuw's silhouette (1987). For a single cluster it is NaN.

    Parameters
    ----------
    points : WeightedPoints
        The points.
    centers : ndarray of float64, shape (k, d)
        The centers.
    labels : ndarray of int64, shape (n,)
        The nearest center of each point.
    """
    if len(centers) < 2:
        return np.nan
    widths: DoubleArray = np.empty(len(points))
    for piece, squares in _squared_distances(points.values, centers):
        own = labels[piece]
        places = np.arange(len(own))
        nearest = np.sqrt(np.maximum(squares[places, own], 0.0))
        squares[places, own] = np.inf
        next_nearest = np.sqrt(np.maximum(squares.min(axis=1), 0.0))
        larger = np.maximum(nearest, next_nearest)
        widths[piece] = np.divide(next_nearest - nearest, larger, out=np.zeros_like(larger), where=larger > 0.0)
    alone = np.bincount(labels, minlength=len(centers)) == 1
    widths[alone[labels]] = 0.0
    return float(np.average(widths, weights=points.weights))


def davies_bouldin(points: WeightedPoints, centers: DoubleArray, labels: LabelArray) -> float:
    """Return the mean over the clusters of how much each is like the one most like it (Davies & Bouldin 1979).

    Two clusters are alike by the sum of their mean distances to their centers, over the distance of these. Clusters
    without points are left out.

    Parameters
    ----------
    points : WeightedPoints
        As for `simplified_silhouette`.
    centers : ndarray of float64, shape (k, d)
        As for `simplified_silhouette`.
    labels : ndarray of int64, shape (n,)
        As for `simplified_silhouette`.

    Returns
    -------
    float
        0 or more, the lower the better; infinite where two centers are the same, NaN for a single cluster.
    """
    if len(centers) < 2:
        return np.nan
    sizes = np.bincount(labels, points.weights, minlength=len(centers))
    to_centers: DoubleArray = np.empty(len(points))
    for piece in pieces_of(*points.shape):
        to_centers[piece] = np.linalg.norm(points.values[piece] - centers[labels[piece]], axis=1)
    filled = sizes > 0.0
    spreads = np.bincount(labels, points.weights * to_centers, minlength=len(centers))[filled] / sizes[filled]
    alike: DoubleArray = np.zeros(len(spreads))
    means = centers[filled]
    for one, (mean, spread) in enumerate(zip(means, spreads, strict=True)):
        apart = np.sqrt(((means - mean) ** 2).sum(axis=1))
        # Centers at one place are not told apart at all, whatever their spread.
        likeness = np.divide(spreads + spread, apart, out=np.full(len(apart), np.inf), where=apart > 0.0)
        likeness[one] = 0.0
        alike[one] = likeness.max()
    return float(alike.mean())


def calinski_harabasz(msd: float, total_msd: float, n_rows: float, k: int) -> float:
    """Return the ratio of the variance between clusters to that within them (Caliński & Harabasz 1974).

    Parameters
    ----------
    msd, total_msd : float
        The mean squared distance of the rows to their centers, and to the mean of all.
    n_rows : float
        The number of rows, or the sum of their weights.
    k : int
        The number of clusters.

    Returns
    -------
    float
        0 or more, the higher the better; infinite where all rows are centers, NaN for a single cluster.
    """
    if k < 2:
        return np.nan
    if not msd > 0.0:
        return np.inf
    return max(0.0, total_msd / msd - 1.0) * max(0, n_rows - k) / (k - 1)


def separated_share(points: WeightedPoints, centers: DoubleArray, labels: LabelArray) -> float:
    """Return the share of the points that are in clusters with a valley of density between them and their neighbors.

    K-means cuts any data into clusters, a single cloud of points too; there, density is highest where it was cut. So
    the points of two neighbors are projected onto the line through their centers, and counted in three windows: around
    either center and midway. That is the question of dip-means (Kalogeratos & Likas 2012), whether distances have more
    than one mode, asked of two clusters. One that is too small for its density to be known is not taken for separated.

    Parameters
    ----------
    points : WeightedPoints
        As for `simplified_silhouette`.
    centers : ndarray of float64, shape (k, d)
        As for `simplified_silhouette`.
    labels : ndarray of int64, shape (n,)
        As for `simplified_silhouette`.
    """
    sizes = np.bincount(labels, points.weights, minlength=len(centers))
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(len(centers) + 1))
    members = [order[start:end] for start, end in itertools.pairwise(starts.tolist())]
    valleys: DoubleArray = np.zeros(len(centers))
    bridged = np.zeros(len(centers), bool)
    for one, other in sorted(_neighbors(centers)):
        both = np.concatenate([members[one], members[other]])
        way = centers[other] - centers[one]
        length = float(way @ way)
        if not length > 0.0 or not len(both):
            bridged[[one, other]] = True
            continue
        valley = _has_valley((points.values[both] - centers[one]) @ (way / length), points.weights[both])
        if valley is not None:
            valleys[[one, other]] += valley
            bridged[[one, other]] |= not valley
    separated = (valleys > 0.0) & ~bridged
    return float(sizes[separated].sum() / sizes.sum())


def _neighbors(centers: DoubleArray) -> set[tuple[int, int]]:
    """Return the pairs of centers of which one is among the nearest of the other."""
    pairs: set[tuple[int, int]] = set()
    for one in range(len(centers)):
        squares = ((centers - centers[one]) ** 2).sum(axis=1)
        squares[one] = np.inf
        nearest = np.argsort(squares, kind="stable")[: min(NEIGHBORS, len(centers) - 1)].tolist()
        pairs |= {(min(one, other), max(one, other)) for other in nearest}
    return pairs


def _has_valley(places: DoubleArray, weights: DoubleArray) -> bool | None:
    """Return whether points are fewer around 1/2 than around both 0 and 1; None where too few say so."""
    sums, squares = [], []
    for window in (0.5, 0.0, 1.0):
        within = weights[np.abs(places - window) < WINDOW]
        sums.append(float(within.sum()))
        squares.append(float(within @ within))
    # With unequal weights, fewer points would say as much (Kish 1965).
    if any(total**2 < MIN_POINTS * square or not square for total, square in zip(sums[1:], squares[1:], strict=True)):
        return None
    lower = 1 if sums[1] < sums[2] else 2
    error = float(np.sqrt(squares[0] + squares[lower]))
    return sums[0] < VALLEY * sums[lower] and sums[lower] - sums[0] > STANDARD_ERRORS * error


def _squared_distances(points: FloatArray, centers: DoubleArray) -> Iterator[tuple[slice, DoubleArray]]:
    """Yield pieces of the points, and their squared distances to all centers, float64 (m, k), up to a rounding."""
    # Around the mean of the centers less is lost in the product.
    middle = centers.mean(axis=0)
    moved = centers - middle
    offsets = np.einsum("kd,kd->k", moved, moved)
    for piece in pieces_of(len(points), max(points.shape[1], len(centers))):
        rows = points[piece] - middle
        squares = rows @ (-2.0 * moved.T)
        squares += np.einsum("nd,nd->n", rows, rows)[:, None]
        squares += offsets
        yield piece, squares
