"""Rows out of numpy's files: .npy, and .npz with one array."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from container.artifacts.archive import ERRORS
from container.conversion.rows import Rows, float32, rows_in_a_block, width
from container.files.regular import open_regular
from container.formats.errors import FormatError
from container.formats.npy import read_header
from kmeans.types import FloatArray

# What numpy writes. With others, a few bytes could claim a lot of memory or time.
_COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_OTHER_METHODS: Final = {zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "LZMA", 93: "Zstandard"}


class NumpyRows(Rows):
    """An array in numpy's own format; one in Fortran order, as those of pandas are, is mapped into memory."""

    def __init__(self, path: Path, labels: int) -> None:
        self._path, self._labels = path, labels
        with open_regular(path) as stream:
            self._shape, self._fortran, self._dtype = _table(stream)
            self._begin = stream.tell()
        self.n_features = width(self._shape[1], labels)
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
            yield from float32(parts, self._labels)
            return
        with open_regular(self._path) as stream:
            stream.seek(self._begin)
            yield from float32(_parts(stream, self._shape, self._dtype), self._labels)


class ZippedRows(Rows):
    """An archive of `numpy.savez` that holds one array."""

    def __init__(self, path: Path, labels: int) -> None:
        self._path, self._labels = path, labels
        with self._member() as stream:
            self._shape, fortran, self._dtype = _table(stream)
        if fortran:
            raise FormatError("expected an array in C order, got one in Fortran order: save it as .npy, or a C copy")
        self.n_features = width(self._shape[1], labels)

    def count(self) -> int:
        """Return the number of rows."""
        return self._shape[0]

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        with self._member() as stream:
            _table(stream)
            yield from float32(_parts(stream, self._shape, self._dtype), self._labels)
            # The checksum is compared only at the end.
            if stream.read(1):
                raise FormatError(f"expected the end after an array of the shape {self._shape}, got more")

    @contextmanager
    def _member(self) -> Iterator[Any]:
        """Open the array; a broken archive is a FormatError, wherever it shows."""
        with open_regular(self._path) as file:
            try:
                with zipfile.ZipFile(file) as archive, archive.open(_only_member(archive)) as stream:
                    yield stream
            except FormatError:
                raise
            except ERRORS as error:
                raise FormatError(
                    f"expected an archive of numpy.savez, got a broken one: {str(error)[:200]}"
                ) from error


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = archive.infolist()
    if len(members) != 1:
        raise FormatError(f"expected one array in the archive, got {len(members)}")
    if members[0].compress_type not in _COMPRESSIONS:
        method = _OTHER_METHODS.get(members[0].compress_type, f"method {members[0].compress_type}")
        raise FormatError(f"expected an array stored or deflated, as by numpy.savez, got one compressed by {method}")
    return members[0]


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
