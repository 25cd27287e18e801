"""A Parquet file as record batches, group by group."""

import io
import os
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow.parquet
from pyarrow import types

from container.formats import magic
from container.formats.errors import FormatError, excerpt
from container.formats.parquet.faults import as_parquet

_MAGIC: Final = b"PAR1"
# A file ends with its footer, the length of that in four bytes, and the magic.
_TAIL_BYTES: Final = 8
# A footer takes about 100 bytes for each column of each group. In memory it takes several times as much.
_MAX_FOOTER_BYTES: Final = 256 << 20
# Bytes that are read of a column at once, and of all columns together unless each has only a little.
_COLUMN_BYTES: Final = 1 << 20
_MIN_COLUMN_BYTES: Final = 1 << 14
_ALL_COLUMNS_BYTES: Final = 64 << 20
# The most that a value takes before it is compressed, a decimal of 256 bits with all that is written about it, and
# what a column of few values may take.
_VALUE_BYTES: Final = 64
_FEW_VALUES_BYTES: Final = 16 << 20


class ParquetFile:
    """A Parquet file.

    Parameters
    ----------
    stream : RawIOBase or BytesIO
        The whole file, at its beginning.

    Attributes
    ----------
    schema : pyarrow.Schema
        The names and types of the columns.
    group_rows : list of int
        The number of rows of each row group.
    bytes : int
        The size of the file.

    Raises
    ------
    FormatError
        If it is something else, or broken.
    """

    def __init__(self, stream: io.RawIOBase | io.BytesIO) -> None:
        self.bytes = _checked_size(stream)
        with as_parquet():
            self._metadata = pyarrow.parquet.read_metadata(stream)
            n_columns = max(1, self._metadata.num_columns)
            buffer_bytes = min(_COLUMN_BYTES, max(_MIN_COLUMN_BYTES, _ALL_COLUMNS_BYTES // n_columns))
            self._file = pyarrow.parquet.ParquetFile(
                stream, metadata=self._metadata, pre_buffer=False, buffer_size=buffer_bytes
            )
            self.schema = self._file.schema_arrow
            self.group_rows: list[int] = [
                self._metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)
            ]
            described = self._metadata.schema
            self._leaves = {described.column(number).path: number for number in range(len(described))}
        if min(self.group_rows, default=0) < 0:
            raise FormatError(f"expected row groups of 0 rows or more, got {min(self.group_rows)}")

    def batches(self, columns: Sequence[int], group: int, rows: int) -> Iterator[Any]:
        """Yield the rows of a group.

        Parameters
        ----------
        columns : sequence of int
            The columns to read, by their places in the schema.
        group : int
            The number of the group, from 0.
        rows : int
            The most rows of a batch.

        Yields
        ------
        pyarrow.RecordBatch
            These columns, in this order.

        Raises
        ------
        FormatError
            If the file is broken.
        """
        names = [self.schema.names[column] for column in columns]
        came = 0
        with as_parquet():
            self._check_sizes(names, group)
            for batch in self._file.iter_batches(rows, row_groups=[group], columns=names, use_threads=False):
                came += len(batch)
                # A name with a dot in it may bring others along.
                yield batch.select(names)
        if came != self.group_rows[group]:
            raise FormatError(f"expected {self.group_rows[group]} rows in row group {group}, got {came}")

    def _check_sizes(self, names: Sequence[str], group: int) -> None:
        """Check what the footer says of columns of numbers in a group, before memory is allocated for them."""
        described = self._metadata.row_group(group)
        for name in names:
            if not types.is_primitive(self.schema.field(name).type):
                continue
            column = described.column(self._leaves[name])
            begin, size = column.data_page_offset, column.total_compressed_size
            if column.has_dictionary_page and 0 < column.dictionary_page_offset < begin:
                begin = column.dictionary_page_offset
            if column.num_values != described.num_rows or not 0 <= begin <= begin + size <= self.bytes:
                raise FormatError(
                    f"expected {described.num_rows} values of {excerpt(name)} in row group {group}, within the"
                    f" {self.bytes} bytes of the file, got {column.num_values} in {size} bytes from {begin}"
                )
            if column.total_uncompressed_size > (most := _FEW_VALUES_BYTES + _VALUE_BYTES * column.num_values):
                raise FormatError(
                    f"expected at most {most} bytes for {column.num_values} numbers of {excerpt(name)}"
                    f" in row group {group}, got {column.total_uncompressed_size}"
                )


def _checked_size(stream: io.RawIOBase | io.BytesIO) -> int:
    """Return the size of a file that begins and ends as Parquet does, and goes to its beginning."""
    magic.refuse_others(stream.read(magic.HEAD_BYTES) or b"", magic.PARQUET)
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _TAIL_BYTES))
    tail = stream.read(_TAIL_BYTES) or b""
    if len(tail) < _TAIL_BYTES or not tail.endswith(_MAGIC):
        raise FormatError(f"expected Parquet, which ends with {_MAGIC!r}, got {tail!r}: the file is cut off or broken")
    footer_bytes = int.from_bytes(tail[:4], "little")
    if footer_bytes > min(_MAX_FOOTER_BYTES, size - _TAIL_BYTES):
        raise FormatError(
            f"expected a footer of at most {_MAX_FOOTER_BYTES} bytes, within the file, got {footer_bytes}"
        )
    stream.seek(0)
    return size
