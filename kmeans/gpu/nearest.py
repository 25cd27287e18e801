"""The kernels that find the nearest center of each row.

They decide as the CPU does, see `kmeans.kernels.nearest`: scores ||c||^2 / 2 - xc are summed in float32, of rows and
centers relative to the shift; where the rounding of scores leaves a doubt, distances are compared in float64; and the
distance of the winner is always computed in float64. Of equally near centers the first is taken.

No n x K numbers are ever written (as in Flash-KMeans, 2026): `least_scores` keeps the least score of each row, and the
second least, in registers while tiles of centers pass by. Where rows are too few to occupy the GPU, the centers too are
divided among blocks. `decide` combines their results, and lists the rows in doubt. `compare` computes the scores of
these rows again, and compares in float64 the centers that may be the nearest.
"""

import math
from typing import Any

import numpy as np
from numba import float32, float64, int32

from kmeans.gpu.jit import cuda, kernel
from kmeans.gpu.shapes import ALIGNMENT, EACH, FEATURES, LANES, RUN, SIDE, STRIDE, TEAMS, THREADS, TILE
from kmeans.kernels.nearest import FLOAT32_TINY
from kmeans.kernels.prepared import FLOAT32_ROUNDING
from kmeans.types import LARGEST

Array = Any

INFINITY = np.float32(np.inf)
# Loads of one thread for a tile.
LOADS = TILE * FEATURES // (SIDE * SIDE)
# Operations besides the sum of products: roundings of row, center, norm, and of the score itself.
OTHER_OPERATIONS = 16
# Beyond it, what a score is made of may have left the range of float32.
MAX_SIZE = float(LARGEST) / 4.0


def rounding_of(n_features: int) -> float:
    """Return the error of a score in parts of ||x|| ||c|| + ||c||^2 / 2; products are added one after the other."""
    operations = FLOAT32_ROUNDING * (n_features + OTHER_OPERATIONS)
    return operations / (1.0 - operations) if operations < 0.5 else math.inf


def tiny_of(n_features: int) -> float:
    """Return the absolute error of a score, from numbers too small for float32."""
    return 2.0 * FLOAT32_TINY * (n_features + OTHER_OPERATIONS)


@kernel("void(float64[:, ::1], float32[::1], float32[:, ::1], float32[::1], float32[::1])")
def lay_out(
    centers: Array,  # IN (K, d)
    shift: Array,  # IN (d,)
    points: Array,  # OUT (d, K), both padded: the centers relative to the shift, feature by feature
    offsets: Array,  # OUT (K,), padded: half the squared norms of these; infinite for the padding
    norms: Array,  # OUT (K,), padded: their norms; 0 for the padding
) -> None:
    """Write centers as the other kernels take them: a thread for each."""
    n_centers, n_features = centers.shape
    j = cuda.grid(1)
    if j >= offsets.shape[0]:
        return
    squared_norm = float64(0.0)
    for f in range(points.shape[0]):
        value = float64(0.0)
        if j < n_centers and f < n_features:
            value = centers[j, f] - float64(shift[f])
        squared_norm += value * value
        points[f, j] = float32(value)
    offsets[j] = float32(0.5 * squared_norm) if j < n_centers else INFINITY
    norms[j] = float32(math.sqrt(squared_norm))


@kernel("void(float32[::1], float32[::1])")
def find_largest(
    values: Array,  # IN
    largest: Array,  # OUT (1,)
) -> None:
    """Find the largest of some numbers, none of them negative, in a single block."""
    shared = cuda.shared.array(THREADS, float32)
    t = cuda.threadIdx.x
    own = float32(0.0)
    for i in range(t, values.shape[0], THREADS):
        own = max(own, values[i])
    shared[t] = own
    cuda.syncthreads()
    if t == 0:
        for i in range(1, THREADS):
            own = max(own, shared[i])
        largest[0] = own


