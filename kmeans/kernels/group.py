"""Steps of a stream, for a group of mini-batches at a time, by several threads at once; see `kmeans.stream.groups`.

All threads call `take_group` with the same arguments. The work of a mini-batch comes in four phases, each in units that
any thread may do, in any order; a thread that is free takes the next one:

1. a piece of the rows: read, assigned and added up,
2. a range of the centers: sums added up, centers moved and laid out for the next mini-batch,
3. a range of the centers: the cheapest merger with one of them,
4. far rows: centers reassigned to them, where that pays.

A phase begins when the one before is done. Threads wait for that by spinning at first, for a phase may take no more
than microseconds, and waking a thread takes longer; then they yield the core to others; then they sleep. A thread that
waits holds no unit, so that no thread waits for one that does not run, unless that was stopped in the middle of a unit.
"""

import numpy as np
from numba import types

from kmeans.kernels.far_rows import cheapest_merger, lightest
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
from kmeans.kernels.group_phases import end_step, move_centers, take_piece
from kmeans.kernels.intrinsics import APART, advance, increase, look, make_way, pause, sleep, ticks
from kmeans.kernels.jit import array_type, kernel, uncounted
from kmeans.kernels.pieces import PIECE_SUMS, PieceSums, first_row
from kmeans.kernels.prepared import PREPARED, Prepared
from kmeans.kernels.space import new_space
from kmeans.types import FloatArray, LabelArray

_INT, _FLOAT = types.int64, types.float32

# Counters: the next unit, units that are done, mini-batches that are done, pieces that cannot be taken here, whether to
# return, and for how long only one thread could work, in ticks of the processor's clock.
NEXT, DONE, BATCHES, LEFT, RETURN, ALONE = (place * APART for place in range(6))
N_COUNTERS = 6 * APART

# How often a waiting thread looks before it yields, how often it yields before it sleeps, and microseconds of sleep.
SPINS, YIELDS, NAP = 2000, 200, 50


@kernel(
    types.void(
        GROUP_SHAPE,
        LOCATION,
        array_type(_FLOAT, 2),
        TERMS,
        STREAM_CENTERS,
        PREPARED,
        PIECE_SUMS,
        RESULTS,
        WORKSPACE,
        _INT,
        _INT,
    )
)
def take_group(
    shape: GroupShape,  # IN
    location: Location,  # IN
    memory: FloatArray,  # IN (n, d): the rows, unless they are in a file
    terms: Terms,  # IN
    centers: StreamCenters,  # INOUT
    prepared: Prepared,  # INOUT
    pieces: PieceSums,  # INOUT
    results: Results,  # INOUT
    work: Workspace,  # INOUT: its counters are 0
    first_number: int,  # IN: of the first mini-batch; see `PieceSums.marks`
    thread: int,  # IN: the number of this thread
) -> None:
    """Take a group of mini-batches, together with the other threads that call this; return when that is done."""
    centers, prepared, pieces = uncounted(centers), uncounted(prepared), uncounted(pieces)
    results, work, memory = uncounted(results), uncounted(work), uncounted(memory)
    location = uncounted(location)
    counters = work.counters
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
            if waited < SPINS:
                pause()
            elif waited < SPINS + YIELDS:
                make_way()
            else:
                sleep(NAP)
            continue
        waited = 0
        if not advance(counters, NEXT, unit, unit + 1):
            continue
        number = first_number + batch
        if part < shape.pieces:
            if not take_piece(
                shape, location, memory, terms, prepared, pieces, results, work, space, number, batch, part, thread
            ):
                increase(counters, LEFT, 1)
        elif look(counters, LEFT):
            # So far the mini-batch has changed nothing but its sums.
            increase(counters, RETURN, 1)
            break
        elif part < moved:
            first = (part - shape.pieces) * shape.range_centers
            last = min(first + shape.range_centers, n_centers)
            move_centers(shape, terms, centers, prepared, pieces, number, first, last)
        elif part < compared:
            if len(work.far_table):
                first = (part - moved) * shape.range_centers
                last = min(first + shape.range_centers, n_centers)
                light = lightest(centers.weights, work.nobody)
                merger = cheapest_merger(centers.centers, centers.weights, work.nobody, light, np.inf, first, last)
                work.costs[part - moved] = merger[2]
        else:
            began = ticks()
            end_step(location, shape, terms, centers, prepared, results, work, number, batch)
            increase(counters, BATCHES, 1)
            increase(counters, ALONE, ticks() - began)
        increase(counters, DONE, 1)
    # A use after the loop keeps the memory of the uncounted view alive until here.
    own_space.least[0] = 0.0


@kernel(types.void(GROUP_SHAPE, RESULTS, _INT, array_type(_INT, 1)))
def places_of(
    shape: GroupShape,  # IN
    results: Results,  # IN
    batches: int,  # IN: the number of mini-batches
    places: LabelArray,  # OUT (n,): where the candidates of these mini-batches are, in their order
) -> None:
    """Find the candidates of mini-batches in the results, where each piece has room for all of its rows."""
    n_chosen = results.n_chosen
    count = 0
    for batch in range(batches):
        for piece in range(shape.pieces):
            begin = batch * shape.batch_rows + first_row(piece, shape.pieces, shape.batch_rows)
            for place in range(begin, begin + n_chosen[batch, piece]):
                places[count] = place
                count += 1
