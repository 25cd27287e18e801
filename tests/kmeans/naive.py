"""The obvious numpy form of each kernel."""

import numpy as np

from kmeans.types import BoolArray, DoubleArray, FloatArray, LabelArray


def nearest(rows: FloatArray, centers: DoubleArray) -> tuple[LabelArray, DoubleArray]:
    return nearest_of(rows.astype(np.float64), centers)


def nearest_of(rows: DoubleArray, centers: DoubleArray) -> tuple[LabelArray, DoubleArray]:
    differences = rows[:, None, :] - centers[None, :, :]
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


def cheapest_merger(
    centers: DoubleArray, weights: DoubleArray, barred: BoolArray, candidates: LabelArray
) -> tuple[int, int, float]:
    costs = np.full((len(candidates), len(centers)), np.inf)
    for i, center in enumerate(candidates):
        both = weights[center] + weights
        shares = np.divide(weights[center] * weights, both, out=np.zeros_like(weights), where=both > 0.0)
        costs[i] = shares * ((centers - centers[center]) ** 2).sum(axis=1)
        costs[i, barred] = np.inf
        costs[i, center] = np.inf
    least = costs.argmin() if costs.size else 0
    if not costs.size or costs.flat[least] == np.inf:
        return -1, -1, np.inf
    center, target = divmod(int(least), len(centers))
    return int(candidates[center]), target, float(costs.flat[least])
