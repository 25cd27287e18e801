"""Scores of a block of rows and a panel of centers, as LLVM code: instructions that numba cannot express.

A block of rows lies across the lanes of vector registers. A panel of centers is multiplied with it one feature at a
time; each center's number is spread over the lanes of a register. All scores of a block and a panel are summed in
registers and compared there: none is written to memory.
"""

from llvmlite import ir

from kmeans.kernels.jit import emitted
from kmeans.kernels.vectors import (
    CENTERS,
    CHAIN,
    FLOATS,
    INT32,
    INT64,
    INTS,
    LANES,
    LINE,
    LINES,
    REGISTERS,
    ROWS,
    Builder,
    Value,
    add_product,
    at,
    greater,
    int64,
    lesser,
    load,
    prefetch,
    shuffle,
    spread,
    store,
)


@emitted("void(float32[::1], int64, int64, float32[::1], int64, float32[::1], int64)")
def transpose(
    builder: Builder,
    rows: Value,  # IN, the first of LANES rows from `start`, `n_features` apart
    start: Value,  # IN
    n_features: Value,  # IN
    shift: Value,  # IN (d,), padded to a multiple of LANES
    feature: Value,  # IN, the first of LANES features
    block: Value,  # OUT (d, ROWS), d padded to a multiple of LANES
    column: Value,  # IN, the place of the first row in the block
) -> None:
    """Shift LANES features of LANES rows and put the rows across the lanes; beyond d are numbers of the next row."""
    moved = load(builder, at(builder, shift, feature), FLOATS, 4)
    first = at(builder, at(builder, rows, start), feature)
    lines = []
    for i in range(LANES):
        address = at(builder, first, builder.mul(n_features, int64(i)))
        lines.append(builder.fsub(load(builder, address, FLOATS, 4), moved))
    # Exchange the off-diagonal quarters of 2 x 2 blocks, then of 4 x 4 blocks and so on.
    half = 1
    while half < LANES:
        low = [lane ^ half | LANES if lane & half else lane for lane in range(LANES)]
        high = [lane | LANES if lane & half else lane | half for lane in range(LANES)]
        for i in range(LANES):
            if not i & half:
                pair = lines[i], lines[i | half]
                lines[i], lines[i | half] = shuffle(builder, *pair, low), shuffle(builder, *pair, high)
        half *= 2
    target = at(builder, at(builder, block, feature, step=ROWS), column)
    for i in range(LANES):
        store(builder, lines[i], at(builder, target, int64(i * ROWS)), 4 * LANES)


