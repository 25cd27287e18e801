"""A table of numbers in numpy's own format, read some rows at a time."""

import io
import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from container.formats import bfloat16
from container.formats.errors import FormatError
from container.formats.npy import read_header

# Of a file in Fortran order, in which each column is read by itself, rows to read together.
_FORTRAN_BYTES: Final = 8 << 20
_BYTES: Final = 4 << 20


class NpyTable:
    """An array of two dimensions in a file.

    Parameters
    ----------
    stream : RawIOBase or BytesIO
        The whole file, at its beginning.

    Attributes
    ----------
    n_rows, n_columns : int
        Its shape.
    fortran_order : bool
        Whether numbers of a column lie next to each other, as in arrays of pandas, and not those of a row.
    rows_together : int
        The number of rows that are worth reading together.

    Raises
    ------
    FormatError
        If it is something else, or of another size than its shape says.
    """

    def __init__(self, stream: io.RawIOBase | io.BytesIO) -> None:
        self._stream: Any = stream
        self._dtype, self.fortran_order, self.n_rows, self.n_columns = table_header(stream)
        self._begin = stream.tell()
        self._row_bytes = self._dtype.itemsize * self.n_columns
        expected = self._begin + self.n_rows * self._row_bytes
        if (size := stream.seek(0, os.SEEK_END)) != expected:
            shape = (self.n_rows, self.n_columns)
            raise FormatError(f"expected {expected} bytes for an array of the shape {shape}, got {size}")
        together = _FORTRAN_BYTES if self.fortran_order else _BYTES
        self.rows_together = max(1, together // max(1, self._row_bytes))

    def rows(self, begin: int, count: int) -> NDArray[Any]:
        """Return some rows, as numbers of the file's type; bfloat16 as float32.

        Parameters
        ----------
        begin : int
            The first one, from 0.
        count : int
            How many; as many must be there.

        Returns
        -------
        ndarray, shape (count, n_columns)

        Raises
        ------
        FormatError
            If the file has become shorter.
        """
        if not self.fortran_order:
            rows = np.empty((count, self.n_columns), self._dtype)
            self._fill(rows, self._begin + begin * self._row_bytes)
            return bfloat16.readable(rows)
        columns = np.empty((self.n_columns, count), self._dtype)
        for number, column in enumerate(columns):
            self._fill(column, self._begin + (number * self.n_rows + begin) * self._dtype.itemsize)
        return bfloat16.readable(columns).T

    def bytes_of(self, count: int) -> int:
        """Return the number of bytes of the first rows, with the head of the file."""
        return self._begin + count * self._row_bytes

    def _fill(self, array: NDArray[Any], begin: int) -> None:
        """Fill an array with the bytes from a place of the file on."""
        rest = array.reshape(-1).view(np.uint8).data
        self._stream.seek(begin)
        while rest:
            if not (count := self._stream.readinto(rest)):
                raise FormatError(
                    f"expected an array of {self.n_rows} rows, got the end: the file was cut off meanwhile"
                )
            rest = rest[count:]


def table_header(stream: Any) -> tuple[np.dtype[Any], bool, int, int]:
    """Read the head of a table; return its type, whether it is in Fortran order, and its numbers of rows and columns.

    Raises
    ------
    FormatError
        If it is something else than an array of two dimensions.
    """
    dtype, fortran_order, shape = read_header(stream)
    if len(shape) != 2:
        raise FormatError(f"expected an array of two dimensions, got the shape {str(shape)[:60]}")
    return dtype, fortran_order, *shape
