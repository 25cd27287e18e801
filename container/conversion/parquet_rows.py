"""Rows out of Parquet files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from container.conversion.rows import Rows, rows_in_a_block, width
from container.conversion.table import Options
from container.files.regular import open_regular
from container.formats.columns import index_in_words, refuse_duplicates
from container.formats.errors import FormatError, excerpt
from container.formats.parquet.columns import feature_names, index_columns, number_columns
from container.formats.parquet.file import ParquetFile
from container.formats.parquet.numbers import rows_of
from kmeans.types import FloatArray


class ParquetRows(Rows):
    """A table of columns of numbers; pandas' index, which numbers the rows or names them, is no feature."""

    def __init__(self, path: Path, options: Options) -> None:
        self._path, self._gaps = path, options.gaps
        with open_regular(path, 0) as stream:
            file = ParquetFile(stream)
            names = file.schema.names
            refuse_duplicates(names)
            index = index_columns(file.schema)
            # A column of the index is read only if it is chosen.
            places = [place for place in range(len(names)) if options.columns or place not in index]
            chosen = [places[number] for number in options.chosen(len(places), [names[place] for place in places])]
            self._columns = number_columns(file, chosen)
        for column in self._columns:
            if not column.length:
                raise FormatError(f"expected a list of numbers in {excerpt(column.name)}, got none")
        self.names = feature_names(self._columns)
        self.n_features = width(sum(column.length for column in self._columns), 0)
        self._n_rows = sum(file.group_rows)
        if unread := sorted(index.difference(chosen)):
            self.left_out = index_in_words([names[place] for place in unread])

    def count(self) -> int:
        """Return the number of rows."""
        return self._n_rows

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        record = 1
        lengths = {column.place: column.length for column in self._columns}
        with open_regular(self._path, 0) as stream:
            file = ParquetFile(stream)
            for group in range(len(file.group_rows)):
                for batch in file.batches(lengths, group, rows_in_a_block(self.n_features)):
                    yield rows_of(batch, np.float32, self._columns, record, gaps=self._gaps)
                    record += len(batch)


def has_rows(path: Path) -> bool:
    """Return whether a file has a row; a FormatError says so if it is broken."""
    with open_regular(path, 0) as stream:
        return any(ParquetFile(stream).group_rows)
