"""Steps of a stream, for a group of mini-batches at a time, by several threads at once; see `kmeans.stream.groups`.

All threads call `take_group` with the same arguments. The work of a mini-batch comes in four phases, each in units that
any thread may do, in any order; whoever is free takes the next one:

1. a piece of the rows: read, assigned and added up,
2. a range of the centers: sums put together, centers moved and laid out for the next mini-batch,
3. a range of the centers: the cheapest merger with one of them,
4. far rows: centers of them, where that pays.

A phase begins when the one before is done. Threads look for that without a pause at first, for a phase may take no more
than microseconds, and waking a thread takes longer; then they make way for others; then they sleep. Whoever waits
holds no unit, so that no thread waits for one that does not run, unless that was stopped in the middle of a unit.
"""

import numpy as np
from numba import types

from kmeans.kernels.far_rows import (
    DISTANCE,
    HOST,
    LABEL,
    POSITION,
    WEIGHT,
    cheapest_merger,
    lightest,
    reassign_rows,
)
from kmeans.kernels.group_parts import (
    CENTERS,
    FOUND,
    PLACE,
    ROOM,
    SHAPE,
    TERMS,
    Centers,
    Found,
    Place,
    Room,
    Shape,
    Terms,
)
from kmeans.kernels.intrinsics import APART, advance, increase, look, make_way, pause, read_at, sleep, ticks
from kmeans.kernels.jit import array_type, kernel, uncounted
from kmeans.kernels.moving import move, spread_out
from kmeans.kernels.nearest import assign_rows
from kmeans.kernels.packed import WORD, Integer, unpack
from kmeans.kernels.pieces import PIECE_SUMS, PieceSums, add_to_piece, border, put_together
from kmeans.kernels.prepared import PREPARED, Prepared, lay_out
from kmeans.kernels.space import SPACE, Space, new_space
from kmeans.stream.candidates import choose
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Counters: the next unit, units that are done, mini-batches that are done, those that had to be left to others, whether
# to return, and how long only one thread could work, in ticks of the processor's clock.
NEXT, DONE, BATCHES, LEFT, RETURN, ALONE = (place * APART for place in range(6))
N_COUNTERS = 6 * APART

# How often a waiting thread looks before it makes way, and before it sleeps; microseconds of sleep.
LOOKS, WAYS, NAP = 2000, 200, 50


_INT, _DOUBLE, _FLOAT = types.int64, types.float64, types.float32


@kernel(types.boolean(_DOUBLE, _INT, _DOUBLE, _INT))
def _farther(distance: float, number: Integer, other_distance: float, other_number: Integer) -> bool:
    """Whether a row comes before another one: it is farther from its center, or as far and earlier."""
    return bool(distance > other_distance or (distance == other_distance and number < other_number))


