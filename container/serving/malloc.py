"""How the C library's malloc manages the memory of this process."""

import ctypes
from typing import Final

# Parameters of mallopt, by their numbers in GNU's malloc.h.
_ARENAS, _TRIM_BYTES, _MAP_BYTES = -8, -1, -3
_SETTINGS: Final = {
    # A heap per thread would keep the memory of the largest request of each thread.
    _ARENAS: 2,
    # A block of rows takes about ten arrays of up to a few MB. If their pages went back to the kernel after each block,
    # that would take up to twice as long as the computation. This much may stay free at the end of a heap.
    _TRIM_BYTES: 1 << 25,
    # Only larger arrays, above all answers, are mapped separately, and go back to the kernel when they are freed.
    _MAP_BYTES: 1 << 24,
}


def configure() -> None:
    """Keep few heaps, each with the memory of a block for the next one.

    This has no effect with a C library other than GNU's.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting, value in _SETTINGS.items():
            mallopt(setting, value)
