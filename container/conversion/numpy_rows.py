"""Rows out of numpy's files: .npy, and .npz with one array."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from container.conversion.rows import float32, rows_in_a_block, width
from container.formats.errors import FormatError
from kmeans.types import FloatArray


class NumpyRows:
    """An array in numpy's own format; one in Fortran order, as pandas gives them, is mapped into memory."""

    def __init__(self, path: Path, labels: int) -> None:
        self._path, self._labels = path, labels
        with path.open("rb") as stream:
            self._shape, self._fortran, self._dtype = _numpy_header(stream)
            self._begin = stream.tell()
        self.n_features = width(self._shape[1], labels)
        expected = self._begin + self._dtype.itemsize * self._shape[0] * self._shape[1]
        if (size := path.stat().st_size) != expected:
            raise FormatError(f"expected {expected} bytes for an array of the shape {self._shape}, got {size}")

    def count(self) -> int:
        """Give the number of rows."""
        return self._shape[0]

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        if not self._shape[0]:
            return
        if self._fortran:
            mapped = np.memmap(self._path, self._dtype, "r", self._begin, self._shape, "F")
            step = rows_in_a_block(self._shape[1])
            parts: Iterator[Any] = (mapped[begin : begin + step] for begin in range(0, self._shape[0], step))
            yield from float32(parts, self._labels)
            return
        with self._path.open("rb") as stream:
            stream.seek(self._begin)
            yield from float32(_parts(stream, self._shape, self._dtype), self._labels)


class ZippedRows:
    """An archive of `numpy.savez` that holds one array."""

    def __init__(self, path: Path, labels: int) -> None:
        self._path, self._labels = path, labels
        with self._member() as stream:
            self._shape, fortran, self._dtype = _numpy_header(stream)
        if fortran:
            raise FormatError("expected an array in C order, got one in Fortran order: save it as .npy, or a C copy")
        self.n_features = width(self._shape[1], labels)

    def count(self) -> int:
        """Give the number of rows."""
        return self._shape[0]

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        with self._member() as stream:
            _numpy_header(stream)
            try:
                yield from float32(_parts(stream, self._shape, self._dtype), self._labels)
                # Only at the end is the checksum looked at.
                if stream.read(1):
                    raise FormatError(f"expected the end after an array of the shape {self._shape}, got more")
            except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise FormatError(f"expected an intact archive, got one that is broken: {error}") from error

    def _member(self) -> Any:
        try:
            archive = zipfile.ZipFile(self._path)
            names = archive.namelist()
            if len(names) != 1:
                raise FormatError(f"expected one array in the archive, got {len(names)}")
            # The archive is closed with its last open member.
            with archive:
                return archive.open(names[0])
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise FormatError(f"expected an archive of numpy.savez, got something else: {error}") from error


def _numpy_header(stream: BinaryIO) -> tuple[tuple[int, int], bool, np.dtype[Any]]:
    """Read the head of an array: its shape, whether it is in Fortran order, its type; none of Python objects."""
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = read(stream)
    except zipfile.BadZipFile as error:
        raise FormatError(f"expected an intact archive: {str(error)[:200]}") from error
    except (ValueError, KeyError, EOFError, zlib.error) as error:
        raise FormatError(f"expected an array of numpy.save, got something else: {str(error)[:200]}") from error
    if dtype.kind not in "fiub" or dtype.hasobject:
        raise FormatError(f"expected numbers, got elements of the type {str(dtype)[:60]}")
    if len(shape) != 2 or min(shape) < 0:
        raise FormatError(f"expected an array of two dimensions, got the shape {str(shape)[:60]}")
    return (int(shape[0]), int(shape[1])), bool(fortran), dtype


def _parts(stream: Any, shape: tuple[int, int], dtype: np.dtype[Any]) -> Iterator[Any]:
    step = rows_in_a_block(shape[1])
    for begin in range(0, shape[0], step):
        n = min(step, shape[0] - begin)
        part = np.empty((n, shape[1]), dtype)
        if stream.readinto(part.view(np.uint8).data.cast("B")) < part.nbytes:
            raise FormatError(f"expected an array of {shape[0]} rows, got the end", record=begin + 1)
        yield part
