"""The obvious numpy form of each kernel."""

import numpy as np

from kmeans.kernels.far_rows import DISTANCE, EXTRA, LABEL, MAX_CENTERS, MIN_SHARE, WEIGHT
from kmeans.types import BoolArray, DoubleArray, FloatArray, LabelArray


def nearest(rows: FloatArray | DoubleArray, centers: DoubleArray) -> tuple[LabelArray, DoubleArray]:
    differences = rows[:, None, :].astype(np.float64) - centers[None, :, :]
    squared = (differences**2).sum(axis=2)
    labels = squared.argmin(axis=1)
    return labels, squared[np.arange(len(rows)), labels]


def add_rows(
    rows: DoubleArray, labels: LabelArray, weights: DoubleArray, n_centers: int
) -> tuple[DoubleArray, DoubleArray]:
    sums = np.zeros((n_centers, rows.shape[1]))
    counts = np.zeros(n_centers)
    for row, label, weight in zip(rows, labels, weights, strict=True):
        sums[label] += weight * row
        counts[label] += weight
    return sums, counts


def spreads(rows: FloatArray, labels: LabelArray, weights: DoubleArray, centers: DoubleArray) -> DoubleArray:
    squared = ((rows.astype(np.float64) - centers[labels]) ** 2).sum(axis=1)
    spreads = np.zeros(len(centers))
    np.add.at(spreads, labels, weights * squared)
    return spreads


def lower_distances(points: DoubleArray, center: DoubleArray, squared_distances: DoubleArray) -> DoubleArray:
    own: DoubleArray = ((points - center) ** 2).sum(axis=1)
    return np.minimum(squared_distances, own)


def stream(batches: list[FloatArray], centers: DoubleArray, half_life: int) -> tuple[DoubleArray, DoubleArray]:
    """Take every batch row by row: all earlier weight decays by one point's share before a row is added."""
    centers = centers.copy()
    weights = np.zeros(len(centers))
    decay = 2 ** (-1 / half_life) if half_life else 1.0
    for batch in batches:
        labels, _ = nearest(batch, centers)
        sums = centers * weights[:, None]
        for row, label in zip(batch.astype(np.float64), labels, strict=True):
            sums *= decay
            weights *= decay
            sums[label] += row
            weights[label] += 1.0
        filled = weights > 0
        centers[filled] = sums[filled] / weights[filled][:, None]
    return centers, weights


def merger_costs(centers: DoubleArray, sizes: DoubleArray) -> DoubleArray:
    """Return what all mergers of two centers cost (Ward 1963), float64 (k, k)."""
    both = sizes[:, None] + sizes
    shares = np.divide(sizes[:, None] * sizes, both, out=np.zeros_like(both), where=both > 0.0)
    costs: DoubleArray = shares * ((centers[:, None] - centers) ** 2).sum(axis=2)
    np.fill_diagonal(costs, np.inf)
    return costs


def split(
    points: DoubleArray, weights: DoubleArray, seed: DoubleArray, iterations: int, tolerance: float
) -> tuple[float, DoubleArray]:
    """Run Lloyd's iteration with two centers, from the mean and a seed; return by how much the loss fell, and them."""

    def loss(some: BoolArray, center: DoubleArray) -> float:
        return float(weights[some] @ ((points[some] - center) ** 2).sum(axis=1))

    everything = np.ones(len(points), np.bool_)
    mean = np.average(points, axis=0, weights=weights)
    centers, best, gain = np.array([mean, seed]), np.array([mean, mean]), 0.0
    for _ in range(iterations):
        second = nearest(points, centers)[0] == 1
        if not (weights[second].sum() > 0.0 and weights[~second].sum() > 0.0):
            break
        centers = np.array([np.average(points[some], axis=0, weights=weights[some]) for some in (~second, second)])
        fall = loss(everything, mean) - loss(~second, centers[0]) - loss(second, centers[1])
        if not fall > gain * (1.0 + tolerance):
            break
        gain, best = fall, centers
    return gain, best


