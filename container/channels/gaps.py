"""Rows with gaps, numbers that are missing: they are counted, and dropped if the job says so."""

import sys
from collections.abc import Iterator
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from container.channels.form import ReaderResources, RecordForm
from container.channels.reader import Reader, RowArray
from kmeans.packed_rows import PackedRows

# Numbers of the rows that are read to be skipped.
_SKIPPED_NUMBERS: Final = 1 << 18


class GapsReader(Reader):
    """The rows of another reader, in which NaN stands for a gap.

    Parameters
    ----------
    reader : Reader
        At its beginning.

    Attributes
    ----------
    gap_rows : int
        The number of rows with a gap that were read.
    """

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader.feature_dim)
        self._reader = reader
        self.feature_names, self.feature_columns = reader.feature_names, reader.feature_columns
        self.left_out = reader.left_out

    @classmethod
    def open(cls, stream: Any, form: RecordForm, resources: ReaderResources) -> Self:
        """See `Reader.open`; there is nothing to open but the other reader."""
        raise NotImplementedError

    @property
    def bytes_read(self) -> int:
        """See `Reader.bytes_read`."""
        return self._reader.bytes_read

    def read(self, out: RowArray) -> int:
        """See `Reader.read`."""
        before = self.records
        try:
            return self._reader.read(out)
        finally:
            self.records = self._reader.records
            self.gap_rows += int(np.isnan(out[: self.records - before]).any(axis=1).sum())

    def skip(self, count: int) -> int:
        """See `Reader.skip`."""
        try:
            return self._reader.skip(count)
        finally:
            self.records = self._reader.records

    def ids(self) -> Iterator[Any]:
        """See `Reader.ids`."""
        return self._reader.ids()

    def packed(self, multiple: int) -> PackedRows | None:
        """See `Reader.packed`; records with a gap are never packed."""
        return self._reader.packed(multiple)

    def passed(self, packed: PackedRows) -> None:
        """See `Reader.passed`."""
        self._reader.passed(packed)
        self.records = self._reader.records

    def count(self, *, guess: bool) -> int:
        """See `Reader.count`."""
        return self._reader.count(guess=guess)

    def pick(self, numbers: NDArray[np.int64], out: RowArray, *, guess: bool) -> None:
        """See `Reader.pick`."""
        self._reader.pick(numbers, out, guess=guess)


class DroppingReader(GapsReader):
    """The rows of another reader that have no gap, as if there were no others."""

    def read(self, out: RowArray) -> int:
        """See `Reader.read`."""
        row = 0
        while row < len(out):
            part, before = out[row:], self._reader.records
            try:
                came = self._reader.read(part)
            finally:
                rows = part[: self._reader.records - before]
                whole = ~np.isnan(rows).any(axis=1)
                kept = int(whole.sum())
                if kept < len(rows):
                    rows[:kept] = rows[whole]
                self.gap_rows += len(rows) - kept
                self.records += kept
                row += kept
            if came < len(part):
                break
        return row

    def skip(self, count: int) -> int:
        """See `Reader.skip`; rows are decoded, since those with a gap do not count."""
        skipped = 0
        most = max(1, _SKIPPED_NUMBERS // self.feature_dim)
        while skipped < count:
            rows = np.empty((min(count - skipped, most), self.feature_dim))
            read = self.read(rows)
            skipped += read
            if read < len(rows):
                break
        return skipped

    def packed(self, multiple: int) -> PackedRows | None:
        """See `Reader.packed`."""
        del multiple
        return None

    def count(self, *, guess: bool) -> int:
        """See `Reader.count`."""
        del guess
        return self.skip(sys.maxsize)

    def pick(self, numbers: NDArray[np.int64], out: RowArray, *, guess: bool) -> None:
        """See `Reader.pick`."""
        Reader.pick(self, numbers, out, guess=guess)
