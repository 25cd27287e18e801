"""The inner loops of assignment as LLVM's vector instructions: what numba has no words for.

A block of rows lies across the lanes of vector registers; a panel of centers meets it one feature at a time, each
center's number being spread over the lanes of a register. All scores of a block and a panel are summed in registers and
compared there: none is ever written to memory.

Rows, panels and centers are passed as flat arrays with the number of their first element.
"""

from typing import Any

from llvmlite import ir

from kmeans.jit import LEVEL, emitted

# Per level: float32 lanes of a register, registers that a block of rows takes, and centers of a panel, a power of two.
# The sums, `registers` x `centers`, the rows and one center's number are to fit the registers of the machine: 32 of
# AVX-512 and of arm64, 16 of AVX2 and of SSE, which needs one more as it has no fused multiplication and addition.
SHAPES = {"x86-64-v4": (16, 3, 8), "x86-64-v3": (8, 3, 4), "x86-64-v2": (4, 2, 4), "x86-64": (4, 2, 4)}
LANES, REGISTERS, CENTERS = SHAPES.get(LEVEL, (4, 3, 8))
ROWS = LANES * REGISTERS
# So many products are summed in a row before they are added to the rest. Rounding grows by the length of such a chain.
CHAIN = 64
# The length of a cache line, in float32 numbers; and how many are fetched with each feature.
LINE = 16
LINES = 2

FLOAT, DOUBLE, INT32, INT64 = ir.FloatType(), ir.DoubleType(), ir.IntType(32), ir.IntType(64)
FLOATS, INTS = ir.VectorType(FLOAT, LANES), ir.VectorType(INT32, LANES)
HALF = LANES // 2
HALF_FLOATS, DOUBLES = ir.VectorType(FLOAT, HALF), ir.VectorType(DOUBLE, HALF)

Value = Any
Builder = Any


def _int64(number: int) -> Value:
    return ir.Constant(INT64, number)


def _at(builder: Builder, base: Value, index: Value, *, step: int = 1, offset: int = 0) -> Value:
    """Give the address of `base[index * step + offset]`."""
    scaled = builder.mul(index, _int64(step)) if step != 1 else index
    return builder.gep(base, [builder.add(scaled, _int64(offset)) if offset else scaled])


def _load(builder: Builder, address: Value, vector: Value, align: int) -> Value:
    return builder.load(builder.bitcast(address, vector.as_pointer()), align=align)


def _store(builder: Builder, vector: Value, address: Value, align: int) -> None:
    builder.store(vector, builder.bitcast(address, vector.type.as_pointer()), align=align)


def _shuffle(builder: Builder, first: Value, second: Value, lanes: list[int]) -> Value:
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(INT32, len(lanes)), lanes))


def _spread(builder: Builder, number: Value, lanes: int = LANES) -> Value:
    undefined = ir.Constant(ir.VectorType(number.type, lanes), ir.Undefined)
    return _shuffle(builder, builder.insert_element(undefined, number, ir.Constant(INT32, 0)), undefined, [0] * lanes)


def _call(builder: Builder, name: str, result: Value, *values: Value) -> Value:
    """Call an intrinsic function of LLVM's."""
    module = builder.module
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(module.globals.get(name) or ir.Function(module, kind, name), values)


def _prefetch(builder: Builder, address: Value) -> None:
    """Fetch a cache line of data that is to be read soon."""
    hints = (ir.Constant(INT32, hint) for hint in (0, 2, 1))
    _call(builder, "llvm.prefetch.p0", ir.VoidType(), builder.bitcast(address, ir.IntType(8).as_pointer()), *hints)


def _add_product(builder: Builder, left: Value, right: Value, total: Value) -> Value:
    """Give left * right + total, fused where the machine can."""
    vector = total.type
    name = f"llvm.fmuladd.v{vector.count}f{32 if vector.element == FLOAT else 64}"
    return _call(builder, name, vector, left, right, total)


def _lesser(builder: Builder, left: Value, right: Value) -> Value:
    """Give the lesser in each lane, and `right` where one is NaN: a single instruction."""
    return builder.select(builder.fcmp_ordered("<", left, right), left, right)


def _greater(builder: Builder, left: Value, right: Value) -> Value:
    return builder.select(builder.fcmp_ordered(">", left, right), left, right)


