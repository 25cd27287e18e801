"""Readers that pass on the rows of another one, all of them or some."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from container.channels.form import ReaderResources, RecordForm
from container.channels.reader import Reader, RowArray
from container.formats.errors import FormatError
from kmeans.packed_rows import PackedRows
from kmeans.types import BoolArray, LabelArray

# Numbers of rows that are read together, most of which are not wanted.
_NUMBERS_TOGETHER: Final = 1 << 18


class PassingReader(Reader):
    """The rows of another reader.

    Parameters
    ----------
    reader : Reader
        At its beginning.
    """

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader.width)
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
        try:
            return self._reader.read(out)
        finally:
            self.records = self._reader.records

    def skip(self, count: int) -> int:
        """See `Reader.skip`."""
        try:
            return self._reader.skip(count)
        finally:
            self.records = self._reader.records

    def number_of(self, record: int) -> int:
        """See `Reader.number_of`."""
        return self._reader.number_of(record)

    def ids(self) -> Iterator[Any]:
        """See `Reader.ids`."""
        return self._reader.ids()

    def packed(self, multiple: int) -> PackedRows | None:
        """See `Reader.packed`."""
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


class DroppingReader(PassingReader):
    """Some of the rows of another reader, as if there were no others."""

    # Which rows are kept is not known before they are read.
    packed, count = Reader.packed, Reader.count

    # The numbers of the rows that the latest call of `read` has kept, among those of the other reader, and the number
    # of rows before them.
    _numbers: Sequence[LabelArray] = ()
    _read_before = 0

    @abstractmethod
    def _kept(self, rows: RowArray, before: int) -> BoolArray:
        """Return which rows to keep, bool (n,), of those that the other reader has read after `before` records."""

    def _read(self, out: RowArray) -> int:
        """Read rows of the other reader."""
        return self._reader.read(out)

    def read(self, out: RowArray) -> int:
        """See `Reader.read`."""
        row = 0
        numbers: list[LabelArray] = []
        self._read_before, self._numbers = self.records, numbers
        while row < len(out):
            part, before = out[row:], self._reader.records
            try:
                came = self._read(part)
            finally:
                rows = part[: self._reader.records - before]
                kept = self._kept(rows, before)
                count = int(kept.sum())
                numbers.append(before + 1 + np.flatnonzero(kept))
                if count < len(rows):
                    rows[:count] = rows[kept]
                self.records += count
                row += count
            if came < len(part):
                break
        return row

    def skip(self, count: int) -> int:
        """See `Reader.skip`; rows are decoded, since those that are dropped do not count."""
        skipped = 0
        while skipped < count:
            rows = np.empty((min(count - skipped, self._together), self.width))
            read = self.read(rows)
            skipped += read
            if read < len(rows):
                break
        return skipped

    def number_of(self, record: int) -> int:
        """See `Reader.number_of`."""
        return self._reader.number_of(int(np.concatenate(self._numbers)[record - self._read_before - 1]))

    def pick(self, numbers: NDArray[np.int64], out: RowArray, *, guess: bool) -> None:
        """See `Reader.pick`; rows between them are decoded too."""
        del guess
        rows = np.empty((self._together, self.width), out.dtype)
        done = 0
        while done < len(numbers):
            before = self.records
            if not self.read(rows):
                raise FormatError("expected as many records as were counted, got the end", record=before + 1)
            end = int(np.searchsorted(numbers, self.records))
            out[done:end] = rows[numbers[done:end] - before]
            done = end

    @property
    def _together(self) -> int:
        """The number of rows that are read at once, for their numbers or to be skipped."""
        return max(1, _NUMBERS_TOGETHER // self.width)
