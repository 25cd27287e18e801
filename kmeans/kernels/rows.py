"""Operations on one row and one center in float64, as LLVM code."""

import numpy as np
from llvmlite import ir

from kmeans.kernels.jit import emitted
from kmeans.kernels.vectors import (
    DOUBLES,
    HALF,
    HALF_FLOATS,
    INT32,
    INT64,
    LANES,
    Builder,
    Value,
    add_product,
    at,
    int64,
    load,
    spread,
    store,
    total_of,
)
from kmeans.types import DoubleArray, FloatArray


@emitted("float64(float32[::1], int64, int64, float64[::1], int64)")
def squared_distance(
    builder: Builder,
    rows: Value,  # IN
    start: Value,  # IN
    n_features: Value,  # IN
    centers: Value,  # IN, each padded with zeros to a multiple of LANES
    center_start: Value,  # IN
) -> Value:
    """Return the squared distance of a row and a center; up to LANES - 1 numbers after the row are read."""
    row, center = at(builder, rows, start), at(builder, centers, center_start)
    zero, no_floats = ir.Constant(DOUBLES, [0.0] * HALF), ir.Constant(HALF_FLOATS, [0.0] * HALF)

    def add(f: Value, sums: list[Value], masks: list[Value] | None = None) -> list[Value]:
        """Add LANES squares to sums in two registers."""
        results = []
        for half in range(2):
            value = load(builder, at(builder, row, f, offset=half * HALF), HALF_FLOATS, 4)
            if masks:
                value = builder.select(masks[half], value, no_floats)
            other = load(builder, at(builder, center, f, offset=half * HALF), DOUBLES, 8)
            difference = builder.fsub(builder.fpext(value, DOUBLES), other)
            results.append(add_product(builder, difference, difference, sums[half]))
        return results

    whole = builder.and_(builder.sub(n_features, int64(1)), int64(-LANES))
    start_block = builder.block
    features, rest = map(builder.append_basic_block, ("features", "rest"))
    builder.cbranch(builder.icmp_signed(">", whole, int64(0)), features, rest)

    builder.position_at_end(features)
    f = builder.phi(INT64)
    running = [builder.phi(DOUBLES) for _ in range(2)]
    added = add(f, running)
    following = builder.add(f, int64(LANES))
    f.add_incoming(int64(0), start_block)
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
    left = spread(builder, builder.trunc(builder.sub(n_features, whole), INT32), HALF)
    numbers = [list(range(half * HALF, half * HALF + HALF)) for half in range(2)]
    masks = [builder.icmp_signed(">", left, ir.Constant(ir.VectorType(INT32, HALF), lanes)) for lanes in numbers]
    return total_of(builder, builder.fadd(*add(whole, ended, masks)))


def _add_row(rows: FloatArray, start: int, n_features: int, weight: float, sums: DoubleArray, sum_start: int) -> None:
    """Do as `add_row`, in numpy."""
    sums[sum_start : sum_start + n_features] += weight * rows[start : start + n_features].astype(np.float64)


@emitted("void(float32[::1], int64, int64, float64, float64[::1], int64)", interpreted=_add_row)
def add_row(
    builder: Builder,
    rows: Value,  # IN
    start: Value,  # IN
    n_features: Value,  # IN, a multiple of HALF
    weight: Value,  # IN
    sums: Value,  # INOUT
    sum_start: Value,  # IN
) -> None:
    """Add a row times its weight to sums."""
    row, total = at(builder, rows, start), at(builder, sums, sum_start)
    weights = spread(builder, weight, HALF)
    start_block = builder.block
    features, done = map(builder.append_basic_block, ("features", "done"))
    builder.cbranch(builder.icmp_signed(">", n_features, int64(0)), features, done)

    builder.position_at_end(features)
    f = builder.phi(INT64)
    value = builder.fpext(load(builder, at(builder, row, f), HALF_FLOATS, 4), DOUBLES)
    target = at(builder, total, f)
    store(builder, add_product(builder, value, weights, load(builder, target, DOUBLES, 8)), target, 8)
    following = builder.add(f, int64(HALF))
    f.add_incoming(int64(0), start_block)
    f.add_incoming(following, features)
    builder.cbranch(builder.icmp_signed("<", following, n_features), features, done)

    builder.position_at_end(done)
