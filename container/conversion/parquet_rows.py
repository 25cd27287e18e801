"""Rows out of Parquet files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from container.conversion.rows import float32, rows_in_a_block, width
from container.formats.errors import FormatError
from kmeans.types import FloatArray


class ParquetRows:
    """A table whose columns are all numbers."""

    def __init__(self, path: Path, labels: int) -> None:
        try:
            self._file = pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
        except pyarrow.ArrowException as error:
            raise FormatError(f"expected Parquet, got something else: {str(error)[:200]}") from error
        self._names = self._file.schema_arrow.names[labels:]
        for field in list(self._file.schema_arrow)[labels:]:
            kind = field.type
            if not (pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind)):
                raise FormatError(f"expected columns of numbers, got {field.name[:60]!r} of the type {str(kind)[:60]}")
        self.n_features = width(len(self._names) + labels, labels)

    def count(self) -> int:
        """Give the number of rows."""
        return int(self._file.metadata.num_rows)

    def blocks(self) -> Iterator[FloatArray]:
        """Give the rows, block by block."""
        try:
            yield from float32(self._parts(), 0)
        except pyarrow.ArrowException as error:
            raise FormatError(f"expected intact Parquet, got one that is broken: {str(error)[:200]}") from error

    def _parts(self) -> Iterator[Any]:
        record = 1
        for batch in self._file.iter_batches(rows_in_a_block(self.n_features), columns=self._names):
            for name, column in zip(self._names, batch.columns, strict=True):
                if column.null_count:
                    raise FormatError(f"expected a number in column {name[:60]!r}, got none after record {record}")
            yield batch.to_tensor().to_numpy()
            record += len(batch)
