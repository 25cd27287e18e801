"""Instructions for threads that run a kernel together: shared counters, ways to wait, reads of a file."""

import platform

from llvmlite import ir

from kmeans.kernels.jit import emitted
from kmeans.kernels.vectors import INT32, INT64, Builder, Value, at

# The distance between counters, in int64 numbers, with which no two share a cache line.
APART = 16


@emitted("int64(int64[::1], int64)")
def look(builder: Builder, counters: Value, place: Value) -> Value:
    """Return a counter."""
    return builder.load_atomic(at(builder, counters, place), "acquire", 8)


@emitted("int64(int64[::1], int64, int64)")
def increase(builder: Builder, counters: Value, place: Value, amount: Value) -> Value:
    """Add to a counter, and return its value before."""
    return builder.atomic_rmw("add", at(builder, counters, place), amount, "acq_rel")


@emitted("boolean(int64[::1], int64, int64, int64)")
def advance(builder: Builder, counters: Value, place: Value, expected: Value, following: Value) -> Value:
    """Set a counter if it still has the expected value; return whether it had."""
    address = at(builder, counters, place)
    swapped = builder.cmpxchg(address, expected, following, "acq_rel", "acquire")
    return builder.extract_value(swapped, 1)


@emitted("void()")
def pause(builder: Builder) -> None:
    """Wait for a moment, in which another thread of the same core may work."""
    if platform.machine() == "x86_64":
        _call(builder, "llvm.x86.sse2.pause", ir.VoidType())


@emitted("void()")
def make_way(builder: Builder) -> None:
    """Yield this processor to another thread of the system, if one waits for it."""
    _call(builder, "sched_yield", INT32)


@emitted("void(int64)")
def sleep(builder: Builder, microseconds: Value) -> None:
    """Sleep."""
    _call(builder, "usleep", INT32, builder.trunc(microseconds, INT32))


@emitted("int64(int64, uint8[::1], int64, int64)")
def read_at(builder: Builder, file: Value, buffer: Value, count: Value, offset: Value) -> Value:
    """Read bytes at an offset of a file to the beginning of a buffer; return the number of bytes read, or -1."""
    return _call(builder, "pread", INT64, builder.trunc(file, INT32), buffer, count, offset)


def _call(builder: Builder, name: str, result: Value, *values: Value) -> Value:
    """Call an intrinsic function of LLVM, or a function of the C library."""
    module = builder.module
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(module.globals.get(name) or ir.Function(module, kind, name), values)


@emitted("int64()")
def ticks(builder: Builder) -> Value:
    """Return the time, in ticks of the processor's clock."""
    return _call(builder, "llvm.readcyclecounter", INT64)
