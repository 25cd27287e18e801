"""The kernels that add rows to the sums of their clusters, in float64 and in an order that follows from the call alone.

Atomic additions of floating-point numbers would yield different bytes in every run. Instead, a counting sort orders the
rows by label, and those of equal labels as they come: `count` counts the labels in each chunk of rows, `rank` and
`start` turn counts into places, and `place` writes the number of each row to its place. In this order, each thread of
`add_segments` adds up one column of SEGMENT consecutive rows; `join` adds up the sums of clusters in several segments.
"""

from typing import Any

from numba import float64, int32

from kmeans.gpu.jit import cuda, kernel
from kmeans.gpu.shapes import LANES, SEGMENT, TEAMS, THREADS

Array = Any


@kernel("void(int32[::1], int64)")
def clear(
    values: Array,  # OUT
    n_values: int,  # IN
) -> None:
    """Set the first numbers to 0."""
    for i in range(cuda.grid(1), n_values, cuda.gridsize(1)):
        values[i] = 0


@kernel("void(float64[:, ::1])")
def clear_totals(
    totals: Array,  # OUT
) -> None:
    """Set all sums to 0."""
    n_columns = totals.shape[1]
    for i in range(cuda.grid(1), totals.shape[0] * n_columns, cuda.gridsize(1)):
        totals[i // n_columns, i % n_columns] = 0.0


@kernel("void(int32[:, ::1], float64[::1], int64, float64, int64, int64, int32[::1], int32[::1])")
def count(
    labels: Array,  # IN (shares, >= n), in the first place
    squared_distances: Array,  # IN (>= n,)
    n_rows: int,  # IN
    outlier_distance: float,  # IN
    n_centers: int,  # IN
    chunk_rows: int,  # IN
    keys: Array,  # OUT (>= n,): the labels; K, in their place, for outliers
    counts: Array,  # INOUT (>= chunks * (K + 1)): the number of rows with each key, chunk by chunk
) -> None:
    """Count the rows with each key: a thread for each chunk."""
    chunk = cuda.grid(1)
    for row in range(chunk * chunk_rows, min((chunk + 1) * chunk_rows, n_rows)):
        key = labels[0, row]
        if squared_distances[row] > outlier_distance:
            key = int32(n_centers)
        keys[row] = key
        counts[chunk * (n_centers + 1) + key] += 1


@kernel("void(int32[::1], int64, int64, int32[::1])")
def rank(
    counts: Array,  # INOUT (>= chunks * (K + 1)): how many rows of a key the chunks before a chunk have
    n_chunks: int,  # IN
    n_centers: int,  # IN
    starts: Array,  # OUT (K + 2,): the number of rows of each key
) -> None:
    """Turn the counts of a key into the places of its chunks among its rows: a thread for each key."""
    key = cuda.grid(1)
    if key > n_centers:
        return
    total = int32(0)
    for chunk in range(n_chunks):
        here = counts[chunk * (n_centers + 1) + key]
        counts[chunk * (n_centers + 1) + key] = total
        total += here
    starts[key] = total


@kernel("void(int32[::1], int64)")
def start(
    starts: Array,  # INOUT (K + 2,): the number of rows of each key becomes the place of the first; then, that of all
    n_centers: int,  # IN
) -> None:
    """Add up the numbers of rows of all smaller keys, in a single block."""
    sums = cuda.shared.array(THREADS, int32)
    t = cuda.threadIdx.x
    share = (n_centers + THREADS) // THREADS + 1
    total = int32(0)
    for key in range(t * share, min((t + 1) * share, n_centers + 1)):
        total += starts[key]
    sums[t] = total
    cuda.syncthreads()
    total = int32(0)
    for i in range(t):
        total += sums[i]
    for key in range(t * share, min((t + 1) * share, n_centers + 1)):
        here = starts[key]
        starts[key] = total
        total += here
        if key == n_centers:
            starts[key + 1] = total


@kernel("void(int32[::1], int64, int64, int64, int32[::1], int32[::1], int32[::1])")
def place(
    keys: Array,  # IN (>= n,)
    n_rows: int,  # IN
    n_centers: int,  # IN
    chunk_rows: int,  # IN
    starts: Array,  # IN (K + 2,)
    counts: Array,  # INOUT (>= chunks * (K + 1)): used up
    order: Array,  # OUT (>= n,): the numbers of the rows by key
) -> None:
    """Sort rows by key: a thread for each chunk."""
    chunk = cuda.grid(1)
    for row in range(chunk * chunk_rows, min((chunk + 1) * chunk_rows, n_rows)):
        key = keys[row]
        slot = chunk * (n_centers + 1) + key
        order[starts[key] + counts[slot]] = row
        counts[slot] += 1


@kernel(
    "void(float32[:, ::1], float64[::1], float64[::1], int64, int32[::1], int32[::1], int32[::1],"
    " float64[:, ::1], float64[:, ::1], float64[:, ::1])"
)
def add_segments(
    rows: Array,  # IN (>= n, d)
    weights: Array,  # IN (>= n,)
    squared_distances: Array,  # IN (>= n,)
    n_centers: int,  # IN
    keys: Array,  # IN (>= n,)
    order: Array,  # IN (>= n,)
    starts: Array,  # IN (K + 2,)
    totals: Array,  # INOUT (K, d + 2): weighted rows, weights, and weighted squared distances; see `join`
    heads: Array,  # OUT (>= segments, d + 2): sums of the first rows of a segment, if their cluster began before it
    tails: Array,  # OUT (>= segments, d + 2): sums of the last ones, if their cluster begins here and ends behind it
) -> None:
    """Add up a column of a segment in one thread; clusters in several segments are left to `join`."""
    n_features = rows.shape[1]
    column = cuda.blockIdx.y * LANES + cuda.threadIdx.x
    segment = cuda.blockIdx.x * TEAMS + cuda.threadIdx.y
    begin = segment * SEGMENT
    # Outliers come last.
    end = min(begin + SEGMENT, starts[n_centers])
    if column >= n_features + 2:
        return
    i = begin
    while i < end:
        key = keys[order[i]]
        last = min(starts[key + 1], end)
        total = float64(0.0)
        while i < last:
            row = order[i]
            value = float64(1.0)
            if column < n_features:
                value = float64(rows[row, column])
            elif column > n_features:
                value = squared_distances[row]
            total += weights[row] * value
            i += 1
        if starts[key] < begin:
            heads[segment, column] = total
        elif starts[key + 1] > end:
            tails[segment, column] = total
        else:
            totals[key, column] += total


@kernel("void(int64, int32[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])")
def join(
    n_centers: int,  # IN
    starts: Array,  # IN (K + 2,)
    heads: Array,  # IN (>= segments, d + 2)
    tails: Array,  # IN (>= segments, d + 2)
    totals: Array,  # INOUT (K, d + 2)
) -> None:
    """Add up the sums of a cluster that lies in several segments: a thread for each column."""
    column = cuda.blockIdx.y * LANES + cuda.threadIdx.x
    key = cuda.blockIdx.x * TEAMS + cuda.threadIdx.y
    if column >= totals.shape[1] or key >= n_centers or starts[key] == starts[key + 1]:
        return
    first, last = starts[key] // SEGMENT, (starts[key + 1] - 1) // SEGMENT
    if first == last:
        return
    total = tails[first, column]
    for segment in range(first + 1, last + 1):
        total += heads[segment, column]
    totals[key, column] += total
