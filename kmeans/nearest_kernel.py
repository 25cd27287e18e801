"""Kernels that find the nearest center of each row of a block.

A center's score is ||c||^2 / 2 - xc: the squared distance, halved, less what all centers share. The kernels look at a
lower bound of it in float32, the score less all that rounding may have added: a share of ||x|| ||c|| + ||c||^2 / 2.
Where the second least bound does not exceed the upper bound of the least one's score, distances are compared in
float64, so that labels are those of float64 arithmetic in whatever order products are summed. The winner's distance is
always computed directly.
"""

import numpy as np

from kmeans.jit import kernel
from kmeans.types import DoubleArray, FloatArray, Int32Array, LabelArray

# Rows that are looked at together: a few numbers of each stay in the level 1 cache.
ROWS = 128
# Centers and features that the fused kernel takes at once; both are padded to a multiple of it.
UNROLL = 4
LARGEST = np.finfo(np.float32).max


@kernel("void(float32[:, ::1], float32[::1], float32, float32[:, ::1], float32[::1])")
def prepare_rows(
    rows: FloatArray,  # IN (n, d)
    shift: FloatArray,  # IN (d,)
    rounding: float,  # IN
    shifted: FloatArray,  # OUT (n, d)
    slacks: FloatArray,  # OUT (n,)
) -> None:
    """Shift rows, and give their norms times the rounding."""
    for i in range(rows.shape[0]):
        row, out = rows[i], shifted[i]
        squared_norm = np.float32(0.0)
        for f in range(rows.shape[1]):
            value = row[f] - shift[f]
            out[f] = value
            squared_norm += value * value
        slacks[i] = rounding * np.sqrt(squared_norm)


@kernel("Tuple((float32, float32, int32))(float32, int32, float32, float32, int32)")
def lower(
    bound: np.float32, number: np.int32, least: np.float32, second: np.float32, label: np.int32
) -> tuple[np.float32, np.float32, np.int32]:
    """Give the two least bounds, and the center of the first, with one more center, without a branch."""
    return min(least, bound), min(second, max(least, bound)), number if bound < least else label


@kernel("void(float32[:, ::1], float32[::1], float32[::1], float32[::1], int32[::1], float32[::1], float32[::1])")
def two_least(
    products: FloatArray,  # IN (K, n), K padded to a multiple of UNROLL
    offsets: FloatArray,  # IN (K,)
    norms: FloatArray,  # IN (K,)
    slacks: FloatArray,  # IN (n,)
    labels: Int32Array,  # OUT (n,)
    least: FloatArray,  # OUT (n,)
    second: FloatArray,  # OUT (n,)
) -> None:
    """Find the least lower bound of each row, and the second one."""
    n_rows = products.shape[1]
    for i in range(n_rows):
        labels[i] = 0
        least[i] = np.inf
        second[i] = np.inf
    for j in range(0, products.shape[0], UNROLL):
        p0, p1, p2, p3 = products[j], products[j + 1], products[j + 2], products[j + 3]
        offset0, offset1, offset2, offset3 = offsets[j], offsets[j + 1], offsets[j + 2], offsets[j + 3]
        norm0, norm1, norm2, norm3 = norms[j], norms[j + 1], norms[j + 2], norms[j + 3]
        n0, n1, n2, n3 = np.int32(j), np.int32(j + 1), np.int32(j + 2), np.int32(j + 3)
        for i in range(n_rows):
            best, next_best, label = least[i], second[i], labels[i]
            best, next_best, label = lower((offset0 + p0[i]) - norm0 * slacks[i], n0, best, next_best, label)
            best, next_best, label = lower((offset1 + p1[i]) - norm1 * slacks[i], n1, best, next_best, label)
            best, next_best, label = lower((offset2 + p2[i]) - norm2 * slacks[i], n2, best, next_best, label)
            least[i], second[i], labels[i] = lower((offset3 + p3[i]) - norm3 * slacks[i], n3, best, next_best, label)


@kernel(
    "void(float32[:, ::1], float64[:, ::1], float32[::1], float32[::1], float32[::1], float32[::1], int32[::1],"
    " float32[::1], float32[::1], int64[::1], float64[::1])"
)
def settle(
    rows: FloatArray,  # IN (n, d)
    centers: DoubleArray,  # IN (K, d)
    shift: FloatArray,  # IN (d,)
    slacks: FloatArray,  # IN (n,)
    norms: FloatArray,  # IN (K,)
    margins: FloatArray,  # IN (K,)
    found: Int32Array,  # IN (n,)
    least: FloatArray,  # IN (n,)
    second: FloatArray,  # IN (n,)
    labels: LabelArray,  # OUT (n,)
    squared_distances: DoubleArray,  # OUT (n,)
) -> None:
    """Take the found centers, or the nearest in float64 where rounding leaves a doubt; give their distances."""
    n_centers, n_features = centers.shape
    for i in range(rows.shape[0]):
        row = rows[i]
        first = np.int64(found[i])
        # Twice what rounding may have taken from the winner's score; NaN and infinity decide nothing.
        slack = np.float32(2.0) * (slacks[i] * norms[first] + margins[first])
        decided = second[i] - least[i] > slack and -LARGEST <= least[i] <= LARGEST
        last = first + 1 if decided else n_centers
        label = first if decided else np.int64(0)
        best = np.inf
        for j in range(label, last):
            center = centers[j]
            distance = 0.0
            for f in range(n_features):
                difference = (np.float64(row[f]) - np.float64(shift[f])) - center[f]
                distance += difference * difference
            if distance < best:
                best = distance
                label = np.int64(j)
        labels[i] = label
        squared_distances[i] = best