@kernel(types.void(array_type(_FLOAT, 2), array_type(_INT, 1), array_type(_DOUBLE, 1), _INT, _INT, ROOM))
def _offer(
    rows: FloatArray,  # IN (n, d)
    labels: LabelArray,  # IN (n,)
    squared_distances: DoubleArray,  # IN (n,)
    number: int,  # IN: of the first row
    thread: int,  # IN
    room: Room,  # INOUT
) -> None:
    """Let rows take places among the farthest that this thread has met in the mini-batch."""
    distances, numbers = room.far_distances[thread], room.far_numbers[thread]
    labels_of, slots, far_rows = room.far_labels[thread], room.far_slots[thread], room.far_rows
    last = len(distances) - 1
    least = distances[last]
    for i in range(len(rows)):
        distance = squared_distances[i]
        if distance < least or not _farther(distance, number + i, least, numbers[last]):
            continue
        # The row takes the slot of the one that leaves; what is moved is small.
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
        SHAPE, PLACE, array_type(_FLOAT, 2), TERMS, PREPARED, PIECE_SUMS, FOUND, ROOM, SPACE, _INT, _INT, _INT, _INT
    )
)
def _take_piece(
    shape: Shape,  # IN
    place: Place,  # IN
    memory: FloatArray,  # IN (n, d): the rows, where they are in no file
    terms: Terms,  # IN
    prepared: Prepared,  # IN
    pieces: PieceSums,  # INOUT
    found: Found,  # INOUT
    room: Room,  # INOUT
    space: Space,  # INOUT: of this thread
    batch_number: int,  # IN: see `PieceSums.marks`
    batch: int,  # IN
    piece: int,  # IN
    thread: int,  # IN
) -> bool:
    """Read, assign and add up a piece of a mini-batch; return whether all its rows are plain and none is an outlier."""
    first = batch * shape.batch_rows
    begin = first + border(piece, shape.pieces, shape.batch_rows)
    end = first + border(piece + 1, shape.pieces, shape.batch_rows)
    records = (place.values_at + WORD - 1) // WORD * WORD
    if room.far_batches[thread] != batch_number:
        room.far_batches[thread] = batch_number
        room.far_distances[thread, :] = 0.0
        # A row at its center is never far.
        room.far_numbers[thread, :] = 0
    all_rows, buffer = room.rows[thread], room.bytes[thread]
    all_labels, all_distances = room.labels[thread], room.squared_distances[thread]
    numbers, draws = room.chosen[thread], room.draws[thread]
    found_rows, found_labels, found_numbers = found.rows, found.labels, found.numbers
    found_draws, found_distances = found.draws, found.squared_distances
    n_features = all_rows.shape[1]
    inertia, chosen = 0.0, 0
    for start in range(begin, end, shape.block_rows):
        n = min(shape.block_rows, end - start)
        size = n * place.stride
        rows, source, first_of_source = all_rows[:n], all_rows, 0
        if place.file < 0:
            rows, source, first_of_source = memory[start : start + n], memory, start
        elif read_at(place.file, buffer[records:], size, place.begin + start * place.stride) != size or not unpack(
            buffer, place.values_at, place.stride, n, rows
        ):
            return False
        labels, distances = all_labels[:n], all_distances[:n]
        assign_rows(source, first_of_source, first_of_source + n, prepared, labels, distances, space)
        weights = room.row_weights[start - first : start - first + n]
        if add_to_piece(rows, labels, distances, weights, terms.outlier_distance, batch_number, piece, pieces):
            return False
        for i in range(n):
            inertia += distances[i]
        if len(room.far_table):
            _offer(rows, labels, distances, place.number + start, thread, room)
        number = place.number + start
        count = choose(terms.key, number, distances, terms.least_draw, terms.least_distance, numbers, draws)
        for c in range(count):
            i, target = numbers[c], begin + chosen
            found_labels[target], found_numbers[target] = labels[i], number + i
            found_draws[target], found_distances[target] = draws[c], distances[i]
            for f in range(n_features):
                found_rows[target, f] = rows[i, f]
            chosen += 1
    room.inertias[piece] = inertia
    found.n_chosen[batch, piece] = chosen
    return True


