"""Rows out of arrays in numpy's own format."""

import io
import os
from typing import BinaryIO, Self, cast

import numpy as np

from container.channels.form import ReaderResources, RecordForm
from container.channels.reader import Reader, RowArray
from container.formats import magic
from container.formats.errors import FormatError, not_finite
from container.formats.npy import Header, read_header

# Of the rows that are decoded together.
_BATCH_BYTES = 4 << 20


class NpyReader(Reader):
    """Reads a table of numbers, in C or Fortran order, from a file.

    Parameters
    ----------
    stream : BinaryIO
        At its beginning.
    form : RecordForm
        What its rows must hold.
    """

    def __init__(self, stream: BinaryIO, form: RecordForm) -> None:
        super().__init__(form.feature_dim)
        self._stream = stream
        magic.refuse_others(stream.read(magic.HEAD_BYTES), magic.NPY)
        stream.seek(0)
        self._header = _table(stream, form.feature_dim)
        self._begin = stream.tell()
        size, got = self._begin + self._bytes(self._n_rows), os.fstat(stream.fileno()).st_size
        if got != size:
            raise FormatError(f"expected {size} bytes for an array of the shape {self._header.shape}, got {got}")

    @classmethod
    def open(cls, stream: io.RawIOBase | io.BytesIO, form: RecordForm, resources: ReaderResources) -> Self:
        """See `Reader.open`."""
        del resources
        return cls(cast(BinaryIO, stream), form)

    @property
    def bytes_read(self) -> int:
        """See `Reader.bytes_read`."""
        return self._begin + self._bytes(self.records)

    def read(self, out: RowArray) -> int:
        """See `Reader.read`."""
        n_rows = min(len(out), self._n_rows - self.records)
        step = max(1, _BATCH_BYTES // self._bytes(1))
        for row in range(0, n_rows, step):
            part = out[row : min(row + step, n_rows)]
            with np.errstate(over="ignore"):
                part[:] = self._numbers(len(part))
                wrong = np.argwhere(~np.isfinite(part.astype(np.float32, copy=False)))
            if len(wrong):
                place, column = wrong[0].tolist()
                raise not_finite(float(part[place, column]), column, record=self.records + place + 1)
            self.records += len(part)
        return n_rows

    def skip(self, count: int) -> int:
        """See `Reader.skip`."""
        skipped = min(count, self._n_rows - self.records)
        self.records += skipped
        return skipped

    @property
    def _n_rows(self) -> int:
        return self._header.shape[0]

    def _bytes(self, n_rows: int) -> int:
        return n_rows * self.feature_dim * self._header.dtype.itemsize

    def _numbers(self, n_rows: int) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
        """Return the numbers of the next rows, of the type in the file."""
        dtype = self._header.dtype
        if not self._header.fortran_order:
            numbers = self._read(self._bytes(self.records), n_rows * self.feature_dim)
            return numbers.reshape(n_rows, self.feature_dim)
        starts = range(self.records, self.feature_dim * self._n_rows, self._n_rows)
        return np.stack([self._read(start * dtype.itemsize, n_rows) for start in starts], axis=1)

    def _read(self, offset: int, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
        size = count * self._header.dtype.itemsize
        content = os.pread(self._stream.fileno(), size, self._begin + offset)
        if len(content) < size:
            raise FormatError(f"expected an array of {self._n_rows} rows, got the end", record=self.records + 1)
        return np.frombuffer(content, self._header.dtype)


def _table(stream: BinaryIO, n_features: int) -> Header:
    """Read the head of a table of numbers with that number of columns."""
    header = read_header(stream)
    if len(header.shape) != 2 or header.shape[1] != n_features:
        raise FormatError(f"expected an array of the shape (rows, {n_features}), got {str(header.shape)[:60]}")
    return header
