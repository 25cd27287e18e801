"""Rows out of numpy's files: .npy, and .npz with one array."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from container.conversion.npz_archive import array
from container.conversion.rows import Rows, float32, rows_in_a_block
from container.conversion.table import Options
from container.files.regular import open_regular
from container.formats import bfloat16
from container.formats.errors import FormatError
from container.formats.npy_table import NpyTable, table_header
from kmeans.types import FloatArray


class NumpyRows(Rows):
    """An array in numpy's own format."""

    def __init__(self, path: Path, options: Options) -> None:
        self._path, self._gaps = path, options.gaps
        with open_regular(path, 0) as stream:
            table = NpyTable(stream)
        self._n_rows = table.n_rows
        self._columns = options.chosen(table.n_columns)
        self.n_features = len(self._columns)

    def count(self) -> int:
        """Return the number of rows."""
        return self._n_rows

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        with open_regular(self._path, 0) as stream:
            table = NpyTable(stream)
            step = table.rows_together
            parts = (table.rows(begin, min(step, table.n_rows - begin)) for begin in range(0, table.n_rows, step))
            yield from float32(parts, self._columns, gaps=self._gaps)


class ZippedRows(Rows):
    """An archive of `numpy.savez` that holds one array."""

    def __init__(self, path: Path, options: Options) -> None:
        self._path, self._gaps = path, options.gaps
        with array(path) as stream:
            self._dtype, fortran, n_rows, n_columns = table_header(stream)
        self._shape = n_rows, n_columns
        if fortran:
            raise FormatError("expected an array in C order, got one in Fortran order: save it as .npy, or a C copy")
        self._columns = options.chosen(self._shape[1])
        self.n_features = len(self._columns)

    def count(self) -> int:
        """Return the number of rows."""
        return self._shape[0]

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        with array(self._path) as stream:
            table_header(stream)
            yield from float32(_parts(stream, self._shape, self._dtype), self._columns, gaps=self._gaps)
            # The checksum is compared only at the end.
            if stream.read(1):
                raise FormatError(f"expected the end after an array of the shape {self._shape}, got more")


def _parts(stream: Any, shape: tuple[int, int], dtype: np.dtype[Any]) -> Iterator[Any]:
    step = rows_in_a_block(shape[1])
    for begin in range(0, shape[0], step):
        n = min(step, shape[0] - begin)
        part = np.empty((n, shape[1]), dtype)
        if stream.readinto(part.view(np.uint8).data.cast("B")) < part.nbytes:
            raise FormatError(f"expected an array of {shape[0]} rows, got the end", record=begin + 1)
        yield bfloat16.readable(part)