def cheapest_merger(
    centers: DoubleArray, weights: DoubleArray, barred: BoolArray, candidates: LabelArray
) -> tuple[int, int, float]:
    both = weights[candidates, None] + weights
    shares = np.divide(weights[candidates, None] * weights, both, out=np.zeros_like(both), where=both > 0.0)
    costs = shares * ((centers[candidates, None] - centers) ** 2).sum(axis=2)
    costs[:, barred] = np.inf
    costs[np.arange(len(candidates)), candidates] = np.inf
    if not costs.size or costs.min() == np.inf:
        return -1, -1, np.inf
    candidate, target = divmod(int(costs.argmin()), len(centers))
    return int(candidates[candidate]), target, float(costs.min())


def farthest_rows(squared_distances: DoubleArray, count: int) -> list[int]:
    """Return the positions of the largest numbers above 0, in descending order; of equal ones, the earlier first."""
    order = sorted(range(len(squared_distances)), key=lambda i: (-squared_distances[i], i))
    return [i for i in order[:count] if squared_distances[i] > 0.0]


def reassign(
    table: DoubleArray, outlier_distance: float, centers: DoubleArray, weights: DoubleArray, spreads: DoubleArray
) -> list[tuple[int, int, int]]:
    """Reassign centers to rows of a table if that pays; return which to which row, and what they are merged into."""
    done: list[tuple[int, int, int]] = []
    new_label = np.arange(len(centers))
    barred = np.zeros(len(centers), np.bool_)
    for number, entry in enumerate(table):
        row, label, weight = entry[:-EXTRA], int(entry[LABEL]), entry[WEIGHT]
        own = new_label[label]
        outside = entry[DISTANCE] > outlier_distance
        rest, whole = (weights[own], weights[own] + weight) if outside else (weights[own] - weight, weights[own])
        gain = 0.0
        if rest > MIN_SHARE * weight > 0.0:
            gain = weight * (rest / whole if outside else whole / rest) * ((row - centers[own]) ** 2).sum()
        lightest = [j for j in np.argsort(weights, kind="stable") if not barred[j]][:MAX_CENTERS]
        center, target, cost = cheapest_merger(centers, weights, barred, np.array(lightest, np.int64))
        if not gain > cost:
            if outside and weight > 0.0:
                spreads[own] += weight * rest / whole * ((row - centers[own]) ** 2).sum()
                centers[own] += weight / whole * (row - centers[own])
                weights[own] = whole
            continue
        if not outside:
            spreads[own] = max(0.0, spreads[own] - gain)
            centers[own] += weight / rest * (centers[own] - row)
            weights[own] = rest
        both = weights[center] + weights[target]
        if both > 0.0:
            between = weights[center] * weights[target] / both * ((centers[center] - centers[target]) ** 2).sum()
            spreads[target] += spreads[center] + between
            centers[target] += weights[center] / both * (centers[center] - centers[target])
        weights[target] = both
        centers[center], weights[center], spreads[center] = row, weight, 0.0
        new_label[new_label == center] = target
        barred[center] = True
        done.append((number, center, target))
    return done


def agglomerate(centers: DoubleArray, weights: DoubleArray, k: int) -> DoubleArray:
    """Merge the pair that costs least, again and again, until k are left."""
    means, sizes = list(centers), list(weights)
    while len(means) > k:
        costs = {
            (a, b): sizes[a] * sizes[b] / (sizes[a] + sizes[b]) * ((means[a] - means[b]) ** 2).sum()
            for b in range(len(means))
            for a in range(b)
        }
        a, b = min(costs, key=costs.__getitem__)
        means[a] = (sizes[a] * means[a] + sizes[b] * means[b]) / (sizes[a] + sizes[b])
        sizes[a] += sizes[b]
        del means[b], sizes[b]
    return np.array(means)


def splitmix64(key: int, number: int) -> float:
    """Return the draw of a row: that of SplitMix64 `number` steps from `key`, its upper 52 bits as a part of 1."""
    bits = (key + number * 0x9E3779B97F4A7C15) % 2**64
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB % 2**64
    return ((bits ^ bits >> 31) // 2**12 + 0.5) / 2**52
