"""The micro-architecture levels that machine code is made for."""

import os
import platform

import llvmlite.binding as llvm

# For each architecture, best first: the level (an LLVM CPU name) and the features that a machine of this level has.
LEVELS: dict[str, dict[str, frozenset[str]]] = {
    "x86_64": {
        "x86-64-v4": frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
        "x86-64-v3": frozenset({"avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe"}),
        "x86-64-v2": frozenset({"sse4.2", "popcnt"}),
        "x86-64": frozenset(),
    },
}


def levels() -> list[str]:
    """Return the levels of this machine's architecture, best first, whether this machine has them or not."""
    return list(LEVELS.get(platform.machine(), {"generic": frozenset()}))


def host_level() -> str:
    """Return the best level that this machine has."""
    features = llvm.get_host_cpu_features()
    table = LEVELS.get(platform.machine(), {})
    return next((level for level, needed in table.items() if all(features.get(f) for f in needed)), "generic")


def chosen_level() -> str:
    """Return the level that code is made for: `NUMBA_CPU_NAME`, which may name any CPU of LLVM, or the best one."""
    return os.environ.get("NUMBA_CPU_NAME") or host_level()
