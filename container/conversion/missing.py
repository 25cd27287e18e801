"""What becomes of missing numbers, for which sources yield NaN."""

from collections.abc import Iterator

import numpy as np

from container.conversion.rows import Rows
from container.formats.errors import FormatError, excerpt
from kmeans.types import FloatArray


class Dropping(Rows):
    """The rows of a source in which no number is missing.

    Parameters
    ----------
    rows : Rows
        The source, opened with `Options.gaps`.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.n_features, self.names, self.left_out = rows.n_features, rows.names, rows.left_out
        self._dropped = 0

    def count(self) -> int:
        """Return the number of rows, from a pass over them."""
        return sum(map(len, self.blocks()))

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        self._dropped = 0
        for block in self._rows.blocks():
            whole = ~np.isnan(block).any(axis=1)
            if whole.all():
                yield block
                continue
            self._dropped += len(block) - int(whole.sum())
            if whole.any():
                yield block[whole]

    def remark(self) -> str:
        """See `Rows.remark`."""
        return f"dropped {self._dropped:,} rows with missing numbers" if self._dropped else ""


class MeanFilling(Rows):
    """The rows of a source, with the mean of the feature in the place of a missing number.

    Parameters
    ----------
    rows : Rows
        The source, opened with `Options.gaps`; it is read once more.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.n_features, self.names, self.left_out = rows.n_features, rows.names, rows.left_out
        self._filled = 0

    def count(self) -> int:
        """Return the number of rows."""
        return self._rows.count()

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        means = self._means()
        self._filled = 0
        for block in self._rows.blocks():
            missing = np.isnan(block)
            if count := int(np.count_nonzero(missing)):
                self._filled += count
                block = np.where(missing, means, block)
            yield block

    def remark(self) -> str:
        """See `Rows.remark`."""
        return f"filled {self._filled:,} missing numbers with the means of their features" if self._filled else ""

    def _means(self) -> FloatArray:
        n, missing, sums = 0, np.zeros(self.n_features, np.int64), np.zeros(self.n_features)
        for block in self._rows.blocks():
            n += len(block)
            missing += np.isnan(block).sum(axis=0)
            sums += np.nansum(block, axis=0, dtype=np.float64)
        if n and missing.max() == n:
            feature = int(missing.argmax())
            shown = excerpt(self.names[feature]) if self.names else feature
            raise FormatError(f"expected a number in some row of feature {shown}, got none")
        return (sums / np.maximum(n - missing, 1)).astype(np.float32)