@emitted("void(float32[::1], int64, int64, float32[::1], int64, float32[::1], int64)")
def transpose(
    builder: Builder,
    rows: Value,  # IN, the first of LANES rows from `start`, `n_features` apart
    start: Value,  # IN
    n_features: Value,  # IN
    shift: Value,  # IN (d,), padded to a multiple of LANES
    feature: Value,  # IN, the first of LANES features
    block: Value,  # OUT (d, ROWS), d padded to a multiple of LANES
    column: Value,  # IN, where in the block the first row lies
) -> None:
    """Shift LANES features of LANES rows and lay the rows across the lanes; beyond d stand numbers of the next row."""
    moved = _load(builder, _at(builder, shift, feature), FLOATS, 4)
    first = _at(builder, _at(builder, rows, start), feature)
    lines = []
    for i in range(LANES):
        address = _at(builder, first, builder.mul(n_features, _int64(i)))
        lines.append(builder.fsub(_load(builder, address, FLOATS, 4), moved))
    # Exchange the off-diagonal quarters of 2 x 2 blocks, then of 4 x 4 blocks and so on.
    half = 1
    while half < LANES:
        low = [lane ^ half | LANES if lane & half else lane for lane in range(LANES)]
        high = [lane | LANES if lane & half else lane | half for lane in range(LANES)]
        for i in range(LANES):
            if not i & half:
                pair = lines[i], lines[i | half]
                lines[i], lines[i | half] = _shuffle(builder, *pair, low), _shuffle(builder, *pair, high)
        half *= 2
    target = _at(builder, _at(builder, block, feature, step=ROWS), column)
    for i in range(LANES):
        _store(builder, lines[i], _at(builder, target, _int64(i * ROWS)), 4 * LANES)


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
    stride: Value,  # IN, by how many elements to go on with each feature
) -> None:
    """Lower the two least scores of each row by those of a panel; a score's last bits are its number in the panel."""
    sums = range(CENTERS * REGISTERS)
    zero = ir.Constant(FLOATS, [0.0] * LANES)
    many = builder.icmp_signed(">", n_features, _int64(CHAIN))
    start = builder.block
    blocks = ("clear", "chain", "feature", "ended", "keep", "last", "collect", "compare")
    clear, chain, feature, ended, keep, last, collect, compare = map(builder.append_basic_block, blocks)
    first_number = _at(builder, panels, builder.mul(panel, n_features), step=CENTERS)
    first_offset = _at(builder, offsets, panel, step=CENTERS)
    first_line = _at(builder, ahead, line)
    starts = [_spread(builder, builder.load(_at(builder, first_offset, _int64(j)))) for j in range(CENTERS)]

    def total(i: int) -> Value:
        return _at(builder, totals, _int64(i * LANES))

    builder.cbranch(many, clear, chain)

    builder.position_at_end(clear)
    for i in sums:
        _store(builder, zero, total(i), 4 * LANES)
    builder.branch(chain)

    builder.position_at_end(chain)
    begin = builder.phi(INT64)
    begun = [builder.phi(FLOATS) for _ in sums]
    for origin in (start, clear):
        begin.add_incoming(_int64(0), origin)
        for i in sums:
            begun[i].add_incoming(starts[i // REGISTERS], origin)
    bound = builder.add(begin, _int64(CHAIN))
    end = builder.select(builder.icmp_signed("<", bound, n_features), bound, n_features)
    builder.branch(feature)

    builder.position_at_end(feature)
    f = builder.phi(INT64)
    f.add_incoming(begin, chain)
    running = [builder.phi(FLOATS) for _ in sums]
    fetched = _at(builder, first_line, builder.mul(f, stride))
    for number in range(LINES):
        _prefetch(builder, _at(builder, fetched, _int64(number * LINE)))
    values = [
        _load(builder, _at(builder, block, f, step=ROWS, offset=v * LANES), FLOATS, 4 * LANES) for v in range(REGISTERS)
    ]
    added = []
    for j in range(CENTERS):
        number = _spread(builder, builder.load(_at(builder, first_number, f, step=CENTERS, offset=j)))
        added += [_add_product(builder, number, values[v], running[j * REGISTERS + v]) for v in range(REGISTERS)]
    following = builder.add(f, _int64(1))
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
        _store(builder, builder.fadd(_load(builder, total(i), FLOATS, 4 * LANES), added[i]), total(i), 4 * LANES)
        begun[i].add_incoming(zero, keep)
    builder.branch(chain)

    builder.position_at_end(last)
    builder.cbranch(many, collect, compare)

    builder.position_at_end(collect)
    collected = [builder.fadd(_load(builder, total(i), FLOATS, 4 * LANES), added[i]) for i in sums]
    builder.branch(compare)

    builder.position_at_end(compare)
    scores = [builder.phi(FLOATS) for _ in sums]
    for i in sums:
        scores[i].add_incoming(added[i], last)
        scores[i].add_incoming(collected[i], collect)
    mask = ir.Constant(INTS, [~(CENTERS - 1)] * LANES)
    panel_number = _spread(builder, builder.trunc(panel, INT32))
    for v in range(REGISTERS):
        addresses = [_at(builder, array, _int64(v * LANES)) for array in (least, second, found)]
        best, next_best = (_load(builder, address, FLOATS, 4 * LANES) for address in addresses[:2])
        before, panel_found = best, _load(builder, addresses[2], INTS, 4 * LANES)
        for j in range(CENTERS):
            bits = builder.and_(builder.bitcast(scores[j * REGISTERS + v], INTS), mask)
            score = builder.bitcast(builder.or_(bits, ir.Constant(INTS, [j] * LANES)), FLOATS)
            # A score that is NaN changes neither.
            worse = _greater(builder, best, score)
            best = _lesser(builder, score, best)
            next_best = _lesser(builder, worse, next_best)
        panel_found = builder.select(builder.fcmp_ordered("<", best, before), panel_number, panel_found)
        for vector, address in zip((best, next_best, panel_found), addresses, strict=True):
            _store(builder, vector, address, 4 * LANES)


@emitted("float64(float32[::1], int64, int64, float64[::1], int64)")
def squared_distance(
    builder: Builder,
    rows: Value,  # IN
    start: Value,  # IN
    n_features: Value,  # IN
    centers: Value,  # IN, each padded with zeros to a multiple of LANES
    center_start: Value,  # IN
) -> Value:
    """Give the squared distance of a row and a center in float64; up to LANES - 1 numbers beyond the row are read."""
    row, center = _at(builder, rows, start), _at(builder, centers, center_start)
    zero, no_floats = ir.Constant(DOUBLES, [0.0] * HALF), ir.Constant(HALF_FLOATS, [0.0] * HALF)

    def add(f: Value, sums: list[Value], masks: list[Value] | None = None) -> list[Value]:
        """Add LANES squares, in two registers."""
        results = []
        for half in range(2):
            value = _load(builder, _at(builder, row, f, offset=half * HALF), HALF_FLOATS, 4)
            if masks:
                value = builder.select(masks[half], value, no_floats)
            other = _load(builder, _at(builder, center, f, offset=half * HALF), DOUBLES, 8)
            difference = builder.fsub(builder.fpext(value, DOUBLES), other)
            results.append(_add_product(builder, difference, difference, sums[half]))
        return results

    whole = builder.and_(builder.sub(n_features, _int64(1)), _int64(-LANES))
    start_block = builder.block
    features, rest = map(builder.append_basic_block, ("features", "rest"))
    builder.cbranch(builder.icmp_signed(">", whole, _int64(0)), features, rest)

    builder.position_at_end(features)
    f = builder.phi(INT64)
    running = [builder.phi(DOUBLES) for _ in range(2)]
    added = add(f, running)
    following = builder.add(f, _int64(LANES))
    f.add_incoming(_int64(0), start_block)
    f.add_incoming(following, features)
    for half in range(2):
        running[half].add_incoming(zero, start_block)
        running[half].add_incoming(added[half], features)
    builder.cbranch(builder.icmp_signed("<", following, whole), features, rest)

    builder.position_at_end(rest)
    ended = [builder.phi(DOUBLES) for _ in range(2)]
    for half in range(2):
        ended[half].add_incoming(zero, start_block)
        ended[half].add_incoming(added[half], features)
    left = _spread(builder, builder.trunc(builder.sub(n_features, whole), INT32), HALF)
    numbers = [list(range(half * HALF, half * HALF + HALF)) for half in range(2)]
    masks = [builder.icmp_signed(">", left, ir.Constant(ir.VectorType(INT32, HALF), lanes)) for lanes in numbers]
    squares = builder.fadd(*add(whole, ended, masks))
    width = HALF // 2
    while width:
        turned = _shuffle(builder, squares, squares, [(lane + width) % HALF for lane in range(HALF)])
        squares = builder.fadd(squares, turned)
        width //= 2
    return builder.extract_element(squares, ir.Constant(INT32, 0))


@emitted("void(float32[::1], int64, float64[::1], int64, int64, float64, float64[::1], int64)")
def add_row(
    builder: Builder,
    rows: Value,  # IN
    start: Value,  # IN
    shift: Value,  # IN
    shift_start: Value,  # IN
    n_features: Value,  # IN, a multiple of HALF
    weight: Value,  # IN
    sums: Value,  # INOUT
    sum_start: Value,  # IN
) -> None:
    """Add weight (x - shift) to sums, in float64."""
    row, moved, total = _at(builder, rows, start), _at(builder, shift, shift_start), _at(builder, sums, sum_start)
    weights = _spread(builder, weight, HALF)
    start_block = builder.block
    features, done = map(builder.append_basic_block, ("features", "done"))
    builder.cbranch(builder.icmp_signed(">", n_features, _int64(0)), features, done)

    builder.position_at_end(features)
    f = builder.phi(INT64)
    value = builder.fpext(_load(builder, _at(builder, row, f), HALF_FLOATS, 4), DOUBLES)
    difference = builder.fsub(value, _load(builder, _at(builder, moved, f), DOUBLES, 8))
    target = _at(builder, total, f)
    _store(builder, _add_product(builder, difference, weights, _load(builder, target, DOUBLES, 8)), target, 8)
    following = builder.add(f, _int64(HALF))
    f.add_incoming(_int64(0), start_block)
    f.add_incoming(following, features)
    builder.cbranch(builder.icmp_signed("<", following, n_features), features, done)

    builder.position_at_end(done)
