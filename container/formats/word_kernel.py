"""Little endian integers in a buffer of bytes."""

import numpy as np

from kmeans.kernels.jit import kernel
from kmeans.kernels.packed import ByteArray, Integer


@kernel("int64(uint8[::1], int64)")
def word(buffer: ByteArray, p: Integer) -> Integer:
    """Return an integer of 4 bytes."""
    # Unsigned offsets can't be negative; only then does the compiler make this one load.
    at = np.uint64(p)
    return (
        np.int64(buffer[at])
        | np.int64(buffer[at + np.uint64(1)]) << np.int64(8)
        | np.int64(buffer[at + np.uint64(2)]) << np.int64(16)
        | np.int64(buffer[at + np.uint64(3)]) << np.int64(24)
    )


@kernel("uint64(uint8[::1], int64)")
def long_word(buffer: ByteArray, p: Integer) -> np.uint64:
    """Return an integer of 8 bytes."""
    low = np.uint64(word(buffer, p)) & np.uint64(0xFFFFFFFF)
    return low | np.uint64(word(buffer, p + 4)) << np.uint64(32)