@kernel(types.void(SHAPE, TERMS, CENTERS, PREPARED, PIECE_SUMS, _INT, _INT, _INT))
def _move_centers(
    shape: Shape,  # IN
    terms: Terms,  # IN
    centers: Centers,  # INOUT
    prepared: Prepared,  # INOUT
    pieces: PieceSums,  # IN
    batch_number: int,  # IN
    first: int,  # IN: the first center
    last: int,  # IN: the one behind the last
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


@kernel(types.void(PLACE, SHAPE, TERMS, CENTERS, PREPARED, FOUND, ROOM, _INT, _INT))
def _end_step(
    place: Place,  # IN
    shape: Shape,  # IN
    terms: Terms,  # IN
    centers: Centers,  # INOUT
    prepared: Prepared,  # INOUT
    found: Found,  # INOUT
    room: Room,  # INOUT
    batch_number: int,  # IN
    batch: int,  # IN
) -> None:
    """Make centers of far rows, where that pays."""
    inertia = 0.0
    for piece in range(shape.pieces):
        inertia += room.inertias[piece]
    found.inertias[batch] = inertia
    found.n_changes[batch] = 0
    table, far_distances, far_labels, far_numbers = (
        room.far_table,
        room.far_distances,
        room.far_labels,
        room.far_numbers,
    )
    far_slots, far_rows = room.far_slots, room.far_rows
    n_far, n_features = len(table), centers.centers.shape[1]
    if not n_far:
        return
    table[:] = 0.0
    sources = np.full(n_far, -1, np.int64)
    for thread in range(len(far_distances)):
        if room.far_batches[thread] != batch_number:
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
        table[at, WEIGHT] = room.row_weights[number - place.number - batch * shape.batch_rows]
    least_cost = room.costs.min()
    count = reassign_rows(
        table, terms.outlier_distance, centers.centers, centers.weights, centers.spreads, least_cost, room.changes
    )
    found.n_changes[batch] = count
    for c in range(count):
        found.changes[batch, c, 0], found.changes[batch, c, 1] = room.changes[c, 1], room.changes[c, 2]
        found.changes[batch, c, 2] = np.int64(table[room.changes[c, 0], POSITION])
    if count:
        lay_out(centers.centers, 0, len(centers.centers), prepared)


@kernel(types.void(SHAPE, PLACE, array_type(_FLOAT, 2), TERMS, CENTERS, PREPARED, PIECE_SUMS, FOUND, ROOM, _INT, _INT))
def take_group(
    shape: Shape,  # IN
    place: Place,  # IN
    memory: FloatArray,  # IN (n, d): the rows, where they are in no file
    terms: Terms,  # IN
    centers: Centers,  # INOUT
    prepared: Prepared,  # INOUT
    pieces: PieceSums,  # INOUT
    found: Found,  # INOUT
    room: Room,  # INOUT: its counters are 0
    first_number: int,  # IN: of the first mini-batch; see `PieceSums.marks`
    thread: int,  # IN: the number of this thread
) -> None:
    """Take a group of mini-batches, together with the other threads that are called; return when that is done."""
    centers, prepared, pieces = uncounted(centers), uncounted(prepared), uncounted(pieces)
    found, room, memory = uncounted(found), uncounted(room), uncounted(memory)
    counters = room.counters
    n_centers = len(centers.centers)
    moved, compared = shape.pieces + shape.ranges, shape.pieces + 2 * shape.ranges
    units = compared + 1
    own_space = new_space(centers.centers.shape[1], n_centers, shape.block_rows)
    space = uncounted(own_space)
    waited = 0
    while True:
        unit = look(counters, NEXT)
        if unit >= shape.batches * units or look(counters, RETURN):
            break
        batch, part = unit // units, unit % units
        needed = unit - part
        if part >= shape.pieces:
            needed += shape.pieces
        if part >= moved:
            needed += shape.ranges
        if part >= compared:
            needed += shape.ranges
        if look(counters, DONE) < needed:
            waited += 1
            if waited < LOOKS:
                pause()
            elif waited < LOOKS + WAYS:
                make_way()
            else:
                sleep(NAP)
            continue
        waited = 0
        if not advance(counters, NEXT, unit, unit + 1):
            continue
        number = first_number + batch
        if part < shape.pieces:
            if not _take_piece(
                shape, place, memory, terms, prepared, pieces, found, room, space, number, batch, part, thread
            ):
                increase(counters, LEFT, 1)
        elif look(counters, LEFT):
            # Nothing but sums has changed.
            increase(counters, RETURN, 1)
            break
        elif part < moved:
            first = (part - shape.pieces) * shape.range_centers
            last = min(first + shape.range_centers, n_centers)
            _move_centers(shape, terms, centers, prepared, pieces, number, first, last)
        elif part < compared:
            if len(room.far_table):
                first = (part - moved) * shape.range_centers
                last = min(first + shape.range_centers, n_centers)
                given_up = lightest(centers.weights, room.nobody)
                merger = cheapest_merger(centers.centers, centers.weights, room.nobody, given_up, np.inf, first, last)
                room.costs[part - moved] = merger[2]
        else:
            began = ticks()
            _end_step(place, shape, terms, centers, prepared, found, room, number, batch)
            increase(counters, BATCHES, 1)
            increase(counters, ALONE, ticks() - began)
        increase(counters, DONE, 1)
    # Alive until here.
    own_space.least[0] = 0.0


@kernel(types.void(SHAPE, FOUND, _INT, array_type(_INT, 1)))
def places_of(
    shape: Shape,  # IN
    found: Found,  # IN
    batches: int,  # IN: how many
    places: LabelArray,  # OUT (n,): where the candidates of these mini-batches stand, in their order
) -> None:
    """Find the candidates of mini-batches, among the room for those of all pieces."""
    n_chosen = found.n_chosen
    count = 0
    for batch in range(batches):
        for piece in range(shape.pieces):
            begin = batch * shape.batch_rows + border(piece, shape.pieces, shape.batch_rows)
            for place in range(begin, begin + n_chosen[batch, piece]):
                places[count] = place
                count += 1