@kernel(
    "void(float32[:, ::1], int64, float32[::1], float32[:, ::1], float32[::1],"
    " float32[:, ::1], float32[:, ::1], int32[:, ::1])",
    blocks=2,
    threads=SIDE * SIDE,
)
def least_scores(
    rows: Array,  # IN (>= n, d)
    n_rows: int,  # IN
    shift: Array,  # IN (d,)
    points: Array,  # IN (d, K), padded
    offsets: Array,  # IN (K,), padded
    least: Array,  # OUT (shares, >= n): the least score of each row, and
    second: Array,  # OUT (shares, >= n): the second least, among each share of the centers
    labels: Array,  # OUT (shares, >= n): the center with the least
) -> None:
    """Find the least scores of a tile of rows among a share of the tiles of centers."""
    row_tile = cuda.shared.array((FEATURES, STRIDE), float32, ALIGNMENT)
    center_tile = cuda.shared.array((FEATURES, STRIDE), float32, ALIGNMENT)
    products = cuda.local.array((EACH, EACH), float32)
    x = cuda.local.array(EACH, float32)
    c = cuda.local.array(EACH, float32)
    own_least = cuda.local.array(EACH, float32)
    own_second = cuda.local.array(EACH, float32)
    own_labels = cuda.local.array(EACH, int32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    t = ty * SIDE + tx
    n_features = rows.shape[1]
    first_row = cuda.blockIdx.x * TILE
    n_tiles, shares, share = offsets.shape[0] // TILE, cuda.gridDim.y, cuda.blockIdx.y
    for i in range(EACH):
        own_least[i] = INFINITY
        own_second[i] = INFINITY
        own_labels[i] = 0

    for tile in range(n_tiles * share // shares, n_tiles * (share + 1) // shares):
        first_center = tile * TILE
        for i in range(EACH):
            for j in range(EACH):
                products[i, j] = float32(0.0)
        for first_feature in range(0, points.shape[0], FEATURES):
            # Consecutive threads read consecutive features of a row, and consecutive centers.
            for load in range(LOADS):
                row, f = (t * LOADS + load) // FEATURES, (t * LOADS + load) % FEATURES
                value = float32(0.0)
                if first_row + row < n_rows and first_feature + f < n_features:
                    value = rows[first_row + row, first_feature + f] - shift[first_feature + f]
                row_tile[f, row] = value
            for load in range(LOADS):
                f, center = (load * SIDE * SIDE + t) // TILE, (load * SIDE * SIDE + t) % TILE
                center_tile[f, center] = points[first_feature + f, first_center + center]
            cuda.syncthreads()
            for f in range(FEATURES):
                for i in range(EACH):
                    x[i] = row_tile[f, i // RUN * RUN * SIDE + ty * RUN + i % RUN]
                    c[i] = center_tile[f, i // RUN * RUN * SIDE + tx * RUN + i % RUN]
                for i in range(EACH):
                    for j in range(EACH):
                        products[i, j] += x[i] * c[j]
            cuda.syncthreads()
        for j in range(EACH):
            center = first_center + j // RUN * RUN * SIDE + tx * RUN + j % RUN
            offset = offsets[center]
            for i in range(EACH):
                score = offset - products[i, j]
                if score < own_least[i]:
                    own_second[i] = own_least[i]
                    own_least[i] = score
                    own_labels[i] = center
                elif score < own_second[i]:
                    own_second[i] = score

    # The threads that hold the same rows put their scores together, one run of rows after the other.
    all_least = cuda.shared.array((SIDE, SIDE), float32)
    all_second = cuda.shared.array((SIDE, SIDE), float32)
    all_labels = cuda.shared.array((SIDE, SIDE), int32)
    for i in range(EACH):
        all_least[ty, tx] = own_least[i]
        all_second[ty, tx] = own_second[i]
        all_labels[ty, tx] = own_labels[i]
        cuda.syncthreads()
        row = first_row + i // RUN * RUN * SIDE + ty * RUN + i % RUN
        if tx == 0 and row < n_rows:
            best, next_best, label = all_least[ty, 0], all_second[ty, 0], all_labels[ty, 0]
            for other in range(1, SIDE):
                score = all_least[ty, other]
                if score < best:
                    next_best = min(best, all_second[ty, other])
                    best, label = score, all_labels[ty, other]
                else:
                    next_best = min(next_best, score)
            least[share, row] = best
            second[share, row] = next_best
            labels[share, row] = label
        cuda.syncthreads()


@kernel(
    "void(float32[:, ::1], int64, float32[::1], float64[:, ::1], float32[::1], float32[::1], float64, float64,"
    " float32[:, ::1], float32[:, ::1], int32[:, ::1], int64, float64[::1], int32[::1], int32[::1])"
)
def decide(
    rows: Array,  # IN (>= n, d)
    n_rows: int,  # IN
    shift: Array,  # IN (d,)
    centers: Array,  # IN (K, d)
    norms: Array,  # IN (K,), padded
    largest_norm: Array,  # IN (1,)
    rounding: float,  # IN: the relative and
    tiny: float,  # IN: the absolute error of a score
    least: Array,  # INOUT (shares, >= n): of all shares, in the first place
    second: Array,  # INOUT (shares, >= n): the errors of the scores, in the first place
    labels: Array,  # INOUT (shares, >= n): of all shares, in the first place
    shares: int,  # IN
    squared_distances: Array,  # OUT (>= n,)
    doubtful: Array,  # OUT (>= n,): the numbers of the rows in doubt, in any order
    n_doubtful: Array,  # INOUT (1,)
) -> None:
    """Choose the winner among the shares and compute its distance, LANES threads for each row."""
    sums = cuda.shared.array((TEAMS, LANES), float64)
    squares = cuda.shared.array((TEAMS, LANES), float64)
    lane, team = cuda.threadIdx.x, cuda.threadIdx.y
    row = cuda.blockIdx.x * TEAMS + team
    best, next_best, label = INFINITY, INFINITY, int32(0)
    if row < n_rows:
        best, next_best, label = least[0, row], second[0, row], labels[0, row]
        for share in range(1, shares):
            score = least[share, row]
            if score < best:
                next_best = min(best, second[share, row])
                best, label = score, labels[share, row]
            else:
                next_best = min(next_best, score)
        total, square = float64(0.0), float64(0.0)
        for f in range(lane, rows.shape[1], LANES):
            value = float64(rows[row, f])
            total += (value - centers[label, f]) ** 2
            square += (value - float64(shift[f])) ** 2
        sums[team, lane] = total
        squares[team, lane] = square
    cuda.syncthreads()
    if lane == 0 and row < n_rows:
        distance, square = float64(0.0), float64(0.0)
        for i in range(LANES):
            distance += sums[team, i]
            square += squares[team, i]
        squared_distances[row] = distance
        # By how much rounding may have moved the least score and that of a nearer center away from each other; `other`
        # is the most that ||c|| of a nearer center can be.
        norm, row_norm = float64(norms[label]), math.sqrt(square)
        other = min(row_norm + math.sqrt(distance), float64(largest_norm[0]))
        size = row_norm * (norm + other) + 0.5 * (norm * norm + other * other)
        error = float32(rounding * size + tiny) if size < MAX_SIZE else INFINITY
        least[0, row] = best
        second[0, row] = error
        labels[0, row] = label
        # NaN and infinity decide nothing.
        if not next_best - best > error:
            doubtful[cuda.atomic.add(n_doubtful, 0, 1)] = row


@kernel(
    "void(float32[:, ::1], float32[::1], float32[:, ::1], float32[::1], float64[:, ::1],"
    " float32[:, ::1], float32[:, ::1], int32[::1], int32[::1], int32[:, ::1], float64[::1])"
)
def compare(
    rows: Array,  # IN (>= n, d)
    shift: Array,  # IN (d,)
    points: Array,  # IN (d, K), padded
    offsets: Array,  # IN (K,), padded
    centers: Array,  # IN (K, d)
    least: Array,  # IN (shares, >= n): the least score of each row, in the first place
    second: Array,  # IN (shares, >= n): by how much that of a nearer center may exceed it, in the first place
    doubtful: Array,  # IN (>= n,): the rows to compare
    n_doubtful: Array,  # IN (1,)
    labels: Array,  # INOUT (shares, >= n): changed in the first place
    squared_distances: Array,  # INOUT (>= n,)
) -> None:
    """Find the nearest centers of the rows in doubt in float64: a block for each row, a thread for each center."""
    all_best = cuda.shared.array(THREADS, float64)
    all_nearest = cuda.shared.array(THREADS, int32)
    t = cuda.threadIdx.x
    n_centers, n_features = centers.shape
    for place in range(cuda.blockIdx.x, n_doubtful[0], cuda.gridDim.x):
        row = doubtful[place]
        best, nearest = float64(np.inf), int32(0)
        for j in range(t, n_centers, THREADS):
            product = float32(0.0)
            for f in range(n_features):
                product += (rows[row, f] - shift[f]) * points[f, j]
            if not offsets[j] - product - least[0, row] > second[0, row]:
                distance = float64(0.0)
                for f in range(n_features):
                    difference = float64(rows[row, f]) - centers[j, f]
                    distance += difference * difference
                if distance < best:
                    best, nearest = distance, int32(j)
        all_best[t], all_nearest[t] = best, nearest
        cuda.syncthreads()
        half = THREADS // 2
        while half > 0:
            if t < half:
                other, label = all_best[t + half], all_nearest[t + half]
                if other < all_best[t] or (other == all_best[t] and label < all_nearest[t]):
                    all_best[t], all_nearest[t] = other, label
            cuda.syncthreads()
            half //= 2
        if t == 0:
            labels[0, row] = all_nearest[0]
            squared_distances[row] = all_best[0]
        cuda.syncthreads()
