"""bfloat16 as ml_dtypes and numpy write it, without ml_dtypes."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


def bits(numbers: Any) -> NDArray[np.uint16]:
    """Return numbers as bfloat16, rounded towards zero."""
    return (np.asarray(numbers, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def rounded(numbers: Any) -> NDArray[np.float32]:
    """Return numbers that bfloat16 has, rounded towards zero."""
    return (np.asarray(numbers, np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)


def save(path: Path, numbers: Any, order: Literal["C", "F"] = "C") -> None:
    """Write an array as `numpy.save` writes one of the type of ml_dtypes."""
    stored = bits(numbers)
    with path.open("wb") as file:
        head = {"descr": "<V2", "fortran_order": order == "F", "shape": stored.shape}
        np.lib.format.write_array_header_1_0(file, head)
        file.write(stored.tobytes(order))
