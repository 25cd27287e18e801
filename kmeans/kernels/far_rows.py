"""Rows of a step that are far from their centers, made into centers; see `kmeans.stream.reassignment`."""

import numpy as np

from kmeans.kernels.distances import squared_difference
from kmeans.kernels.jit import kernel
from kmeans.types import BoolArray, DoubleArray, FloatArray, LabelArray

# The columns of a table of far rows after the features.
DISTANCE, LABEL, HOST, POSITION, WEIGHT = range(-5, 0)
EXTRA = 5

# A row is the center if the rest of the center's weight is less than this share of the row's own.
MIN_SHARE = 1e-6
# Weight below this counts as none: in a mean it is lost to underflow, and its reciprocal may be infinite.
MIN_WEIGHT = 1e-280
# Centers that may be reassigned: those of least weight, whose mergers cost least.
MAX_CENTERS = 16
# From this many features on, those of one center fill vectors.
WIDE = 32
# Features to add up before looking whether a merger costs too much already, and more than the sums may be rounded by.
CHUNK, ROUNDING = 96, 1e-9
# Centers that a candidate is compared with at a time.
TILE = 64


@kernel("void(float32[:, ::1], int64[::1], float64[::1], float64[::1], int64, int64, float64[:, ::1])")
def offer_rows(
    block: FloatArray,  # IN (n, d)
    labels: LabelArray,  # IN (n,)
    squared_distances: DoubleArray,  # IN (n,)
    weights: DoubleArray,  # IN (n,)
    first_position: int,  # IN
    host: int,  # IN
    table: DoubleArray,  # INOUT (rows, d + EXTRA), the farthest row first
) -> None:
    """Insert far rows of a block into a table of the farthest rows; of equally far ones the earlier stay first."""
    n_features = block.shape[1]
    # For each place of the table the row of the block that takes it, or -1, and the entry that moves to it: entries
    # are moved only once, at the end.
    rows = np.full(len(table), -1, np.int64)
    olds = np.arange(len(table))
    distances = table[:, DISTANCE].copy()
    last = len(table) - 1
    for i in range(len(block)):
        distance = squared_distances[i]
        if not distance > distances[last]:
            continue
        place = last
        while place > 0 and distance > distances[place - 1]:
            distances[place], rows[place], olds[place] = distances[place - 1], rows[place - 1], olds[place - 1]
            place -= 1
        distances[place], rows[place], olds[place] = distance, i, -1
    for place in range(last, -1, -1):
        i = rows[place]
        if i < 0:
            table[place] = table[olds[place]]
        else:
            for f in range(n_features):
                table[place, f] = np.float64(block[i, f])
            table[place, DISTANCE] = squared_distances[i]
            table[place, LABEL] = labels[i]
            table[place, HOST] = host
            table[place, POSITION] = first_position + i
            table[place, WEIGHT] = weights[i]


@kernel("int64[::1](float64[::1], boolean[::1])")
def lightest(weights: DoubleArray, barred: BoolArray) -> LabelArray:
    """Return the centers that may be reassigned: the lightest first, of equal ones the earlier."""
    found = np.empty(min(MAX_CENTERS, len(weights)), np.int64)
    n_found = 0
    for j in range(len(weights)):
        if barred[j] or (n_found == len(found) and not weights[j] < weights[found[n_found - 1]]):
            continue
        place = n_found if n_found < len(found) else n_found - 1
        n_found = place + 1
        while place > 0 and weights[j] < weights[found[place - 1]]:
            found[place] = found[place - 1]
            place -= 1
        found[place] = j
    return found[:n_found]


@kernel("boolean(float64[::1], float64[::1], float64)")
def _exceeds(a: DoubleArray, b: DoubleArray, limit: float) -> bool:
    """Return whether a part of the features shows that the squared distance of two centers exceeds a limit."""
    limit *= 1.0 + ROUNDING
    squared_distance = 0.0
    for begin in range(0, len(a) - CHUNK, CHUNK):
        squared_distance += squared_difference(a[begin:], b[begin:], CHUNK)
        if squared_distance > limit:
            return True
    return False


@kernel(
    "Tuple((int64, int64, float64))(float64[:, ::1], float64[::1], boolean[::1], int64[::1], float64, int64, int64)",
    strict=True,
)
def cheapest_merger(
    centers: DoubleArray,  # IN (K, d)
    weights: DoubleArray,  # IN (K,)
    barred: BoolArray,  # IN (K,)
    candidates: LabelArray,  # IN (m,), none of them barred
    limit: float,  # IN
    first: int,  # IN: the first of the other centers to look at
    last: int,  # IN: the one after the last
) -> tuple[np.int64, np.int64, float]:
    """Find the cheapest merger of a candidate with another center, if one costs less than a limit.

    Returns
    -------
    center : int
        The candidate; -1 if no merger costs less.
    target : int
        The other center.
    cost : float
        By how much the loss grows.
    """
    n_features = centers.shape[1]
    if n_features >= WIDE:
        best, best_target, best_cost = np.int64(-1), np.int64(-1), limit
        for target in range(first, last):
            if barred[target]:
                continue
            other, weight = centers[target], weights[target]
            for place in range(len(candidates)):
                center = candidates[place]
                if target == center:
                    continue
                both, product, cost = weights[center] + weight, weights[center] * weight, 0.0
                # Without weight a merger costs nothing.
                if product > 0.0:
                    if _exceeds(centers[center], other, best_cost * (both / product)):
                        continue
                    cost = product * squared_difference(centers[center], other, n_features) / both
                if cost < best_cost or (cost == best_cost and place < best):
                    best, best_target, best_cost = np.int64(place), np.int64(target), cost
        return (candidates[best] if best >= 0 else best), best_target, best_cost
    # Feature by feature, so that one instruction serves several centers.
    columns, distances = np.zeros((n_features, TILE)), np.empty(TILE)
    best, best_target, best_cost = np.int64(-1), np.int64(-1), limit
    for begin in range(first, last, TILE):
        n = min(TILE, last - begin)
        for j in range(n):
            for f in range(n_features):
                columns[f, j] = centers[begin + j, f]
        for place in range(len(candidates)):
            center = candidates[place]
            distances[:] = 0.0
            for f in range(n_features):
                value = centers[center, f]
                for j in range(TILE):
                    difference = columns[f, j] - value
                    distances[j] += difference * difference
            for j in range(n):
                target = begin + j
                if barred[target] or target == center:
                    continue
                both = weights[center] + weights[target]
                cost = weights[center] * weights[target] * distances[j] / both if both > 0.0 else 0.0
                # Of equally cheap mergers the one of the first candidate, with the first target.
                if cost < best_cost or (cost == best_cost and place < best):
                    best, best_target, best_cost = np.int64(place), np.int64(target), cost
    return (candidates[best] if best >= 0 else best), best_target, best_cost


