"""Rows that are looked at as they pass: whether float32, in which all are written, can hold their values apart."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from container.conversion.rows import Rows
from container.precision.coarse_features import coarse_features
from kmeans.assignment.shift import thinned
from kmeans.types import FloatArray

# Of a block so many rows are looked at, of all blocks at most so many; of wide rows, no more numbers than that.
_ROWS: Final = 64
_MOST_GLIMPSES: Final = 64
_MOST_NUMBERS: Final = 1 << 23


class Watched(Rows):
    """The rows of another source.

    Parameters
    ----------
    rows : Rows
        Whose rows to give.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.n_features, self.left_out = rows.n_features, rows.left_out
        self._n_rows = min(_ROWS, _MOST_NUMBERS // (_MOST_GLIMPSES * rows.n_features))
        # Of every so many blocks, rows at equal distances.
        self._every = 1
        self._glimpses: list[FloatArray] = []

    def count(self) -> int:
        """Give the number of rows."""
        return self._rows.count()

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        self._every, self._glimpses = 1, []
        for number, block in enumerate(self._rows.blocks()):
            if self._n_rows and number % self._every == 0:
                self._glimpses.append(thinned(block, self._n_rows).copy())
                if len(self._glimpses) == _MOST_GLIMPSES:
                    self._every, self._glimpses = 2 * self._every, self._glimpses[::2]
            yield block

    def coarse(self) -> str:
        """Return in words for which features float32 was too coarse; empty if for none that shows it."""
        if not self._glimpses:
            return ""
        found = coarse_features(np.concatenate(self._glimpses).astype(np.float64))
        return found.named(found.lost)
