"""What mergers of clusters cost, and clusters split in two; see `kmeans.finalization.split_merge`."""

import numpy as np

from kmeans.kernels.distances import squared_difference
from kmeans.kernels.jit import kernel
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Lloyd's iterations within a cluster that is split.
SPLIT_ITERATIONS = 10
# A split ends with an iteration that raises its gain by no more than this part.
SPLIT_TOLERANCE = 1e-4


@kernel("void(float64[:, ::1], float64[::1], float64[::1], int64[::1])")
def merger_costs(
    centers: DoubleArray,  # IN (k, d)
    sizes: DoubleArray,  # IN (k,)
    costs: DoubleArray,  # OUT (k,)
    partners: LabelArray,  # OUT (k,): -1 where there is no other
) -> None:
    """Find for each cluster the one that it is merged with at the least cost, and by how much the loss grows then."""
    n_centers, n_features = centers.shape
    for i in range(n_centers):
        costs[i] = np.inf
        partners[i] = -1
    for i in range(n_centers):
        for j in range(i):
            distance = squared_difference(centers[i], centers[j], n_features)
            both = sizes[i] + sizes[j]
            cost = sizes[i] * (sizes[j] / both) * distance if both > 0.0 else 0.0
            if cost < costs[i]:
                costs[i] = cost
                partners[i] = j
            if cost < costs[j]:
                costs[j] = cost
                partners[j] = i


@kernel(
    "void(float32[:, ::1], float64[::1], float64[::1], int64[::1], int64[::1], float64[::1], int64[::1], float64[::1],"
    " float64[:, :, ::1])"
)
def split_clusters(
    points: FloatArray,  # IN (n, d)
    weights: DoubleArray,  # IN (n,)
    squared_distances: DoubleArray,  # IN (n,): to the centers of the clusters
    order: LabelArray,  # IN (n,): numbers of the points, cluster by cluster
    starts: LabelArray,  # IN (k + 1,): where clusters begin in `order`
    draws: DoubleArray,  # IN (k,), uniform in [0, 1): each chooses a point, by its loss
    clusters: LabelArray,  # IN (m,): the clusters to split
    gains: DoubleArray,  # INOUT (k,): by how much the loss falls; 0 where a cluster can't be split
    halves: DoubleArray,  # OUT (k, 2, d): the two centers, where a cluster can be split
) -> None:
    """Split clusters, each on its own, by Lloyd's iteration with two centers: its mean and a point of it at first."""
    n_features = points.shape[1]
    # Coordinates are relative to a point of the cluster, so that a value that all points share, even one as large as a
    # fill value, leaves no rounding. It is not the seed, which may be far from all others.
    origin, direction = np.empty(n_features), np.empty(n_features)
    means, sums, sizes = np.empty((2, n_features)), np.empty((2, n_features)), np.empty(2)
    for cluster in clusters:
        gains[cluster] = 0.0
        members = order[starts[cluster] : starts[cluster + 1]]
        # A sum for each cluster, since a huge loss in a common sum would take all digits of the clusters after it.
        left = 0.0
        for i in members:
            left += weights[i] * squared_distances[i]
        if not left > 0.0:
            continue
        left *= draws[cluster]
        seed = members[0]
        for i in members:
            loss = weights[i] * squared_distances[i]
            if loss > 0.0:
                seed = i
                left -= loss
                if left < 0.0:
                    break
        size = 0.0
        sums[:] = 0.0
        usual = members[0] if members[0] != seed else members[-1]
        for f in range(n_features):
            origin[f] = points[usual, f]
        for i in members:
            size += weights[i]
            for f in range(n_features):
                sums[0, f] += weights[i] * (points[i, f] - origin[f])
        for f in range(n_features):
            means[0, f] = sums[0, f] / size
            means[1, f] = points[seed, f] - origin[f]
        for _ in range(SPLIT_ITERATIONS):
            # Points beyond the plane in the middle belong to the second center.
            middle = 0.0
            for f in range(n_features):
                direction[f] = means[1, f] - means[0, f]
                middle += direction[f] * 0.5 * (means[0, f] + means[1, f])
            sums[:], sizes[:] = 0.0, 0.0
            for i in members:
                place = 0.0
                for f in range(n_features):
                    place += (points[i, f] - origin[f]) * direction[f]
                half = 1 if place > middle else 0
                sizes[half] += weights[i]
                for f in range(n_features):
                    sums[half, f] += weights[i] * (points[i, f] - origin[f])
            lighter, heavier = min(sizes[0], sizes[1]), max(sizes[0], sizes[1])
            if not lighter > 0.0:
                break
            gain = 0.0
            for f in range(n_features):
                for half in range(2):
                    means[half, f] = sums[half, f] / sizes[half]
                difference = means[1, f] - means[0, f]
                gain += difference * difference
            # The loss falls by as much as a merger of both would cost.
            gain *= lighter * (heavier / (lighter + heavier))
            if not gain > gains[cluster] * (1.0 + SPLIT_TOLERANCE):
                break
            gains[cluster] = gain
            for half in range(2):
                for f in range(n_features):
                    halves[cluster, half, f] = origin[f] + means[half, f]
