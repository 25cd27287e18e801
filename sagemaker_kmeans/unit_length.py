"""Rows as directions: scaled to length 1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_directions(rows: NDArray[Any], first: int = 0) -> None:
    """Raise a ValueError if a row has no direction; the number of the first row is given."""
    directed = rows.any(axis=1)
    if not directed.all():
        raise ValueError(
            "expected a number other than 0 in each row, since the cosine distance compares directions, got zeros only "
            f"in row {first + int(directed.argmin())}"
        )


def scaled_to_unit(rows: NDArray[Any], first: int = 0) -> NDArray[np.float64]:
    """Return rows, of which the number of the first is given, scaled to length 1; nothing overflows on the way.

    Raises
    ------
    ValueError
        If a row has no direction.
    """
    check_directions(rows, first)
    scaled = rows / np.abs(rows).max(axis=1, keepdims=True).astype(np.float64)
    unit: NDArray[np.float64] = scaled / np.sqrt(np.einsum("nd,nd->n", scaled, scaled))[:, None]
    return unit
