"""Rows out of numpy's files: .npy, and .npz with one array."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from container.conversion.npz_archive import array
from container.conversion.rows import Rows, float32, rows_in_a_block
from container.conversion.table import Options
from container.files.regular import open_regular
from container.formats.errors import FormatError
from container.formats.npy import read_header
from kmeans.types import FloatArray


class NumpyRows(Rows):
    """An array in numpy's own format; one in Fortran order, as those of pandas are, is mapped into memory."""

    def __init__(self, path: Path, options: Options) -> None:
        self._path, self._gaps = path, options.gaps
        with open_regular(path) as stream:
            self._shape, self._fortran, self._dtype = _table(stream)
            self._begin = stream.tell()
        self._columns = options.chosen(self._shape[1])
        self.n_features = len(self._columns)
        expected = self._begin + self._dtype.itemsize * self._shape[0] * self._shape[1]
        if (size := path.stat().st_size) != expected:
            raise FormatError(f"expected {expected} bytes for an array of the shape {self._shape}, got {size}")

    def count(self) -> int:
        """Return the number of rows."""
        return self._shape[0]

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        if not self._shape[0]:
            return
        if self._fortran:
            mapped = np.memmap(self._path, self._dtype, "r", self._begin, self._shape, "F")
            step = rows_in_a_block(self._shape[1])
            parts: Iterator[Any] = (mapped[begin : begin + step] for begin in range(0, self._shape[0], step))
            yield from float32(parts, self._columns, gaps=self._gaps)
            return
        with open_regular(self._path) as stream:
            stream.seek(self._begin)
            yield from float32(_parts(stream, self._shape, self._dtype), self._columns, gaps=self._gaps)


class ZippedRows(Rows):
    """An archive of `numpy.savez` that holds one array."""

    def __init__(self, path: Path, options: Options) -> None:
        self._path, self._gaps = path, options.gaps
        with array(path) as stream:
            self._shape, fortran, self._dtype = _table(stream)
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
            _table(stream)
            yield from float32(_parts(stream, self._shape, self._dtype), self._columns, gaps=self._gaps)
            # The checksum is compared only at the end.
            if stream.read(1):
                raise FormatError(f"expected the end after an array of the shape {self._shape}, got more")


def _table(stream: BinaryIO) -> tuple[tuple[int, int], bool, np.dtype[Any]]:
    """Read the head of a table of numbers; return its shape, whether it is in Fortran order, and its type."""
    dtype, fortran, shape = read_header(stream)
    if len(shape) != 2:
        raise FormatError(f"expected an array of two dimensions, got the shape {str(shape)[:60]}")
    return (shape[0], shape[1]), fortran, dtype


def _parts(stream: Any, shape: tuple[int, int], dtype: np.dtype[Any]) -> Iterator[Any]:
    step = rows_in_a_block(shape[1])
    for begin in range(0, shape[0], step):
        n = min(step, shape[0] - begin)
        part = np.empty((n, shape[1]), dtype)
        if stream.readinto(part.view(np.uint8).data.cast("B")) < part.nbytes:
            raise FormatError(f"expected an array of {shape[0]} rows, got the end", record=begin + 1)
        yield part
