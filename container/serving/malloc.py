"""How the C library keeps the memory of this process."""

import ctypes
from typing import Final

# Settings by their numbers in GNU's malloc.h.
_ARENAS, _TRIM_BYTES, _MAP_BYTES = -8, -1, -3
_SETTINGS: Final = {
    # Each thread's own heap would hold on to the memory of its largest request.
    _ARENAS: 2,
    # A block takes about ten arrays of up to a few MB. Given back to the kernel after each block, their pages cost up
    # to twice as much time as the work in them; so much may stay free at the end of a heap.
    _TRIM_BYTES: 1 << 25,
    # Only larger ones, answers above all, are mapped by themselves, and are given back at once.
    _MAP_BYTES: 1 << 24,
}


def settle() -> None:
    """Have it keep few heaps, and in each the memory of a block for the next one.

    Other C libraries than GNU's have no such settings, and are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting, value in _SETTINGS.items():
            mallopt(setting, value)
