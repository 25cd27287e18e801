"""bfloat16, the upper half of a float32, for which numpy has no type."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MAX_HEADER_BYTES = 1 << 10


def widened(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return numbers as float32, without rounding."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def is_stated_in(path: Path) -> bool:
    """Return whether a .npy file of elements of two bytes is of ml_dtypes' bfloat16; raw bytes are |V2."""
    with path.open("rb") as file:
        return b"'<V2'" in file.read(_MAX_HEADER_BYTES)
