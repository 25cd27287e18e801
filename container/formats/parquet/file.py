"""A Parquet file as record batches, group by group."""

import io
import os
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, Final

import pyarrow.parquet
from pyarrow import types

from container.formats import magic
from container.formats.errors import FormatError, excerpt
from container.formats.parquet.faults import as_parquet
from container.formats.parquet.number_columns import holds_lists

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
# Numbers of lists in a row group that are read in any case.
_FEW_VALUES: Final = 1 << 26


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
            n_columns = self._metadata.num_columns
            buffer_bytes = min(_COLUMN_BYTES, max(_MIN_COLUMN_BYTES, _ALL_COLUMNS_BYTES // max(1, n_columns)))
            self._file = pyarrow.parquet.ParquetFile(
                stream, metadata=self._metadata, pre_buffer=False, buffer_size=buffer_bytes
            )
            self.schema = self._file.schema_arrow
            self.group_rows: list[int] = [
                self._metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)
            ]
            self._leaves = list(accumulate(map(_leaves, self.schema), initial=0))
        if self._leaves[-1] != n_columns:
            raise FormatError(f"expected {n_columns} columns as the schema has, got {self._leaves[-1]}")
        if min(self.group_rows, default=0) < 0:
            raise FormatError(f"expected row groups of 0 rows or more, got {min(self.group_rows)}")

    def batches(self, columns: Mapping[int, int], group: int, rows: int) -> Iterator[Any]:
        """Yield the rows of a group.

        Parameters
        ----------
        columns : Mapping of int to int
            The columns to read, by their places in the schema, each with the most numbers that it has in a row.
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
            self._check_sizes(columns, group)
            for batch in self._file.iter_batches(rows, row_groups=[group], columns=names, use_threads=False):
                came += len(batch)
                # A name with a dot in it may bring others along.
                yield batch.select(names)
        if came != self.group_rows[group]:
            raise FormatError(f"expected {self.group_rows[group]} rows in row group {group}, got {came}")

    def _check_sizes(self, columns: Mapping[int, int], group: int) -> None:
        """Check what the footer says of columns of numbers in a group, before memory is allocated for them."""
        described = self._metadata.row_group(group)
        for place, length in columns.items():
            field = self.schema.field(place)
            lists = holds_lists(field.type)
            if not (lists or types.is_primitive(field.type) or types.is_fixed_size_binary(field.type)):
                continue
            column = described.column(self._leaves[place])
            begin, size = column.data_page_offset, column.total_compressed_size
            if column.has_dictionary_page and 0 < column.dictionary_page_offset < begin:
                begin = column.dictionary_page_offset
            n_rows, n_values = described.num_rows, column.num_values
            # Lists of other lengths than expected, which may be missing or empty, are named when they are read.
            most = max(n_rows * length, _FEW_VALUES) if lists else n_rows
            if not n_rows <= n_values <= most or not 0 <= begin <= begin + size <= self.bytes:
                expected = f"lists of {length} numbers in {n_rows} rows" if lists else f"{n_rows} values"
                raise FormatError(
                    f"expected {expected} of {excerpt(field.name)} in row group {group}, within the {self.bytes} bytes"
                    f" of the file, got {n_values} in {size} bytes from {begin}"
                )
            if column.total_uncompressed_size > (allowed := _FEW_VALUES_BYTES + _VALUE_BYTES * column.num_values):
                raise FormatError(
                    f"expected at most {allowed} bytes for {column.num_values} numbers of {excerpt(field.name)}"
                    f" in row group {group}, got {column.total_uncompressed_size}"
                )


def _leaves(field: Any) -> int:
    """Return the number of columns in the file that a column of the table is stored in."""
    count, kinds = 0, [field.type]
    while kinds:
        kind = kinds.pop()
        if isinstance(kind, pyarrow.BaseExtensionType):
            kind = kind.storage_type
        kinds += [kind.field(number).type for number in range(kind.num_fields)]
        count += not kind.num_fields
    return count


def _checked_size(stream: io.RawIOBase | io.BytesIO) -> int:
    """Return the size of a file that begins and ends as Parquet does, and go to its beginning."""
    magic.refuse_others(stream.read(magic.HEAD_BYTES) or b"", magic.PARQUET)
    size = stream.seek(0, os.SEEK_END)
    if not size:
        raise FormatError("expected Parquet, got an empty file")
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
