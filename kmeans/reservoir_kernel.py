"""Puts rows into a reservoir, and in order; see `reservoir`."""

import numpy as np

from kmeans.jit import kernel
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Children of an entry of a heap. As many keys share a line of the cache; the way down is half as long as with two.
CHILDREN = 4


@kernel("void(float64[::1], int64[::1], int64)")
def _sink(
    heap: DoubleArray,  # INOUT (m,), m >= used
    places: LabelArray,  # INOUT (m,), moved alike
    used: int,  # IN
) -> None:
    """Bring the first entry of a heap to its place, below all smaller ones."""
    key, place = heap[0], places[0]
    at, child = 0, 1
    while child < used:
        least = heap[child]
        for other in range(child + 1, min(used, CHILDREN * at + CHILDREN + 1)):
            if heap[other] < least:
                least, child = heap[other], other
        if not least < key:
            break
        heap[at], places[at] = least, places[child]
        at, child = child, CHILDREN * child + 1
    heap[at], places[at] = key, place


@kernel("void(float64[::1], int64[::1], int64)")
def _rise(
    heap: DoubleArray,  # INOUT (m,), m > at
    places: LabelArray,  # INOUT (m,), moved alike
    at: int,  # IN: of the last entry
) -> None:
    """Bring the last entry of a heap to its place, above all larger ones."""
    key, place = heap[at], places[at]
    while at > 0 and key < heap[(at - 1) // CHILDREN]:
        parent = (at - 1) // CHILDREN
        heap[at], places[at] = heap[parent], places[parent]
        at = parent
    heap[at], places[at] = key, place


@kernel(
    "Tuple((int64, float64))(float32[:, ::1], float64[::1], int64[::1], float64[::1], int64[::1],"
    " float32[:, ::1], int64[::1], float64[::1], int64[::1], float64[::1], int64[::1], int64, int64, float64)"
)
def take_rows(
    offered: FloatArray,  # IN (m, d)
    keys: DoubleArray,  # IN (m,)
    offered_labels: LabelArray,  # IN (m,)
    offered_positions: DoubleArray,  # IN (m,), ascending
    offered_numbers: LabelArray,  # IN (m,)
    rows: FloatArray,  # INOUT (p, d), p >= min(size, used + m)
    labels: LabelArray,  # INOUT (p,)
    positions: DoubleArray,  # INOUT (p,)
    numbers: LabelArray,  # INOUT (p,)
    heap: DoubleArray,  # INOUT (p,): the keys, the least first
    places: LabelArray,  # INOUT (p,): of the rows that they belong to
    used: int,  # IN: the rows held
    size: int,  # IN: of the sample
    threshold: float,  # IN: rows with keys no larger are not in it
) -> tuple[int, float]:
    """Give rows the places of those that leave the sample; give the number of rows held, and the threshold now."""
    for i in range(len(keys)):
        key = keys[i]
        if not key > threshold:
            continue
        leaves = used > 0 and (used == size or not heap[0] > threshold)
        if leaves and not key > heap[0]:
            threshold = key
            continue
        if leaves:
            threshold = max(threshold, heap[0])
            place = places[0]
            heap[0] = key
            _sink(heap, places, used)
        else:
            place = np.int64(used)
            heap[used], places[used] = key, place
            _rise(heap, places, used)
            used += 1
        labels[place], positions[place] = offered_labels[i], offered_positions[i]
        numbers[place] = offered_numbers[i]
        for f in range(offered.shape[1]):
            rows[place, f] = offered[i, f]
    return used, threshold


@kernel("void(float32[:, ::1], int64[::1])")
def rearrange(
    rows: FloatArray,  # INOUT (m, d), m >= n
    order: LabelArray,  # INOUT (n,): which row is to be in each place; undefined afterwards
) -> None:
    """Move the first rows to their places, along the cycles of the permutation."""
    held = np.empty(rows.shape[1], np.float32)
    for start in range(len(order)):
        if order[start] == start:
            continue
        held[:] = rows[start]
        place = start
        while order[place] != start:
            source = order[place]
            rows[place] = rows[source]
            order[place] = place
            place = source
        rows[place] = held
        order[place] = place
