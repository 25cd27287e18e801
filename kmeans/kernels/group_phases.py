"""The phases of a step in a group of mini-batches, each in units that any thread may do; see `kmeans.kernels.group`."""

import numpy as np
from numba import types

from kmeans.kernels.draws import choose
from kmeans.kernels.far_rows import DISTANCE, HOST, LABEL, POSITION, WEIGHT, reassign_rows
from kmeans.kernels.group_parts import (
    GROUP_SHAPE,
    LOCATION,
    RESULTS,
    STREAM_CENTERS,
    TERMS,
    WORKSPACE,
    GroupShape,
    Location,
    Results,
    StreamCenters,
    Terms,
    Workspace,
)
from kmeans.kernels.jit import array_type, kernel
from kmeans.kernels.moving import move, spread_out
from kmeans.kernels.nearest import assign_rows
from kmeans.kernels.packed import Integer
from kmeans.kernels.pieces import PIECE_SUMS, PieceSums, add_to_piece, first_row, put_together
from kmeans.kernels.prepared import PREPARED, Prepared, lay_out
from kmeans.kernels.reading import read_records
from kmeans.kernels.space import SPACE, Space
from kmeans.types import DoubleArray, FloatArray, LabelArray

_INT, _DOUBLE, _FLOAT = types.int64, types.float64, types.float32


@kernel(types.boolean(_DOUBLE, _INT, _DOUBLE, _INT))
def _farther(distance: float, number: Integer, other_distance: float, other_number: Integer) -> bool:
    """Return whether a row comes before another one: it is farther from its center, or as far and earlier."""
    return bool(distance > other_distance or (distance == other_distance and number < other_number))


@kernel(types.void(array_type(_FLOAT, 2), array_type(_INT, 1), array_type(_DOUBLE, 1), _INT, _INT, WORKSPACE))
def _offer(
    rows: FloatArray,  # IN (n, d)
    labels: LabelArray,  # IN (n,)
    squared_distances: DoubleArray,  # IN (n,)
    number: int,  # IN: of the first row
    thread: int,  # IN
    work: Workspace,  # INOUT
) -> None:
    """Insert rows among the farthest that this thread has met in the mini-batch."""
    distances, numbers = work.far_distances[thread], work.far_numbers[thread]
    labels_of, slots, far_rows = work.far_labels[thread], work.far_slots[thread], work.far_rows
    last = len(distances) - 1
    least = distances[last]
    for i in range(len(rows)):
        distance = squared_distances[i]
        if distance < least or not _farther(distance, number + i, least, numbers[last]):
            continue
        # The row is stored in the slot of the one that drops out, so that only small entries are shifted.
        slot = slots[last]
        for f in range(rows.shape[1]):
            far_rows[thread, slot, f] = rows[i, f]
        place = last
        while place > 0 and _farther(distance, number + i, distances[place - 1], numbers[place - 1]):
            distances[place], numbers[place] = distances[place - 1], numbers[place - 1]
            labels_of[place], slots[place] = labels_of[place - 1], slots[place - 1]
            place -= 1
        distances[place], numbers[place], labels_of[place], slots[place] = distance, number + i, labels[i], slot
        least = distances[last]


@kernel(
    types.boolean(
        GROUP_SHAPE,
        LOCATION,
        array_type(_FLOAT, 2),
        TERMS,
        PREPARED,
        PIECE_SUMS,
        RESULTS,
        WORKSPACE,
        SPACE,
        _INT,
        _INT,
        _INT,
        _INT,
    )
)
def take_piece(
    shape: GroupShape,  # IN
    location: Location,  # IN
    memory: FloatArray,  # IN (n, d): the rows, unless they are in a file
    terms: Terms,  # IN
    prepared: Prepared,  # IN
    pieces: PieceSums,  # INOUT
    results: Results,  # INOUT
    work: Workspace,  # INOUT
    space: Space,  # INOUT: of this thread
    batch_number: int,  # IN: see `PieceSums.marks`
    batch: int,  # IN
    piece: int,  # IN
    thread: int,  # IN
) -> bool:
    """Read, assign and add up a piece of a mini-batch; return whether all its rows are plain and none is an outlier."""
    first = batch * shape.batch_rows
    begin = first + first_row(piece, shape.pieces, shape.batch_rows)
    end = first + first_row(piece + 1, shape.pieces, shape.batch_rows)
    if work.far_batches[thread] != batch_number:
        work.far_batches[thread] = batch_number
        work.far_distances[thread, :] = 0.0
        # A row at its center is never far.
        work.far_numbers[thread, :] = 0
    all_rows, buffer = work.rows[thread], work.bytes[thread]
    all_labels, all_distances = work.labels[thread], work.squared_distances[thread]
    numbers, draws = work.chosen[thread], work.draws[thread]
    chosen_rows, chosen_labels, chosen_numbers = results.rows, results.labels, results.numbers
    chosen_draws, chosen_distances = results.draws, results.squared_distances
    n_features = all_rows.shape[1]
    inertia, chosen = 0.0, 0
    for start in range(begin, end, shape.block_rows):
        n = min(shape.block_rows, end - start)
        rows, source, first_of_source = all_rows[:n], all_rows, 0
        if location.file < 0:
            rows, source, first_of_source = memory[start : start + n], memory, start
        elif not read_records(location, start, n, buffer, rows):
            return False
        labels, distances = all_labels[:n], all_distances[:n]
        assign_rows(source, first_of_source, first_of_source + n, prepared, labels, distances, space)
        weights = work.row_weights[start - first : start - first + n]
        if add_to_piece(rows, labels, distances, weights, terms.outlier_distance, batch_number, piece, pieces):
            return False
        for i in range(n):
            inertia += distances[i]
        if len(work.far_table):
            _offer(rows, labels, distances, location.number + start, thread, work)
        number = location.number + start
        count = choose(terms.key, number, distances, terms.least_draw, terms.least_distance, numbers, draws)
        for c in range(count):
            i, target = numbers[c], begin + chosen
            chosen_labels[target], chosen_numbers[target] = labels[i], number + i
            chosen_draws[target], chosen_distances[target] = draws[c], distances[i]
            for f in range(n_features):
                chosen_rows[target, f] = rows[i, f]
            chosen += 1
    work.inertias[piece] = inertia
    results.n_chosen[batch, piece] = chosen
    return True