@kernel(
    "void(float32[:, ::1], float32[::1], float32, float32[:, ::1], float32[::1], float32[::1], int32[::1],"
    " float32[::1], float32[::1], float32[::1])"
)
def fused_two_least(
    rows: FloatArray,  # IN (n, d), n <= ROWS
    shift: FloatArray,  # IN (d,)
    rounding: float,  # IN
    negated: FloatArray,  # IN (K, d), both padded to a multiple of UNROLL
    offsets: FloatArray,  # IN (K,), padded
    norms: FloatArray,  # IN (K,), padded
    labels: Int32Array,  # OUT (ROWS,)
    least: FloatArray,  # OUT (ROWS,)
    second: FloatArray,  # OUT (ROWS,)
    slacks: FloatArray,  # OUT (ROWS,)
) -> None:
    """Do the same as a product and `two_least`, in one pass that never leaves the cache: rows lie across the lanes."""
    n_rows, n_features = rows.shape
    columns = np.zeros((negated.shape[1], ROWS), np.float32)
    for i in range(ROWS):
        slacks[i] = 0.0
        labels[i] = 0
        least[i] = np.inf
        second[i] = np.inf
    for f in range(n_features):
        column, moved = columns[f], shift[f]
        for i in range(n_rows):
            column[i] = rows[i, f] - moved
        for i in range(ROWS):
            slacks[i] += column[i] * column[i]
    for i in range(ROWS):
        slacks[i] = rounding * np.sqrt(slacks[i])
    # Four accumulators in one array of a known length: the compiler sees that they do not overlap.
    sums = np.empty(4 * ROWS, np.float32)
    for j in range(0, negated.shape[0], UNROLL):
        c0, c1, c2, c3 = negated[j], negated[j + 1], negated[j + 2], negated[j + 3]
        offset0, offset1, offset2, offset3 = offsets[j], offsets[j + 1], offsets[j + 2], offsets[j + 3]
        norm0, norm1, norm2, norm3 = norms[j], norms[j + 1], norms[j + 2], norms[j + 3]
        for i in range(ROWS):
            sums[i] = offset0 - norm0 * slacks[i]
            sums[ROWS + i] = offset1 - norm1 * slacks[i]
            sums[2 * ROWS + i] = offset2 - norm2 * slacks[i]
            sums[3 * ROWS + i] = offset3 - norm3 * slacks[i]
        for f in range(0, negated.shape[1], UNROLL):
            x0, x1, x2, x3 = columns[f], columns[f + 1], columns[f + 2], columns[f + 3]
            c00, c01, c02, c03 = c0[f], c0[f + 1], c0[f + 2], c0[f + 3]
            c10, c11, c12, c13 = c1[f], c1[f + 1], c1[f + 2], c1[f + 3]
            c20, c21, c22, c23 = c2[f], c2[f + 1], c2[f + 2], c2[f + 3]
            c30, c31, c32, c33 = c3[f], c3[f + 1], c3[f + 2], c3[f + 3]
            for i in range(ROWS):
                sums[i] += c00 * x0[i] + c01 * x1[i] + c02 * x2[i] + c03 * x3[i]
                sums[ROWS + i] += c10 * x0[i] + c11 * x1[i] + c12 * x2[i] + c13 * x3[i]
                sums[2 * ROWS + i] += c20 * x0[i] + c21 * x1[i] + c22 * x2[i] + c23 * x3[i]
                sums[3 * ROWS + i] += c30 * x0[i] + c31 * x1[i] + c32 * x2[i] + c33 * x3[i]
        n0, n1, n2, n3 = np.int32(j), np.int32(j + 1), np.int32(j + 2), np.int32(j + 3)
        for i in range(ROWS):
            best, next_best, label = least[i], second[i], labels[i]
            best, next_best, label = lower(sums[i], n0, best, next_best, label)
            best, next_best, label = lower(sums[ROWS + i], n1, best, next_best, label)
            best, next_best, label = lower(sums[2 * ROWS + i], n2, best, next_best, label)
            least[i], second[i], labels[i] = lower(sums[3 * ROWS + i], n3, best, next_best, label)


@kernel(
    "void(float32[:, ::1], float64[:, ::1], float32[::1], float32, float32[:, ::1], float32[::1], float32[::1],"
    " float32[::1], int64[::1], float64[::1])"
)
def assign_fused(
    rows: FloatArray,  # IN (n, d)
    centers: DoubleArray,  # IN (K, d)
    shift: FloatArray,  # IN (d,)
    rounding: float,  # IN
    negated: FloatArray,  # IN (K, d), padded
    offsets: FloatArray,  # IN (K,), padded
    norms: FloatArray,  # IN (K,), padded
    margins: FloatArray,  # IN (K,)
    labels: LabelArray,  # OUT (n,)
    squared_distances: DoubleArray,  # OUT (n,)
) -> None:
    """Find the nearest center of each row, block by block."""
    found = np.empty(ROWS, np.int32)
    least = np.empty(ROWS, np.float32)
    second = np.empty(ROWS, np.float32)
    slacks = np.empty(ROWS, np.float32)
    for start in range(0, rows.shape[0], ROWS):
        block = slice(start, min(start + ROWS, rows.shape[0]))
        fused_two_least(rows[block], shift, rounding, negated, offsets, norms, found, least, second, slacks)
        settle(
            rows[block],
            centers,
            shift,
            slacks,
            norms,
            margins,
            found,
            least,
            second,
            labels[block],
            squared_distances[block],
        )
