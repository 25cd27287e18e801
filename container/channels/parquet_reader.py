"""Rows out of Parquet files."""

import io
from collections.abc import Iterator
from typing import Any, Final, Self

import numpy as np

from container.channels.form import ReaderResources, RecordForm
from container.channels.reader import Reader, RowArray
from container.formats.parquet.columns import chosen_columns
from container.formats.parquet.file import ParquetFile
from container.formats.parquet.numbers import rows_of, texts_of

# Of the rows that are decoded together.
_BATCH_BYTES: Final = 4 << 20
_IDS_TOGETHER: Final = 1 << 16


class ParquetReader(Reader):
    """Reads Parquet batch by batch, each of some rows of a row group; groups that are skipped are not read.

    Parameters
    ----------
    file : ParquetFile
        The file.
    form : RecordForm
        What its rows must hold.
    """

    def __init__(self, file: ParquetFile, form: RecordForm) -> None:
        super().__init__(form.width)
        self._file = file
        self._chosen = chosen_columns(file, form.selection, form.feature_dim, form.label_size or 0)
        self.feature_names, self.left_out = self._chosen.feature_names, self._chosen.left_out
        self.feature_columns = tuple(column.name for column in self._chosen.features)
        self.weight_column = self._chosen.weight.place if self._chosen.weight else None
        self._lengths = {column.place: column.length for column in self._chosen.numbers}
        self._gaps = form.gaps
        self._batch_rows = max(1, _BATCH_BYTES // (4 * form.feature_dim))
        # The next group to begin, and what is left of the one that was begun last: batches, and rows in all.
        self._next_group = 0
        self._batches: Iterator[Any] = iter(())
        self._rows_left = 0
        # The rows of the current batch that are left; they are decoded when they are first read.
        self._batch: Any = None
        self._rows: RowArray | None = None
        self._begin = self._end = 0

    @classmethod
    def open(cls, stream: io.RawIOBase | io.BytesIO, form: RecordForm, resources: ReaderResources) -> Self:
        """See `Reader.open`."""
        del resources
        return cls(ParquetFile(stream), form)

    @classmethod
    def has_names(cls, form: RecordForm) -> bool:
        """See `Reader.has_names`."""
        del form
        return True

    @property
    def bytes_read(self) -> int:
        """See `Reader.bytes_read`; as if all rows took the same number of bytes."""
        return self._file.bytes * self.records // max(1, sum(self._file.group_rows))

    def read(self, out: RowArray) -> int:
        """See `Reader.read`."""
        row = 0
        while row < len(out) and self._find_rows():
            rows = self._decoded(out.dtype)
            count = min(len(out) - row, self._end - self._begin)
            out[row : row + count] = rows[self._begin : self._begin + count]
            self._pass(count)
            row += count
        return row

    def skip(self, count: int) -> int:
        """See `Reader.skip`."""
        before, end = self.records, self.records + count
        while self.records < end:
            group_rows = self._file.group_rows[self._next_group :][:1]
            if not self._rows_left and group_rows and self.records + group_rows[0] <= end:
                self._next_group += 1
                self.records += group_rows[0]
            elif self._find_rows():
                self._pass(min(end - self.records, self._end - self._begin))
            else:
                break
        return self.records - before

    def ids(self) -> Iterator[Any]:
        """See `Reader.ids`."""
        if self._chosen.ident is not None:
            for group in range(len(self._file.group_rows)):
                for batch in self._file.batches({self._chosen.ident: 1}, group, _IDS_TOGETHER):
                    yield texts_of(batch.column(0))

    def _find_rows(self) -> bool:
        """Begin the next batch if the current one is read; return whether there are rows to read."""
        while self._begin == self._end:
            batch = next(self._batches, None)
            if batch is not None:
                self._batch, self._rows, self._begin, self._end = batch, None, 0, len(batch)
            elif self._next_group < len(self._file.group_rows):
                self._batches = self._file.batches(self._lengths, self._next_group, self._batch_rows)
                self._rows_left = self._file.group_rows[self._next_group]
                self._next_group += 1
            else:
                return False
        return True

    def _decoded(self, dtype: np.dtype[Any]) -> RowArray:
        """Return the rows of the current batch."""
        if self._rows is None or self._rows.dtype != dtype:
            record = self.records - self._begin + 1
            self._rows = rows_of(self._batch, dtype, self._chosen.numbers, record, gaps=self._gaps)
        return self._rows

    def _pass(self, count: int) -> None:
        self._begin += count
        self._rows_left -= count
        self.records += count
