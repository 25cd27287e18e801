"""Rows that are examined as they pass: whether float32, in which all are written, can hold their values apart."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from container.conversion.rows import Rows
from container.precision.coarse_features import coarse_features
from kmeans.assignment.shift import thinned
from kmeans.types import FloatArray

# The rows of a block that are examined, the most blocks, and the most numbers in all, which counts for wide rows.
_ROWS: Final = 64
_MAX_GLIMPSES: Final = 64
_MAX_NUMBERS: Final = 1 << 23


class Watched(Rows):
    """The rows of another source.

    Parameters
    ----------
    rows : Rows
        The source to read.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.n_features, self.names, self.left_out = rows.n_features, rows.names, rows.left_out
        self._n_rows = min(_ROWS, _MAX_NUMBERS // (_MAX_GLIMPSES * rows.n_features))
        # Rows at equal distances are kept, of one in this many blocks.
        self._every = 1
        self._glimpses: list[FloatArray] = []

    def count(self) -> int:
        """Return the number of rows."""
        return self._rows.count()

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        self._every, self._glimpses = 1, []
        for number, block in enumerate(self._rows.blocks()):
            if self._n_rows and number % self._every == 0:
                self._glimpses.append(thinned(block, self._n_rows).copy())
                if len(self._glimpses) == _MAX_GLIMPSES:
                    self._every, self._glimpses = 2 * self._every, self._glimpses[::2]
            yield block

    def coarse(self) -> str:
        """Return the features for which float32 was too coarse, in words; empty if none was."""
        if not self._glimpses:
            return ""
        found = coarse_features(np.concatenate(self._glimpses).astype(np.float64))
        return found.named(found.lost)
