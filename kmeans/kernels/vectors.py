"""Instructions for kernels that are written as LLVM code, and the shape of their vectors.

Rows, panels and centers are passed to such kernels as flat arrays with the number of their first element.
"""

from typing import Any

from llvmlite import ir

from kmeans.kernels.jit import LEVEL

# For each level: float32 lanes of a register, registers of a block of rows, and centers of a panel, a power of two.
# The sums, `registers` x `centers`, the rows and one center's number must fit into the registers of the machine: 32
# with AVX-512 and on arm64, 16 with AVX2 and SSE; SSE needs one more, since it has no fused multiply-add.
SHAPES = {"x86-64-v4": (16, 3, 8), "x86-64-v3": (8, 3, 4), "x86-64-v2": (4, 2, 4), "x86-64": (4, 2, 4)}
LANES, REGISTERS, CENTERS = SHAPES.get(LEVEL, (4, 3, 8))
ROWS = LANES * REGISTERS
# Products that are summed in a row before they are added to the rest. Rounding grows with the length of such a chain.
CHAIN = 64
# The length of a cache line, in float32 numbers, and the number of lines fetched with each feature.
LINE = 16
LINES = 2

FLOAT, DOUBLE, INT32, INT64 = ir.FloatType(), ir.DoubleType(), ir.IntType(32), ir.IntType(64)
FLOATS, INTS = ir.VectorType(FLOAT, LANES), ir.VectorType(INT32, LANES)
HALF = LANES // 2
HALF_FLOATS, DOUBLES = ir.VectorType(FLOAT, HALF), ir.VectorType(DOUBLE, HALF)

Value = Any
Builder = Any


def int64(number: int) -> Value:
    """Return a constant."""
    return ir.Constant(INT64, number)


def at(builder: Builder, base: Value, index: Value, *, step: int = 1, offset: int = 0) -> Value:
    """Return the address of `base[index * step + offset]`."""
    scaled = builder.mul(index, int64(step)) if step != 1 else index
    return builder.gep(base, [builder.add(scaled, int64(offset)) if offset else scaled])


def load(builder: Builder, address: Value, vector: Value, align: int) -> Value:
    """Load a vector of the given type."""
    return builder.load(builder.bitcast(address, vector.as_pointer()), align=align)


def store(builder: Builder, vector: Value, address: Value, align: int) -> None:
    """Store a vector."""
    builder.store(vector, builder.bitcast(address, vector.type.as_pointer()), align=align)


def shuffle(builder: Builder, first: Value, second: Value, lanes: list[int]) -> Value:
    """Return the lanes of the given numbers; those of `second` are numbered after those of `first`."""
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(INT32, len(lanes)), lanes))


def spread(builder: Builder, number: Value, lanes: int = LANES) -> Value:
    """Return a vector with one number in all lanes."""
    undefined = ir.Constant(ir.VectorType(number.type, lanes), ir.Undefined)
    return shuffle(builder, builder.insert_element(undefined, number, ir.Constant(INT32, 0)), undefined, [0] * lanes)


def call(builder: Builder, name: str, result: Value, *values: Value) -> Value:
    """Call an intrinsic function of LLVM."""
    module = builder.module
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(module.globals.get(name) or ir.Function(module, kind, name), values)


def prefetch(builder: Builder, address: Value) -> None:
    """Fetch a cache line that will be read soon."""
    hints = (ir.Constant(INT32, hint) for hint in (0, 2, 1))
    call(builder, "llvm.prefetch.p0", ir.VoidType(), builder.bitcast(address, ir.IntType(8).as_pointer()), *hints)


def add_product(builder: Builder, left: Value, right: Value, total: Value) -> Value:
    """Return left * right + total, fused where the machine can."""
    vector = total.type
    name = f"llvm.fmuladd.v{vector.count}f{32 if vector.element == FLOAT else 64}"
    return call(builder, name, vector, left, right, total)


def total_of(builder: Builder, vector: Value) -> Value:
    """Return the sum of the HALF lanes of a vector of float64 numbers."""
    width = HALF // 2
    while width:
        turned = shuffle(builder, vector, vector, [(lane + width) % HALF for lane in range(HALF)])
        vector = builder.fadd(vector, turned)
        width //= 2
    return builder.extract_element(vector, ir.Constant(INT32, 0))


def lesser(builder: Builder, left: Value, right: Value) -> Value:
    """Return the lesser in each lane, and `right` where one is NaN: a single instruction."""
    return builder.select(builder.fcmp_ordered("<", left, right), left, right)


def greater(builder: Builder, left: Value, right: Value) -> Value:
    """Return the greater in each lane, and `right` where one is NaN."""
    return builder.select(builder.fcmp_ordered(">", left, right), left, right)
