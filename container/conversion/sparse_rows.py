"""Rows out of the sparse matrices that `scipy.sparse.save_npz` writes: an archive of plain arrays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from container.conversion.npz_archive import arrays, names
from container.conversion.rows import Rows, float32, rows_in_a_block
from container.conversion.table import Options
from container.formats.errors import FormatError, excerpt
from container.formats.npy import read_header
from kmeans.types import FloatArray

# The arrays of every sparse matrix, and those of the format CSR.
_EVERY: Final = ("format", "shape")
_CSR: Final = ("indptr", "indices", "data")
# Longer than the array of a short text.
_MAX_FORMAT_BYTES: Final = 512


def is_sparse(path: Path) -> bool:
    """Return whether an archive holds a sparse matrix."""
    return names(path).issuperset(_EVERY)


class SparseRows(Rows):
    """A matrix in the format CSR, in which rows lie one after the other; others would have to be in memory."""

    def __init__(self, path: Path, options: Options) -> None:
        self._path, self._gaps = path, options.gaps
        with arrays(path, _EVERY) as (kind, shape):
            # The text is the last of the array, whatever type its header states.
            found = kind.read(_MAX_FORMAT_BYTES)[-3:].decode("latin-1")
            if found != "csr":
                raise FormatError(f"expected a matrix in the format csr, got {excerpt(found)}: save matrix.tocsr()")
            n, columns = _Vector(shape, "iu", 2).read(2).tolist()
        if n < 0 or columns < 0:
            raise FormatError(f"expected a shape of whole numbers, got {(n, columns)}")
        self._shape: tuple[int, int] = n, columns
        self._columns = options.chosen(columns)
        self.n_features = len(self._columns)

    def count(self) -> int:
        """Return the number of rows."""
        return self._shape[0]

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        with arrays(self._path, _CSR) as streams:
            ends, columns = _Vector(streams[0], "iu", self._shape[0] + 1), _Vector(streams[1], "iu")
            numbers = _Vector(streams[2], "fiub", columns.size)
            yield from float32(self._parts(ends, columns, numbers), self._columns, gaps=self._gaps)
            # The checksums are compared only at the end.
            if any(stream.read(1) for stream in streams):
                raise FormatError(f"expected the end after a matrix of the shape {self._shape}, got more")

    def _parts(self, ends: "_Vector", columns: "_Vector", numbers: "_Vector") -> Iterator[NDArray[Any]]:
        """Yield dense parts of the matrix."""
        n, d = self._shape
        step = rows_in_a_block(d)
        begin = int(ends.read(1)[0])
        if begin or (not n and numbers.size):
            raise FormatError(f"expected an indptr from 0 to {numbers.size}, got one that begins with {begin}")
        for first in range(0, n, step):
            bounds = np.concatenate([[begin], ends.read(min(step, n - first)).astype(np.int64)])
            lengths = np.diff(bounds)
            if not (lengths.min() >= 0 and lengths.max() <= d and bounds[-1] <= numbers.size):
                raise FormatError(f"expected an indptr that ascends to {numbers.size}, by up to {d} a row")
            begin = int(bounds[-1])
            here = columns.read(begin - int(bounds[0])).astype(np.int64)
            if len(here) and not (here.min() >= 0 and here.max() < d):
                raise FormatError(f"expected columns from 0 to {d - 1}, got {here.min()} to {here.max()}")
            places = np.repeat(np.arange(len(lengths)) * d, lengths) + here
            part = np.zeros(len(lengths) * d, numbers.dtype)
            part[places] = numbers.read(len(here))
            _refuse_duplicates(places, len(part))
            yield part.reshape(-1, d)
        if begin != numbers.size:
            raise FormatError(f"expected an indptr that ends with {numbers.size}, got {begin}")


class _Vector:
    """An array of one dimension, read number by number.

    Parameters
    ----------
    stream : binary file
        At the beginning of the array.
    kinds : str
        The kinds of numbers that it may have, as numpy abbreviates them.
    size : int or None
        The length that it must have, if that is known.
    """

    def __init__(self, stream: BinaryIO, kinds: str, size: int | None = None) -> None:
        self._stream: Any = stream
        self.dtype, _, shape = read_header(self._stream)
        if self.dtype.kind not in kinds or len(shape) != 1 or size not in (None, shape[0]):
            raise FormatError(
                f"expected the arrays of a sparse matrix, got one of the type {self.dtype} and the shape"
                f" {str(shape)[:60]} in the place of {'a vector' if size is None else f'{size} numbers'}"
            )
        self.size = shape[0]

    def read(self, count: int) -> NDArray[Any]:
        """Return the next numbers."""
        values = np.empty(count, self.dtype)
        if self._stream.readinto(values.view(np.uint8).data) < values.nbytes:
            raise FormatError(f"expected an array of {self.size} numbers, got the end")
        return values


def _refuse_duplicates(places: NDArray[np.int64], size: int) -> None:
    """Raise a FormatError if numbers of a row are in the same column: they would have to be added up."""
    met = np.zeros(size, np.bool_)
    met[places] = True
    if np.count_nonzero(met) < len(places):
        raise FormatError("expected each column once in a row, got one twice: call matrix.sum_duplicates() first")
