"""Rows out of numpy's files."""

import io
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.channels.form import ReaderResources, RecordForm
from container.channels.reader import Reader, RowArray
from container.formats import magic
from container.formats.errors import FormatError, not_finite
from container.formats.npy_table import NpyTable
from container.formats.numbers import first_refused, held


class NpyReader(Reader):
    """Reads an array of two dimensions, as `numpy.save` writes it, some rows at a time.

    Parameters
    ----------
    table : NpyTable
        The array.
    form : RecordForm
        What its rows must hold.
    """

    def __init__(self, table: NpyTable, form: RecordForm) -> None:
        super().__init__(form.feature_dim)
        self._table, self._gaps = table, form.gaps
        self._labels = form.label_size or 0
        if table.n_columns != self._labels + form.feature_dim:
            besides = f" in addition to {self._labels} of labels" if self._labels else ""
            raise FormatError(f"expected {form.feature_dim} columns of features{besides}, got {table.n_columns}")
        # The rows that were read last, and the number of the first of them.
        self._rows: RowArray = np.empty((0, form.feature_dim), np.float32)
        self._begin = 0

    @classmethod
    def open(cls, stream: io.RawIOBase | io.BytesIO, form: RecordForm, resources: ReaderResources) -> Self:
        """See `Reader.open`."""
        del resources
        magic.refuse_others(stream.read(magic.HEAD_BYTES) or b"", magic.NPY)
        stream.seek(0)
        return cls(NpyTable(stream), form)

    @property
    def bytes_read(self) -> int:
        """See `Reader.bytes_read`."""
        return self._table.bytes_of(self.records)

    def read(self, out: RowArray) -> int:
        """See `Reader.read`."""
        row = 0
        while row < len(out) and self.records < self._table.n_rows:
            rows = self._rows_from(self.records, out.dtype)[: len(out) - row]
            out[row : row + len(rows)] = rows
            row += len(rows)
            self.records += len(rows)
        return row

    def skip(self, count: int) -> int:
        """See `Reader.skip`."""
        skipped = min(count, self._table.n_rows - self.records)
        self.records += skipped
        return skipped

    def pick(self, numbers: NDArray[np.int64], out: RowArray, *, guess: bool) -> None:
        """See `Reader.pick`."""
        del guess
        for row, number in zip(out, numbers.tolist(), strict=True):
            # In Fortran order, a row is as expensive as many.
            some = (
                self._rows_from(number, out.dtype) if self._table.fortran_order else self._decoded(number, 1, out.dtype)
            )
            row[:] = some[0]

    def _rows_from(self, number: int, dtype: DTypeLike) -> RowArray:
        """Return the row of a number, from 0, and some that follow."""
        first = number - self._begin
        if not 0 <= first < len(self._rows) or self._rows.dtype != dtype:
            count = min(self._table.rows_together, self._table.n_rows - number)
            self._rows, self._begin, first = self._decoded(number, count, dtype), number, 0
        return self._rows[first:]

    def _decoded(self, number: int, count: int, dtype: DTypeLike) -> RowArray:
        stored: NDArray[Any] = self._table.rows(number, count)[:, self._labels :]
        rows, _ = held(stored, dtype)
        if place := first_refused(rows, gaps=self._gaps):
            row, column = place
            raise not_finite(float(stored[row, column]), self._labels + column, record=number + row + 1)
        return rows