@kernel(types.void(GROUP_SHAPE, TERMS, STREAM_CENTERS, PREPARED, PIECE_SUMS, _INT, _INT, _INT))
def move_centers(
    shape: GroupShape,  # IN
    terms: Terms,  # IN
    centers: StreamCenters,  # INOUT
    prepared: Prepared,  # INOUT
    pieces: PieceSums,  # IN
    batch_number: int,  # IN
    first: int,  # IN: the first center
    last: int,  # IN: the one after the last
) -> None:
    """Move some of the centers, and lay them out."""
    points, weights, spreads = centers.centers[first:last], centers.weights[first:last], centers.spreads[first:last]
    sums, counts, losses = centers.sums[first:last], centers.counts[first:last], centers.losses[first:last]
    sums[:] = 0.0
    counts[:] = 0.0
    losses[:] = 0.0
    put_together(pieces, shape.pieces, batch_number, first, last, centers.sums, centers.counts, centers.losses)
    spread_out(points, weights, spreads, sums, counts, losses, terms.decay)
    move(points, weights, sums, counts, terms.decay)
    lay_out(centers.centers, first, last, prepared)


@kernel(types.void(LOCATION, GROUP_SHAPE, TERMS, STREAM_CENTERS, PREPARED, RESULTS, WORKSPACE, _INT, _INT))
def end_step(
    location: Location,  # IN
    shape: GroupShape,  # IN
    terms: Terms,  # IN
    centers: StreamCenters,  # INOUT
    prepared: Prepared,  # INOUT
    results: Results,  # INOUT
    work: Workspace,  # INOUT
    batch_number: int,  # IN
    batch: int,  # IN
) -> None:
    """Reassign centers to far rows, where that pays."""
    inertia = 0.0
    for piece in range(shape.pieces):
        inertia += work.inertias[piece]
    results.inertias[batch] = inertia
    results.n_changes[batch] = 0
    table, far_distances, far_labels, far_numbers = (
        work.far_table,
        work.far_distances,
        work.far_labels,
        work.far_numbers,
    )
    far_slots, far_rows = work.far_slots, work.far_rows
    n_far, n_features = len(table), centers.centers.shape[1]
    if not n_far:
        return
    table[:] = 0.0
    sources = np.full(n_far, -1, np.int64)
    for thread in range(len(far_distances)):
        if work.far_batches[thread] != batch_number:
            continue
        for i in range(n_far):
            distance, number = far_distances[thread, i], far_numbers[thread, i]
            at = n_far - 1
            if not (distance > 0.0 and _farther(distance, number, table[at, DISTANCE], np.int64(table[at, POSITION]))):
                break
            while at > 0 and _farther(distance, number, table[at - 1, DISTANCE], np.int64(table[at - 1, POSITION])):
                table[at, DISTANCE], table[at, POSITION] = table[at - 1, DISTANCE], table[at - 1, POSITION]
                sources[at] = sources[at - 1]
                at -= 1
            table[at, DISTANCE], table[at, POSITION], sources[at] = distance, number, thread * n_far + i
    for at in range(n_far):
        if sources[at] < 0:
            break
        thread, i = sources[at] // n_far, sources[at] % n_far
        for f in range(n_features):
            table[at, f] = np.float64(far_rows[thread, far_slots[thread, i], f])
        number = far_numbers[thread, i]
        table[at, LABEL], table[at, HOST] = far_labels[thread, i], 0.0
        table[at, WEIGHT] = work.row_weights[number - location.number - batch * shape.batch_rows]
    least_cost = np.inf
    for cost in work.costs:
        least_cost = min(least_cost, cost)
    count = reassign_rows(
        table, terms.outlier_distance, centers.centers, centers.weights, centers.spreads, least_cost, work.changes
    )
    results.n_changes[batch] = count
    for c in range(count):
        results.changes[batch, c, 0], results.changes[batch, c, 1] = work.changes[c, 1], work.changes[c, 2]
        results.changes[batch, c, 2] = np.int64(table[work.changes[c, 0], POSITION])
    if count:
        lay_out(centers.centers, 0, len(centers.centers), prepared)
