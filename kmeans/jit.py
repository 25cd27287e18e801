"""How kernels are compiled: flags, cache and CPU levels, in one place.

Kernels are compiled when their module is imported, for the signatures that stand beside them, and kept in numba's cache
(`NUMBA_CACHE_DIR`). The machine code is made for a micro-architecture level instead of the very CPU at hand, so that a
cache filled on one machine serves every machine of that level: an image holds one entry per level and needs no
compilation at run time. `NUMBA_CPU_NAME` overrides the choice of the level.
"""

import os
import platform
from collections.abc import Callable
from typing import Any, TypeVar

import llvmlite.binding as llvm
import numba

config: Any = numba.config

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# "nnan" and "ninf" stay out: with them the compiler may drop checks for NaN and infinity.
FAST_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}

# Per architecture, best first: the level (an LLVM CPU name) and the features that tell that a machine has it.
LEVELS: dict[str, dict[str, frozenset[str]]] = {
    "x86_64": {
        "x86-64-v4": frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
        "x86-64-v3": frozenset({"avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe"}),
        "x86-64-v2": frozenset({"sse4.2", "popcnt"}),
        "x86-64": frozenset(),
    },
}


def levels() -> list[str]:
    """Give the levels of this machine's architecture, best first, whether this machine has them or not."""
    return list(LEVELS.get(platform.machine(), {"generic": frozenset()}))


def host_level() -> str:
    """Give the best level that this machine has."""
    features = llvm.get_host_cpu_features()
    table = LEVELS.get(platform.machine(), {})
    return next((level for level, needed in table.items() if all(features.get(f) for f in needed)), "generic")


if "NUMBA_CPU_NAME" not in os.environ:
    config.CPU_NAME = host_level()
if "NUMBA_CPU_FEATURES" not in os.environ:
    # Left unset, numba would add the features of this very machine to those of the level.
    config.CPU_FEATURES = ""


def kernel(*signatures: str) -> Callable[[Kernel], Kernel]:
    """Compile a function to machine code that runs without the GIL.

    Parameters
    ----------
    *signatures
        Numba signatures; each is compiled, or loaded from the cache, at once.
    """

    def decorate(function: Kernel) -> Kernel:
        compile_now: Callable[[Kernel], Any] = numba.njit(
            list(signatures), nogil=True, cache=True, error_model="numpy", fastmath=FAST_MATH
        )
        compiled: Kernel = compile_now(function)
        return compiled

    return decorate
