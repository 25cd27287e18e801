"""Whole numbers that stand for other numbers: a column's metadata say what to multiply them by, and what to add.

The names are those of netCDF's conventions, which call such data packed.
(https://cfconventions.org/Data/cf-conventions/cf-conventions-1.11/cf-conventions.html#packed-data)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from container.files import json_object
from container.formats.errors import FormatError, excerpt
from container.formats.numbers import finite_numbers
from kmeans.types import DoubleArray

_FACTOR: Final = b"scale_factor"
_OFFSET: Final = b"add_offset"
# The longest text of numbers that is read: some 20 characters for each number of the longest list.
_MAX_CHARACTERS: Final = 16 << 20


@dataclass(frozen=True, eq=False)
class Scaling:
    """What numbers are multiplied by, and what is then added: one number, or one for each number of a list.

    Attributes
    ----------
    factor : ndarray of float64, shape () or (n,)
        Finite, and not 0.
    offset : ndarray of float64, shape () or (n,)
        Finite.
    """

    factor: DoubleArray = field(default_factory=lambda: np.array(1.0))
    offset: DoubleArray = field(default_factory=lambda: np.array(0.0))

    def scaled(self, numbers: NDArray[Any]) -> DoubleArray:
        """Return what numbers, or lists of them, stand for."""
        scaled: DoubleArray = numbers * self.factor + self.offset
        return scaled

    def check(self, length: int, column: str) -> None:
        """Raise a FormatError if there are other numbers than one, or one for each number of a list."""
        for name, values in ((_FACTOR, self.factor), (_OFFSET, self.offset)):
            if values.shape not in ((), (length,)):
                raise FormatError(
                    f"expected one number or {length} as {name.decode()} of the column {excerpt(column)}, got"
                    f" {values.size}"
                )


def scaling_of(metadata: Mapping[bytes, bytes], column: str) -> Scaling | None:
    """Return what the metadata of a column say; None if they say nothing of it.

    Raises
    ------
    FormatError
        If they hold something else than finite numbers, or a factor of 0.
    """
    stated = {
        argument: _numbers(metadata[name], name, column)
        for argument, name in (("factor", _FACTOR), ("offset", _OFFSET))
        if name in metadata
    }
    if not stated:
        return None
    scaling = Scaling(**stated)
    if not scaling.factor.all():
        raise FormatError(f"expected {_FACTOR.decode()} of the column {excerpt(column)} to be other numbers than 0")
    return scaling


def _numbers(text: bytes, name: bytes, column: str) -> DoubleArray:
    """Return a number, or a list of them, in JSON."""
    try:
        given = json_object.loads(text) if len(text) <= _MAX_CHARACTERS else None
        numbers = finite_numbers(given if isinstance(given, list) else [given], name.decode())
        return numbers if isinstance(given, list) else numbers.reshape(())
    except (ValueError, RecursionError):
        pass
    raise FormatError(
        f"expected {name.decode()} of the column {excerpt(column)} to be a number or a list of numbers, got"
        f" {excerpt(text[:80].decode('utf-8', 'replace'))}"
    )
