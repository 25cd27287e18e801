"""Rows with gaps, numbers that are missing: they are counted, and dropped if the job says so."""

import numpy as np

from container.channels.dropping import DroppingReader, PassingReader
from container.channels.reader import RowArray
from kmeans.types import BoolArray


class GapsReader(PassingReader):
    """The rows of another reader, in which NaN stands for a gap; records with a gap are never packed.

    Attributes
    ----------
    gap_rows : int
        The number of rows with a gap that were read.
    """

    def read(self, out: RowArray) -> int:
        """See `Reader.read`."""
        before = self.records
        try:
            return super().read(out)
        finally:
            self.gap_rows += int(np.isnan(out[: self.records - before]).any(axis=1).sum())


class GaplessReader(DroppingReader):
    """The rows of another reader that have no gap.

    Attributes
    ----------
    gap_rows : int
        The number of rows with a gap that were dropped.
    """

    def _kept(self, rows: RowArray, before: int) -> BoolArray:
        del before
        whole: BoolArray = ~np.any(np.isnan(rows), axis=1)
        self.gap_rows += len(rows) - int(whole.sum())
        return whole
