"""Rows out of Parquet files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from container.conversion.rows import Rows, rows_in_a_block, width
from container.files.regular import open_regular
from container.formats.columns import Selection
from container.formats.parquet.columns import chosen_columns
from container.formats.parquet.file import ParquetFile
from container.formats.parquet.numbers import rows_of
from kmeans.types import FloatArray


class ParquetRows(Rows):
    """A table whose columns are all numbers; pandas' index, which numbers the rows or names them, is no feature."""

    def __init__(self, path: Path, labels: int) -> None:
        self._path = path
        with open_regular(path, 0) as stream:
            file = ParquetFile(stream)
        chosen = chosen_columns(file.schema, Selection(), None, labels)
        self._columns, self.left_out = chosen.features, chosen.left_out
        self._n_rows = sum(file.group_rows)
        self.n_features = width(len(self._columns), 0)

    def count(self) -> int:
        """Return the number of rows."""
        return self._n_rows

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        record = 1
        with open_regular(self._path, 0) as stream:
            file = ParquetFile(stream)
            for group in range(len(file.group_rows)):
                for batch in file.batches(self._columns, group, rows_in_a_block(self.n_features)):
                    yield rows_of(batch, np.float32, self._columns, record)
                    record += len(batch)
