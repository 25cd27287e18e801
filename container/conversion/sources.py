"""Rows out of the files that people have: CSV, .npy, .npz, Parquet, RecordIO. Each is read block by block."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import numpy as np

from container.channels.csv import CSVReader
from container.channels.files import data_files
from container.channels.reader import Reader
from container.channels.recordio import RecordIOReader
from container.formats import csv, recordio
from container.formats.errors import FormatError, IncompleteError, not_finite
from kmeans.types import FloatArray

BLOCK_BYTES: Final = 4 << 20
# As long a row as the formats here can hold.
MAX_FEATURES: Final = 1 << 27
# The longest beginning of a file in which a first row is looked for.
_MAX_ROW_BYTES: Final = 1 << 30


class Rows(Protocol):
    """Rows of one file or folder."""

    n_features: int

    def count(self) -> int:
        """Count the rows, by a header or by a pass over the data."""

    def blocks(self) -> Iterator[FloatArray]:
        """Read the rows in order, from the first: arrays of shape (n, n_features), finite, C-contiguous."""


def open_rows(path: Path, labels: int = 0) -> Rows:
    """Open a file by its suffix; a folder, and a file of any other suffix, hold RecordIO.

    Parameters
    ----------
    path : Path
        What to read.
    labels : int
        Leading columns to drop.

    Raises
    ------
    FormatError
        If it does not begin as its format does, or does not hold a table of numbers.
    OSError
        If it cannot be read.
    """
    match path.suffix.lower():
        case ".csv":
            return CSVRows(path, labels)
        case ".npy":
            return NumpyRows(path, labels)
        case ".npz":
            return ZippedRows(path, labels)
        case ".parquet":
            return ParquetRows(path, labels)
        case _:
            return RecordIORows(path)


def rows_in_a_block(n_features: int) -> int:
    """Give the rows that a block holds."""
    return max(1, BLOCK_BYTES // (4 * n_features))


class RecordIORows:
    """The files of a folder, in sorted order, or one file."""

    def __init__(self, path: Path) -> None:
        self._files = data_files(path) if path.is_dir() else [path]
        self.n_features = next(filter(None, map(_record_features, self._files)), 0)
        if not self.n_features:
            raise FormatError("expected records, got none")

    def count(self) -> int:
        """Give the number of rows."""
        total = 0
        for file in self._files:
            with file.open("rb", buffering=0) as stream:
                total += RecordIOReader(stream, self.n_features, None).count(guess=False)
        return total

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        for file in self._files:
            with file.open("rb", buffering=0) as stream:
                try:
                    yield from _read_all(RecordIOReader(stream, self.n_features, None))
                except FormatError as error:
                    error.text = f"{file.name}: {error.text}"
                    raise


class CSVRows:
    """Lines of numbers, without a header."""

    def __init__(self, path: Path, labels: int) -> None:
        self._path, self._labels = path, labels
        with path.open("rb") as stream:
            line = stream.readline(_MAX_ROW_BYTES)
        self.n_features = _width(csv.column_count(line.removeprefix(b"\xef\xbb\xbf"), 1), labels)

    def count(self) -> int:
        """Give the number of rows."""
        with self._path.open("rb", buffering=0) as stream:
            return self._reader(stream).count(guess=False)

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        with self._path.open("rb", buffering=0) as stream:
            yield from _read_all(self._reader(stream))

    def _reader(self, stream: Any) -> CSVReader:
        return CSVReader(stream, self.n_features, self._labels)


class NumpyRows:
    """An array in numpy's own format; one in Fortran order, as pandas gives them, is mapped into memory."""

    def __init__(self, path: Path, labels: int) -> None:
        self._path, self._labels = path, labels
        with path.open("rb") as stream:
            self._shape, self._fortran, self._dtype = _numpy_header(stream)
            self._begin = stream.tell()
        self.n_features = _width(self._shape[1], labels)
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
            yield from _float32(parts, self._labels)
            return
        with self._path.open("rb") as stream:
            stream.seek(self._begin)
            yield from _float32(_parts(stream, self._shape, self._dtype), self._labels)