@emitted(
    "void(float32[::1], float32[::1], int64, float32[::1], int64, float32[::1], float32[::1], int32[::1],"
    " float32[::1], float32[::1], int64, int64)"
)
def lower_by_panel(
    builder: Builder,
    block: Value,  # IN (d, ROWS)
    panels: Value,  # IN (P, d, CENTERS): minus the centers
    panel: Value,  # IN, the number of the panel
    offsets: Value,  # IN (P, CENTERS): half the squared norms
    n_features: Value,  # IN
    least: Value,  # INOUT (ROWS,)
    second: Value,  # INOUT (ROWS,)
    found: Value,  # INOUT (ROWS,): the panel of the least score
    totals: Value,  # scratch (CENTERS, ROWS)
    ahead: Value,  # rows that are needed soon
    line: Value,  # IN, the first element there to fetch into the cache
    stride: Value,  # IN, by how many elements to advance with each feature
) -> None:
    """Update the two lowest scores of each row by those of a panel; a score's last bits are its number in the panel."""
    sums = range(CENTERS * REGISTERS)
    zero = ir.Constant(FLOATS, [0.0] * LANES)
    many = builder.icmp_signed(">", n_features, int64(CHAIN))
    start = builder.block
    blocks = ("clear", "chain", "feature", "ended", "keep", "last", "collect", "compare")
    clear, chain, feature, ended, keep, last, collect, compare = map(builder.append_basic_block, blocks)
    first_number = at(builder, panels, builder.mul(panel, n_features), step=CENTERS)
    first_offset = at(builder, offsets, panel, step=CENTERS)
    first_line = at(builder, ahead, line)
    starts = [spread(builder, builder.load(at(builder, first_offset, int64(j)))) for j in range(CENTERS)]

    def total(i: int) -> Value:
        return at(builder, totals, int64(i * LANES))

    builder.cbranch(many, clear, chain)

    builder.position_at_end(clear)
    for i in sums:
        store(builder, zero, total(i), 4 * LANES)
    builder.branch(chain)

    builder.position_at_end(chain)
    begin = builder.phi(INT64)
    begun = [builder.phi(FLOATS) for _ in sums]
    for origin in (start, clear):
        begin.add_incoming(int64(0), origin)
        for i in sums:
            begun[i].add_incoming(starts[i // REGISTERS], origin)
    bound = builder.add(begin, int64(CHAIN))
    end = builder.select(builder.icmp_signed("<", bound, n_features), bound, n_features)
    builder.branch(feature)

    builder.position_at_end(feature)
    f = builder.phi(INT64)
    f.add_incoming(begin, chain)
    running = [builder.phi(FLOATS) for _ in sums]
    fetched = at(builder, first_line, builder.mul(f, stride))
    for number in range(LINES):
        prefetch(builder, at(builder, fetched, int64(number * LINE)))
    values = [
        load(builder, at(builder, block, f, step=ROWS, offset=v * LANES), FLOATS, 4 * LANES) for v in range(REGISTERS)
    ]
    added = []
    for j in range(CENTERS):
        number = spread(builder, builder.load(at(builder, first_number, f, step=CENTERS, offset=j)))
        added += [add_product(builder, number, values[v], running[j * REGISTERS + v]) for v in range(REGISTERS)]
    following = builder.add(f, int64(1))
    f.add_incoming(following, feature)
    for i in sums:
        running[i].add_incoming(begun[i], chain)
        running[i].add_incoming(added[i], feature)
    builder.cbranch(builder.icmp_signed("<", following, end), feature, ended)

    builder.position_at_end(ended)
    builder.cbranch(builder.icmp_signed("<", end, n_features), keep, last)

    builder.position_at_end(keep)
    begin.add_incoming(end, keep)
    for i in sums:
        store(builder, builder.fadd(load(builder, total(i), FLOATS, 4 * LANES), added[i]), total(i), 4 * LANES)
        begun[i].add_incoming(zero, keep)
    builder.branch(chain)

    builder.position_at_end(last)
    builder.cbranch(many, collect, compare)

    builder.position_at_end(collect)
    collected = [builder.fadd(load(builder, total(i), FLOATS, 4 * LANES), added[i]) for i in sums]
    builder.branch(compare)

    builder.position_at_end(compare)
    scores = [builder.phi(FLOATS) for _ in sums]
    for i in sums:
        scores[i].add_incoming(added[i], last)
        scores[i].add_incoming(collected[i], collect)
    mask = ir.Constant(INTS, [~(CENTERS - 1)] * LANES)
    panel_number = spread(builder, builder.trunc(panel, INT32))
    for v in range(REGISTERS):
        addresses = [at(builder, array, int64(v * LANES)) for array in (least, second, found)]
        best, next_best = (load(builder, address, FLOATS, 4 * LANES) for address in addresses[:2])
        before, panel_found = best, load(builder, addresses[2], INTS, 4 * LANES)
        for j in range(CENTERS):
            bits = builder.and_(builder.bitcast(scores[j * REGISTERS + v], INTS), mask)
            score = builder.bitcast(builder.or_(bits, ir.Constant(INTS, [j] * LANES)), FLOATS)
            # A score that is NaN changes neither.
            worse = greater(builder, best, score)
            best = lesser(builder, score, best)
            next_best = lesser(builder, worse, next_best)
        panel_found = builder.select(builder.fcmp_ordered("<", best, before), panel_number, panel_found)
        for vector, address in zip((best, next_best, panel_found), addresses, strict=True):
            store(builder, vector, address, 4 * LANES)