@kernel("float64(float64, float64, boolean)", strict=True)
def _gain_factor(weight: float, own_weight: float, outside: bool) -> float:
    """Return by how much the loss falls if a row leaves its center, as a multiple of their squared distance.

    `own_weight` is that of the center, which includes the row unless that is `outside`.
    """
    rest = own_weight if outside else own_weight - weight
    # A row that is nearly all of its center can gain nothing.
    if not (weight > MIN_WEIGHT and rest > MIN_SHARE * weight):
        return 0.0
    whole = rest + weight
    return float(weight * (rest / whole if outside else whole / rest))


@kernel("float64(float64[:, ::1], float64, float64[:, ::1], float64[:, ::1], float64[::1])")
def most_gain(
    facts: DoubleArray,  # IN (rows, EXTRA): what a table says of far rows, apart from their features
    outlier_distance: float,  # IN: rows beyond it are in no center yet
    before: DoubleArray,  # IN (rows, d): the center of each row when its distance was measured
    centers: DoubleArray,  # IN (K, d): as they are now
    weights: DoubleArray,  # IN (K,)
) -> float:
    """Return a limit of what any of these rows can gain by becoming a center; 0 if there is nothing to gain."""
    gain = 0.0
    for i in range(len(facts)):
        own = np.int64(facts[i, LABEL])
        factor = _gain_factor(facts[i, WEIGHT], weights[own], facts[i, DISTANCE] > outlier_distance)
        moved = squared_difference(before[i], centers[own], centers.shape[1])
        distance = np.sqrt(facts[i, DISTANCE]) + np.sqrt(moved)
        gain = max(gain, factor * distance * distance * (1.0 + ROUNDING))
    return gain


@kernel(
    "int64(float64[:, ::1], float64, float64[:, ::1], float64[::1], float64[::1], float64, int64[:, ::1])", strict=True
)
def reassign_rows(
    table: DoubleArray,  # IN
    outlier_distance: float,  # IN: rows beyond it are in no center yet
    centers: DoubleArray,  # INOUT (K, d)
    weights: DoubleArray,  # INOUT (K,)
    spreads: DoubleArray,  # INOUT (K,)
    least_cost: float,  # IN: no merger costs less; negative where that is not known
    done: LabelArray,  # OUT (rows, 3): the row, the center that it becomes, and the one that gets the center's rows
) -> int:
    """Make centers of far rows where that pays, and return the number; add the other outliers to their centers."""
    n_centers, n_features = centers.shape
    new_label = np.arange(n_centers)
    rows_of_now = np.zeros(n_centers, np.bool_)
    count = 0
    for i in range(len(table)):
        row, weight = table[i, :n_features], table[i, WEIGHT]
        own = new_label[np.int64(table[i, LABEL])]
        outside = table[i, DISTANCE] > outlier_distance
        rest = weights[own] if outside else weights[own] - weight
        whole = rest + weight
        center = np.int64(-1)
        gain = 0.0
        factor = _gain_factor(weight, weights[own], outside)
        if factor > 0.0:
            gain = factor * squared_difference(row, centers[own], n_features)
            if gain > least_cost:
                candidates = lightest(weights, rows_of_now)
                center, target, least_cost = cheapest_merger(
                    centers, weights, rows_of_now, candidates, gain, 0, n_centers
                )
        if center < 0:
            if outside and weight > MIN_WEIGHT:
                spreads[own] += weight * (rest / whole) * squared_difference(row, centers[own], n_features)
                for f in range(n_features):
                    centers[own, f] += weight / whole * (row[f] - centers[own, f])
                weights[own] = whole
                least_cost = -1.0
            continue
        # The least cost is no longer known.
        least_cost = -1.0
        if not outside:
            # The spread falls by what the row contributes to it, which is the gain.
            spreads[own] = max(0.0, spreads[own] - gain)
            for f in range(n_features):
                centers[own, f] += weight / rest * (centers[own, f] - row[f])
            weights[own] = rest
        both = weights[center] + weights[target]
        if both > 0.0:
            share = weights[center] / both
            between = (
                weights[center]
                * weights[target]
                * squared_difference(centers[center], centers[target], n_features)
                / both
            )
            spreads[target] += spreads[center] + between
            for f in range(n_features):
                centers[target, f] += share * (centers[center, f] - centers[target, f])
        weights[target] = both
        centers[center] = row
        weights[center] = weight
        spreads[center] = 0.0
        for j in range(n_centers):
            if new_label[j] == center:
                new_label[j] = target
        rows_of_now[center] = True
        done[count, 0], done[count, 1], done[count, 2] = i, center, target
        count += 1
    return count