class ZippedRows:
    """An archive of `numpy.savez` that holds one array."""

    def __init__(self, path: Path, labels: int) -> None:
        self._path, self._labels = path, labels
        with self._member() as stream:
            self._shape, fortran, self._dtype = _numpy_header(stream)
        if fortran:
            raise FormatError("expected an array in C order, got one in Fortran order: save it as .npy, or a C copy")
        self.n_features = _width(self._shape[1], labels)

    def count(self) -> int:
        """Give the number of rows."""
        return self._shape[0]

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        with self._member() as stream:
            _numpy_header(stream)
            try:
                yield from _float32(_parts(stream, self._shape, self._dtype), self._labels)
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


class ParquetRows:
    """A table whose columns are all numbers."""

    def __init__(self, path: Path, labels: int) -> None:
        import pyarrow.parquet

        try:
            self._file = pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
        except pyarrow.ArrowException as error:
            raise FormatError(f"expected Parquet, got something else: {str(error)[:200]}") from error
        self._names = self._file.schema_arrow.names[labels:]
        for field in list(self._file.schema_arrow)[labels:]:
            kind = field.type
            if not (pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind)):
                raise FormatError(f"expected columns of numbers, got {field.name[:60]!r} of the type {str(kind)[:60]}")
        self.n_features = _width(len(self._names) + labels, labels)

    def count(self) -> int:
        """Give the number of rows."""
        return int(self._file.metadata.num_rows)

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        import pyarrow

        try:
            yield from _float32(self._parts(), 0)
        except pyarrow.ArrowException as error:
            raise FormatError(f"expected intact Parquet, got one that is broken: {str(error)[:200]}") from error

    def _parts(self) -> Iterator[Any]:
        record = 1
        for batch in self._file.iter_batches(4 * rows_in_a_block(self.n_features), columns=self._names):
            for name, column in zip(self._names, batch.columns, strict=True):
                if column.null_count:
                    raise FormatError(f"expected a number in column {name[:60]!r}, got none after record {record}")
            yield batch.to_tensor().to_numpy()
            record += len(batch)


def _read_all(reader: Reader) -> Iterator[FloatArray]:
    size = rows_in_a_block(reader.feature_dim)
    while True:
        block = np.empty((size, reader.feature_dim), np.float32)
        read = reader.read(block)
        if read:
            yield block[:read]
        if read < size:
            return


def _width(columns: int, labels: int) -> int:
    if not labels < columns <= MAX_FEATURES:
        raise FormatError(f"expected from {labels + 1} to {MAX_FEATURES} columns, got {columns}")
    return columns - labels


def _record_features(file: Path) -> int:
    """Give the numbers of the first record's row; 0 if the file is empty."""
    data = b""
    with file.open("rb") as stream:
        while len(data) < _MAX_ROW_BYTES and (more := stream.read(max(1 << 16, len(data)))):
            data += more
            try:
                payload, _ = recordio.next_record(data, 0)
            except IncompleteError:
                continue
            return _width(recordio.feature_count(recordio.parse(payload)), 0)
    if data:
        recordio.next_record(data, 0)
    return 0


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


def _float32(parts: Iterator[Any], labels: int) -> Iterator[FloatArray]:
    """Make float32 of each part, less its labels, and refuse what is not finite."""
    record = 1
    for part in parts:
        rows = part[:, labels:]
        with np.errstate(over="ignore", under="ignore"):
            block = np.ascontiguousarray(rows, np.float32)
        finite = np.isfinite(block)
        if not finite.all():
            row, column = (int(place) for place in np.argwhere(~finite)[0])
            error = not_finite(float(rows[row, column]), column + labels + 1)
            error.record = record + row
            raise error
        yield block
        record += len(block)
