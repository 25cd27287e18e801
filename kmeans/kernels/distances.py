"""The squared distance of two centers in float64, as LLVM code.

Kernels of several modules call it, and a compiler that may reorder sums would round it in each as it likes.
"""

import numpy as np
from llvmlite import ir

from kmeans.kernels.jit import emitted
from kmeans.kernels.vectors import DOUBLE, DOUBLES, HALF, INT64, Builder, Value, add_product, at, int64, load, total_of
from kmeans.types import DoubleArray

# Registers that are summed side by side.
_SUMS = 4


def _squared_difference(a: DoubleArray, b: DoubleArray, n_features: int) -> float:
    """Do as `squared_difference`, in numpy."""
    difference = a[:n_features] - b[:n_features]
    return float(np.dot(difference, difference))


@emitted("float64(float64[::1], float64[::1], int64)", interpreted=_squared_difference)
def squared_difference(
    builder: Builder,
    a: Value,  # IN
    b: Value,  # IN
    n_features: Value,  # IN
) -> Value:
    """Return the sum of (a - b)^2."""
    together = _SUMS * HALF
    whole = builder.and_(n_features, int64(-together))
    start_block = builder.block
    features, rest, one, done = map(builder.append_basic_block, ("features", "rest", "one", "done"))
    zero = ir.Constant(DOUBLES, [0.0] * HALF)
    builder.cbranch(builder.icmp_signed(">", whole, int64(0)), features, rest)

    builder.position_at_end(features)
    f = builder.phi(INT64)
    running = [builder.phi(DOUBLES) for _ in range(_SUMS)]
    added = []
    for number, total in enumerate(running):
        left, right = (load(builder, at(builder, x, f, offset=number * HALF), DOUBLES, 8) for x in (a, b))
        difference = builder.fsub(left, right)
        added.append(add_product(builder, difference, difference, total))
    following = builder.add(f, int64(together))
    f.add_incoming(int64(0), start_block)
    f.add_incoming(following, features)
    for total, new in zip(running, added, strict=True):
        total.add_incoming(zero, start_block)
        total.add_incoming(new, features)
    builder.cbranch(builder.icmp_signed("<", following, whole), features, rest)

    builder.position_at_end(rest)
    ended = [builder.phi(DOUBLES) for _ in range(_SUMS)]
    for total, new in zip(ended, added, strict=True):
        total.add_incoming(zero, start_block)
        total.add_incoming(new, features)
    vector = ended[0]
    for total in ended[1:]:
        vector = builder.fadd(vector, total)
    first = total_of(builder, vector)
    builder.cbranch(builder.icmp_signed("<", whole, n_features), one, done)

    builder.position_at_end(one)
    g, before = builder.phi(INT64), builder.phi(DOUBLE)
    left, right = (builder.load(at(builder, x, g)) for x in (a, b))
    difference = builder.fsub(left, right)
    after = builder.fadd(before, builder.fmul(difference, difference))
    next_one = builder.add(g, int64(1))
    for value, of_rest, of_one in ((g, whole, next_one), (before, first, after)):
        value.add_incoming(of_rest, rest)
        value.add_incoming(of_one, one)
    builder.cbranch(builder.icmp_signed("<", next_one, n_features), one, done)

    builder.position_at_end(done)
    result = builder.phi(DOUBLE)
    result.add_incoming(first, rest)
    result.add_incoming(after, one)
    return result
